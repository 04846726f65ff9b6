"""Whose template which slot may hold (DDU-12): consent first, the least worn free slot, and records that move it."""

import itertools

import pytest

from server.errors import NotFound, Refused
from server.store import residence_admin
from server.store import residence_templates as templates
from server.store.schema import audit
from server.store.schema_residence import consent, template
from tests.rules import rule
from tests.server.residence_world import HOUR, MIN, OPENS, UIDS, WARDEN_UID, Residence
from tests.server.store_world import World


@pytest.fixture
def hall(world):
    made = Residence(world, capacity=3)
    world.now_ms = OPENS + 2 * HOUR
    return made


def arm(hall, place=0, version="finger-1", reader_id=None):
    return hall.do(
        templates.arm, hall.warden, hall.w.students[place], reader_id or hall.reader_id, version, hall.w.now_ms
    )


def rows(hall):
    return [(row.slot, row.generation, row.person_id, row.state) for row in hall.w.all(template)]


def enrolled(hall, place=0, slot=0, generation=1, at=OPENS):
    return hall.event("enrolled", at, uid=UIDS[place], by=WARDEN_UID, slot=slot, generation=generation)


@rule("DDU-12")
def test_arming_keeps_who_agreed_to_which_words_before_whom_and_when(hall):
    who = hall.warden, hall.w.students[0], hall.reader_id
    hall.do(templates.arm, *who, "finger-1", OPENS, text_digest="ab", language="cy")
    one = hall.w.all(consent)[0]
    assert (one.text_version, one.text_digest, one.language, one.given_ms) == ("finger-1", "ab", "cy", OPENS)
    assert one.taken_by_account_id == hall.warden.account_id and one.withdrawn_ms is None
    assert {"consent.give", "template.arm"} <= {row.action for row in hall.w.all(audit)}


@rule("DDU-12")
def test_armed_twice_is_once(hall):
    assert arm(hall) == arm(hall)
    assert len(hall.w.all(consent)) == len(hall.w.all(template)) == 1


@rule("DDU-12")
def test_one_consent_serves_two_kiosks_enrolled_at_each_and_taken_back_both_erase(hall):
    other = hall.w.reader("k-2", room=None)
    second = hall.ids()["k-2"]
    hall.do(residence_admin.place_kiosk, hall.admin, second, hall.house, hall.since_ms, hall.w.now_ms, capacity=9)
    arm(hall)
    arm(hall, reader_id=second)
    assert len(hall.w.all(consent)) == 1

    def states():
        return {row.reader_id: row.state for row in hall.w.all(template)}

    hall.deliver(hall.board.lines[0], enrolled(hall))
    assert states() == {hall.reader_id: "held", second: "wanted"}, "a finger is at the kiosk where it was taken"
    told = {"uid": UIDS[0], "by": WARDEN_UID, "slot": 0, "generation": 1, "board": other}
    hall.deliver(other.lines[0], hall.event("enrolled", OPENS + MIN, **told))
    assert set(states().values()) == {"held"}
    assert hall.do(templates.withdraw, hall.warden, hall.w.students[0], hall.w.now_ms) == 2
    assert set(states().values()) == {"erasing"}
    hall.deliver(hall.event("erased", OPENS + HOUR, slot=0, generation=1))
    assert states() == {hall.reader_id: "erased", second: "erasing"}, "until each kiosk has said so itself"
    hall.deliver(hall.event("erased", OPENS + HOUR, slot=0, generation=1, board=other))
    assert set(states().values()) == {"erased"}


@rule("DDU-12")
def test_the_same_words_in_another_language_are_a_consent_of_their_own(hall):
    who = hall.warden, hall.w.students[0], hall.reader_id
    for language, digest in (("en", "ab"), ("cy", "cd"), ("cy", "cd")):
        hall.do(templates.arm, *who, "2026-11-22", OPENS, text_digest=digest, language=language)
    told = hall.look(templates.consents, hall.warden, hall.w.students[0], hall.w.now_ms)
    assert [(one.language, one.text_digest, bool(one.taken_by)) for one in told] == [
        ("cy", "cd", True),
        ("en", "ab", True),
    ]
    # The finger is wanted once, by the words that were read last; taking it back ends both.
    assert [row.consent_id for row in hall.w.all(template) if row.state == "wanted"] == [told[0].id]
    hall.do(templates.withdraw, hall.warden, hall.w.students[0], OPENS + MIN)
    told = hall.look(templates.consents, hall.warden, hall.w.students[0], hall.w.now_ms)
    assert {(one.withdrawn_ms, one.withdrawn_by) for one in told} == {(OPENS + MIN, told[0].taken_by)}


@rule("DDU-12")
def test_without_words_a_card_or_a_room_in_the_house_nothing_is_asked_of_the_kiosk(hall):
    bare = hall.w.person("S9")
    with pytest.raises(NotFound):
        hall.do(templates.arm, hall.warden, bare, hall.reader_id, "finger-1", hall.w.now_ms)
    with pytest.raises(Refused, match="version"):
        arm(hall, version=" ")
    hall.do(residence_admin.add_resident, hall.admin, hall.house, bare, hall.since_ms, hall.w.now_ms)
    with pytest.raises(Refused, match="no card"):
        hall.do(templates.arm, hall.warden, bare, hall.reader_id, "finger-1", hall.w.now_ms)
    assert rows(hall) == []


