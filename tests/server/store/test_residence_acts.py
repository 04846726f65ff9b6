"""Staff's acts, leave, hand-over, PINs and flags (DDU-12 to 14): by house, with reasons, audited, never one's own."""

import json
from datetime import timedelta

import pytest

from server.errors import NotAllowed, NotFound, Refused
from server.store import (
    notes,
    readers,
    residence_acts,
    residence_board,
    residence_leaves,
    residence_pins,
    residence_reports,
)
from server.store import residence_flags as flags
from server.store.campus import FieldRefused
from server.store.engine import writing
from server.store.schema import audit, note, reader
from server.store.schema_residence import evening_act, pin, residence_flag, residence_leave
from tests.rules import rule
from tests.server.residence_world import CLOSES, DAY, HOUR, MIN, OPENS, UIDS, WARDEN_UID, Residence


@pytest.fixture
def hall(world):
    made = Residence(world)
    world.now_ms = OPENS + 2 * HOUR
    return made


def act(hall, kind, reason="", text="", *, place=0, scope=None, day=DAY):
    given = hall.w.profiles, hall.w.students[place], day, kind, reason, text, hall.w.now_ms
    return hall.do(residence_acts.act, scope or hall.warden, *given)


def stranger(hall):
    south, _ = hall.other_house()
    return hall.account("residence", scope="residence", scope_id=south)


@rule("DDU-12", "DDU-14")
def test_an_entry_with_a_reason_is_in_and_withdrawn_it_is_not_and_both_stay_written(hall):
    person = hall.w.students[0]
    made = act(hall, "entry", "injury", "arm in plaster")
    assert hall.states()[person] == "in-staff"
    row = hall.look(residence_board.board, hall.warden, hall.w.profiles, hall.house, DAY, hall.w.now_ms).people[0]
    assert (row.note, row.acts[0].reason, row.by) == ("arm in plaster", "injury", row.acts[0].by) and row.by
    hall.do(residence_acts.withdraw, hall.warden, made, hall.w.now_ms)
    assert hall.states()[person] == "expected"
    assert [one.withdrawn_ms for one in hall.w.all(evening_act)] == [hall.w.now_ms]
    done = [row.action for row in hall.w.all(audit)]
    assert done[-2:] == ["evening.entry", "evening.withdraw"]
    told = json.loads(next(row.detail for row in hall.w.all(audit) if row.action == "evening.entry"))
    assert "plaster" not in json.dumps(told) and told["note"][0] == hall.w.all(note)[-1].id


@rule("DDU-12")
def test_a_reason_can_be_erased_and_the_act_stays(hall):
    act(hall, "excuse", "family", "a funeral")
    hall.do(notes.erase, hall.w.institution_id, [hall.w.all(note)[-1].id], hall.w.now_ms)
    board = hall.look(residence_board.board, hall.warden, hall.w.profiles, hall.house, DAY, hall.w.now_ms)
    assert (board.people[0].state, board.people[0].note) == ("excused", notes.ERASED)


@rule("DDU-12")
def test_calls_and_notes_change_no_state(hall):
    act(hall, "call", "", "on the train")
    act(hall, "note", "", "asks for a blanket")
    assert hall.states()[hall.w.students[0]] == "expected"
    (evening,) = hall.look(
        residence_reports.history, hall.warden, hall.w.profiles, hall.w.students[0], DAY, DAY, hall.w.now_ms
    )
    assert [one.kind for one in evening.acts] == ["call", "note"]


@rule("DDU-12")
@pytest.mark.parametrize(
    ("given", "field"),
    [
        (("entry", "", ""), "reason"),
        (("entry", "other", ""), "text"),
        (("call", "", " "), "text"),
        (("hug", "", ""), "kind"),
    ],
)
def test_what_says_too_little_is_refused_at_its_field(hall, given, field):
    with pytest.raises(FieldRefused) as error:
        act(hall, *given)
    assert error.value.field == field and hall.w.all(evening_act) == []


