"""One act at a kiosk beside another: whose finger lies on the glass, who may enrol, and what is forgotten of whom."""

import pytest

from firmware.contract.residents import NO_PIN, NO_SLOT, RESIDENT, STAFF, Entry
from firmware.reader.kiosk_table import SHOWN_MS
from tests.firmware.reader.kiosk_world import ADA, BEN, CAT, EVE, PIN, SAM, SUE, World, token
from tests.rules import rule


@pytest.fixture
def world(tmp_path):
    return World(tmp_path).start()


def lift_asked(world):
    """Whether the comparison that waits wants the glass to be free first."""
    assert world.verifying is not None
    return world.verifying[2]


# --- staff who live there ---------------------------------------------------------------------------------------------


def sue(world, pin=NO_PIN):
    """Sue is on duty, lives there, and gave no finger."""
    others = [one for one in world.everybody(ada_slot=3, cat_enrol=True) if one.token != token(SUE)]
    world.give([*others, Entry(token(SUE), NO_SLOT, 0, RESIDENT | STAFF, pin)])


@rule("DDU-12")
def test_duty_staff_who_live_there_and_chose_neither_finger_nor_pin_begin_an_enrolment(world):
    sue(world)
    world.card(SUE)
    assert world.shows == "witness"
    world.keys("#")
    assert world.shows == "staff"
    world.card(CAT)
    assert world.obey(CAT) == "stored"
    assert world.events()[-1] == "enrolled"


@rule("DDU-12")
def test_duty_staff_whose_pin_is_locked_begin_an_enrolment(world):
    world.card(SUE)
    for _ in range(5):
        world.keys("9999#")
    assert world.shows == "witness-locked"
    world.keys("#")
    assert world.shows == "staff"


@pytest.mark.parametrize("who", [CAT, EVE], ids=["a resident", "a stranger"])
def test_nobody_else_does_from_there(world, who):
    world.card(who)
    before = world.shows
    world.keys("#")
    assert world.shows == before and world.kiosk.state == "witness"
    world.keys("*")
    assert world.shows == "ended"


# --- the finger of the person before ----------------------------------------------------------------------------------


@rule("DDU-12")
def test_the_finger_of_the_person_before_must_be_gone_before_the_next_one_is_compared(world):
    world.card(ADA)
    assert not lift_asked(world), "nobody was there before"
    for _ in range(3):
        world.finger("not-matched")
    world.card(BEN)
    world.card(ADA)
    assert lift_asked(world)


@rule("DDU-12")
def test_once_the_glass_was_seen_free_a_finger_that_lies_there_early_is_the_persons_own(world):
    world.card(ADA)
    world.finger("matched")
    world.kiosk.glass_free()
    world.pass_ms(SHOWN_MS)
    world.card(ADA)
    assert not lift_asked(world)


def test_who_holds_a_card_while_a_finger_is_awaited_is_not_given_that_finger(world):
    other = Entry(token(BEN), 3, 1, RESIDENT, NO_PIN)
    world.card(ADA)
    world.give([other, *(one for one in world.everybody() if one.token not in (token(ADA), token(BEN)))])
    world.card(BEN)
    assert lift_asked(world)


def given_up(world):
    """Ada's comparison is cancelled: she would rather give her PIN, and goes; Ben holds his card, and goes."""
    world.card(ADA)
    world.keys("*")
    world.card(BEN)
    world.keys("*")
    world.pass_ms(SHOWN_MS)


@rule("DDU-12")
def test_a_finger_that_came_down_as_its_comparison_was_cancelled_is_nobody_elses(world):
    given_up(world)
    world.card(ADA)
    assert lift_asked(world)
    # That it was away then says nothing of what came down later.
    world.kiosk.glass_free()
    given_up(world)
    world.card(ADA)
    assert lift_asked(world)


@rule("DDU-12")
def test_whose_finger_lies_there_already_is_asked_to_take_it_away_and_then_to_place_it(world):
    world.card(ADA)
    assert world.shows == "finger"
    world.finger("matched")
    world.pass_ms(SHOWN_MS)
    world.card(ADA)
    assert world.shows == "finger-lift"
    world.kiosk.glass_free()
    assert (world.kiosk.state, world.shows) == ("finger", "finger")
    world.finger("not-matched")
    assert world.shows == "finger-again"
    world.kiosk.glass_free()
    assert world.shows == "finger-again", "what was wrong is said until the next try"


def test_after_an_enrolment_too(world):
    world.give(world.everybody(ada_slot=3, cat_enrol=True))
    world.card(SAM)
    world.card(CAT)
    world.obey(CAT)
    world.card(ADA)
    assert lift_asked(world)


@rule("DDU-12")
def test_where_the_glass_never_gets_free_there_is_the_pin(world):
    world.card(ADA)
    world.finger("covered")
    assert (world.shows, "finger-refused" in world.events()) == ("pin", False)
    world.keys(PIN + "#")
    world.card(SAM)
    assert world.records("checkin")[-1]["verdict"] == "green"


# --- what is forgotten of whom ----------------------------------------------------------------------------------------


def kept_of(world):
    """All that the kiosk's ledger has on its disk."""
    return b"".join(path.read_bytes() for path in sorted(world.folder.glob("kiosk.db*")))


def wrong_pin(world, uid=BEN):
    world.card(uid)
    world.keys("9999#*")
    world.pass_ms(SHOWN_MS)


@rule("DDU-12")
def test_of_whoever_is_not_on_the_list_any_more_neither_token_nor_pin_stays(world):
    pin = next(one.pin for one in world.everybody() if one.token == token(BEN))
    wrong_pin(world)
    assert token(BEN) in kept_of(world) and pin in kept_of(world)
    world.give([one for one in world.everybody(ada_slot=3) if one.token != token(BEN)])
    world.pass_ms(2000)
    assert token(BEN) not in kept_of(world) and pin not in kept_of(world)


def test_who_moved_out_while_it_had_no_power_is_forgotten_at_its_start(world):
    wrong_pin(world)
    world.give([one for one in world.everybody(ada_slot=3) if one.token != token(BEN)])
    world.power_off()
    assert token(BEN) in kept_of(world), "the power went before it was done"
    world.boot()
    world.pass_ms(2000)
    assert token(BEN) not in kept_of(world)


@rule("DDU-12")
def test_tries_of_whoever_is_on_the_list_are_kept_and_those_of_a_former_pin_are_not(world):
    for _ in range(2):
        wrong_pin(world)
    former = next(one.pin for one in world.everybody() if one.token == token(BEN))
    world.give(world.everybody(ada_slot=3))
    world.pass_ms(2000)
    assert world.ledger.tries(token(BEN), former) == 2
    world.give([one._replace(pin=b"another.") if one.token == token(BEN) else one for one in world.everybody()])
    world.pass_ms(2000)
    assert former not in kept_of(world) and world.ledger.tries(token(BEN), former) == 0


def test_without_a_list_nothing_is_forgotten(world):
    wrong_pin(world)
    world.power_off()
    world.medium.rosters.clear()
    world.boot()
    world.pass_ms(2000)
    assert token(BEN) in kept_of(world)


def test_what_could_not_be_forgotten_is_tried_again(world):
    wrong_pin(world)
    world.ledger.broken = True
    world.give([one for one in world.everybody(ada_slot=3) if one.token != token(BEN)])
    world.pass_ms(2000)
    world.ledger.broken = False
    world.pass_ms(2000)
    assert token(BEN) not in kept_of(world)
