"""The kiosk's states and what comes of them: check-ins by finger, by PIN and by witness; enrolment; what is broken."""

import pytest

from firmware.contract.mac import Key
from firmware.contract.residents import LOCKED, RESIDENT, Entry, Evening
from firmware.reader.fence import Where
from firmware.reader.kiosk_table import EVENTS, SHOWN_MS, STATES, TABLE, WITNESS_MS
from firmware.reader.pins import TRIES_MOST, pin_hash
from tests.firmware.reader.kiosk_world import (
    ADA,
    BEN,
    CARD_KEY,
    EVE,
    GREEN,
    PIN,
    PIN_KEY,
    SAM,
    SUE,
    PowerOut,
    World,
    text,
    token,
)
from tests.rules import rule


@pytest.fixture
def world(tmp_path):
    return World(tmp_path).start()


def test_the_table_says_what_happens_at_each_event_in_each_state():
    assert set(TABLE) == {(state, event) for state in STATES for event in EVENTS}


@rule("DDU-12")
def test_card_and_finger_are_green_once_the_check_in_is_kept(world):
    world.card(ADA)
    assert (world.kiosk.state, world.shows, world.lamp) == ("finger", "finger", (0, 0, 255))
    world.finger("matched")
    assert (world.shows, world.lamp) == ("recorded", GREEN)
    [said] = world.records("checkin")
    assert (said["method"], said["witness"], said["verdict"], said["tries"]) == ("finger", None, "green", 0)
    assert (said["place"], said["cell"], said["fix"], said["clock"]) == ("in", "51.50,-0.12", "good", "sync")
    assert said["evidence"] == "t" + text(ADA)


@rule("DDU-12")
@pytest.mark.parametrize("first", ["*", ""], ids=["who-would-rather-not", "who-has-no-template"])
def test_pin_and_witness_are_as_good_as_a_finger(world, first):
    who = ADA if first else BEN
    world.card(who)
    world.keys(first + PIN + "#")
    assert world.shows == "witness-pin"
    assert not world.records("checkin"), "nothing counts before the witness"
    world.card(SAM)
    assert (world.shows, world.lamp) == ("recorded", GREEN)
    [said] = world.records("checkin")
    assert (said["method"], said["witness"], said["verdict"]) == ("pin", text(SAM), "green")
    assert said["evidence"] == "t" + text(who)


def test_nobody_is_their_own_witness_though_they_are_staff(world):
    world.card(SUE)
    world.keys(PIN + "#")
    world.card(SUE)
    assert world.shows == "witness-pin"
    assert not world.records("checkin")
    world.card(SAM)
    assert world.records("checkin")[0]["witness"] == text(SAM)


def test_another_residents_card_is_no_witness_and_begins_their_own(world):
    world.card(BEN)
    world.keys(PIN + "#")
    world.card(ADA)
    assert (world.kiosk.state, world.records("checkin")) == ("finger", [])
    world.finger("matched")
    assert [said["evidence"] for said in world.records("checkin")] == ["t" + text(ADA)]


def test_a_witness_who_comes_too_late_witnesses_nothing(world):
    world.card(BEN)
    world.keys(PIN + "#")
    world.pass_ms(WITNESS_MS)
    assert world.shows == "ended"
    world.card(SAM)
    assert world.kiosk.state == "staff"
    assert not world.records("checkin")


def test_three_fingers_that_do_not_match_lead_to_the_pin_and_are_told(world):
    world.card(ADA)
    for _ in range(3):
        world.finger("not-matched")
    assert world.shows == "pin"
    world.keys(PIN + "#")
    world.card(SAM)
    [said] = world.records("checkin")
    assert (said["method"], said["tries"]) == ("pin", 3)
    refused = [said for said in world.records("kiosk") if said["event"] == "finger-refused"]
    assert [(said["subject"], said["detail"]) for said in refused] == [(text(ADA), n) for n in "123"]


def test_five_wrong_pins_lock_only_the_pin_and_outlive_the_power(world):
    for _ in range(TRIES_MOST):
        world.card(ADA)
        world.keys("*9999#")
        world.pass_ms(40_000)
    assert world.events().count("pin-refused") == TRIES_MOST
    assert world.events().count("pin-locked") == 1
    world.power_off()
    world.boot()
    world.set_clock()
    world.find_sensor()
    world.card(ADA)
    assert world.shows == "finger", "the finger is not locked"
    world.keys("*")
    assert world.shows == "witness-locked", "and nobody is locked out"
    world.keys(PIN + "#")
    assert not world.records("checkin")
    world.card(SAM)
    [said] = world.records("checkin")
    assert (said["method"], said["verdict"]) == ("witness", "check")
    # Staff set a new one.
    new = Entry(token(ADA), 3, 1, RESIDENT, pin_hash(PIN_KEY, token(ADA), "1357"))
    world.give([new, *world.everybody()[1:]])
    world.pass_ms(SHOWN_MS)
    world.card(ADA)
    world.keys("*1357#")
    assert world.shows == "witness-pin"


