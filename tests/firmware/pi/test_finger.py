"""Fingers and slots on the emulated sensor: what a comparison, an enrolment and an erasure come to."""

import pytest

from firmware.pi.finger import Expected, Finger, Outcome, Step
from firmware.pi.finger_line import Lost, Other
from simulator.r30x_finger import Finger as Human
from tests.firmware.pi.finger_world import ADA, ANSWER_S, BEN, check, enrol, world
from tests.rules import rule


@pytest.fixture
def bench(tmp_path):
    with world(tmp_path) as made:
        yield made


@pytest.fixture
def finger(bench):
    made = Finger(bench.path, answer_s=ANSWER_S)
    made.open()
    yield made
    made.close()


@rule("DDU-12")
def test_a_finger_that_was_enrolled_is_matched_and_another_is_not(bench, finger):
    outcome, asked = enrol(finger, bench, 7, ADA, ADA)
    assert (outcome, asked) == (Outcome.STORED, [Step.PLACE, Step.REMOVE, Step.AGAIN])
    assert finger.slots() == bench.seen("whole") == {7}
    bench.place(ADA)
    matched = check(finger, 7)
    assert matched.outcome == Outcome.MATCHED and matched.score > 0 and matched.sensor_s > 0
    bench.lift()
    bench.place(BEN)
    refused = check(finger, 7)
    assert (refused.outcome, refused.score) == (Outcome.NOT_MATCHED, 0)


@rule("DDU-12")
def test_the_template_of_one_slot_is_compared_and_no_other(bench, finger):
    bench.hold(3, ADA)
    bench.hold(4, BEN)
    bench.place(ADA)
    assert [check(finger, slot).outcome for slot in (3, 4)] == [Outcome.MATCHED, Outcome.NOT_MATCHED]
    assert 0x04 not in bench.seen("counts")


def test_a_finger_laid_down_later_is_waited_for(bench, finger):
    bench.hold(1, ADA)
    bench.place(ADA, after_s=0.3)
    assert check(finger, 1).outcome == Outcome.MATCHED


def test_without_a_finger_the_wait_ends(bench, finger):
    bench.hold(1, ADA)
    assert check(finger, 1, wait_s=0.2).outcome == Outcome.NO_FINGER


def test_a_wait_is_cancelled_when_nobody_wants_it_any_more(bench, finger):
    bench.hold(1, ADA)
    asked = iter([True, True, False])
    assert check(finger, 1, go_on=lambda: next(asked)).outcome == Outcome.CANCELLED


def test_a_finger_left_lying_is_no_second_try(bench, finger):
    bench.hold(1, ADA)
    bench.place(BEN)
    assert check(finger, 1).outcome == Outcome.NOT_MATCHED
    assert check(finger, 1, lift=True, wait_s=0.3).outcome == Outcome.COVERED
    bench.lift()
    bench.place(ADA, after_s=0.3)
    assert check(finger, 1, lift=True).outcome == Outcome.MATCHED


@pytest.mark.parametrize("state", ["dirty", "wet"])
def test_a_finger_that_shows_too_little_is_poor_and_not_refused(bench, finger, state):
    bench.hold(1, ADA)
    bench.place(Human(person="ada", state=state))
    assert check(finger, 1).outcome == Outcome.POOR


def test_a_smudge_of_which_no_picture_can_be_made_is_no_finger(bench, finger):
    bench.hold(1, ADA)
    bench.place(Human(person="ada", state="smudge"))
    assert finger.present()
    assert check(finger, 1, wait_s=0.2).outcome == Outcome.NO_FINGER


def test_a_finger_laid_badly_is_refused_and_laid_well_is_matched(bench, finger):
    bench.hold(1, ADA)
    bench.place(Human(person="ada", false_reject=1.0))
    assert check(finger, 1).outcome == Outcome.NOT_MATCHED
    bench.lift()
    bench.place(ADA)
    assert check(finger, 1).outcome == Outcome.MATCHED


def test_an_empty_slot_has_no_template_and_nobody_is_asked_for_a_finger(bench, finger):
    assert check(finger, 9).outcome == Outcome.NO_TEMPLATE
    assert 0x01 not in bench.seen("counts")


def test_whether_a_finger_lies_on_the_glass(bench, finger):
    assert not finger.present()
    bench.place(ADA)
    assert finger.present()


def test_poor_pictures_are_asked_for_again_in_an_enrolment(bench, finger):
    dirty = Human(person="ada", state="dirty")
    outcome, asked = enrol(finger, bench, 2, dirty, ADA, dirty, dirty, ADA)
    assert outcome == Outcome.STORED
    assert asked == [Step.PLACE, Step.POOR, Step.REMOVE, Step.AGAIN, Step.POOR, Step.POOR]