@rule("DDU-12")
def test_the_least_worn_free_slot_is_taken_and_a_full_sensor_is_said(hall):
    for place in range(3):
        arm(hall, place)
    assert [slot for slot, *_ in rows(hall)] == [0, 1, 2]
    hall.deliver(hall.board.lines[0], enrolled(hall, 0, 0, 1), enrolled(hall, 1, 1, 2))
    for place in (0, 1):
        hall.do(templates.withdraw, hall.warden, hall.w.students[place], hall.w.now_ms)
    with pytest.raises(Refused) as full:
        arm(hall, 0)  # both are still to be erased
    assert full.value.code == "sensor-full"
    said = [hall.event("erased", OPENS + HOUR, slot=slot, generation=slot + 1) for slot in (0, 1)]
    hall.deliver(*said)
    # Slot 0 is worn once, slot 1 once: worn alike, the lower one.
    arm(hall, 0)
    assert rows(hall)[-1] == (0, 4, hall.w.students[0], "wanted")
    # Written a second time, slot 0 is worn more than slot 1, though both are free again.
    hall.deliver(enrolled(hall, 0, 0, 4, OPENS + HOUR))
    hall.do(templates.withdraw, hall.warden, hall.w.students[0], hall.w.now_ms)
    hall.deliver(hall.event("erased", OPENS + 2 * HOUR, slot=0, generation=4))
    arm(hall, 0)
    assert rows(hall)[-1] == (1, 5, hall.w.students[0], "wanted")


@rule("DDU-12")
def test_what_the_kiosk_says_settles_a_template_in_whatever_order_it_comes(new_sqlite):
    found = set()
    for order in itertools.permutations(range(4)):
        world = World(new_sqlite())
        hall = Residence(world)
        world.now_ms = OPENS + HOUR
        arm(hall)
        said = [
            hall.event("enrol-failed", OPENS, uid=UIDS[0], slot=0, generation=1, detail="differ"),
            enrolled(hall, at=OPENS + 1000),
            hall.event("erased", OPENS + 2000, slot=0, generation=1),
            hall.event("opened", OPENS + 3000),
        ]
        hall.deliver(hall.board.lines[0])
        for at in order:
            hall.deliver(said[at])
        row = world.all(template)[0]
        found.add((row.state, row.failed_ms, row.held_ms, row.erased_ms, row.by_person_id == hall.warden_person))
        world.close()
    assert found == {("erased", OPENS, OPENS + 1000, OPENS + 2000, True)}


@rule("DDU-12")
def test_a_try_that_failed_is_tried_again_with_the_same_generation(hall):
    arm(hall)
    failed = hall.event("enrol-failed", OPENS, uid=UIDS[0], slot=0, generation=1)
    hall.deliver(hall.board.lines[0], failed)
    assert rows(hall) == [(0, 1, hall.w.students[0], "wanted")]
    hall.deliver(enrolled(hall, at=OPENS + 1000))
    assert rows(hall) == [(0, 1, hall.w.students[0], "held")]


@rule("DDU-12")
def test_withdrawn_while_the_finger_is_taken_it_is_still_erased(hall):
    arm(hall)
    own = hall.account("student", hall.w.students[0])
    hall.do(templates.withdraw, own, hall.w.students[0], hall.w.now_ms)
    assert rows(hall)[0][3] == "erased" and hall.w.all(consent)[0].withdrawn_by_account_id == own.account_id
    hall.deliver(hall.board.lines[0], enrolled(hall))
    assert rows(hall)[0][3] == "erasing"
    hall.deliver(hall.event("erased", OPENS + 1000, slot=0, generation=1))
    assert rows(hall)[0][3] == "erased"


@rule("DDU-12")
def test_a_sensor_that_was_wiped_holds_nobody_and_they_enrol_anew(hall):
    arm(hall)
    hall.deliver(hall.board.lines[0], enrolled(hall), hall.event("sensor-wiped", OPENS + 1000))
    assert rows(hall) == [(0, 1, hall.w.students[0], "erased")]
    arm(hall)
    hall.deliver(enrolled(hall, slot=1, generation=2, at=OPENS + 2000))
    assert rows(hall)[-1] == (1, 2, hall.w.students[0], "held"), "the less worn slot, and no older wipe takes it away"


@rule("DDU-12")
def test_enrolled_again_the_old_finger_goes_first(hall):
    arm(hall)
    hall.deliver(hall.board.lines[0], enrolled(hall))
    arm(hall, version="finger-2")
    assert [(slot, state) for slot, _, _, state in rows(hall)] == [(0, "erasing"), (1, "wanted")]


@rule("DDU-12")
def test_enrolments_are_seen_by_their_own_resident_and_by_staff_of_the_house_alone(hall):
    arm(hall)
    person = hall.w.students[0]
    south, _ = hall.other_house()
    stranger = hall.account("residence", scope="residence", scope_id=south)
    own, other = hall.account("student", person), hall.account("student", hall.w.students[1])
    for scope in (own, hall.warden):
        assert [one.state for one in hall.look(templates.of_person, scope, person, hall.w.now_ms)] == ["wanted"]
    for scope in (stranger, other):
        with pytest.raises(NotFound):
            hall.look(templates.of_person, scope, person, hall.w.now_ms)
        with pytest.raises(NotFound):
            hall.do(templates.withdraw, scope, person, hall.w.now_ms)
        with pytest.raises(NotFound):
            hall.do(templates.arm, scope, person, hall.reader_id, "finger-1", hall.w.now_ms)
