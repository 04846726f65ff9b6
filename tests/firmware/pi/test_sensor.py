"""The sensor's thread: what it reports when the sensor is there, goes, comes back as another, or is cut off half-way."""

import time

import pytest

from firmware.pi.finger import Expected, Outcome, Step
from firmware.pi.sensor_events import (
    Checked,
    Enrolled,
    Erased,
    Glass,
    GlassFree,
    SensorLost,
    SensorOther,
    SensorReady,
    SlotsHeld,
)
from simulator.r30x import R30x
from simulator.r30x_port import R30xPort
from tests.firmware.pi.finger_world import ADA, BEN, PACE, PATIENCE_S, Heard, world
from tests.rules import rule

FOUND = Expected(capacity=200, system=0x2EC8)


@pytest.fixture
def bench(tmp_path):
    with world(tmp_path) as made:
        yield made


@pytest.fixture
def heard(bench):
    with Heard(bench.path) as made:
        assert made.next() == SensorReady(found=FOUND, slots=frozenset())
        yield made


def test_a_sensor_that_is_there_is_ready_and_says_what_it_holds(bench):
    bench.hold(3, ADA)
    with Heard(bench.path, expected=FOUND) as heard:
        assert heard.next() == SensorReady(found=FOUND, slots=frozenset({3}))


@rule("DDU-12")
def test_orders_are_carried_out_one_after_another_and_each_has_its_event(bench, heard):
    bench.hold(1, ADA)
    bench.hold(2, BEN)
    bench.place(ADA)
    orders = [heard.sensor.verify(1), heard.sensor.verify(2), heard.sensor.erase(2), heard.sensor.slots()]
    first, second = heard.next(Checked), heard.next(Checked)
    assert (first.order, first.slot, first.check.outcome) == (orders[0], 1, Outcome.MATCHED)
    assert (second.order, second.check.outcome) == (orders[1], Outcome.NOT_MATCHED)
    assert heard.next() == Erased(order=orders[2], slot=2, outcome=Outcome.ERASED)
    assert heard.next() == SlotsHeld(order=orders[3], slots=frozenset({1}))
    heard.sensor.present()
    assert heard.next(Glass).present is True


def test_an_enrolment_says_what_the_person_must_do_and_then_what_came_of_it(bench, heard):
    order = heard.sensor.enrol(4, intend=lambda: True)
    steps, event = heard.obeyed(bench, ADA)
    assert steps == [Step.PLACE, Step.REMOVE, Step.AGAIN]
    assert event == Enrolled(order=order, slot=4, outcome=Outcome.STORED)
    assert bench.seen("whole") == {4}


def test_who_does_not_wait_any_more_is_told_so_and_the_next_order_is_carried_out(bench, heard):
    bench.hold(1, ADA)
    order = heard.sensor.verify(1, wait_s=PATIENCE_S)
    heard.sensor.cancel()
    assert (ended := heard.next(Checked)).order == order and ended.check.outcome == Outcome.CANCELLED
    bench.place(ADA)
    heard.sensor.verify(1)
    assert heard.next(Checked).check.outcome == Outcome.MATCHED


def test_a_sensor_that_goes_silent_is_lost_once_and_found_when_it_answers(bench, heard):
    bench.hold(1, ADA)
    bench.silence()
    assert isinstance(heard.next(), SensorLost)
    order = heard.sensor.verify(1)
    assert (ended := heard.next()).order == order and ended.check.outcome == Outcome.LOST
    bench.speak()
    assert heard.next() == SensorReady(found=FOUND, slots=frozenset({1}))


def test_a_sensor_silent_in_the_middle_of_an_order_ends_it_as_lost(bench, heard):
    bench.hold(1, ADA)
    order = heard.sensor.verify(1, wait_s=PATIENCE_S)
    bench.silence()
    assert (ended := heard.next()).order == order and ended.check.outcome == Outcome.LOST
    assert heard.next() == SensorLost(why="silent")


def test_a_sensor_that_is_unplugged_and_plugged_in_again_is_lost_and_found(bench, heard):
    bench.hold(1, ADA)
    bench.do(bench.port.unplug)
    assert heard.next() == SensorLost(why="port")
    assert [heard.sensor.slots() and heard.next(SlotsHeld).slots, bench.seen("powered")] == [None, False]
    bench.do(bench.port.plug)
    assert heard.next() == SensorReady(found=FOUND, slots=frozenset({1}))
    bench.place(ADA)
    heard.sensor.verify(1)
    assert heard.next(Checked).check.outcome == Outcome.MATCHED


def test_power_that_was_gone_for_a_moment_is_a_sensor_lost_and_found(bench, heard):
    bench.hold(1, ADA)
    bench.power_off()
    bench.power_on()
    assert heard.next() == SensorLost(why="restarted")
    assert heard.next() == SensorReady(found=FOUND, slots=frozenset({1}))


def test_a_sensor_that_was_wiped_comes_back_without_its_slots(bench, heard):
    bench.hold(1, ADA)
    bench.do(bench.port.unplug)
    assert isinstance(heard.next(), SensorLost)
    bench.do(bench.sensor.memory.wipe)
    bench.do(bench.port.plug)
    assert heard.next() == SensorReady(found=FOUND, slots=frozenset())


