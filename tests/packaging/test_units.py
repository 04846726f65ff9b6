"""The systemd units: well formed, hardened, and calling commands that exist. Needs systemd's own checker."""

import re
import shutil
import subprocess

import pytest

import muster

#: systemd's own score, 0 safe to 10 unsafe: at most this
EXPOSURE_MOST = 2.5


@pytest.fixture(scope="module")
def analyze():
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("needs systemd-analyze, which is not installed here (Debian's package systemd)")
    return found


@pytest.fixture(scope="module")
def units(repo):
    return sorted((repo / "packaging" / "systemd").iterdir())


@pytest.fixture
def installed(units, tmp_path):
    """The units as a machine has them where the program is there and a template has an instance."""
    for unit in units:
        text = re.sub(r"/opt/muster/venv/bin/(?:muster|python)\b", "/bin/true", unit.read_text())
        (tmp_path / unit.name.replace("@.", "@g1.")).write_text(text)
    return sorted(tmp_path.iterdir())


def test_systemd_finds_nothing_wrong_with_a_unit(analyze, installed):
    done = subprocess.run([analyze, "verify", "--man=no", *installed], capture_output=True, text=True, timeout=60)
    # A folder that is missing here is none of the unit's faults.
    assert done.returncode == 0, done.stderr


def test_a_unit_with_a_wrong_line_would_be_caught(analyze, installed, tmp_path):
    broken = next(path for path in installed if path.name == "muster-server.service")
    broken.write_text(broken.read_text().replace("Restart=always", "Restart=allways"))
    done = subprocess.run([analyze, "verify", "--man=no", broken], capture_output=True, text=True, timeout=60)
    assert "allways" in done.stderr


def test_every_service_is_hardened(analyze, installed):
    for path in installed:
        if path.suffix == ".service":
            done = subprocess.run(
                [analyze, "security", "--offline=true", "--no-pager", path], capture_output=True, text=True, timeout=60
            )
            score = re.search(r"exposure level for .*: ([0-9.]+)", done.stdout)
            if score is None and "offline" in done.stderr:
                pytest.skip("this systemd-analyze knows no --offline (older than 250)")
            assert score is not None, done.stderr
            assert float(score.group(1)) <= EXPOSURE_MOST, f"{path.name}: {score.group(0)}"


def test_what_the_units_start_are_commands_of_muster(units):
    started = [
        (unit.name, line.partition("/bin/muster ")[2].split())
        for unit in units
        for line in unit.read_text().splitlines()
        if line.startswith(("ExecStart=", "ExecStartPre="))
    ]
    assert {name for name, _ in started} == {unit.name for unit in units if unit.suffix == ".service"}
    for name, words in started:
        assert words and words[0] in muster.COMMANDS, f"{name}: {words}"


def test_services_that_serve_are_started_again_and_the_reader_is_watched(units):
    texts = {unit.name: unit.read_text() for unit in units}
    for name in ("muster-server.service", "muster-gateway@.service", "muster-pi.service", "muster-kiosk.service"):
        assert "Restart=always" in texts[name], name
    for name in ("muster-pi.service", "muster-kiosk.service"):
        assert "Type=notify" in texts[name]
        assert "WatchdogSec=10" in texts[name]


def test_no_secret_stands_on_a_command_line(units):
    for unit in units:
        for line in unit.read_text().splitlines():
            if line.startswith("ExecStart="):
                assert not re.search(r"mqtt://|password|secret", line), unit.name