@rule("DDU-12")
def test_nobody_enters_themselves_nor_tomorrow_nor_for_another_house(hall):
    own = hall.account("residence", hall.w.students[0], scope="residence", scope_id=hall.house)
    with pytest.raises(Refused) as error:
        act(hall, "entry", "injury", scope=own)
    assert error.value.code == "own"
    with pytest.raises(Refused, match="has not come"):
        act(hall, "entry", "injury", day=DAY + timedelta(days=1))
    with pytest.raises(Refused, match="did not live"):
        act(hall, "entry", "injury", day=DAY - timedelta(days=60))
    far = stranger(hall)
    with pytest.raises(NotFound):
        act(hall, "entry", "injury", scope=far)
    made = act(hall, "excuse", "work")
    with pytest.raises(NotFound):
        hall.do(residence_acts.withdraw, far, made, hall.w.now_ms)
    with pytest.raises(NotAllowed):
        act(hall, "entry", "injury", scope=hall.account("student", hall.w.students[1]))


@rule("DDU-12")
def test_staff_see_their_houses_only_and_students_none(hall):
    south, _ = hall.other_house()
    far = hall.account("residence", scope="residence", scope_id=south)
    assert [one.code for one in hall.look(residence_board.houses, hall.warden)] == ["H1"]
    assert [one.code for one in hall.look(residence_board.houses, far)] == ["H2"]
    assert [one.code for one in hall.look(residence_board.houses, hall.admin)] == ["H1", "H2"]
    with pytest.raises(NotFound):
        hall.states(scope=far)
    with pytest.raises(NotAllowed):
        hall.states(scope=hall.account("student", hall.w.students[0]))
    with pytest.raises(NotAllowed):
        hall.states(scope=hall.account("lecturer"))


@rule("DDU-12")
def test_one_shift_tells_the_next(hall):
    hall.do(residence_acts.hand_over, hall.warden, hall.house, DAY, "the boiler is off", hall.w.now_ms)
    found = hall.look(residence_acts.hand_overs, hall.warden, hall.house, DAY, DAY)
    assert [(one.text, one.day) for one in found] == [("the boiler is off", DAY)]
    with pytest.raises(NotFound):
        hall.look(residence_acts.hand_overs, stranger(hall), hall.house, DAY, DAY)


@rule("DDU-12")
def test_an_act_and_a_hand_over_that_are_sent_twice_are_done_once_and_a_later_call_is_another(hall):
    for kind, reason, text in (("call", "", "no answer"), ("note", "", "asks for a blanket"), ("entry", "work", "")):
        first = act(hall, kind, reason, text)
        hall.w.now_ms += 59_000
        assert act(hall, kind, reason, text) == first
        hall.w.now_ms += 2_000
        assert act(hall, kind, reason, text) != first, "somebody was called again"
        assert act(hall, kind, reason, text + "!") not in (first, None)
        other = hall.account("residence", scope="residence", scope_id=hall.house)
        assert act(hall, kind, reason, text + "!", scope=other) != act(hall, kind, reason, text + "!")
    assert len(hall.w.all(evening_act)) == 3 * 4
    once = [hall.do(residence_acts.hand_over, hall.warden, hall.house, DAY, "Boiler", hall.w.now_ms) for _ in range(2)]
    hall.w.now_ms += 61_000
    assert (
        once[0] == once[1] != hall.do(residence_acts.hand_over, hall.warden, hall.house, DAY, "Boiler", hall.w.now_ms)
    )


def test_an_act_that_was_taken_back_can_be_done_again_at_once(hall):
    first = act(hall, "excuse", "family")
    hall.do(residence_acts.withdraw, hall.warden, first, hall.w.now_ms)
    assert act(hall, "excuse", "family") != first


# --- leave


def ask(hall, place=0, first=DAY, last=DAY, scope=None):
    person = hall.w.students[place]
    own = scope or hall.account("student", person)
    return hall.do(residence_leaves.ask, own, person, first, last, "home for the weekend", hall.w.now_ms)


@rule("DDU-14")
def test_leave_is_asked_by_the_resident_and_approved_by_staff(hall):
    leave = ask(hall)
    assert hall.states()[hall.w.students[0]] == "expected", "asked is not approved"
    assert [one.id for one in hall.look(residence_leaves.waiting, hall.warden, hall.w.now_ms)] == [leave]
    hall.do(residence_leaves.decide, hall.warden, leave, True, "have a good time", hall.w.now_ms)
    assert hall.states()[hall.w.students[0]] == "leave"
    own = hall.account("student", hall.w.students[0])
    one = hall.look(residence_leaves.of_person, own, hall.w.students[0], hall.w.now_ms)[0]
    assert (one.state, one.answer, one.text) == ("approved", "have a good time", "home for the weekend")
    assert hall.look(residence_leaves.waiting, hall.warden, hall.w.now_ms) == []
    hall.do(residence_leaves.withdraw, own, leave, hall.w.now_ms)
    assert hall.states()[hall.w.students[0]] == "expected"


