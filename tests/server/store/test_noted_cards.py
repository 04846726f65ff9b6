"""A card that a kiosk without a list of residents noted: its owner was promised that it is looked at (DDU-13)."""

from datetime import timedelta

import pytest

from server.pages.local import Local
from server.pages.residence_doubts import said
from server.policy import downtime
from server.store import residence_acts, residence_admin, residence_board
from server.store.engine import reading
from tests.rules import rule
from tests.server.residence_world import CLOSES, DAY, HOUR, MIN, OPENS, UIDS, Residence


@pytest.fixture
def hall(world):
    """Two kiosks: k-1 has its list all evening, k-2 has none. It is the morning after."""
    made = Residence(world)
    made.other = world.reader("k-2", room=None)
    made.do(
        residence_admin.place_kiosk, made.admin, made.ids()["k-2"], made.house, made.since_ms, world.now_ms, capacity=9
    )
    world.now_ms = CLOSES + 8 * HOUR
    made.deliver(made.board.lines[0], made.board.head(OPENS - MIN), made.board.head(CLOSES + MIN), made.other.lines[0])
    return made


def noted(hall, uid, at_ms, **more):
    return hall.event("card-unknown", at_ms, uid=uid, detail="no-list", board=hall.other, **more)


def untimed(hall, uid):
    """A card that was noted while the kiosk had no time, on a boot that never got one."""
    return hall.other.say(
        "kiosk", event="card-unknown", subject=hall.evidence(uid)[1:], by=None, slot=None, generation=None,
        detail="no-list", boot_ms=9000, wall_ms=None, clock="none", uncertainty_ms=None,
    )  # fmt: skip


def states(hall, day=DAY):
    return [hall.states(day)[one] for one in hall.w.students]


def doubt(hall, place):
    with reading(hall.w.engine) as c:
        found = residence_board.board(c, hall.warden, hall.w.profiles, hall.house, DAY, hall.w.now_ms)
    return next(row.doubt for row in found.people if row.person_id == hall.w.students[place])


@rule("DDU-13")
def test_whoever_held_a_card_to_a_kiosk_without_a_list_is_not_known_and_the_others_are_missing(hall):
    at_ms = OPENS + 2 * HOUR + 5 * MIN
    hall.deliver(noted(hall, UIDS[0], at_ms), hall.other.head(CLOSES + MIN, able="list"))
    assert states(hall) == ["unknown", "missing", "missing"]
    found = doubt(hall, 0)
    assert found is not None and (found.why, found.spans) == (downtime.NOTED, ((at_ms - 10, at_ms + 10),))
    assert "held at 20:05 to a kiosk" in said(found, Local(time_zone="Europe/London", now_ms=hall.w.now_ms))


@rule("DDU-13")
def test_where_no_kiosk_had_a_list_nobody_is_missing_and_whose_card_was_there_is_said(hall):
    hall.do(residence_admin.end_kiosk, hall.admin, hall.reader_id, OPENS - HOUR, hall.w.now_ms)
    hall.deliver(
        noted(hall, UIDS[0], OPENS + HOUR),
        hall.other.head(CLOSES + MIN, able="list"),
        hall.other.head(CLOSES + 2 * MIN),
    )
    assert states(hall) == ["unknown"] * 3
    assert [doubt(hall, n).why for n in (0, 1)] == [downtime.NOTED, downtime.DOWN]


@rule("DDU-13")
def test_a_card_that_was_noted_outside_the_hours_says_nothing_of_the_evening(hall):
    hall.deliver(
        noted(hall, UIDS[0], OPENS - MIN), noted(hall, UIDS[1], CLOSES + MIN), hall.other.head(CLOSES + 2 * MIN)
    )
    assert states(hall) == ["missing"] * 3


@rule("DDU-13")
def test_who_checked_in_as_well_is_in_and_what_staff_enter_stands(hall):
    came = hall.check_in(UIDS[0], OPENS + HOUR)
    hall.deliver(noted(hall, UIDS[0], OPENS + MIN), hall.other.head(CLOSES + MIN), came, hall.board.head(CLOSES + MIN))
    assert states(hall) == ["in", "missing", "missing"]


