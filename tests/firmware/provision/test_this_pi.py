"""A Pi tests itself as a technician can follow: its own program, an emulated chip, mock pins, a real Mosquitto."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from firmware.pi.journal import SqliteJournal
from firmware.provision import bench, local, selftest
from firmware.provision.errors import ProvisionError
from tests.firmware.pi.pi_world import World
from tests.firmware.pi.tiny_store import LISTED_UID, TinyStore, settings
from tests.firmware.provision.provision_world import Quietly

STEPS = ["red", "green", "blue", "chip", "card", "storage", "network", "broker", "clock", "roster"]


NOBODY = 65534


@pytest.fixture
def open_folder():
    """Below no other user's folder, where that one may not look."""
    folder = Path(tempfile.mkdtemp(prefix="muster-pi-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


class Somebody(Quietly):
    """A technician who sees the lights, but for the blue one."""

    def ask(self, question):
        self.said.append(question)
        return "blue" not in question


@pytest.fixture
def world():
    world = World()
    yield world
    world.close()


@pytest.fixture
def store(mosquitto):
    store = TinyStore(mosquitto.port)
    yield store
    store.close()


def done(folder, port, chip, *, talk=None, card=True, line_ms=30_000):
    talk = talk or Quietly()
    with bench.ThisPi(settings(port), data=folder / "data", chip=chip, mock_pins=True) as pi:
        found = selftest.told(selftest.run(pi, talk, card=card, line_ms=line_ms), talk)
    return found, talk


@pytest.mark.needs("mosquitto")
def test_lights_card_network_broker_clock_and_list_are_found_in_this_order(mosquitto, store, world, tmp_path):
    store.push_roster()
    world.card_in(LISTED_UID)
    found, talk = done(tmp_path, mosquitto.port, world.port.path, talk=Somebody())
    assert [(one.step, one.ok) for one in found] == [(step, step != "blue") for step in STEPS]
    said = "\n".join(talk.said)
    assert "a card was read, its number has 7 bytes" in said and "WRONG it does not show blue" in said
    assert LISTED_UID.hex() not in said.lower()
    assert store.bad == [] and store.swipes() == [], "the card of the test is no swipe"
    store.wait(lambda s: s.statuses and b"offline" in s.statuses[-1], 10)
    # What the reader will open: the same journal, whole.
    journal = SqliteJournal(tmp_path / "data")
    assert journal.alarms == []
    journal.close()


@pytest.mark.needs("mosquitto")
def test_the_first_step_of_the_line_that_is_not_reached_says_what_to_do(mosquitto, world, tmp_path):
    found, _ = done(tmp_path, mosquitto.port, world.port.path, card=False, line_ms=2_000)
    assert [(one.step, one.ok) for one in found[-2:]] == [("broker", True), ("clock", False)]
    assert "gateway and the store" in found[-1].words
    mosquitto.stop()
    found, _ = done(tmp_path, mosquitto.port, world.port.path, card=False, line_ms=1_000)
    assert (found[-1].step, found[-1].ok) == ("network", False)
    assert "does not answer" in found[-1].words and "[link-unreachable]" in found[-1].words


def test_a_chip_that_is_not_there_and_a_card_that_identifies_nobody_are_said(world, tmp_path):
    found, _ = done(tmp_path, 1, str(tmp_path / "none"), line_ms=200)
    assert ("chip", False) in [(one.step, one.ok) for one in found]
    world.card_in(bytes.fromhex("08a1b2c3"))
    found, _ = done(tmp_path, 1, world.port.path, line_ms=200)
    card = next(one for one in found if one.step == "card")
    assert card.ok is False and "identifies nobody" in card.words


def test_a_journal_that_cannot_be_written_is_the_first_that_is_wrong(tmp_path):
    (tmp_path / "data").write_text("a file where the folder should be")
    found, _ = done(tmp_path, 1, str(tmp_path / "none"), card=False, line_ms=500)
    assert (found[-1].step, found[-1].ok) == ("storage", False) and "SD card" in found[-1].words


def test_a_self_test_that_ends_by_itself_is_said_and_is_no_success(tmp_path, capfd):
    with pytest.raises(ProvisionError) as refused, bench.ThisPi({}, data=tmp_path, chip="x", mock_pins=True) as pi:
        pi.light("red")
    assert refused.value.code == "bench" and "settings" in capfd.readouterr().err


def test_root_becomes_the_one_to_whom_the_readers_folder_belongs():
    class Folder:
        """One that belongs to somebody."""

        def __init__(self, user):
            self._user = user

        def is_dir(self):
            return self._user is not None

        def stat(self):
            return SimpleNamespace(st_uid=self._user, st_gid=self._user)

    def folder(user) -> Any:
        return Folder(user)

    found = bench.as_whom(folder(107), 0)
    assert (found.get("user"), found.get("group")) == (107, 107)
    assert bench.as_whom(folder(107), 1000) == {}, "who is not root stays who they are"
    assert bench.as_whom(folder(0), 0) == bench.as_whom(folder(None), 0) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another")
def test_root_leaves_nothing_in_the_readers_folder_that_the_reader_cannot_write(repo, open_folder):
    data = open_folder / "data"
    data.mkdir()
    os.chown(data, NOBODY, NOBODY)
    looked = subprocess.run([sys.executable, "-c", "import muster"], user=NOBODY, cwd="/", env={"PYTHONPATH": str(repo)}, check=False)  # fmt: skip
    if looked.returncode:
        pytest.skip("another user may not read this clone")
    with bench.ThisPi(settings(1), data=data, chip="none", mock_pins=True) as pi:
        assert pi.line(200)[0]["ok"] is True
    assert {one.stat().st_uid for one in data.iterdir()} == {NOBODY}


def test_while_the_service_runs_nothing_is_tested_and_no_token_used_up(tmp_path, readers):
    with pytest.raises(ProvisionError) as refused:
        local.provision(
            "T-1", tmp_path / "settings.json", claim=readers.claim, talk=Quietly(), certify=lambda path: 0,
            test=lambda told: (), running=lambda: "muster-pi",
        )  # fmt: skip
    assert refused.value.code == "service-runs" and readers.tokens == {"T-1"}


def test_what_the_test_found_is_told_and_a_kiosk_is_left_to_its_technician(tmp_path, readers):
    wrong = selftest.Found(step="red", ok=False, words="no red")
    path = tmp_path / "settings.json"
    asked = []

    def test(told):
        asked.append(told["reader"])
        return (wrong,)

    ways = {"claim": readers.claim, "talk": Quietly(), "certify": lambda path: 0, "test": test}
    made = local.provision("T-1", path, **ways)
    assert (made.found, made.well, asked) == ((wrong,), False, ["a-7"])
    told = json.loads(path.read_text())
    path.write_text(json.dumps(told | {"pin_key": {"id": 1, "secret": "00" * 32}}))
    assert local.provision(None, path, **ways).found == () and asked == ["a-7"]


def test_the_command_says_which_of_its_words_are_wrong(repo):
    ended = subprocess.run(
        [sys.executable, str(repo / "muster.py"), "pi", "test", "--data", "x", "--chip", "x", "--mock-pins"],
        input="{}\n", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 2 and "settings" in ended.stderr


def test_a_pi_that_was_installed_as_the_guide_says_has_what_the_command_imports(repo):
    own = {"firmware", "muster", "machine", "still"}
    imported = set()
    for path in (repo / "firmware/provision").glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import):
                imported |= {one.name.partition(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).partition(".")[0])
    others = imported - own - sys.stdlib_module_names
    assert others == {"serial", "segno"}
    locked = set(re.findall(r"^([a-z0-9-]+)==", (repo / "requirements/pi.lock").read_text(), re.MULTILINE))
    assert {"pyserial", "segno"} <= locked
