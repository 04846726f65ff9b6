"""vectors.json on CPython, one test a vector, and that it is what make_vectors.py makes. On MicroPython: tests/dialect."""

import copy
import json

import pytest

from tests.firmware.contract import make_vectors, replay_vectors

VECTORS = json.loads(make_vectors.PATH.read_text())
CASES = [(group, v) for group in replay_vectors.GROUPS for v in VECTORS[group]]


@pytest.mark.parametrize("group, vector", CASES, ids=[f"{group}: {v['name']}" for group, v in CASES])
def test_the_contract_keeps_to_its_vector(group, vector):
    only = {name: [vector] if name == group else [] for name in replay_vectors.GROUPS}
    assert replay_vectors.replay(only) == (1, [])


def test_the_vectors_file_is_what_its_maker_makes():
    assert make_vectors.PATH.read_text() == make_vectors.text(), "run python tests/firmware/contract/make_vectors.py"


def test_every_kind_of_statement_and_every_group_has_vectors():
    from firmware.contract import statement

    assert {v["kind"] for v in VECTORS["statements"]} == set(statement.KINDS)
    assert set(VECTORS) == {"about", *replay_vectors.GROUPS}
    assert replay_vectors.replay(VECTORS) == (len(CASES), [])


def spoiled(value):
    """The expectation, a little wrong."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return value[:-1] + ("0" if value[-1] != "0" else "1")
    return [spoiled(v) if i == 1 else v for i, v in enumerate(value)]


@pytest.mark.parametrize(
    "group, field",
    [
        ("hmac", "hmac"),
        ("tokens", "token"),
        ("statements", "mac"),
        ("statements", "text"),
        ("unsayable", "code"),
        ("malformed", "code"),
        ("topics", "topic"),
        ("bad_rosters", "code"),
        ("worth", "worth"),
        ("rosters", "version_ms"),
    ],
)
def test_the_replay_catches_a_spoiled_vector(group, field):
    vectors = copy.deepcopy(VECTORS)
    for vector in vectors[group]:
        vector[field] = spoiled(vector[field])
    _, failed = replay_vectors.replay(vectors)
    assert len(failed) == len(vectors[group])
