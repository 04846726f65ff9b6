"""The residents list is a desired state (DDU-12): what changes reaches the kiosk, and what does not is not issued again."""

import pytest

from firmware.contract import residents as wire
from server.store import cards, residence_admin, residence_leaves, residence_pins, residence_templates
from server.store.engine import writing
from server.store.schema import reader_state
from tests.rules import rule
from tests.server.residence_world import CLOSES, DAY, HOUR, MIN, OPENS, UIDS, WARDEN_UID, Residence


@pytest.fixture
def hall(world):
    return Residence(world)


@rule("DDU-12", "DDU-13")
def test_a_kiosk_gets_its_residents_its_duty_staff_and_three_days_of_evenings(hall):
    assert hall.issue() == 1
    found = hall.listed()
    assert [found.entry(n).flags for n in range(found.count)].count(wire.STAFF) == 1
    assert found.count == len(hall.w.students) + 1
    assert hall.entry(UIDS[0]) == wire.Entry(hall.w.tokens(UIDS[0])[0][1], wire.NO_SLOT, 0, wire.RESIDENT, wire.NO_PIN)
    assert found.evenings[0] == wire.Evening(OPENS, CLOSES)
    assert found.valid_until_ms - hall.w.now_ms >= 72 * HOUR
    assert found.evenings[-1].closes_ms >= hall.w.now_ms + 72 * HOUR
    assert hall.entry(UIDS[9]) is None


def test_nothing_is_issued_when_nothing_changed_and_again_when_it_is_old(hall):
    assert (hall.issue(), hall.issue()) == (1, 0)
    hall.w.now_ms += 11 * HOUR
    before = hall.listed().version_ms
    hall.issue()
    hall.w.now_ms += 13 * HOUR
    assert hall.issue() == 1 and hall.listed().version_ms > before


def test_a_version_is_above_the_one_that_the_kiosk_says_it_holds(hall):
    hall.issue()
    ahead = hall.w.now_ms + HOUR
    with writing(hall.w.engine) as c:
        c.execute(reader_state.update().where(reader_state.c.reader_id == hall.reader_id).values(roster_ms=ahead))
    assert hall.issue() == 1 and hall.listed().version_ms == ahead + 1


@rule("DDU-12")
def test_armed_held_withdrawn_and_erased_reach_the_list_at_once(hall):
    person = hall.w.students[0]
    hall.do(residence_templates.arm, hall.warden, person, hall.reader_id, "finger-1", hall.w.now_ms)
    hall.issue()
    one = hall.entry(UIDS[0])
    assert (one.slot, one.generation, one.flags) == (0, 1, wire.RESIDENT | wire.ENROL)
    hall.w.now_ms = OPENS + MIN
    enrolled = hall.event("enrolled", OPENS, uid=UIDS[0], by=WARDEN_UID, slot=0, generation=1)
    hall.deliver(hall.board.lines[0], enrolled)
    assert hall.issue() == 1
    one = hall.entry(UIDS[0])
    assert (one.slot, one.generation, one.flags) == (0, 1, wire.RESIDENT)
    assert hall.do(residence_templates.withdraw, hall.warden, person, hall.w.now_ms) == 1
    assert hall.issue() == 1 and hall.entry(UIDS[0]).slot == wire.NO_SLOT


@rule("DDU-12")
def test_a_pin_is_on_the_list_as_its_keyed_hash_and_a_lock_too(hall):
    person = hall.w.students[0]
    hall.do(residence_pins.set_pin, hall.warden, hall.w.vault, person, "4821", hall.w.now_ms)
    hall.issue()
    key = hall.do(residence_pins.key, hall.w.vault, hall.w.institution_id, hall.w.now_ms)
    token = hall.w.tokens(UIDS[0])[0][1]
    assert hall.entry(UIDS[0]).pin == key.hmac(token + b"\0" + b"4821")[:8]
    hall.w.now_ms = OPENS + MIN
    hall.deliver(hall.board.lines[0], *(hall.event("pin-refused", OPENS + n, uid=UIDS[0]) for n in range(5)))
    assert hall.issue() == 1 and hall.entry(UIDS[0]).flags & wire.LOCKED
    hall.w.now_ms = OPENS + HOUR
    hall.do(residence_pins.set_pin, hall.warden, hall.w.vault, person, "7302", hall.w.now_ms)
    assert hall.issue() == 1 and not hall.entry(UIDS[0]).flags & wire.LOCKED


