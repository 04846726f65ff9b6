"""A check-in that never gets a time keeps as few evenings from being known as what stands around it allows (DDU-13)."""

from datetime import timedelta

import pytest

from server.errors import Refused
from server.pages.local import Local
from server.pages.residence_doubts import said
from server.store import residence_acts, residence_admin, residence_reports
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


# --- a kiosk that was off the line for longer than a week


NIGHTS = 10


@pytest.fixture
def away(world):
    """Two kiosks: k-1 is heard of every evening, k-2 until the end of the first one. It is ten nights later."""
    made = Residence(world, since_ms=OPENS - HOUR)
    made.other = world.reader("k-2", room=None)
    made.do(
        residence_admin.place_kiosk, made.admin, made.ids()["k-2"], made.house, made.since_ms, world.now_ms, capacity=9
    )
    world.now_ms = CLOSES + HOUR
    made.deliver(made.other.lines[0], made.other.head(CLOSES + MIN))
    world.now_ms = CLOSES + NIGHTS * NIGHT + 2 * HOUR
    heads = (made.board.head(OPENS + n * NIGHT + at) for n in range(NIGHTS + 1) for at in (-MIN, 4 * HOUR + MIN))
    made.deliver(made.board.lines[0], *heads)
    return made


def each_day(hall, place):
    until = DAY + timedelta(days=NIGHTS)
    found = hall.look(
        residence_reports.history, hall.admin, hall.w.profiles, hall.w.students[place], DAY, until, hall.w.now_ms
    )
    return [one.state for one in found], found


def back(hall, *lines):
    """k-2 is on the line again, with a time, and brings what it has."""
    begins = CLOSES + NIGHTS * NIGHT + HOUR
    hall.deliver(*lines, hall.other.boot(at_ms=begins), hall.other.pair(begins + MIN), hall.other.head(begins + MIN))


@rule("DDU-13", "DDU-14")
def test_who_checked_in_without_a_time_at_a_kiosk_away_for_longer_than_a_week_is_not_silently_missing(away):
    opened = away.other.boot(at_ms=OPENS + NIGHT)
    back(away, opened, away.check_in(UIDS[0], OPENS + NIGHT + MIN, clock="none", board=away.other))
    states, found = each_day(away, 0)
    assert states == ["missing"] + ["unknown"] * NIGHTS, "it had stated the first evening to its end"
    assert each_day(away, 1)[0] == ["missing"] * (NIGHTS + 1), "nobody else's evenings are held open"
    words = said(found[1].doubt, Local(time_zone="Europe/London", now_ms=away.w.now_ms))
    assert words.startswith("one of their check-ins has no time: it was made between Mon 21 Sep")
    act(away, DAY + timedelta(days=5))
    assert [each_day(away, 0)[0][n] for n in (1, 5, 6)] == ["unknown", "missing", "unknown"]


@rule("DDU-13")
def test_nor_where_it_was_switched_off_and_on_so_often_that_nothing_around_it_is_known(away):
    opened = [away.other.boot(at_ms=OPENS + n * HOUR) for n in range(5, 24)]
    back(away, *opened, away.check_in(UIDS[0], OPENS + NIGHT + MIN, clock="none", board=away.other))
    assert each_day(away, 0)[0] == ["missing"] + ["unknown"] * NIGHTS


@rule("DDU-13")
@pytest.mark.parametrize(("weeks", "held"), [(25, True), (27, False)])
def test_what_was_longer_ago_than_half_a_year_is_held_open_by_nothing(world, weeks, held):
    hall = Residence(world, since_ms=OPENS - HOUR)
    world.now_ms = OPENS + weeks * 7 * NIGHT
    hall.deliver(hall.board.lines[0], hall.check_in(UIDS[0], OPENS + MIN, clock="none", roster=OPENS))
    assert bool(hall.look(of, [hall.w.students[0]], OPENS, CLOSES)) == held
