"""What the lamp flashed is told by the kiosk's record, and neither by when it was read nor by a kiosk that starts again."""

import pytest

from simulator.lamp import Lamp
from simulator.residence_light import flashed, story

DARK, RED, GREEN, BLUE = (0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255)
#: somebody holds a staff card at 10.0, the kiosk keeps it at 10.1 and says so at 10.14
TWICE = ((9.0, BLUE), (10.21, DARK), (10.32, BLUE), (10.43, DARK), (10.7, BLUE))
SAID = [(8.0, "open"), (9.6, "witness"), (10.14, "kept")]


def lamp(*shown, off_s=None):
    """A lamp that showed this; off_s: when the power went."""
    made = Lamp({}, keep=1000)
    for at_s, colour in shown:
        if off_s is not None and at_s > off_s and not made.lost_s:
            made.dark(off_s)
        made.rgb(colour, at_s)
    if off_s is not None and not made.lost_s:
        made.dark(off_s)
    return made


def test_the_double_flash_is_blue_and_the_red_before_it_was_for_something_else():
    assert flashed(lamp(*TWICE), SAID, "kept", 10.0, 11.7) == "blue"
    assert flashed(lamp((8.5, RED), *TWICE), SAID, "kept", 10.0, 11.7) == "blue"


@pytest.mark.parametrize("off_s", [10.16, 10.25, 10.35])
def test_a_kiosk_that_loses_its_power_while_it_flashes_and_starts_again_has_not_flashed_red(off_s):
    """The build machine's: seed 7, the sensor pulled out and the power cut at the same visit, 0.8 s after it began."""
    made = lamp(*(one for one in TWICE if one[0] < off_s), (off_s + 0.9, RED), (off_s + 1.4, DARK), off_s=off_s)
    assert flashed(made, [*SAID, (off_s + 0.9, "broken")], "kept", 10.0, 11.7) == ""


def test_what_was_flashed_before_the_power_went_counts():
    assert flashed(lamp(*TWICE[:4], (11.4, RED), off_s=10.5), SAID, "kept", 10.0, 11.7) == "blue"
    red = lamp((9.0, BLUE), (10.12, RED), off_s=10.4)
    assert flashed(red, SAID, "kept", 10.0, 11.7) == "red"
    assert flashed(red, SAID[:2], "kept", 10.0, 11.7) == "red", "its screen was not told any more"


def test_a_kiosk_that_shows_red_and_says_kept_is_caught_before_with_or_after_the_right_light():
    for at_s in (10.11, 10.2, 10.4):
        assert "red" in flashed(lamp((9.0, BLUE), (at_s, RED), (at_s + 0.9, BLUE)), SAID, "kept", 10.0, 11.7)
    both = ((9.0, BLUE), (10.1, GREEN), (10.3, RED), (11.2, BLUE))
    assert flashed(lamp(*both), [(10.14, "recorded")], "recorded", 10.0, 11.7) == "green, red"


def test_a_kiosk_that_loses_its_chip_after_the_flash_pulses_red_and_has_not_flashed_it():
    pulsing = lamp(*TWICE[:4], (10.75, RED), (11.25, DARK))
    assert flashed(pulsing, SAID, "kept", 10.0, 11.7) == "blue"


def test_a_kiosk_whose_chip_was_away_for_a_moment_before_its_verdict_pulsed_red_and_has_not_flashed_it():
    """A busy machine's, seed 3: the pulse ended 0.3 s before the green and its screen."""
    shown = ((9.0, BLUE), (10.61, RED), (10.86, DARK), (11.15, GREEN), (11.85, BLUE))
    assert flashed(lamp(*shown), [(9.6, "finger"), (11.154, "recorded")], "recorded", 10.0, 12.0) == "green"
    red_only = (*shown[:3], (11.85, BLUE))
    assert flashed(lamp(*red_only), [(9.6, "finger"), (11.154, "recorded")], "recorded", 10.0, 12.0) == "red"


def test_a_kiosk_that_was_not_let_run_is_late_with_its_flash_and_has_flashed_all_the_same():
    late = ((9.0, BLUE), (10.6, DARK), (10.72, BLUE), (10.84, DARK), (11.1, BLUE))
    assert flashed(lamp(*late), SAID, "kept", 10.0, 11.7) == "blue"
    blurred = ((9.0, BLUE), (10.21, DARK), (10.7, BLUE))
    assert flashed(lamp(*blurred), SAID, "kept", 10.0, 11.7) == ""


def test_the_double_flash_of_the_next_person_is_theirs():
    next_one = ((9.0, BLUE), (10.1, GREEN), (10.8, DARK), (10.9, BLUE), (11.1, DARK), (11.2, BLUE), (11.3, DARK))
    assert flashed(lamp(*next_one), [(10.14, "recorded")], "recorded", 10.0, 10.2) == "green"


def test_the_story_has_lamp_display_and_power_in_their_order():
    told = story(lamp(*TWICE[:2], off_s=10.3), SAID, 10.0, 10.4)
    assert told == "+0.140 display kept; +0.210 lamp dark; +0.300 no power"
