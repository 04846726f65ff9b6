"""A hole that is still there after three offers raises an alarm, at a reader that stays connected too (design.md)."""

import pytest

from server.intake.answering import OFFER_MS, OFFERS, Answering
from server.store import journals, schema
from server.store.engine import writing
from tests.server.store_world import MIN, NINE, UIDS

#: the longest that three offers take: each looked at by a head, which comes once a minute
THREE_MIN = OFFERS * (OFFER_MS // MIN + 2)


def loses(line, *seqs):
    """These records never arrive: the reader cannot read them any more."""
    line.loses = lambda said: "|swipe|" in said and int(said.split("|")[5]) in seqs


def holes(line) -> int:
    return sum(alarm.code == "journal-hole" for alarm in line.world.all(schema.alarm))


def holes_of_a_connected_reader(line, *seqs):
    """How many holes are told before three offers, and after them, where these records never arrive."""
    loses(line, *seqs)
    line.taps(UIDS[:3])
    hellos = len(line.world.all(schema.hello))
    line.minutes(OFFERS * (OFFER_MS // MIN) - 2)
    before = holes(line)
    line.minutes(THREE_MIN)
    assert len(line.world.all(schema.hello)) == hellos, "the reader stayed connected"
    return before, holes(line)


@pytest.mark.parametrize("seqs", [(2,), (3,), (1, 2, 3)], ids=["in the middle", "the last", "all"])
def test_a_record_that_a_connected_reader_cannot_read_any_more_becomes_an_alarm(lines, seqs):
    assert holes_of_a_connected_reader(lines(), *seqs) == (0, 1)


def only_hellos_count(self, found, listed, held):
    """Saboteur: what the store did before; a connected reader says none."""


def test_a_store_that_counts_no_offers_of_a_connected_reader_would_be_caught(lines):
    line = lines()
    answering = type("Deaf", (Answering,), {"_offered": only_hellos_count})

    class Deaf(line.world.delivery):
        def __init__(self, desk):
            super().__init__(desk)
            self.answering = answering(desk)

    line.world.delivery = Deaf
    assert holes_of_a_connected_reader(line, 2) == (0, 0)


def test_what_comes_with_the_slowest_retry_raises_no_alarm(lines):
    line = lines()
    for uid in UIDS[:3]:
        loses(line, *range(100))
        line.taps([uid])
        line.minutes(11)  # the retry is at its longest by now
        assert line.stored() < 3
        line.loses = lambda said: False
        line.minutes(8)
    assert line.stored() == 3
    assert line.world.all(schema.alarm) == []
    assert [one.offers for one in line.world.all(schema.journal)] == [0]


def test_connects_that_follow_each_other_quickly_are_no_three_offers(world):
    board, world.now_ms = world.reader(), NINE
    lines = [board.lines[0], *(board.swipe(UIDS[0], NINE + n * MIN) for n in range(3))]
    world.deliver(board.hello(), lines[0], lines[3])
    for _ in range(10):
        world.now_ms += 1000
        world.deliver(board.hello(), board.head(world.now_ms))
    assert world.alarms() == set()


def test_a_journal_that_waits_behind_a_backlog_which_drains_raises_no_alarm(world):
    board, world.now_ms = world.reader(), NINE
    backlog = [board.lines[0], *(board.swipe(UIDS[0], NINE + n * MIN) for n in range(120))]
    board.boot()
    new = [board.lines[-1], board.swipe(UIDS[1], NINE), board.swipe(UIDS[2], NINE)]
    # Live swipes go first: the newest is here, and what was tapped before it waits for its turn.
    world.deliver(board.hello(), new[2])
    for line in backlog:
        world.now_ms += MIN
        world.deliver(board.head(world.now_ms), line, derive=False)
    assert world.alarms() == set()
    for _ in range(THREE_MIN + 1):
        world.now_ms += MIN
        world.deliver(board.head(world.now_ms), derive=False)
    assert world.alarms() == {"journal-hole"}


def test_after_a_hole_was_declared_lost_the_next_is_offered_as_often(world):
    board, world.now_ms = world.reader(), NINE
    lines = [board.lines[0], *(board.swipe(UIDS[0], NINE + n * MIN) for n in range(5))]
    world.deliver(board.hello(), lines[0], lines[2], lines[4])

    def wait(times):
        for _ in range(times):
            world.now_ms += OFFER_MS
            world.deliver(board.head(world.now_ms))
        return sum(row.count for row in world.all(schema.alarm))

    assert wait(OFFERS) == 1
    [row] = world.all(schema.journal)
    with writing(world.engine) as connection:
        held = journals.known(connection, row.reader_id, row.journal)
        assert held is not None
        journals.declare_lost(connection, held, world.institution_id, 1, "rotten", None, world.now_ms)
    assert wait(OFFERS) == 1
    assert wait(1) == 2


def test_a_store_whose_clock_was_put_back_counts_on(world):
    board, world.now_ms = world.reader(), NINE
    board.swipe(UIDS[0], NINE)
    world.deliver(board.hello(), board.lines[0], board.swipe(UIDS[1], NINE))
    world.now_ms -= 365 * 24 * 60 * MIN
    for _ in range(OFFERS + 1):
        world.deliver(board.head(NINE))
        world.now_ms += OFFER_MS
    assert world.alarms() == {"journal-hole"}
