"""Whatever happens at a kiosk: green is kept, one act is one check-in, and nobody is locked out. And who breaks that is found."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.reader.kiosk import Kiosk
from tests.firmware.reader.kiosk_world import ADA, BEN, CAT, EVE, GREEN, PIN, SAM, SUE, World, text


@pytest.fixture
def world(tmp_path):
    return World(tmp_path).start()


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("card"), st.sampled_from([ADA, BEN, CAT, SAM, SUE, EVE])),
        st.tuples(st.just("keys"), st.sampled_from([*"0123456789*#", PIN + "#", "9999#"])),
        st.tuples(st.just("finger"), st.sampled_from(["matched", "not-matched", "poor", "no-finger", "no-template"])),
        st.tuples(st.just("enrol"), st.sampled_from(["stored", "differ", "poor", "failed"])),
        st.tuples(st.just("sensor"), st.sampled_from(["lost", "found", "wiped"])),
        st.tuples(st.just("list"), st.booleans()),
        st.tuples(st.just("time"), st.sampled_from([100, 3000, 40_000])),
        st.tuples(st.just("boot"), st.none()),
        st.tuples(st.just("full"), st.booleans()),
    ),
    max_size=30,
)


def do(world, what, value):
    if what == "card":
        world.card(value)
    elif what == "keys":
        world.keys(value)
    elif what == "finger" and world.verifying:
        world.finger(value)
    elif what == "enrol" and world.enrolling:
        world.obey(CAT, value)
    elif what == "sensor" and value == "lost":
        world.lose_sensor()
    elif what == "sensor":
        if value == "wiped":
            world.lose_sensor()
            world.flash.wipe()
        world.find_sensor()
    elif what == "list":
        world.give(world.everybody(ada_slot=3, cat_enrol=value))
    elif what == "time":
        world.pass_ms(value)
    elif what == "boot":
        world.power_off()
        world.boot()
        world.find_sensor()
    elif what == "full":
        world.medium.capacity = world.medium.waiting() if value else 100_000


def play(world, actions):
    """Do all that; whatever it is, green is kept, and one act is at most one check-in. Returns how many there were."""
    cards = checkins = 0
    for what, value in actions:
        lines = len(world.medium.lines())
        was_green = world.lamp == GREEN
        cards += what == "card"
        do(world, what, value)
        found = world.records("checkin")
        if world.lamp == GREEN and not was_green:
            assert len(world.medium.lines()) > lines, "green, and nothing was kept"
            enrolled = [said for said in world.records("kiosk") if said["event"] == "enrolled"]
            assert (len(found) > checkins and found[-1]["verdict"] == "green") or len(enrolled) > 1
        assert len(found) - checkins <= 1, "two check-ins by one act"
        checkins = len(found)
    assert checkins <= cards, "each check-in had a card of its own"
    return checkins


@settings(max_examples=60)
@given(ACTIONS)
def test_whatever_happens_green_is_kept_one_act_is_one_check_in_and_nobody_is_locked_out(tmp_path_factory, actions):
    world = World(tmp_path_factory.mktemp("kiosk")).start()
    checkins = play(world, actions)
    # Ben has no finger here, and whatever was broken, he can still check in once records can be kept.
    world.medium.capacity = 100_000
    world.reader.journal.room_again()
    world.pass_ms(100_000)
    world.card(BEN)
    if world.shows == "pin":
        world.keys(PIN + "#")
    world.card(SAM)
    found = world.records("checkin")
    assert (len(found), found[-1]["evidence"]) == (checkins + 1, "t" + text(BEN))
    world.power_off()


class Eager(Kiosk):
    """A saboteur: the light does not wait to hear whether it is kept."""

    def _not_recorded(self, now_ms):
        self._flash("green", now_ms)
        return self._shown("recorded")


class Twice(Kiosk):
    """A saboteur: it keeps each check-in twice, to be sure."""

    def _check_in(self, method, witness, now_ms):
        Kiosk._check_in(self, method, witness, now_ms)
        return Kiosk._check_in(self, method, witness, now_ms)


@pytest.mark.parametrize(
    "saboteur, told, actions",
    [
        (Eager, "nothing was kept", [("full", True), ("card", ADA), ("finger", "matched")]),
        (Twice, "two check-ins", [("card", ADA), ("finger", "matched")]),
    ],
)
def test_the_saboteurs_of_that_promise_are_found(tmp_path, saboteur, told, actions):
    with pytest.raises(AssertionError, match=told):
        play(World(tmp_path, kiosk=saboteur).start(), actions)


def test_what_the_saboteurs_are_found_by_is_nothing_to_the_real_kiosk(world):
    assert play(world, [("card", ADA), ("finger", "matched"), ("full", True), ("card", BEN), ("time", 3000)]) == 1
