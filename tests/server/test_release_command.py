"""`muster release trust` and `distrust`: whose releases the store carries, and what readers are made with."""

import json

import pytest

from firmware.reader import settings as reader_settings_
from server import reader_settings, release_command
from server.store import releases, schema
from server.store.engine import reading
from tests.firmware.pico import release_packs as made


def listed(*keys) -> str:
    return json.dumps({"release": {"keys": [{"id": number, "n": f"{key.n:x}"} for number, key in keys]}})


def test_a_key_is_trusted_once_and_no_more_when_it_is_said(console, tmp_path, capsys):
    path = tmp_path / "keys.json"
    path.write_text(listed((1, made.key(1)), (2, made.key(2))))
    assert release_command.trust([str(path)]) == 0 and "key 1, 2" in capsys.readouterr().out
    assert release_command.trust([str(path)]) == 0 and "already" in capsys.readouterr().out
    path.write_text(listed((1, made.key(2))))
    assert release_command.trust([str(path)]) == 1 and "distrust 1" in capsys.readouterr().err
    assert release_command.distrust(["1"]) == 0
    assert release_command.distrust(["1"]) == 1 and "no key" in capsys.readouterr().err
    actions = [row.action for row in console.all(schema.audit)]
    assert actions == ["release.trust", "release.trust", "release.distrust"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"release": {"keys": []}}', '{"release": {"keys": [{"id": 1}]}}'])
def test_a_file_without_keys_is_refused(console, tmp_path, capsys, text):
    path = tmp_path / "keys.json"
    path.write_text(text)
    assert release_command.trust([str(path)]) == 1 and "key" in capsys.readouterr().err
    assert release_command.trust([str(tmp_path / "nowhere")]) == 1


def test_readers_are_made_with_the_trusted_keys_as_readers_read_them(console, tmp_path):
    path = tmp_path / "keys.json"
    path.write_text(listed((3, made.key(1))))
    assert release_command.trust([str(path)]) == 0
    told: dict = {}
    with reading(console.engine) as connection:
        reader_settings.updatable(told, releases.keys(connection, console.institution_id))
    (found,) = reader_settings_.release_keys(told["release"])
    assert (found.id, found.n) == (3, made.key(1).n)
    nobody: dict = {}
    reader_settings.updatable(nobody, [])
    assert nobody == {}
