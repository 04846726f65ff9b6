"""Two boards of one reader: what one of them states says nothing of the other's journal, so nobody is absent by it."""

from sqlalchemy import update

from server.store import alarms, schema
from server.store.engine import writing
from tests.server.store_world import HOUR, MIN, NINE, UIDS


def two_boards(world):
    """A lesson at a door with two boards; the second's only swipe has not come. Returns its session and that line."""
    session, board = world.session(), world.reader()
    first = board.journal
    world.deliver(board.hello(), board.lines[0])
    opened = board.boot(before=first)
    missing = board.swipe(UIDS[2], NINE)
    world.deliver(opened)
    # From here on the first board goes on, and knows nothing of the second's journal.
    del board._heads[board.journal]
    board.boot(before=first)
    world.now_ms = NINE + HOUR + MIN
    world.deliver(board.lines[-1], board.swipe(UIDS[0], NINE), board.head(NINE + HOUR + 30_000))
    assert world.alarms() == {alarms.CLONE}
    return session, missing


def close_alarm(world):
    with writing(world.engine) as connection:
        [found] = alarms.open_alarms(connection, world.institution_id)
        assert alarms.close(connection, world.institution_id, found.id, None, world.now_ms)


def settled(world, session):
    """The register's state once it was settled, and each student's code."""
    world.settle()
    marks = world.marks()
    return world.evidence(session), [marks.get((session, student), (None,))[0] for student in world.students]


def test_with_two_boards_at_a_door_nobody_is_absent_until_a_person_closed_the_alarm(world):
    session, missing = two_boards(world)
    state, codes = settled(world, session)
    assert (state in ("pending", "incomplete"), codes) == (True, ["P", None, None])
    world.deliver(missing)
    world.now_ms += MIN
    assert settled(world, session)[1] == ["P", None, "P"]
    close_alarm(world)
    assert settled(world, session) == ("complete", ["P", "A", "P"])


def test_a_door_that_one_board_makes_known_would_be_caught(world):
    # Saboteur: somebody who closes the alarm unread, which is as if nobody looked whether there are two.
    session, _ = two_boards(world)
    close_alarm(world)
    assert settled(world, session) == ("complete", ["P", "A", "A"])


def test_another_readers_clone_keeps_no_register_back(world):
    session, board = world.session(), world.reader("a-2")
    other = world.reader("a-3", room=1)
    first = other.journal
    world.deliver(other.hello(), other.lines[0], other.boot(before=first), other.boot(before=first))
    world.now_ms = NINE + HOUR + MIN
    world.deliver(board.hello(), board.lines[0], board.swipe(UIDS[0], NINE), board.head(NINE + HOUR + 30_000))
    world.settle()
    assert world.alarms() == {alarms.CLONE}
    assert (world.evidence(session), world.marks()[session, world.students[1]][0]) == ("complete", "A")


def test_an_alarm_without_a_reader_keeps_no_register_back(world):
    session, board = world.session(), world.reader()
    with writing(world.engine) as connection:
        alarms.raise_(connection, world.institution_id, alarms.CLONE, "nobody", "of no reader", 1)
        connection.execute(update(schema.alarm).values(reader_id=None))
    world.now_ms = NINE + HOUR + MIN
    world.deliver(board.hello(), board.lines[0], board.head(NINE + HOUR + 30_000))
    world.settle()
    assert world.evidence(session) == "complete"