@rule("DDU-13")
def test_until_it_is_judged_whose_card_it_was_nobody_is_missing(hall):
    hall.w.deliver(noted(hall, UIDS[0], OPENS + MIN), hall.other.head(CLOSES + MIN))
    assert states(hall) == ["unknown"] * 3
    hall.judge()
    assert states(hall) == ["unknown", "missing", "missing"]


@rule("DDU-13")
def test_a_card_that_was_noted_without_a_time_may_be_of_any_evening_of_the_week_before_it_came(hall):
    hall.deliver(untimed(hall, UIDS[0]), hall.other.head(CLOSES + MIN))
    assert states(hall) == ["unknown", "missing", "missing"]
    hall.w.now_ms += 24 * HOUR
    hall.deliver(hall.board.head(CLOSES + 24 * HOUR + MIN), hall.other.head(CLOSES + 24 * HOUR + MIN))
    assert states(hall, DAY + timedelta(days=1)) == ["missing"] * 3, "it came before that evening began"


@rule("DDU-13")
def test_a_boot_that_began_after_the_evening_noted_no_card_in_it(hall):
    """What bounds a check-in without a time bounds a noted card too: it un-says no other evening for good."""
    hall.deliver(hall.other.head(CLOSES + MIN))
    opened = hall.other.boot(at_ms=CLOSES + HOUR)
    hall.deliver(opened, untimed(hall, UIDS[0]))
    assert states(hall) == ["missing"] * 3


@rule("DDU-13")
@pytest.mark.parametrize("apart", [False, True], ids=["at-once", "later"])
def test_a_card_noted_by_a_clock_that_was_contradicted_holds_open_each_evening_that_it_may_be_of(hall, apart):
    """The kiosk said six minutes before the evening; a clock record of the same boot says two minutes into it."""
    said_ms = OPENS - 6 * MIN
    card = noted(hall, UIDS[0], said_ms)
    boot_ms = said_ms + MIN - hall.other.booted_ms
    clock = hall.other.say("clock", boot_ms=boot_ms, wall_ms=said_ms + MIN + 8 * MIN, uncertainty_ms=10)
    for lines in ([card], [clock]) if apart else ([card, clock],):
        hall.deliver(*lines)
    hall.deliver(hall.other.head(CLOSES + MIN))
    assert states(hall) == ["unknown", "missing", "missing"]


@rule("DDU-13")
def test_a_card_that_a_list_did_not_have_was_asked_for_a_witness_and_holds_nothing_open(hall):
    hall.deliver(hall.event("card-unknown", OPENS + HOUR, uid=UIDS[0], board=hall.other), hall.other.head(CLOSES + MIN))
    assert states(hall) == ["missing"] * 3


@rule("DDU-12", "DDU-13")
def test_what_staff_said_of_one_noted_card_is_not_said_of_one_that_comes_after(hall):
    hall.deliver(noted(hall, UIDS[0], OPENS + MIN), hall.other.head(CLOSES + MIN))
    given = hall.w.profiles, hall.w.students[0], DAY, "not-then", "", "Her sister had the card", hall.w.now_ms
    hall.do(residence_acts.act, hall.warden, *given)
    assert states(hall) == ["missing"] * 3
    hall.w.now_ms += HOUR
    hall.deliver(noted(hall, UIDS[0], OPENS + HOUR))
    assert states(hall) == ["unknown", "missing", "missing"]


@rule("DDU-12", "DDU-13")
def test_a_kiosk_that_serves_no_house_is_named_where_somebodys_card_was_held_to_it(hall):
    """It was adopted after a restore and never placed: it never gets a list, and staff are told which one it is."""
    hall.do(residence_admin.end_kiosk, hall.admin, hall.ids()["k-2"], OPENS - HOUR, hall.w.now_ms)
    hall.deliver(noted(hall, UIDS[0], OPENS + 2 * HOUR + 5 * MIN))
    assert states(hall) == ["unknown", "missing", "missing"]
    open_ = doubt(hall, 0)
    assert open_ is not None
    words = said(open_, Local(time_zone="Europe/London", now_ms=hall.w.now_ms))
    assert words.startswith(
        "their card was held at 20:05 to k-2, which serves no house and so had no list of residents"
    )
