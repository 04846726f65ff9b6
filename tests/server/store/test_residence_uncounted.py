"""What somebody did at a kiosk that did not count is said of their evening, to their own house (DDU-12, 13)."""

import pytest

from server.policy import evenings
from server.store import residence_admin, residence_board, residence_reports
from server.store.residence_uncounted import FINGER_REFUSED, UNKNOWN_THERE
from tests.rules import rule
from tests.server.residence_world import CLOSES, DAY, HOUR, MIN, OPENS, UIDS, Residence


@pytest.fixture
def hall(world):
    made = Residence(world)
    world.now_ms = CLOSES + HOUR
    return made


def rows(hall):
    found = hall.look(residence_board.board, hall.warden, hall.w.profiles, hall.house, DAY, hall.w.now_ms)
    return {row.person_id: row for row in found.people}


def said(hall, place=0):
    """(why, minutes after the evening opened, how often, house) of what is said of a resident."""
    found = rows(hall)[hall.w.students[place]].uncounted
    return [(one.why, (one.at_ms - OPENS) // MIN, one.many, one.house) for one in found]


def deliver(hall, *lines, more=()):
    hall.deliver(hall.board.lines[0], *more, *lines, hall.board.head(CLOSES + MIN))


@rule("DDU-13")
def test_who_came_before_hours_is_missing_and_that_they_came_is_said(hall):
    deliver(hall, hall.check_in(UIDS[0], OPENS - 2 * MIN), hall.check_in(UIDS[1], CLOSES + 5 * MIN))
    states = hall.states()
    assert [states[one] for one in hall.w.students] == ["missing"] * 3
    assert said(hall) == [(evenings.BEFORE, -2, 1, "")] and said(hall, 1) == [(evenings.AFTER, 245, 1, "")]
    assert said(hall, 2) == []
    own = hall.account("student", hall.w.students[0])
    history = hall.look(residence_reports.history, own, hall.w.profiles, hall.w.students[0], DAY, DAY, hall.w.now_ms)
    assert [one.why for one in history[0].uncounted] == [evenings.BEFORE]


@rule("DDU-13")
def test_what_did_not_count_is_not_said_of_whoever_is_in(hall):
    deliver(hall, hall.check_in(UIDS[0], OPENS - 2 * MIN), hall.check_in(UIDS[0], OPENS + MIN))
    assert hall.states()[hall.w.students[0]] == "in" and said(hall) == []


@rule("DDU-12")
def test_a_witnessed_check_in_at_another_house_is_said_in_their_own_with_its_name(hall):
    w = hall.w
    south, there = hall.other_house()
    porter = w.person("W1", UIDS[41])
    hall.do(residence_admin.add_duty, hall.admin, south, porter, OPENS - HOUR, w.now_ms)
    # The kiosk there does not know the card, says so, and asks for a witness.
    unknown = hall.event("card-unknown", OPENS + 124 * MIN, uid=UIDS[0], board=there)
    word = hall.check_in(UIDS[0], OPENS + 125 * MIN, method="witness", witness=UIDS[41], board=there)
    deliver(hall, unknown, word, more=there.lines[:1])
    assert hall.states()[w.students[0]] == "missing", "the machine decides nothing by it"
    assert said(hall) == [(evenings.OTHER_HOUSE, 125, 1, "South House")]


@rule("DDU-12")
def test_a_card_that_the_kiosk_did_not_know_and_refused_fingers_are_said_each_once(hall):
    deliver(
        hall,
        hall.event("card-unknown", OPENS + 5 * MIN, uid=UIDS[0]),
        *(hall.event("finger-refused", OPENS + n * MIN, uid=UIDS[1]) for n in (7, 8, 9)),
        hall.event("card-unknown", OPENS + 9 * MIN, uid=UIDS[2], detail="no-list"),
    )
    assert said(hall) == [(UNKNOWN_THERE, 5, 1, "")]
    assert said(hall, 1) == [(FINGER_REFUSED, 7, 3, "")]
    assert rows(hall)[hall.w.students[1]].uncounted[0].last_ms == OPENS + 9 * MIN
    assert said(hall, 2) == [], "without a list it is the evening that is not known"