@rule("DDU-12")
def test_leave_tonight_is_on_the_list_and_duty_and_a_lost_card_are(hall):
    person = hall.w.students[0]
    own = hall.account("student", person)
    leave = hall.do(residence_leaves.ask, own, person, DAY, DAY, "home", hall.w.now_ms)
    hall.do(residence_leaves.decide, hall.warden, leave, True, "", hall.w.now_ms)
    hall.issue()
    assert hall.entry(UIDS[0]).flags == wire.RESIDENT | wire.AWAY
    hall.do(residence_admin.add_duty, hall.admin, hall.house, hall.w.students[1], hall.w.now_ms, hall.w.now_ms)
    assert hall.issue() == 1 and hall.entry(UIDS[1]).flags == wire.RESIDENT | wire.STAFF
    with writing(hall.w.engine) as c:
        card = cards.of_person(c, hall.w.students[2], hall.w.now_ms)[0]
        cards.end(c, hall.w.institution_id, card, hall.w.now_ms, "lost")
    assert hall.issue() == 1 and hall.entry(UIDS[2]) is None


@rule("DDU-12")
def test_whoever_moves_out_or_loses_their_card_leaves_the_sensor(hall):
    w = hall.w
    for n in (0, 1):
        hall.do(residence_templates.arm, hall.warden, w.students[n], hall.reader_id, "finger-1", w.now_ms)
    said = [hall.event("enrolled", OPENS, uid=UIDS[n], by=WARDEN_UID, slot=n, generation=n + 1) for n in (0, 1)]
    w.now_ms = OPENS + MIN
    hall.deliver(hall.board.lines[0], *said)
    hall.issue()
    home = next(one for one in w.all(residence_admin.residency) if one.person_id == w.students[0])
    hall.do(residence_admin.end_resident, hall.admin, home.id, w.now_ms, w.now_ms)
    with writing(w.engine) as c:
        cards.end(c, w.institution_id, cards.of_person(c, w.students[1], w.now_ms)[0], w.now_ms, "lost")
    assert hall.issue() == 1
    assert hall.entry(UIDS[0]) is None and hall.entry(UIDS[1]) is None
    rows = {row.person_id: row.state for row in w.all(residence_templates.template)}
    assert rows == {w.students[0]: "erasing", w.students[1]: "erasing"}


@rule("DDU-12")
def test_a_kiosk_that_serves_no_house_any_more_is_told_to_hold_nobody(hall):
    hall.issue()
    hall.do(residence_admin.end_kiosk, hall.admin, hall.reader_id, hall.w.now_ms, hall.w.now_ms)
    hall.w.now_ms += MIN
    assert hall.issue() == 1 and hall.listed().count == 0


@rule("DDU-12")
def test_where_a_kiosk_is_registered_is_on_its_list_and_another_place_at_once(hall):
    w = hall.w
    hall.issue()
    assert hall.listed().place == wire.NOWHERE, "none is registered: the settings file's holds no longer"
    given = hall.admin, hall.reader_id, hall.house, w.now_ms, w.now_ms
    hall.do(residence_admin.place_kiosk, *given, latitude=51.5014, longitude=-0.1419, radius_m=60)
    assert hall.issue() == 1
    assert hall.listed().place == pytest.approx((51.5014, -0.1419, 60), abs=1e-6)
    assert hall.listed().count == len(w.students) + 1
    w.now_ms += MIN
    hall.do(
        residence_admin.place_kiosk, *given[:3], w.now_ms, w.now_ms, latitude=51.5014, longitude=-0.1419, radius_m=90
    )
    assert hall.issue() == 1 and hall.listed().place.radius_m == 90
    hall.do(residence_admin.end_kiosk, hall.admin, hall.reader_id, w.now_ms, w.now_ms)
    w.now_ms += MIN
    assert hall.issue() == 1 and (hall.listed().place, hall.listed().count) == (wire.NOWHERE, 0)
