"""Settings from flags and environment; docs/gateway.md says the same as the code."""

import re
from pathlib import Path

import pytest

from gateway import counts, main, settings
from gateway.errors import SettingsError

GIVEN = ["--broker", "mqtt://u:p%40ss@host", "--store", "http://s:8000/", "--token-file", "t", "--spool", "s"]
DOCS = Path(__file__).resolve().parents[2] / "docs" / "gateway.md"


def test_every_setting_and_every_metric_is_documented_and_no_other():
    text = DOCS.read_text()
    flags = set(re.findall(r"^\| `--([a-z-]+)` \| `(MUSTER_GATEWAY_[A-Z_]+)`", text, re.M))
    assert flags == {(f.name, settings.PREFIX + f.name.upper().replace("-", "_")) for f in settings.FIELDS}
    for field in settings.FIELDS:
        if field.default:
            assert re.search(rf"^\| `--{field.name}` \| `\w+` \| `{re.escape(field.default)}` \|", text, re.M), field
    metrics = re.findall(r"^\| `([a-z_]+)(?:\{([a-z]+)\})?` \| (\w+) \| (.*) \|$", text, re.M)
    assert {n: (t, h, label) for n, label, t, h in metrics} == counts.METRICS


def test_a_password_is_read_from_the_address_and_never_shown():
    read = settings.read(GIVEN, {})
    assert (read.broker.user, read.broker.password, read.broker.port) == ("u", "p@ss", 1883)
    assert "p@ss" not in repr(read)
    assert read.broker.client_id == "muster-gateway-g1"
    assert read.store == "http://s:8000"


def test_a_flag_wins_over_the_environment():
    environ = {"MUSTER_GATEWAY_NAME": "g7", "MUSTER_GATEWAY_KEEP_DAYS": "3"}
    assert settings.read(GIVEN, environ).name == "g7"
    assert settings.read([*GIVEN, "--name", "g8"], environ).name == "g8"
    assert settings.read(GIVEN, environ).keep_days == 3


@pytest.mark.parametrize(
    "flag, value",
    [
        ("broker", "host:1883"), ("broker", "mqtt://host:99999"), ("broker", "http://host"), ("store", "s"),
        ("broker", "mqtt://u:12/p@host"), ("broker", "mqtt://u:12#p@host"), ("broker", "mqtt://u:12?p@host"),
        ("store", "http://s/path"), ("name", "G 1"), ("mqtt", "4"), ("share", "a/b"), ("http-port", "-1"),
        ("http-port", "70000"), ("keep-days", "0"), ("log-level", "loud"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named(flag, value, capsys):
    with pytest.raises(SettingsError) as caught:
        settings.read([*GIVEN, f"--{flag}={value}"], {})
    assert caught.value.code == f"settings-{flag}"
    assert f"--{flag}" in str(caught.value)
    assert main.main(["run", *GIVEN, f"--{flag}={value}"]) == main.USAGE


def test_a_missing_setting_is_named():
    with pytest.raises(SettingsError, match="--spool") as caught:
        settings.read(GIVEN[:-2], {})
    assert caught.value.code == "settings-missing"


def test_the_command_says_what_it_takes(capsys):
    assert main.main([]) == main.USAGE
    assert main.main(["--help"]) == main.OK
    assert main.main(["fly"]) == main.USAGE
    assert "run" in capsys.readouterr().out


def test_a_spool_that_cannot_be_opened_ends_the_command_with_its_code(tmp_path, capfd):
    argv = ["run", *GIVEN[:-1], str(tmp_path / "none" / "s")]
    assert main.main(argv) == main.FAILED
    assert "spool-unopenable" in capfd.readouterr().err
