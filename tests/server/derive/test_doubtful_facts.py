"""What is right only within an uncertainty, or was known only up to then, decides nothing against anybody.

Each is a counterexample that was found by asking of every decision what it rests on.
"""

from sqlalchemy import update

from server.store import due, journals, readers, schema
from server.store.engine import writing
from tests.server.store_world import HOUR, MIN, NINE, UIDS


def code(world, session, number=0):
    found = world.marks().get((session, world.students[number]))
    return found and found[0]


def declare_lost(world, board, journal, last):
    with writing(world.engine) as connection:
        found = readers.by_name(connection, [board.name])[board.name]
        held = journals.known(connection, found.id, journal)
        assert held is not None
        journals.declare_lost(connection, held, world.institution_id, last, "gone", None, world.now_ms)


def test_a_head_from_the_future_makes_no_door_known(world):
    session, board = world.session(), world.reader()
    world.now_ms = NINE + 10 * MIN
    world.deliver(board.lines[0], board.head(NINE + 2 * HOUR))
    world.now_ms = NINE + HOUR + MIN
    world.settle()
    assert (code(world, session), {row.evidence for row in world.all(schema.register)} - {"pending"}) == (None, set())
    world.deliver(board.head(NINE + HOUR + MIN))
    world.settle()
    assert code(world, session) == "A"


def test_what_a_door_was_known_up_to_by_a_clock_that_was_ahead_is_put_right_by_its_next_head(world):
    """The store's own clock was two hours ahead, and so was the reader's, which has its time from it."""
    session, board = world.session(), world.reader()
    world.now_ms = NINE + 2 * HOUR + 10 * MIN
    world.deliver(board.lines[0], board.head(NINE + 2 * HOUR + 10 * MIN))
    world.now_ms = NINE + 11 * MIN
    world.deliver(board.head(NINE + 11 * MIN))
    assert [row.known_until_ms for row in world.all(schema.reader_state)] == [NINE + 11 * MIN - 10]
    world.now_ms = NINE + HOUR + MIN
    world.settle()
    assert code(world, session) is None


def test_records_declared_lost_are_no_silence(world):
    session, board = world.session(), world.reader()
    later = world.session(NINE + 3 * HOUR)
    world.now_ms = NINE + HOUR + 10 * MIN
    first = board.swipe(UIDS[0], NINE + MIN)
    board.swipe(UIDS[1], NINE + 2 * MIN)
    third = board.swipe(UIDS[2], NINE + 3 * MIN)
    world.deliver(board.lines[0], first, third, board.head(NINE + HOUR + 2 * MIN))
    declare_lost(world, board, board.journal, 2)
    world.deliver(board.head(NINE + HOUR + 3 * MIN))
    world.settle()
    assert world.evidence(session) == "incomplete"
    assert [code(world, session, n) for n in range(3)] == ["P", None, "P"]
    # What was lost then says nothing of what comes after it was declared.
    world.now_ms = NINE + 4 * HOUR + 10 * MIN
    world.deliver(board.head(NINE + 4 * HOUR + 2 * MIN))
    world.settle()
    assert (world.evidence(later), code(world, later, 1)) == ("complete", "A")


def test_records_declared_lost_long_before_a_session_or_after_it_are_none_of_it(world):
    """What was recorded before and after the lost ones, and what heads said, tells when they were."""
    before, session, after = world.session(NINE - 3 * HOUR), world.session(), world.session(NINE + 3 * HOUR)
    board = world.reader()
    board.boot(at_ms=NINE - 4 * HOUR)
    world.now_ms = NINE + 5 * HOUR
    heads = [board.head(NINE - 4 * HOUR + MIN), board.head(NINE - 90 * MIN)]
    swipes = [board.swipe(UIDS[0], NINE - HOUR)]
    board.swipe(UIDS[1], NINE + MIN)
    heads.append(board.head(NINE + HOUR + MIN))
    swipes.append(board.swipe(UIDS[2], NINE + 2 * HOUR))
    world.deliver(*board.lines[:2], *swipes, *heads)
    declare_lost(world, board, board.journal, 2)
    world.deliver(board.head(NINE + 4 * HOUR + 30 * MIN))
    world.settle()
    assert [world.evidence(one) for one in (before, session, after)] == ["complete", "incomplete", "complete"]


def test_what_a_destroyed_storage_held_keeps_its_door_unknown(world):
    session, board = world.session(), world.reader()
    world.now_ms = NINE + HOUR + 10 * MIN
    first = board.swipe(UIDS[0], NINE + MIN)
    board.swipe(UIDS[1], NINE + 2 * MIN)
    world.deliver(board.lines[0], first, board.head(NINE + HOUR + 2 * MIN))
    gone = board.journal
    board.journal, board._heads = None, {}
    opened = board.boot(at_ms=NINE + HOUR + 3 * MIN)
    world.deliver(opened, board.head(NINE + HOUR + 4 * MIN))
    world.settle()
    assert code(world, session, 1) is None
    assert "journal-hole" in world.alarms(), "a technician may say that nobody has them"
    declare_lost(world, board, gone, 2)
    world.deliver(board.head(NINE + HOUR + 5 * MIN))
    world.settle()
    assert (world.evidence(session), code(world, session, 1)) == ("incomplete", None)


def test_a_very_unsure_swipe_is_no_silence(world):
    session, board = world.session(), world.reader()
    world.now_ms = NINE + 4 * HOUR
    tap = board.swipe(UIDS[0], NINE + 3 * HOUR + 45 * MIN, uncertainty_ms=4 * HOUR)
    world.deliver(board.lines[0], tap, board.head(NINE + 4 * HOUR))
    world.settle()
    assert world.evidence(session) == "complete"
    assert world.marks()[session, world.students[0]] == (None, None, "time_unsure")
    assert code(world, session, 1) == "A"