def test_a_finger_that_stays_poor_ends_the_enrolment_with_nothing_stored(bench, finger):
    outcome, _ = enrol(finger, bench, 2, *[Human(person="ada", state="dirty")] * 6)
    assert outcome == Outcome.POOR
    assert bench.seen("slots") == set()


def test_two_different_fingers_make_no_template(bench, finger):
    assert enrol(finger, bench, 2, ADA, BEN)[0] == Outcome.DIFFER
    assert bench.seen("slots") == set()


def test_a_slot_that_is_held_is_never_written_over(bench, finger):
    bench.hold(2, BEN)
    assert enrol(finger, bench, 2, ADA, ADA) == (Outcome.HELD, [])
    bench.place(BEN)
    assert check(finger, 2).outcome == Outcome.MATCHED


def test_nothing_is_written_before_the_intent_is_kept(bench, finger):
    written = []

    def intend():
        written.append((dict(bench.sensor.memory.wear), bench.seen("slots")))
        return False

    assert enrol(finger, bench, 2, ADA, ADA, intend=intend)[0] == Outcome.CANCELLED
    assert written == [({}, set())]
    assert 0x06 not in bench.seen("counts")


def test_a_slot_that_does_not_exist_fails(bench, finger):
    assert enrol(finger, bench, 200, ADA, ADA)[0] == Outcome.FAILED


def test_erasing_empties_a_slot_and_an_empty_one_is_erased_as_well(bench, finger):
    bench.hold(5, ADA)
    bench.hold(6, BEN)
    assert [finger.erase(5), finger.erase(5)] == [Outcome.ERASED, Outcome.ERASED]
    assert finger.slots() == {6}
    bench.place(ADA)
    assert check(finger, 5).outcome == Outcome.NO_TEMPLATE


def test_slots_beyond_the_first_page_of_the_index_are_seen(tmp_path):
    with world(tmp_path, capacity=1000) as bench:
        held = {0, 7, 8, 255, 256, 511, 999}
        for slot in held:
            bench.hold(slot, ADA)
        finger = Finger(bench.path, expected=Expected(capacity=1000))
        assert finger.open() == held
        finger.close()


def test_a_sensor_that_says_ok_to_an_empty_slot_still_compares_with_nothing(tmp_path):
    with world(tmp_path, empty_loads=True) as bench:
        bench.hold(1, ADA)
        finger = Finger(bench.path)
        finger.open()
        bench.place(ADA)
        assert check(finger, 1).outcome == Outcome.MATCHED
        # Buffer 2 still holds Ada's template, and Ada's finger lies there: slot 2 is empty all the same.
        assert check(finger, 2).outcome == Outcome.NO_TEMPLATE
        finger.close()


@pytest.mark.parametrize(
    ("sensor", "settings", "why"),
    [
        ({"password": 5}, {}, "password"),
        ({}, {"password": 5}, "password"),
        ({"capacity": 100}, {"expected": Expected(capacity=200)}, "capacity"),
        ({"system": 9}, {"expected": Expected(system=0x2EC8)}, "system"),
    ],
)
def test_a_sensor_that_is_not_the_one_set_up_here_is_refused(tmp_path, sensor, settings, why):
    with world(tmp_path, **sensor) as bench:
        finger = Finger(bench.path, **settings)
        with pytest.raises(Other) as caught:
            finger.open()
        assert caught.value.why == why
        finger.close()


def test_the_right_password_is_taken(tmp_path):
    with world(tmp_path, password=0xCAFE0001) as bench:
        finger = Finger(bench.path, password=0xCAFE0001)
        assert finger.open() == set()
        finger.close()


def test_a_port_that_is_not_there_is_a_lost_sensor(tmp_path):
    with pytest.raises(Lost, match="port"):
        Finger(str(tmp_path / "none")).open()


def test_nobody_else_gets_the_port_while_we_have_it(bench, finger):
    with pytest.raises(Lost, match="port"):
        Finger(bench.path).open()
    assert finger.slots() == set()


def test_a_sensor_that_started_anew_is_noticed_and_nothing_of_before_is_believed(bench, finger):
    bench.hold(1, ADA)
    bench.place(ADA)
    assert check(finger, 1).outcome == Outcome.MATCHED
    bench.power_off()
    bench.power_on()
    with pytest.raises(Lost):
        check(finger, 1)
    assert finger.open() == {1}