def test_a_pin_that_is_locked_elsewhere_is_not_taken_here(world):
    ben = Entry(token(BEN), 0xFFFF, 0, RESIDENT | LOCKED, pin_hash(PIN_KEY, token(BEN), PIN))
    world.give([ben, *[e for e in world.everybody(ada_slot=3) if e.token != token(BEN)]])
    world.card(BEN)
    assert world.shows == "witness-locked"


def test_a_right_pin_takes_the_wrong_ones_before_it_away(world):
    for _ in range(3):
        for _ in range(TRIES_MOST - 1):
            world.card(BEN)
            world.keys("9999#")
            world.pass_ms(40_000)
        world.card(BEN)
        world.keys(PIN + "#")
        assert world.shows == "witness-pin"
        world.pass_ms(40_000)
    assert "pin-locked" not in world.events()


def test_the_power_that_goes_after_a_wrong_pin_gives_no_try_for_nothing(world):
    for _ in range(TRIES_MOST):
        world.card(BEN)
        world.steps.cut_at = world.steps.count  # the power goes at the write after the count
        world.steps.after = True
        with pytest.raises(PowerOut):
            world.keys("9999#")
        world.power_off()
        world.boot()
        world.set_clock()
    world.card(BEN)
    assert world.shows == "witness-locked"


def test_without_its_sensor_everybody_can_check_in(world):
    world.lose_sensor()
    assert world.events()[-1] == "sensor-lost"
    world.card(ADA)
    assert world.shows == "pin"
    world.keys(PIN + "#")
    world.card(SAM)
    assert world.records("checkin")[-1]["verdict"] == "green"
    world.find_sensor()
    assert world.events()[-1] == "sensor-found"
    world.pass_ms(SHOWN_MS)
    world.card(ADA)
    assert world.shows == "finger"


def test_a_sensor_lost_under_the_finger_leads_to_the_pin_at_once(world):
    world.card(ADA)
    world.lose_sensor()
    assert world.shows == "pin"


def test_a_ledger_that_fails_leaves_the_witness(world):
    world.ledger.broken = True
    world.card(BEN)
    assert world.shows == "witness-locked"
    world.card(SAM)
    assert [(s["method"], s["verdict"]) for s in world.records("checkin")] == [("witness", "check")]


@rule("DDU-13")
@pytest.mark.parametrize(
    "opens_s, closes_s, verdict, message",
    [
        (-60, 3600, "green", "recorded"),
        (3600, 7200, "shut", "recorded-closed"),
        (-7200, -3600, "shut", "recorded-closed"),
        (0, 3600, "check", "recorded-check"),
    ],
    ids=["open", "before", "after", "on-the-edge"],
)
def test_an_evening_says_what_a_check_in_is_shown(tmp_path, opens_s, closes_s, verdict, message):
    world = World(tmp_path).start()
    reading = world.reader.reading(world.ms)
    at_ms = reading.wall_ms // 1000 * 1000
    world.now_ms += 1000 + at_ms - reading.wall_ms  # on the second, and not surely after it
    at_ms += 1000
    world.evenings = [Evening(at_ms + opens_s * 1000, at_ms + closes_s * 1000)]
    world.give(world.everybody(ada_slot=3))
    world.card(ADA)
    world.finger("matched")
    assert (world.records("checkin")[-1]["verdict"], world.shows) == (verdict, message)


def test_without_a_clock_check_ins_are_kept_and_placed_when_there_is_one(tmp_path):
    world = World(tmp_path).start()
    world.power_off()
    world.boot()
    world.find_sensor()
    assert world.shows == "waiting"
    world.card(ADA)
    world.finger("matched")
    [said] = world.records("checkin")
    assert (said["verdict"], said["wall_ms"], said["clock"], world.shows) == ("check", None, "none", "recorded-check")
    world.set_clock()
    assert world.records("clock"), "a clock record places it"