def test_another_sensor_on_the_same_line_is_refused_and_said_once(tmp_path):
    with world(tmp_path) as bench, Heard(bench.path, expected=FOUND) as heard:
        assert isinstance(heard.next(), SensorReady)
        bench.do(bench.port.unplug)
        assert isinstance(heard.next(), SensorLost)

        def another():
            made = R30x(clock=bench.sensor._clock, flash=tmp_path / "other.bin", capacity=100, pace=PACE)
            port = R30xPort(made, tmp_path)
            port.attach()
            return port

        port = bench.do(another)
        assert heard.next() == SensorOther(why="capacity")
        order = heard.sensor.erase(1)
        assert heard.next() == Erased(order=order, slot=1, outcome=Outcome.LOST)
        bench.do(port.close)
        bench.do(bench.port.plug)
        assert isinstance(heard.next(SensorReady), SensorReady)


def test_a_wrong_password_is_another_sensor(tmp_path):
    with world(tmp_path, password=9) as bench, Heard(bench.path) as heard:
        assert heard.next() == SensorOther(why="password")


def test_without_a_sensor_every_order_ends_at_once(tmp_path):
    with Heard(str(tmp_path / "none")) as heard:
        assert heard.next() == SensorLost(why="port")
        heard.sensor.verify(1)
        heard.sensor.enrol(1, intend=lambda: True)
        heard.sensor.present()
        assert heard.next(Checked).check.outcome == Outcome.LOST
        assert heard.next(Enrolled).outcome == Outcome.LOST
        assert heard.next(Glass).present is None


def test_an_intent_that_cannot_be_kept_stores_nothing_and_does_not_end_the_thread(bench, heard):
    def intend():
        raise OSError("the card takes no writes")

    heard.sensor.enrol(4, intend=intend)
    assert heard.obeyed(bench, ADA)[1].outcome == Outcome.LOST
    assert heard.next() == SensorLost(why="fault")
    assert heard.sensor.fault == "OSError"
    assert heard.next() == SensorReady(found=FOUND, slots=frozenset())


@pytest.mark.parametrize("mark_first", [False, True])
@pytest.mark.parametrize("written", [0, 300, 517, 518, 800, 1033])
def test_power_cut_at_any_byte_of_a_store_leaves_a_slot_that_is_said_as_it_is(tmp_path, written, mark_first):
    with world(tmp_path, mark_first=mark_first) as bench, Heard(bench.path) as heard:
        assert isinstance(heard.next(), SensorReady)
        bench.cut_power_after(written)
        heard.sensor.enrol(4, intend=lambda: True)
        assert heard.obeyed(bench, ADA)[1].outcome == Outcome.LOST
        assert isinstance(heard.next(), SensorLost)
        bench.power_on()
        held = heard.next(SensorReady).slots
        assert held == bench.seen("slots") <= {4}
        # Whatever it holds can be erased, so that slot and record agree again.
        heard.sensor.erase(4)
        assert heard.next(Erased).outcome == Outcome.ERASED
        assert bench.seen("slots") == set()


def test_a_template_cut_short_that_stands_in_the_index_matches_nobody(tmp_path):
    with world(tmp_path, mark_first=True) as bench, Heard(bench.path) as heard:
        heard.next(SensorReady)
        bench.cut_power_after(517 + 1 + 40)
        heard.sensor.enrol(4, intend=lambda: True)
        assert heard.obeyed(bench, ADA)[1].outcome == Outcome.LOST
        bench.power_on()
        assert heard.next(SensorReady).slots == {4}
        bench.place(ADA)
        heard.sensor.verify(4)
        assert heard.next(Checked).check.outcome == Outcome.NO_TEMPLATE


def test_stopping_ends_the_thread_while_somebody_is_waited_for(bench):
    heard = Heard(bench.path)
    bench.hold(1, ADA)
    with heard:
        heard.next(SensorReady)
        heard.sensor.verify(1, wait_s=1000.0)
        time.sleep(0.2)
    assert heard.next(Checked).check.outcome == Outcome.CANCELLED


@rule("DDU-12")
def test_after_a_comparison_it_says_once_when_the_glass_is_free(bench, heard):
    bench.hold(1, ADA)
    bench.place(ADA)
    heard.sensor.verify(1)
    assert heard.next().check.outcome == Outcome.MATCHED
    heard.sensor.present()
    assert heard.next() == Glass(order=2, present=True), "nothing was said while the finger lay there"
    bench.lift()
    assert heard.next() == GlassFree()
    heard.sensor.slots()
    assert isinstance(heard.next(), SlotsHeld)


def test_whoever_left_their_finger_lying_is_not_compared_with_the_next_persons_template(bench, heard):
    bench.hold(1, ADA)
    bench.hold(2, BEN)
    bench.place(ADA)
    heard.sensor.verify(1)
    assert heard.next(Checked).check.outcome == Outcome.MATCHED
    heard.sensor.verify(2, lift=True)
    bench.lift()
    bench.place(BEN, after_s=0.3)
    assert heard.next(Checked).check.outcome == Outcome.MATCHED


def test_a_comparison_that_waits_for_a_free_glass_says_when_it_is_free(bench, heard):
    bench.hold(2, BEN)
    bench.place(ADA)
    heard.sensor.verify(2, lift=True)
    heard.sensor.slots()
    bench.lift()
    assert heard.next() == GlassFree(), "and what was ordered after it comes after it"
    bench.place(BEN)
    assert heard.next().check.outcome == Outcome.MATCHED


def test_an_enrolment_is_followed_by_a_free_glass_too(bench, heard):
    heard.sensor.enrol(4, intend=lambda: True)
    assert heard.obeyed(bench, ADA)[1].outcome == Outcome.STORED
    assert heard.next() == GlassFree()
