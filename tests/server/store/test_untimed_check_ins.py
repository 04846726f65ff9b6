"""A check-in that never gets a time keeps as few evenings from being known as what stands around it allows (DDU-13)."""

from datetime import timedelta

import pytest

from server.errors import Refused
from server.store import residence_acts, residence_reports
from server.store.campus import FieldRefused
from server.store.schema_residence import evening_act
from server.store.untimed_check_ins import of
from tests.rules import rule
from tests.server.residence_world import CLOSES, DAY, HOUR, MIN, OPENS, UIDS, Residence

NIGHT = 24 * HOUR
#: the evening on which the kiosk was without power and network for a while
LAST = 4


@pytest.fixture
def hall(world):
    """A kiosk that was up for four evenings and into the fifth, on which nobody came."""
    made = Residence(world, since_ms=OPENS - HOUR)
    made.deliver(made.board.lines[0])
    world.now_ms = OPENS + LAST * NIGHT + 30 * MIN
    made.deliver(*(made.board.head(OPENS + n * NIGHT + at) for n in range(LAST) for at in (0, 4 * HOUR + MIN)))
    made.deliver(made.board.head(OPENS + LAST * NIGHT + 30 * MIN))
    return made


def gone(hall):
    """Power back at 19:00 without network: Ada checks in; off again at 20:30, and on with network at 21:00."""
    begins = OPENS + LAST * NIGHT
    opened = hall.board.boot(at_ms=begins + HOUR)
    line = hall.check_in(UIDS[0], begins + 90 * MIN, clock="none")
    again = hall.board.boot(at_ms=begins + 3 * HOUR)
    hall.w.now_ms = begins + 5 * HOUR
    hall.deliver(
        opened, line, again, hall.board.pair(begins + 3 * HOUR + MIN), hall.board.head(begins + 4 * HOUR + MIN)
    )


def days(hall, place=0):
    found = hall.look(
        residence_reports.history, hall.admin, hall.w.profiles, hall.w.students[place], DAY,
        DAY + timedelta(days=LAST), hall.w.now_ms,
    )  # fmt: skip
    return [one.state for one in found]


@rule("DDU-13", "DDU-14")
def test_one_untimed_check_in_un_says_the_evening_that_it_may_be_of_and_no_other(hall):
    assert days(hall)[:LAST] == ["missing"] * LAST
    gone(hall)
    assert days(hall)[:LAST] == ["missing"] * LAST, "the kiosk had stated all of these before it lost its time"
    assert days(hall)[LAST] == "unknown"


@rule("DDU-13")
def test_what_stands_around_it_says_between_when_and_when_it_was(hall):
    gone(hall)
    begins = OPENS + LAST * NIGHT
    person = hall.w.students[0]
    ((lo_ms, hi_ms, _),) = hall.look(of, [person], OPENS, CLOSES + LAST * NIGHT)[person]
    assert abs(lo_ms - (begins + 30 * MIN)) < 1000, "the last that the boot before it stated"
    assert abs(hi_ms - (begins + 4 * HOUR + MIN)) < 1000, "the first that a later boot stated of it"


@rule("DDU-13")
def test_where_nothing_is_known_around_it_it_may_be_of_any_evening_of_a_week(world):
    hall = Residence(world, since_ms=OPENS - HOUR)
    world.now_ms = CLOSES + NIGHT
    hall.deliver(hall.board.lines[0], hall.check_in(UIDS[0], OPENS + MIN, clock="none"))
    person = hall.w.students[0]
    assert hall.look(of, [person], OPENS, CLOSES) == {person: [(world.now_ms - 7 * NIGHT, world.now_ms, world.now_ms)]}
    assert hall.states()[person] == "unknown"
    for nights, found in ((-5, [person]), (-6, []), (1, [person]), (2, [])):
        within = OPENS + nights * NIGHT, CLOSES + nights * NIGHT
        assert list(hall.look(of, [person], *within)) == found, nights


@rule("DDU-13")
def test_the_list_that_it_was_judged_by_bounds_it_too(world):
    hall = Residence(world, since_ms=OPENS - HOUR)
    world.now_ms = CLOSES + 5 * NIGHT
    hall.deliver(hall.board.lines[0], hall.check_in(UIDS[0], OPENS + MIN, clock="none", roster=OPENS + 4 * NIGHT))
    person = hall.w.students[0]
    assert hall.look(of, [person], OPENS, CLOSES) == {person: [(OPENS + 3 * NIGHT, world.now_ms, world.now_ms)]}


def act(hall, day, kind="not-then", text="The porter let her in on Monday", scope=None, place=0):
    given = hall.w.profiles, hall.w.students[place], day, kind, "", text, hall.w.now_ms
    return hall.do(residence_acts.act, scope or hall.warden, *given)


@rule("DDU-12", "DDU-13")
def test_staff_settle_an_evening_in_words_and_not_about_themselves(hall):
    gone(hall)
    day = DAY + timedelta(days=LAST)
    with pytest.raises(FieldRefused):
        act(hall, day, text=" ")
    with pytest.raises(Refused):
        act(hall, day, scope=hall.account("admin", hall.w.students[0]))
    assert hall.w.all(evening_act) == []


@rule("DDU-12", "DDU-13")
def test_an_evening_of_which_staff_say_that_the_check_in_was_another_ones_is_known_again(world):
    hall = Residence(world, since_ms=OPENS - HOUR)
    world.now_ms = CLOSES + HOUR
    hall.deliver(hall.board.lines[0], hall.check_in(UIDS[0], OPENS + MIN, clock="none"), hall.board.head(CLOSES + MIN))
    person = world.students[0]
    assert hall.states()[person] == "unknown"
    made = act(hall, DAY)
    assert hall.states()[person] == "missing"
    hall.do(residence_acts.withdraw, hall.warden, made, world.now_ms)
    assert hall.states()[person] == "unknown"


@rule("DDU-12", "DDU-13")
def test_staff_settle_what_had_come_by_then_and_no_check_in_that_comes_after(world):
    hall = Residence(world, since_ms=OPENS - HOUR)
    world.now_ms = CLOSES + HOUR
    hall.deliver(hall.board.lines[0], hall.check_in(UIDS[0], OPENS + MIN, clock="none"), hall.board.head(CLOSES + MIN))
    person = world.students[0]
    act(hall, DAY)
    assert hall.states()[person] == "missing"
    world.now_ms += HOUR
    hall.deliver(hall.check_in(UIDS[0], OPENS + 2 * MIN, clock="none"))
    assert hall.states()[person] == "unknown"
    act(hall, DAY, text="Nor was that one")
    assert hall.states()[person] == "missing"