def test_without_a_list_the_card_is_noted_and_nobody_is_told_that_they_checked_in(tmp_path):
    world = World(tmp_path).boot()
    world.set_clock()
    world.find_sensor()
    world.card(ADA)
    assert (world.shows, world.lamp == GREEN) == ("card-noted", False)
    [said] = world.records("kiosk")
    assert (said["event"], said["subject"], said["detail"]) == ("card-unknown", text(ADA), "no-list")


def test_an_unknown_card_is_told_and_with_a_witness_kept_to_be_checked(world):
    world.card(EVE)
    assert (world.shows, world.events()[-1]) == ("witness-unknown", "card-unknown")
    assert world.lamp == (255, 0, 0)
    world.card(SAM)
    [said] = world.records("checkin")
    assert (said["evidence"], said["method"], said["verdict"]) == ("t" + text(EVE), "witness", "check")


def test_a_full_journal_says_so_and_nobody_sees_green(tmp_path):
    world = World(tmp_path).start()
    world.medium.capacity = world.medium.waiting() + 1
    world.card(ADA)
    world.finger("matched")
    world.pass_ms(SHOWN_MS)
    world.card(ADA)
    if world.kiosk.state == "finger":
        world.finger("matched")
    assert (world.shows, world.lamp == GREEN) == ("not-recorded", False)
    world.pass_ms(SHOWN_MS)
    assert world.shows == "broken"
    world.medium.capacity = 100_000
    world.pump()
    world.reader.journal.room_again()
    world.pass_ms(SHOWN_MS)
    world.card(ADA)
    world.finger("matched")
    assert world.lamp == GREEN


def test_the_same_card_left_or_flickering_is_one_act(world):
    world.card(ADA)
    world.card(ADA)
    world.finger("matched")
    world.card(ADA)
    assert len(world.records("checkin")) == 1
    assert world.shows == "recorded"


def test_the_next_person_does_not_wait_for_the_display(world):
    world.card(ADA)
    world.finger("matched")
    world.card(BEN)
    assert world.shows == "pin"


def test_an_answer_to_an_older_question_is_not_heard(world):
    world.card(ADA)
    act, _, _ = world.verifying
    world.card(BEN)
    world.kiosk.checked(act, "matched", world.ms)
    assert (world.shows, world.records("checkin")) == ("pin", [])


def test_a_finger_withdrawn_while_it_lies_on_the_glass_is_not_believed(world):
    world.card(ADA)
    waiting = world.verifying
    world.give(world.everybody())
    world.verifying = waiting
    world.finger("matched")
    assert (world.shows, world.records("checkin")) == ("pin", [])


def test_while_card_keys_change_both_tokens_are_kept_and_either_finds_the_entry(tmp_path):
    newer = Key(4, b"\x55" * 32)
    world = World(tmp_path, card_keys=(newer, CARD_KEY)).start()
    world.card(ADA)
    world.finger("matched")
    world.pass_ms(SHOWN_MS)
    world.card(BEN)
    world.keys(PIN + "#")
    world.card(SAM)
    first, second = world.records("checkin")
    assert first["evidence"] == f"t4:{newer.token(ADA).hex()},{text(ADA)}"
    assert (second["verdict"], second["witness"]) == ("green", text(SAM))


@rule("DDU-12")
@pytest.mark.parametrize(
    "place, idle, verdict, message",
    [("in", "open", "green", "recorded"), ("fixed", "open", "green", "recorded"),
     ("none", "open", "check", "recorded-check"), ("out", "moved", "check", "recorded-check")],
)  # fmt: skip
def test_a_kiosk_that_was_moved_or_knows_no_place_promises_nobody_that_it_counts(world, place, idle, verdict, message):
    world.where = Where(place, "-" if place == "none" else "51.58,-0.12", "none" if place == "none" else "good")
    assert world.shows == idle
    world.card(ADA)
    world.finger("matched")
    [said] = world.records("checkin")
    assert (said["place"], said["verdict"], world.shows) == (place, verdict, message)
    assert (world.lamp == GREEN) == (verdict == "green")


def test_lid_and_place_are_told_once_and_again_only_when_they_change(world):
    for is_open in (False, True, True, False):
        world.kiosk.lid(is_open, world.ms)
    world.kiosk.place("moved", world.ms)
    world.power_off()
    world.boot()
    world.kiosk.place("returned", world.ms)
    world.kiosk.lid(False, world.ms)
    assert [e for e in world.events() if e in ("opened", "closed", "moved", "returned")] == [
        "opened", "closed", "moved", "returned",
    ]  # fmt: skip
