"""A reader that leaves its door for a desk: its light takes every card to be looked at, and refuses none in red (PORT-1)."""

import pytest

from firmware.contract import roster as wire
from firmware.contract import verdict
from firmware.reader.clock import Reading
from firmware.reader.door import Door
from server.derive import rosters
from server.store import readers, schema
from server.store.engine import writing
from tests.server.store_world import MIN, NINE, UIDS

pytestmark = pytest.mark.rule("PORT-1")


def build(world):
    with writing(world.engine) as connection:
        rosters.build(connection, world.ring, world.institution_id, world.now_ms)
    (row,) = world.all(schema.roster)
    return wire.decode(bytes(row.payload))


def judged(world, door, uid, at_ms):
    tokens = [token for _, token in world.tokens(uid)]
    return door.judge(tokens, Reading(at_ms, "sync", 10), at_ms).verdict


def test_it_shows_no_red_after_it_was_moved_and_no_green_of_its_old_room(world):
    world.session()
    world.reader()
    world.now_ms = NINE
    door = Door()
    assert door.take(build(world))
    assert judged(world, door, UIDS[0], NINE + MIN) == verdict.GREEN
    assert judged(world, door, UIDS[50], NINE + MIN) == verdict.NOT_LISTED
    assert judged(world, door, UIDS[0], NINE + 120 * MIN) == verdict.NO_SESSION
    with writing(world.engine) as connection:
        readers.move(connection, world.institution_id, "a-1", None, NINE, NINE)
    world.now_ms = NINE + 2 * MIN
    new = build(world)
    assert door.take(new), "it is newer than the one that the reader holds"
    assert not new.sessions
    for at_ms in (world.now_ms + 5000, NINE + 120 * MIN, NINE + 72 * 60 * MIN):
        for uid in (UIDS[0], UIDS[50]):
            assert judged(world, door, uid, at_ms) == verdict.UNCHECKED
    assert build(world).version_ms == new.version_ms, "once"