def test_a_time_that_is_unsure_by_more_than_a_day_is_none(world):
    session, board = world.session(), world.reader()
    world.now_ms = NINE + 4 * HOUR
    tap = board.swipe(UIDS[0], NINE + 3 * HOUR, uncertainty_ms=25 * HOUR)
    world.deliver(board.lines[0], tap, board.head(NINE + 4 * HOUR))
    world.settle()
    assert [(row.at_ms, row.verdict) for row in world.all(schema.reading)] == [(None, "unplaced")]
    assert (code(world, session), code(world, session, 1)) == (None, "A")


def test_a_tap_at_the_moment_somebody_leaves_the_list_is_for_a_person(world):
    gone = world.person("Gone", UIDS[9])
    world.enrol(world.group, gone, 0, NINE + 30 * MIN)
    session, board = world.session(), world.reader()
    world.now_ms = NINE + HOUR + 10 * MIN
    tap = board.swipe(UIDS[9], NINE + 30 * MIN + 2000, uncertainty_ms=5000)
    world.deliver(board.lines[0], tap, board.head(NINE + HOUR + 2 * MIN))
    world.settle()
    assert world.marks()[session, gone] == (None, None, "time_unsure")


def test_an_outage_within_the_doubt_of_a_head_counts(world):
    """It was up for so long by its own clock, and began ten minutes before nine or ten after: who knows."""
    session, board = world.session(), world.reader()
    world.deliver(board.lines[0], board.head(NINE - 31 * MIN))
    board.boot(at_ms=NINE - 31 * MIN)
    world.now_ms = NINE + HOUR + 20 * MIN
    head = board.head(NINE + HOUR + 11 * MIN, uncertainty_ms=10 * MIN)
    world.deliver(*board.lines[1:], head)
    world.settle()
    assert world.evidence(session) == "incomplete"
    assert [row.why for row in world.all(schema.outage)] == ["dead"]


def test_the_second_lesson_after_an_unsure_tap_for_the_first_is_for_a_person(world):
    first, second, board = world.session(), world.session(NINE + HOUR), world.reader()
    opens_ms = min(row.opens_ms for row in world.all(schema.session))
    world.now_ms = NINE + 2 * HOUR + 20 * MIN
    world.deliver(
        board.lines[0],
        board.swipe(UIDS[0], opens_ms + MIN, uncertainty_ms=2 * MIN),
        board.swipe(UIDS[0], NINE + 50 * MIN),
        board.head(NINE + 2 * HOUR + 10 * MIN),
    )
    world.settle()
    assert code(world, first) == "P", "by the one tap or by the other"
    assert world.marks()[second, world.students[0]] == (None, None, "time_unsure")
    assert code(world, second, 1) == "A"


def test_minutes_are_not_counted_where_an_earlier_unsure_tap_may_have_been_the_first(world):
    session, board = world.session(profile="lough"), world.reader()
    opens_ms = min(row.opens_ms for row in world.all(schema.session))
    world.now_ms = NINE + 30 * MIN
    world.deliver(
        board.lines[0],
        board.swipe(UIDS[0], opens_ms + MIN, uncertainty_ms=2 * MIN),
        board.swipe(UIDS[0], NINE + 20 * MIN),
        board.swipe(UIDS[1], NINE + 20 * MIN),
    )
    assert world.marks()[session, world.students[0]] == ("P", None, "time_unsure")
    assert world.marks()[session, world.students[1]] == ("L", 20, None)


def test_a_session_that_is_moved_after_its_register_was_released_waits_for_its_new_time(world):
    session, board = world.session(), world.reader()
    world.now_ms = NINE + HOUR + 10 * MIN
    world.deliver(board.lines[0], board.swipe(UIDS[0], NINE + MIN), board.head(NINE + HOUR + 2 * MIN))
    world.settle()
    assert [code(world, session, n) for n in range(3)] == ["P", "A", "A"]
    with writing(world.engine) as connection:
        row = schema.session.c
        late = {one: row[one] + 3 * HOUR for one in ("opens_ms", "starts_ms", "ends_ms", "closes_ms")}
        connection.execute(update(schema.session).where(row.id == session).values(**late))
        due.sessions(connection, world.institution_id, [session], world.now_ms)
    world.settle()
    assert [code(world, session, n) for n in range(3)] == [None, None, None], "it has not been held yet"
    world.now_ms = NINE + 4 * HOUR + 10 * MIN
    world.deliver(board.swipe(UIDS[1], NINE + 3 * HOUR + MIN), board.head(NINE + 4 * HOUR + 2 * MIN))
    world.settle()
    assert [code(world, session, n) for n in range(3)] == ["A", "P", "A"]


def test_a_tap_that_came_before_its_cards_new_token_was_learnt_counts(world):
    """A reader that holds the new card key alone; the tap elsewhere that carries both tokens comes later."""
    session, board, other = world.session(), world.reader(), world.reader("a-2", room=1)
    world.now_ms = NINE + 30 * MIN
    fresh = world.second_card_key()
    board.card_keys, other.card_keys = [fresh], [fresh, *world.keys]
    world.deliver(board.lines[0], board.swipe(UIDS[0], NINE + MIN))
    assert code(world, session) is None
    world.deliver(other.lines[0], other.swipe(UIDS[0], NINE - 2 * HOUR))
    assert code(world, session) == "P"
