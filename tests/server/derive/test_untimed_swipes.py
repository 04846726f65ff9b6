"""A swipe without a time is no silence for when it may have been made: between its board's boots before and after it, the
class list that it was judged by, and its arrival. Elsewhere silence stays silence."""

import pytest

from firmware.contract import statement
from server.store import cards
from server.store.engine import writing
from tests.server.store_world import HOUR, MIN, NINE, UIDS

UNSURE = (None, None, "time_unsure")
DAY = 24 * HOUR


def codes(world, session):
    """Of each student: the code, or `?` where a person is to look."""
    marks = world.marks()
    found = [marks.get((session, student)) for student in world.students]
    return ["?" if one == UNSURE else one and one[0] for one in found]


def lonely(board, uid, *, roster=None):
    """A swipe of a boot that has no idea of the time."""
    tokens = [statement.Token(key, token) for key, token in cards.token_for(uid, board.card_keys)]
    return board.say(
        "swipe",
        evidence=statement.evidence_of(tokens),
        boot_ms=5000,
        wall_ms=None,
        clock="none",
        uncertainty_ms=None,
        verdict="check",
        session=None,
        roster=roster,
    )


@pytest.fixture
def lessons(world):
    """Lessons yesterday at nine, today at nine and at noon, at one door that is known to their ends."""
    sessions = [world.session(start_ms) for start_ms in (NINE - DAY, NINE, NINE + 3 * HOUR)]
    board = world.reader()
    board.boot(at_ms=NINE - 2 * DAY)
    world.now_ms = NINE + 5 * HOUR
    world.deliver(*board.lines, board.head(NINE - 2 * DAY + MIN), board.head(NINE + 5 * HOUR))
    world.settle()
    assert [codes(world, one) for one in sessions] == [["A"] * 3] * 3
    return sessions, board


def test_a_swipe_without_a_time_that_comes_after_the_release_is_no_silence(world, lessons):
    """Seed 364 of the simulation: nobody became due for it, and its owner stayed absent."""
    sessions, board = lessons
    world.deliver(lonely(board, UIDS[1]))
    assert [codes(world, one) for one in sessions] == [["A", "?", "A"]] * 3


def test_the_boot_before_and_the_boot_after_bound_it(world, lessons):
    sessions, board = lessons
    first = board.swipe(UIDS[9], NINE - HOUR)
    opened = board.boot(at_ms=NINE)
    tap = lonely(board, UIDS[1])
    followed = board.boot(at_ms=NINE + 2 * HOUR)
    last = board.swipe(UIDS[9], NINE + 2 * HOUR)
    world.deliver(first, opened, followed, last, tap)
    assert [codes(world, one)[1] for one in sessions] == ["A", "?", "A"]


def test_what_comes_of_the_boot_after_leaves_absence_where_it_was(world, lessons):
    sessions, board = lessons
    first = board.swipe(UIDS[9], NINE - HOUR)
    opened = board.boot(at_ms=NINE)
    world.deliver(first, opened, lonely(board, UIDS[1]))
    assert [codes(world, one)[1] for one in sessions] == ["A", "?", "?"]
    followed = board.boot(at_ms=NINE + 2 * HOUR)
    world.deliver(followed, board.swipe(UIDS[9], NINE + 2 * HOUR))
    assert [codes(world, one)[1] for one in sessions] == ["A", "?", "A"]


def test_a_boot_between_that_knew_no_time_either_is_looked_past(world, lessons):
    sessions, board = lessons
    lines = [board.swipe(UIDS[9], NINE - HOUR)]
    for _ in range(2):
        lines += [board.boot(at_ms=NINE), lonely(board, UIDS[9])]
    lines += [board.boot(at_ms=NINE), lonely(board, UIDS[1]), board.boot(at_ms=NINE), lonely(board, UIDS[9])]
    lines += [board.boot(at_ms=NINE), board.swipe(UIDS[9], NINE + 2 * HOUR)]
    world.deliver(*lines)
    assert [codes(world, one)[1] for one in sessions] == ["A", "?", "A"]


def test_what_a_copied_boards_other_half_went_on_with_bounds_nothing(world, lessons):
    sessions, board = lessons
    first, before = board.swipe(UIDS[9], NINE - 2 * DAY + HOUR), board.journal
    copied = board.seq
    later = board.swipe(UIDS[9], NINE + 2 * HOUR)
    board._heads[before] = copied
    opened = board.boot(before=before, at_ms=NINE)
    world.deliver(first, later, opened, lonely(board, UIDS[1]))
    assert [codes(world, one)[1] for one in sessions] == ["?", "?", "?"]


def test_the_class_list_that_it_was_judged_by_bounds_it(world, lessons):
    sessions, board = lessons
    world.deliver(lonely(board, UIDS[1], roster=NINE + 2 * HOUR))
    # A version may be a day above the time at which it was made, and never more.
    assert [codes(world, one)[1] for one in sessions] == ["A", "?", "?"]


def test_a_clock_record_takes_it_back_where_it_was_not(world, lessons):
    sessions, board = lessons
    opened = board.boot(at_ms=NINE + MIN)
    world.deliver(opened, lonely(board, UIDS[1]))
    assert [codes(world, one)[1] for one in sessions] == ["?", "?", "?"]
    world.deliver(board.pair(NINE + 10 * MIN))
    assert [codes(world, one)[1] for one in sessions] == ["A", "P", "A"]


def test_a_card_given_back_before_it_came_is_no_silence_for_who_had_it(world, lessons):
    sessions, board = lessons
    fresh = bytes([4, 200, 2, 3])
    with writing(world.engine) as connection:
        cards.replace(connection, world.institution_id, world.students[1], world.tokens(fresh), NINE + 2 * HOUR)
    world.derive()
    world.deliver(lonely(board, UIDS[1]))
    assert [codes(world, one)[1] for one in sessions] == ["?", "?", "A"]


def test_whoever_may_have_tapped_before_is_not_late_by_the_tap_that_is_known(world):
    session, board, other = world.session(profile="lough"), world.reader(), world.reader("a-2")
    world.now_ms = NINE + HOUR + 10 * MIN
    late = board.swipe(UIDS[0], NINE + 20 * MIN)
    world.deliver(board.lines[0], late, board.swipe(UIDS[1], NINE + 20 * MIN))
    assert [world.marks()[session, world.students[n]] for n in (0, 1)] == [("L", 20, None)] * 2
    board.boot(at_ms=NINE)
    world.deliver(board.lines[-1], lonely(board, UIDS[1]))
    assert world.marks()[session, world.students[1]][0] == "L", "it was surely after the boot before it"
    world.deliver(other.lines[0], lonely(other, UIDS[1]))
    assert world.marks()[session, world.students[0]] == ("L", 20, None)
    assert world.marks()[session, world.students[1]] == ("P", None, "time_unsure")
