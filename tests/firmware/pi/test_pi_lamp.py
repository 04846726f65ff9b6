"""The lamp and the buzzer on gpiozero's mock pins, at the reader's own times."""

import pytest
from gpiozero.pins.mock import MockFactory, MockPWMPin

from firmware.contract import verdict
from firmware.pi.lamp import BEEPS, PINS, Lamp
from firmware.reader.lights import Lights


@pytest.fixture
def factory():
    return MockFactory(pin_class=MockPWMPin)


@pytest.fixture
def lamp(factory):
    lamp = Lamp(factory, buzzer=23)
    yield lamp
    lamp.close()


def rhythm(values: list) -> list:
    """Lengths in ms of equal values at one each 20 ms: [(value, ms)]."""
    out = []
    for value in values:
        if out and out[-1][0] == value:
            out[-1][1] += 20
        else:
            out.append([value, 20])
    return [(value, ms) for value, ms in out]


@pytest.mark.parametrize("shown", verdict.VERDICTS)
def test_each_verdict_has_a_rhythm_of_its_own_on_the_pins(lamp, factory, shown):
    lights = Lights()
    lights.flash(shown, 0)
    lamp.beep(shown, 0)
    colours, beeps = [], []
    for now_ms in range(0, 1200, 20):
        lamp.show(lights.rgb(now_ms))
        lamp.tick(now_ms)
        colours.append(tuple(factory.pin(pin).state for pin in PINS))
        beeps.append(bool(factory.pin(23).state))
    on = [(colour, ms) for colour, ms in rhythm(colours) if any(colour)]
    assert (
        on
        == {
            verdict.GREEN: [((0, 1, 0), 700)],
            verdict.NOT_LISTED: [((1, 0, 0), 900)],
            verdict.NO_SESSION: [((1, 0, 0), 160), ((1, 0, 0), 140), ((1, 0, 0), 160)],  # 150 each, seen every 20
            verdict.UNCHECKED: [((0, 0, 1), 120), ((0, 0, 1), 120)],
        }[shown]
    )
    assert len([ms for beeping, ms in rhythm(beeps) if beeping]) == (len(BEEPS[shown]) + 1) // 2
    assert not beeps[-1]


def test_every_verdict_beeps_and_no_two_alike():
    assert set(BEEPS) == set(verdict.VERDICTS)
    assert len(set(BEEPS.values())) == len(BEEPS)


def test_brightness_is_pwm_and_an_unchanged_colour_touches_no_pin(lamp, factory):
    assert lamp.show((0, 0, 51))
    assert factory.pin(PINS[2]).state == pytest.approx(0.2)
    writes = len(factory.pin(PINS[2]).states)
    assert not lamp.show((0, 0, 51))
    assert len(factory.pin(PINS[2]).states) == writes


def test_a_swipe_that_could_not_be_kept_is_silent(lamp, factory):
    lamp.beep("storage", 0)
    assert not factory.pin(23).state
