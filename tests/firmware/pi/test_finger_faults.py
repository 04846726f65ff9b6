"""Fingers under faults: whatever the line does, a comparison ends right or without a word, and says what it left."""

import contextlib

import pytest
import serial

from firmware.codecs import fingerprint as codec
from firmware.codecs.fingerprint_packets import Answer
from firmware.pi import finger_line, sensor
from firmware.pi.finger import Finger, Outcome
from firmware.pi.finger_line import Line, Lost
from simulator.r30x import TemplateAsked
from simulator.r30x_faults import FAULTS
from tests.firmware.pi.finger_world import ADA, ANSWER_S, BEN, check, enrol, world


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


@pytest.mark.parametrize("fault", sorted(FAULTS))
@pytest.mark.parametrize("command", [0x01, 0x02, 0x03, 0x07, 0x0F, 0x1F])
def test_after_any_fault_at_any_command_a_comparison_ends_right(bench, finger, fault, command):
    bench.hold(1, ADA)
    bench.hold(2, BEN)
    bench.place(ADA)
    for slot, outcome in ((1, Outcome.MATCHED), (2, Outcome.NOT_MATCHED)):
        bench.inject(fault, command=command)
        assert check(finger, slot).outcome == outcome


@pytest.mark.parametrize("at", range(14))
def test_an_answer_with_any_byte_flipped_never_turns_a_refusal_into_a_match(bench, finger, at):
    bench.hold(2, BEN)
    bench.place(ADA)
    bench.inject("flip", command=0x03, at=at)
    assert check(finger, 2).outcome == Outcome.NOT_MATCHED


@pytest.mark.parametrize("fault", ["drop_answer", "flip", "repeat", "late", "lose_command", "refuse"])
@pytest.mark.parametrize("command", [0x05, 0x06, 0x0C])
def test_after_any_fault_enrolling_and_erasing_leave_what_they_say(bench, finger, fault, command):
    bench.inject(fault, command=command)
    assert enrol(finger, bench, 3, ADA, ADA)[0] == Outcome.STORED
    assert bench.seen("whole") == {3}
    assert finger.erase(3) == Outcome.ERASED
    assert bench.seen("slots") == set()


def test_a_sensor_that_goes_silent_is_lost_and_damage_that_never_ends_too(bench, finger):
    bench.silence()
    with pytest.raises(Lost, match="silent"):
        finger.slots()
    bench.speak()
    assert finger.open() == set()
    bench.inject("flip", 100, at=11)
    with pytest.raises(Lost):
        finger.slots()


def test_the_deadlines_add_up_to_less_than_two_seconds():
    silent_s = finger_line.ALIGN_TRIES * finger_line.ALIGN_S
    assert finger_line.ANSWER_S + silent_s < 2.0
    assert sensor.PROBE_S + silent_s < 2.0


def test_a_slow_sensor_within_the_deadline_is_only_slow(tmp_path):
    with world(tmp_path, pace=1.0) as bench:
        bench.hold(1, ADA)
        bench.place(ADA)
        finger = Finger(bench.path)
        finger.open()
        checked = check(finger, 1)
        assert checked.outcome == Outcome.MATCHED and checked.sensor_s > 0.3
        finger.close()


def test_whoever_asks_for_a_template_fails_the_run(tmp_path):
    with pytest.raises(TemplateAsked, match="512 bytes"), world(tmp_path) as bench:
        finger = Finger(bench.path)
        finger.open()
        finger.close()
        with serial.Serial(bench.path, 57600, timeout=10) as port:
            port.write(bytes.fromhex("ef01ffffffff010004 0801 000e"))
            assert port.read(12)[9] == 0x0D
            assert bench.seen("template_bytes_seen") == 512


def test_only_commands_of_ours_reach_the_sensor(bench, finger):
    enrol(finger, bench, 3, ADA, ADA)
    bench.place(ADA)
    check(finger, 3)
    finger.erase(3)
    assert set(bench.seen("counts")) <= set(codec.COMMANDS)
    assert bench.seen("template_bytes_seen") == 0


def hostile(bench, finger, rng, rounds):
    """Comparisons under faults drawn by seed: how many ended right, and how many without a word; a wrong one fails."""
    right = lost = 0
    bench.hold(1, ADA)
    bench.hold(2, BEN)
    for _ in range(rounds):
        for _ in range(rng.randrange(4)):
            bench.inject(
                rng.choice(sorted(FAULTS)), rng.randrange(1, 3), command=rng.choice([None, 1, 2, 3, 7, 15, 31])
            )
        person, slot = rng.choice([(ADA, 1), (ADA, 2), (BEN, 1), (BEN, 2)])
        bench.place(person)
        try:
            outcome = check(finger, slot).outcome
        except Lost:
            lost += 1
            bench.speak()
            finger.open()
        else:
            assert outcome == (Outcome.MATCHED if (person, slot) in ((ADA, 1), (BEN, 2)) else Outcome.NOT_MATCHED)
            right += 1
        bench.lift()
    return right, lost


def test_under_faults_drawn_by_seed_a_comparison_ends_right_or_without_a_word(bench, finger, rng):
    right, lost = hostile(bench, finger, rng, 12)
    assert right + lost == 12 and right > 0


class Careless(Line):
    """A saboteur: it believes each answer as it comes, and asks again where none came."""

    def settled(self, asked, *, harmless=None):
        while True:
            with contextlib.suppress(finger_line._Odd, codec.AnswerError):
                return asked()

    def _exchange(self, command, wait_s):
        self._send(command)
        for event in self._heard(wait_s):
            if isinstance(event, Answer):
                return codec.expect(event, command)
        raise finger_line._Odd


class CarelessFinger(Finger):
    """What asks over such a line."""

    def __init__(self, path, **settings):
        super().__init__(path, **settings)
        self._line = Careless(path, 0, ANSWER_S)


def without_a_finger(bench, finger):
    """What comes of Ada's slot when her picture is still in the sensor, her finger gone, and the line three "ok" behind."""
    finger.open()
    bench.hold(1, ADA)
    bench.place(ADA)
    assert check(finger, 1).outcome == Outcome.MATCHED
    bench.lift()
    waits = []

    def go_on():
        if not waits:
            bench.lag(*[b"\x00"] * 3)
        waits.append(True)
        return len(waits) < 5

    try:
        return check(finger, 1, go_on=go_on).outcome
    except Lost:
        return Outcome.LOST
    finally:
        finger.close()


def test_an_answer_from_before_never_stands_for_a_finger(tmp_path):
    for kind, outcome in ((Finger, Outcome.LOST), (CarelessFinger, Outcome.MATCHED)):
        folder = tmp_path / kind.__name__
        folder.mkdir()
        with world(folder) as bench:
            assert without_a_finger(bench, kind(bench.path, answer_s=ANSWER_S)) == outcome, kind
