"""A hello that is said anew on the same connection: after another roster, and where the store goes by an older one."""

from tests.firmware.reader.reader_world import ALICE, BOB, at_a_door, session
from tests.firmware.reader.uplink_seen import refused

LISTED = [(session(1), [ALICE, BOB])]


def hellos(world):
    return [hello["nonce"] for hello in world.store.hellos]


def test_a_reader_that_took_another_roster_says_so_at_once(make):
    world = at_a_door(make)
    before = len(world.store.hellos)
    world.now_ms += 1000
    world.give(LISTED, version_ms=world.reader.door.roster.version_ms + 5)
    world.pump()
    assert len(world.store.hellos) == before + 1
    assert world.store.hellos[-1]["roster"] == world.reader.door.roster.version_ms


def test_a_receipt_on_its_way_for_the_hello_before_still_counts(make):
    world = at_a_door(make)
    world.store.receipts = False
    world.tap(ALICE)
    world.pump()
    on_its_way = world.store.receipt(world.medium.order[0], 1)
    world.give(LISTED, version_ms=world.reader.door.roster.version_ms + 5)
    world.pump()
    assert len(set(hellos(world)[-2:])) == 2
    world.down(on_its_way)
    assert world.reader.journal.backlog() == 0 and not refused(world)


def test_where_the_store_goes_by_an_older_hello_one_is_said_anew_and_not_more_than_once_a_minute(make):
    world = at_a_door(make)
    world.store.receipts = False
    world.tap(ALICE)
    world.pump()
    journal, said = world.medium.order[0], len(world.store.hellos)
    stale = world.store.line("receipt", nonce="0" * 16, journal=journal, up_to=1)
    world.now_ms += 61_000
    world.down(stale, stale)
    world.pump()
    assert len(world.store.hellos) == said, "two may be old ones on their way"
    for _ in range(10):
        world.down(stale)
    world.pump()
    assert len(world.store.hellos) == said + 1
    world.down(world.store.receipt(journal, 1))
    assert world.reader.journal.backlog() == 0