@rule("DDU-14")
def test_nobody_decides_their_own_leave_nor_that_of_another_house_nor_twice(hall):
    leave = ask(hall)
    both = hall.account("residence", hall.w.students[0], scope="residence", scope_id=hall.house)
    with pytest.raises(NotAllowed) as error:
        hall.do(residence_leaves.decide, both, leave, True, "", hall.w.now_ms)
    assert error.value.code == "own-leave"
    with pytest.raises(NotFound):
        hall.do(residence_leaves.decide, stranger(hall), leave, True, "", hall.w.now_ms)
    with pytest.raises(NotAllowed):
        hall.do(residence_leaves.decide, hall.account("student", hall.w.students[1]), leave, True, "", hall.w.now_ms)
    hall.do(residence_leaves.decide, hall.warden, leave, False, "exams", hall.w.now_ms)
    with pytest.raises(Refused, match="refused already"):
        hall.do(residence_leaves.decide, hall.warden, leave, True, "", hall.w.now_ms)
    assert hall.states()[hall.w.students[0]] == "expected"


@rule("DDU-14")
def test_leave_is_asked_once_for_an_evening_in_order_and_for_oneself(hall):
    ask(hall, last=DAY + timedelta(days=2))
    with pytest.raises(Refused, match="asked already"):
        ask(hall, first=DAY + timedelta(days=2), last=DAY + timedelta(days=3))
    with pytest.raises(FieldRefused):
        ask(hall, place=1, first=DAY, last=DAY - timedelta(days=1))
    with pytest.raises(NotFound):
        ask(hall, place=1, scope=hall.account("student", hall.w.students[0]))
    with pytest.raises(NotFound):
        hall.do(residence_leaves.withdraw, hall.account("student", hall.w.students[1]), 1, hall.w.now_ms)
    assert len(hall.w.all(residence_leave)) == 1


# --- PINs


def set_pin(hall, digits="4821", scope=None):
    hall.do(residence_pins.set_pin, scope or hall.warden, hall.w.vault, hall.w.students[0], digits, hall.w.now_ms)


@rule("DDU-12")
def test_a_pin_stands_nowhere_and_five_wrong_ones_over_two_kiosks_lock_it_until_a_new_one(hall):
    _, other = hall.other_house()
    before = [hall.event("pin-refused", OPENS + n, uid=UIDS[0]) for n in range(3)]
    hall.w.now_ms = OPENS + HOUR
    set_pin(hall)
    hall.w.now_ms = OPENS + 2 * HOUR
    look = lambda: hall.look(residence_pins.of_person, hall.warden, hall.w.students[0], hall.w.now_ms)  # noqa: E731
    hall.deliver(hall.board.lines[0], *before)
    assert (look().tries, look().locked_ms) == (0, None), "they were before it was set"
    here = [hall.event("pin-refused", OPENS + HOUR + n, uid=UIDS[0]) for n in (1, 2)]
    there = [hall.event("pin-refused", OPENS + HOUR + n, uid=UIDS[0], board=other) for n in (3, 4, 5)]
    hall.deliver(other.lines[0], *here, *there[:2])
    assert (look().tries, look().locked_ms) == (4, None)
    hall.deliver(there[2])
    assert (look().tries, look().locked_ms) == (5, hall.w.now_ms)
    set_pin(hall, "9150")
    assert (look().tries, look().locked_ms) == (0, None)
    assert all(b"4821" not in bytes(row.hash) for row in hall.w.all(pin))


@rule("DDU-12")
def test_a_right_pin_begins_the_count_anew_and_a_kiosks_own_lock_holds(hall):
    hall.w.now_ms = OPENS - MIN
    set_pin(hall)
    hall.w.now_ms = OPENS + 2 * HOUR
    look = lambda: hall.look(residence_pins.of_person, hall.warden, hall.w.students[0], hall.w.now_ms)  # noqa: E731
    wrong = [hall.event("pin-refused", OPENS + n, uid=UIDS[0]) for n in range(4)]
    right = hall.check_in(UIDS[0], OPENS + 10, method="pin", witness=WARDEN_UID)
    hall.deliver(hall.board.lines[0], *wrong, right)
    assert (look().tries, look().locked_ms) == (0, None)
    hall.deliver(hall.event("pin-refused", OPENS + 20, uid=UIDS[0]), hall.event("pin-locked", OPENS + 20, uid=UIDS[0]))
    assert look().tries == 1 and look().locked_ms is not None
    assert [(row.kind, row.person_id) for row in hall.w.all(residence_flag)] == [("pin-locked", hall.w.students[0])]


