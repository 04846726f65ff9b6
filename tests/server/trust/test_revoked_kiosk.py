"""What a stolen kiosk told between theft and call: kept, and nobody's finger, PIN or presence rests on it (DDU-12)."""

import pytest

from server.store import residence_flags, residence_kiosks, residence_pins, revocations
from server.store import residence_templates as templates
from server.store.schema_residence import kiosk_event, pin, template
from tests.rules import rule
from tests.server.residence_world import HOUR, MIN, OPENS, UIDS, WARDEN_UID, Residence

THEFT = OPENS + HOUR


@pytest.fixture
def hall(world):
    """A kiosk that is heard since the evening opened; it is stolen an hour later."""
    made = Residence(world, capacity=5)
    world.now_ms = OPENS
    made.deliver(made.board.lines[0])
    made.person = world.students[0]
    made.revoke = lambda: revoke(made)
    return made


def at(hall, at_ms, *lines):
    hall.w.now_ms = at_ms + 1000
    hall.deliver(*lines)


def revoke(hall):
    hall.w.now_ms = THEFT + HOUR
    hall.do(revocations.revoke, hall.console, "k-1", since_ms=THEFT, why="stolen", now_ms=hall.w.now_ms)
    hall.judge()
    hall.do(templates.sweep, hall.w.institution_id, hall.w.now_ms)
    hall.judge()


def release(hall):
    hall.w.now_ms += MIN
    hall.do(revocations.release, hall.console, "k-1", now_ms=hall.w.now_ms)
    hall.judge()


def arm(hall, place=0):
    return hall.do(templates.arm, hall.warden, hall.w.students[place], hall.reader_id, "finger-1", hall.w.now_ms)


def finger(hall, what, at_ms, place=0, generation=1):
    return hall.event(what, at_ms, uid=UIDS[place], by=WARDEN_UID, slot=generation - 1, generation=generation)


def states(hall):
    return {row.generation: (row.state, row.held_ms, row.erased_ms) for row in hall.w.all(template)}


def wrong(hall, *minutes, board=None):
    return [hall.event("pin-refused", OPENS + n * MIN, uid=UIDS[0], board=board) for n in minutes]


def pin_of(hall):
    row = hall.w.all(pin)[-1]
    return row.tries, row.locked_ms is not None


@rule("DDU-12")
def test_that_a_stolen_kiosk_forgot_a_finger_is_not_believed_and_that_it_was_enrolled_before_is(hall):
    arm(hall)
    at(hall, OPENS + MIN, finger(hall, "enrolled", OPENS + MIN))
    at(hall, THEFT + MIN, finger(hall, "erased", THEFT + MIN))
    assert states(hall)[1][0] == "erased"
    hall.revoke()
    assert states(hall)[1] == ("erasing", OPENS + MIN, None), "it is in there still, for all that anybody knows"


@rule("DDU-12")
def test_a_finger_that_a_stolen_kiosk_says_it_took_is_nobodys_and_not_gone_either(hall):
    arm(hall)
    at(hall, THEFT + MIN, finger(hall, "enrolled", THEFT + MIN))
    assert states(hall)[1][0] == "held"
    hall.revoke()
    assert states(hall)[1] == ("erasing", None, None)
    assert [row.by_person_id for row in hall.w.all(template)] == [None]
    hall.judge()
    assert states(hall)[1] == ("erasing", None, None)


@rule("DDU-12")
def test_a_pin_that_only_a_stolen_kiosk_locked_is_open_again_and_one_that_others_locked_stays(hall):
    w = hall.w
    for uid_place in (0, 1):
        hall.do(residence_pins.set_pin, hall.warden, w.vault, w.students[uid_place], "4821", w.now_ms)
    at(hall, THEFT - MIN, *(hall.event("pin-refused", OPENS + n * MIN, uid=UIDS[1]) for n in range(1, 6)))
    at(hall, THEFT - MIN, *wrong(hall, 1, 2))
    at(hall, THEFT + 9 * MIN, *wrong(hall, 61, 62, 63), hall.event("pin-locked", THEFT + 4 * MIN, uid=UIDS[0]))
    held = {row.person_id: row.locked_ms is not None for row in w.all(pin)}
    assert held == {w.students[0]: True, w.students[1]: True}
    hall.revoke()
    held = {row.person_id: (row.tries, row.locked_ms is not None) for row in w.all(pin)}
    assert held == {w.students[0]: (2, False), w.students[1]: (5, True)}
    assert len(w.all(kiosk_event)) == 11, "all that it told is kept"


@rule("DDU-12")
def test_a_stolen_kiosk_cannot_say_that_a_pin_was_right_so_that_it_may_be_tried_on(hall):
    w = hall.w
    hall.do(residence_pins.set_pin, hall.warden, w.vault, hall.person, "4821", w.now_ms)
    _, other = hall.other_house()
    at(hall, THEFT, other.lines[0] if other.lines else other.boot(at_ms=OPENS), *wrong(hall, 2, 3, 4, 5, board=other))
    at(hall, THEFT + MIN, hall.check_in(UIDS[0], THEFT + MIN, method="pin", witness=WARDEN_UID))
    assert pin_of(hall) == (0, False)
    hall.revoke()
    assert pin_of(hall) == (4, False)
    at(hall, THEFT + HOUR + MIN, *wrong(hall, 121, board=other))
    assert pin_of(hall) == (5, True)


@rule("DDU-12")
def test_what_it_said_of_somebody_is_marked_and_that_it_was_opened_stays_to_be_seen(hall):
    w = hall.w
    hall.do(residence_pins.set_pin, hall.warden, w.vault, hall.person, "4821", w.now_ms)
    at(
        hall,
        THEFT + 9 * MIN,
        hall.event("opened", THEFT + MIN),
        *wrong(hall, 61, 62, 63, 64, 65),
        hall.event("pin-locked", THEFT + 6 * MIN, uid=UIDS[0]),
    )
    flags = hall.look(residence_flags.waiting, hall.warden)
    assert {one.kind: one.doubted for one in flags} == {"opened": False, "pin-locked": False}
    hall.revoke()
    flags = hall.look(residence_flags.waiting, hall.warden)
    assert {one.kind: one.doubted for one in flags} == {"opened": False, "pin-locked": True}


@rule("DDU-13")
def test_nobody_was_there_because_a_stolen_kiosk_noted_their_card(hall):
    def noted():
        return hall.look(residence_kiosks.noted, [hall.person], OPENS, OPENS + 3 * HOUR)

    at(hall, THEFT + MIN, hall.event("card-unknown", THEFT + MIN, uid=UIDS[0], detail="no-list"))
    assert noted()
    hall.revoke()
    assert not noted()


@rule("DDU-12")
def test_what_was_told_late_and_is_older_than_the_theft_counts_once_a_person_says_so(hall):
    arm(hall)
    at(hall, THEFT + MIN, finger(hall, "enrolled", OPENS + MIN))
    hall.revoke()
    assert states(hall)[1] == ("erasing", None, None)
    release(hall)
    assert states(hall)[1] == ("erasing", OPENS + MIN, None), "it was enrolled, and can be erased by nobody"
