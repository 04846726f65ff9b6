"""Status and health, which nobody signs: for the eye only, of one's own readers only, and never what no page can show."""

import json

import pytest

from server.intake.desk import Desk
from server.store import institutions, schema
from server.store.engine import writing
from tests.server.store_world import MIN, NINE, wrap


def health(world):
    [row] = world.all(schema.reader_state)
    return row.health, row.status


@pytest.fixture
def door(world):
    board = world.reader("a-1")
    world.deliver(*board.lines, board.hello())
    return board


@pytest.mark.parametrize(
    "text",
    ['{"alarms": ["\\ud800"]}', '{"\\udfff": 1}', '{"a": {"b": ["x", "\\udc00y"]}}'],
    ids=["text", "name", "deep"],
)
def test_half_a_character_is_refused_and_kept_for_whoever_looks(world, door, text):
    world.deliver(wrap(text, reader="a-1", kind="health"))
    assert health(world)[0] is None
    [row] = world.all(schema.quarantine)
    assert row.code == "health-form"


def test_any_other_text_is_taken(world, door):
    told = {"alarms": ["na\u00efve", "\U0001f600", "\u0000"]}
    world.deliver(wrap(json.dumps(told), reader="a-1", kind="health"))
    assert json.loads(health(world)[0]) == told


def test_another_institutions_gateway_says_nothing_of_our_readers(world, door):
    with writing(world.engine) as connection:
        other = institutions.ensure(connection, "other", "Europe/London", world.now_ms)
        desk = Desk(connection, world.ring, institution_id=other.id, gateway_id=None, now_ms=world.now_ms)
        items = [
            wrap('{"storage_errors": 7}', reader="a-1", kind="health"),
            wrap('{"state": "offline"}', reader="a-1", kind="status"),
        ]
        world.delivery(desk).take(items)
    assert health(world) == (None, None)
    assert {row.code for row in world.all(schema.quarantine)} == {"reader-unknown"}


def test_what_is_said_once_more_shows_no_reader_to_be_there(world, door):
    """Whoever cut a door's line and kept one of its messages would hide for ever that it is dead."""

    def seen():
        return world.all(schema.reader_state)[0].seen_ms

    world.now_ms = NINE
    kept = [*door.lines, door.hello(), door.head(world.now_ms)]
    world.deliver(*kept)
    heard_ms = seen()
    world.now_ms += 10 * MIN
    world.deliver(*kept)
    assert seen() == heard_ms
    world.deliver(door.head(world.now_ms))
    assert seen() == world.now_ms