@rule("DDU-12")
@pytest.mark.parametrize("digits", ["123", "123456789", "12a4", "1111", "1234", "٤٨٢١"])
def test_what_is_no_pin_or_the_first_that_anybody_tries_is_refused(hall, digits):
    with pytest.raises(FieldRefused):
        set_pin(hall, digits)
    assert hall.w.all(pin) == []


@rule("DDU-12")
def test_pins_are_set_by_staff_of_the_house_alone(hall):
    with pytest.raises(NotFound):
        set_pin(hall, scope=stranger(hall))
    with pytest.raises(NotFound):
        set_pin(hall, scope=hall.account("student", hall.w.students[0]))
    assert hall.w.all(pin) == []


# --- flags


@rule("DDU-12")
def test_a_cause_is_raised_once_counted_closed_by_a_person_and_open_again_when_it_goes_on(hall):
    hall.deliver(hall.board.lines[0], *(hall.event("finger-refused", OPENS + n * MIN, uid=UIDS[0]) for n in range(3)))
    one = hall.look(flags.waiting, hall.warden, hall.house)[0]
    assert (one.kind, one.person_id, one.count) == ("one-card", hall.w.students[0], 3)
    assert hall.states()[hall.w.students[0]] == "expected", "the machine decides nothing by it"
    with pytest.raises(NotFound):
        hall.do(flags.close, stranger(hall), one.id, "looked", hall.w.now_ms)
    with pytest.raises(FieldRefused):
        hall.do(flags.close, hall.warden, one.id, " ", hall.w.now_ms)
    hall.do(flags.close, hall.warden, one.id, "a plaster on the finger", hall.w.now_ms)
    assert hall.look(flags.waiting, hall.warden) == []
    hall.judge()
    assert hall.look(flags.waiting, hall.warden) == [], "seen again is no new cause"
    hall.deliver(hall.event("finger-refused", OPENS + 9 * MIN, uid=UIDS[0]))
    assert [(row.count, row.id) for row in hall.look(flags.waiting, hall.warden)] == [(4, one.id)]


@rule("DDU-12")
def test_a_kiosk_opened_or_moved_is_a_flag_of_its_house(hall):
    hall.deliver(hall.board.lines[0], hall.event("opened", OPENS), hall.event("moved", OPENS + 1, detail="51.50,-0.12"))
    found = hall.look(flags.waiting, hall.warden)
    assert {(one.kind, one.person_id, one.reader) for one in found} == {("opened", None, "k-1"), ("moved", None, "k-1")}
    assert hall.look(flags.waiting, stranger(hall)) == []


@rule("DDU-12")
def test_a_check_in_while_the_same_card_taps_on_another_site_is_flagged_once(hall):
    door = hall.w.reader("d-9", room=0)
    with writing(hall.w.engine) as c:
        site = readers.ensure_site(c, hall.w.institution_id, "campus")
        c.execute(reader.update().where(reader.c.name == "d-9").values(site_id=site))
    hall.deliver(
        hall.board.lines[0], hall.check_in(UIDS[0], OPENS + 30 * MIN), hall.check_in(UIDS[1], OPENS + 30 * MIN)
    )
    # The door's line was down: its swipe comes later.
    hall.deliver(door.lines[0], door.swipe(UIDS[0], OPENS + 33 * MIN), door.swipe(UIDS[1], OPENS + 45 * MIN))
    hall.judge()
    assert [(row.kind, row.person_id, row.count) for row in hall.w.all(residence_flag)] == [
        ("elsewhere", hall.w.students[0], 1)
    ]
    assert hall.states()[hall.w.students[0]] == "in"


def test_the_evening_is_over_at_its_end(hall):
    assert hall.look(residence_board.tonight, hall.warden, hall.w.profiles, CLOSES - 1) == DAY
    # Until midnight it is still this evening's board that staff look at.
    assert hall.look(residence_board.tonight, hall.warden, hall.w.profiles, CLOSES + MIN) == DAY
    assert hall.look(residence_board.tonight, hall.warden, hall.w.profiles, CLOSES + 4 * HOUR) == DAY + timedelta(
        days=1
    )
