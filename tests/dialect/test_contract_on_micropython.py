"""Every vector of the contract, replayed by the same script on real MicroPython; and settings, which both boards read."""

import json

import pytest

from tests.firmware.contract import make_vectors, replay_vectors


@pytest.fixture
def script(repo):
    return repo / "tests" / "firmware" / "contract" / "replay_vectors.py"


def test_every_vector_of_the_contract_holds_on_micropython(micropython, script):
    vectors = json.loads(make_vectors.PATH.read_text())
    count = sum(len(vectors[group]) for group in replay_vectors.GROUPS)
    said = json.loads(micropython.run(script, str(make_vectors.PATH)).stdout)
    assert said == {"implementation": "micropython", "count": count, "failed": []}


def test_the_replay_on_micropython_catches_a_spoiled_vector(micropython, script, tmp_path):
    vectors = json.loads(make_vectors.PATH.read_text())
    vectors["worth"][0]["worth"] = [9, True, True]
    vectors["statements"][0]["mac"] = "0" * 32
    vectors["bad_rosters"][0]["code"] = None
    spoiled = tmp_path / "vectors.json"
    spoiled.write_text(json.dumps(vectors))
    said = json.loads(micropython.run(script, str(spoiled)).stdout)
    assert len(said["failed"]) == 3


def test_wrong_settings_are_a_settings_error_on_micropython_too(micropython):
    # Its own builtins raise other exceptions than CPython's for the same nonsense.
    code = """
import json
from firmware.reader import settings
from firmware.reader.errors import SettingsError
good = {"v": 1, "site": "main", "reader": "a-101", "key": {"id": 1, "secret": "11" * 32},
        "card_keys": [{"id": 1, "secret": "22" * 32}], "broker": {"host": "192.0.2.10", "port": 1883}}
assert settings.parse(json.dumps(good)).reader == "a-101"
texts = ["", "nonsense", "[]", "null", "1", '{"v": 2}', '{"v": 1}']
for name in ("site", "reader", "key", "card_keys", "broker"):
    for wrong in (None, 7, "", "A B", [], {}, [1], {"id": 0, "secret": "11" * 32}, {"id": 1, "secret": "zz"},
                  {"id": 1.5, "secret": "11" * 32}, {"id": 1, "secret": 5}, {"host": 1, "port": 1},
                  {"host": "a", "port": "1883"}, {"host": "a", "port": 0}, [{"id": 1, "secret": "22" * 32}] * 3):
        bad = dict(good)
        bad[name] = wrong
        texts.append(json.dumps(bad))
for text in texts:
    try:
        settings.parse(text)
    except SettingsError as error:
        assert "11111111" not in str(error)
        continue
    raise AssertionError(text)
print(len(texts))
"""
    assert micropython.run(code).stdout.strip() == "82"
