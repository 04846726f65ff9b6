"""Settings: documented, checked, and where they come from."""

import re
from pathlib import Path

import pytest

from server.clock import from_setting
from server.errors import BadSetting
from server.settings import VARIABLES, Settings, load
from server.vault import Vault


def test_every_setting_is_documented_with_its_default(repo):
    page = (repo / "docs" / "settings.md").read_text()
    said = dict(re.findall(r"^\| `(MUSTER_\w+)` \| (.*?) \|", page, re.MULTILINE))
    assert set(VARIABLES) == set(Settings.__dataclass_fields__)
    assert set(said) == set(VARIABLES.values())
    for name, field in Settings.__dataclass_fields__.items():
        # 0 is not no, though they are equal.
        words = {"": "(empty)", str(Path()): "(empty)", "False": "`no`"}
        default = words.get(str(field.default), f"`{field.default}`")
        assert said[VARIABLES[name]] == default, name


def test_the_environment_wins_over_the_file(tmp_path):
    (tmp_path / "muster.toml").write_text('[server]\nport = 9000\nhost = "::1"\n')
    found = load({"MUSTER_PORT": "0"}, tmp_path)
    assert (found.port, found.host) == (0, "::1")


def test_a_data_folder_moves_database_and_key(tmp_path):
    found = load({"MUSTER_DATA_DIR": "/srv/m"}, tmp_path)
    assert (found.database_url, str(found.server_key_file)) == ("sqlite:////srv/m/muster.db", "/srv/m/server.key")


@pytest.mark.parametrize(
    "environ",
    [{"MUSTER_PORT": "x"}, {"MUSTER_PORT": "70000"}, {"MUSTER_TIME_ZONE": "Mars/X"}, {"MUSTER_SECURE_COOKIES": "?"}],
)
def test_a_value_that_does_not_fit_is_refused(tmp_path, environ):
    with pytest.raises(BadSetting):
        load(environ, tmp_path)


def test_an_unknown_setting_in_the_file_is_refused(tmp_path):
    (tmp_path / "muster.toml").write_text("[server]\nprot = 1\n")
    with pytest.raises(BadSetting, match="prot"):
        load({}, tmp_path)


def test_the_clock_may_run_displaced_and_faster():
    clock = from_setting("origin_s=1000,offset_s=50,scale=10")
    clock._real = lambda: 1001.5
    assert clock.now_ms() == 1_065_000
    for wrong in ("scale=2", "scale=0,origin_s=1", "speed=1", "x"):
        with pytest.raises(BadSetting):
            from_setting(wrong)


def test_the_server_key_is_made_once_for_its_owner_only(tmp_path):
    path = tmp_path / "a" / "server.key"
    sealed = Vault.from_file(path).seal(b"secret", "x")
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"secret" not in sealed
    assert Vault.from_file(path).open(sealed, "x") == b"secret"
    with pytest.raises(BadSetting):
        Vault.from_file(path).open(sealed, "y")
    path.chmod(0o644)
    with pytest.raises(BadSetting, match="chmod"):
        Vault.from_file(path)
