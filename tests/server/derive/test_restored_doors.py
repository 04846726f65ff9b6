"""A door is known only where nothing is missing of what anything said that it recorded; and a restored store, which lost
some of that, leaves nobody absent for want of it."""

import pytest

from server.store import copies, schema
from server.store.engine import writing
from tests.server.store_world import HOUR, MIN, NINE, UIDS


def code(world, session, number):
    found = world.marks().get((session, world.students[number]))
    return found and found[0]


def released(world):
    return [(row.session_id, row.evidence) for row in world.all(schema.register) if row.evidence != "pending"]


@pytest.fixture
def rebooted(world):
    """A lesson at nine with one tap, by a boot that the reader has made room for since: its heads do not name it."""
    session, board = world.session(), world.reader()
    tap = board.swipe(UIDS[1], NINE)
    former, opened, hello = board.journal, board.lines[0], board.hello(freed=1)
    following = board.boot()
    del board._heads[former]
    world.now_ms = NINE + HOUR + 10 * MIN
    return session, board, {"tap": tap, "opened": opened, "hello": hello, "following": following}


def test_a_journal_that_only_the_next_one_names_keeps_its_door_unknown(world, rebooted):
    session, board, lines = rebooted
    world.deliver(board.head(NINE + HOUR + MIN), lines["following"])
    world.settle()
    assert (released(world), code(world, session, 0)) == ([], None)
    world.deliver(lines["opened"], lines["tap"])
    world.settle()
    assert released(world) == [(session, "complete")]
    assert (code(world, session, 0), code(world, session, 1)) == ("A", "P")


def test_a_journal_that_only_a_hello_named_keeps_its_door_unknown(world, rebooted):
    session, board, lines = rebooted
    world.deliver(lines["hello"])
    board.boot(before="0" * 16)
    board._heads = {board.journal: board.seq}
    world.deliver(board.lines[-1], board.head(NINE + HOUR + MIN))
    world.settle()
    assert (released(world), code(world, session, 0)) == ([], None)


def test_what_a_reader_does_not_name_any_more_becomes_an_alarm_when_it_has_said_so_again(world, rebooted):
    _, board, lines = rebooted
    world.deliver(lines["following"], board.head(NINE + HOUR + MIN))
    assert world.alarms() == set(), "gateways were asked for it just now"
    world.now_ms += 2 * MIN
    world.deliver(board.head(world.now_ms))
    assert world.alarms() == {"journal-hole"}


def restore(world, made_ms):
    with writing(world.engine) as connection:
        copies.go_on(connection, made_ms=made_ms, digest="d", summary="{}", words="restored", now_ms=world.now_ms)


@pytest.fixture
def restored(world):
    """A store that was restored after a lesson at nine to a backup of before it; and a lesson in the afternoon."""
    return at_restore(world)


def at_restore(world, *, blank=False):
    session, later, board = world.session(), world.session(NINE + 5 * HOUR), world.reader()
    world.now_ms = NINE - HOUR
    opened, known = board.lines[0], dict(board._heads)
    if blank:
        board._heads = {}
    world.deliver(*([] if blank else [opened]), board.head(NINE - HOUR - MIN))
    board._heads = known
    world.now_ms = NINE + HOUR + 10 * MIN
    restore(world, NINE - 30 * MIN)
    world.now_ms += MIN
    return session, later, board


def end_of(world, board, at_ms, *lines):
    world.now_ms = at_ms
    world.deliver(*lines, board.head(at_ms - MIN))
    world.settle()


def test_a_restored_store_knows_a_door_again_by_the_board_that_the_backup_knew(world, restored):
    session, _, board = restored
    end_of(world, board, NINE + HOUR + 20 * MIN, board.swipe(UIDS[1], NINE))
    assert (world.evidence(session), code(world, session, 0), code(world, session, 1)) == ("complete", "A", "P")


def test_a_board_that_was_started_again_follows_what_the_backup_knew(world, restored):
    session, _, board = restored
    former = board.journal
    opened = board.boot(at_ms=NINE - 50 * MIN)
    del board._heads[former]
    end_of(world, board, NINE + HOUR + 20 * MIN, opened, board.swipe(UIDS[1], NINE + MIN))
    assert (world.evidence(session), code(world, session, 0), code(world, session, 1)) == ("complete", "A", "P")


def test_what_a_replaced_board_recorded_before_the_restore_leaves_nobody_absent(world, restored):
    """Only a gateway has it, and nobody tells the restored store how much that is."""
    session, later, board = restored
    tap = board.swipe(UIDS[1], NINE)
    board.journal, board._heads = None, {}
    opened = board.boot(at_ms=NINE - 50 * MIN)
    end_of(world, board, NINE + HOUR + 20 * MIN, opened)
    assert (world.evidence(session), code(world, session, 0), code(world, session, 1)) == ("incomplete", None, None)
    assert [row.why for row in world.all(schema.outage)] == ["restored"]
    world.deliver(tap)
    assert code(world, session, 1) == "P"
    end_of(world, board, NINE + 6 * HOUR + 20 * MIN)
    assert (world.evidence(later), code(world, later, 0)) == ("complete", "A"), "of what came later all is known"


@pytest.mark.parametrize("started", [False, True])
def test_a_board_that_had_nothing_at_the_backup_is_known_again_as_long_as_it_was_not_started_since(world, started):
    session, _, board = at_restore(world, blank=True)
    board.booted_ms = NINE - 50 * MIN if started else NINE - 2 * HOUR
    end_of(world, board, NINE + HOUR + 20 * MIN, board.lines[0], board.swipe(UIDS[1], NINE))
    assert (world.evidence(session), code(world, session, 1)) == ("incomplete" if started else "complete", "P")
    assert code(world, session, 0) == (None if started else "A")
