"""What somebody at the door makes of the lamp's pins."""

import asyncio

from simulator.lamp import Lamp

FULL = 65_535
RED, GREEN, BLUE = 16, 17, 18


def lamp():
    made = Lamp({RED: 0, GREEN: 1, BLUE: 2})
    made.pin("pwm", BLUE, FULL, 0.5)
    return made


async def test_green_is_seen_at_the_moment_it_was_lit():
    door = lamp()
    door.pin("pwm", BLUE, 0, 1.0)
    door.pin("pwm", GREEN, FULL, 1.1)
    assert await door.verdict(0.9, 0) == ("green", 1.1)


async def test_the_green_of_the_person_before_is_not_mine():
    door = lamp()
    door.pin("pwm", GREEN, FULL, 1.0)
    assert await door.verdict(1.2, 0) is None


async def test_a_second_green_after_a_short_dark_is_mine():
    door = lamp()
    door.pin("pwm", BLUE, 0, 1.0)
    door.pin("pwm", GREEN, FULL, 1.0)
    door.pin("pwm", GREEN, 0, 1.3)
    door.pin("pwm", GREEN, FULL, 1.34)
    assert await door.verdict(1.2, 0) == ("green", 1.34)


async def test_a_quick_blue_blink_means_stored_and_a_slow_breath_means_nothing():
    door = lamp()
    door.pin("pwm", BLUE, 0, 1.0)
    door.pin("pwm", BLUE, FULL, 1.1)
    assert await door.verdict(0.9, 0) is None, "it may be a reader that has just opened"
    door.pin("pwm", BLUE, 0, 1.2)
    assert await door.verdict(0.9, 0) == ("blue", 1.0)
    door = lamp()
    door.pin("pwm", BLUE, 0, 1.0)
    door.pin("pwm", BLUE, FULL, 1.8)
    assert await door.verdict(0.9, 0) is None


async def test_a_breathing_reader_that_opens_in_its_dark_moment_has_not_flashed():
    """Found by the soak: a person took this for the double flash, and the green that came after for nobody's."""
    door = lamp()
    door.pin("pwm", BLUE, 0, 1.0)
    door.pin("pwm", BLUE, FULL, 1.2)
    door.pin("pwm", BLUE, 0, 1.9)
    door.pin("pwm", GREEN, FULL, 1.93)
    assert await door.verdict(0.9, 0) == ("green", 1.93)


async def test_whoever_waits_is_told_when_the_light_comes():
    door = lamp()
    waiting = asyncio.create_task(door.verdict(0.9, 5))
    await asyncio.sleep(0)
    door.pin("pwm", RED, FULL, 1.0)
    assert await waiting == ("red", 1.0)


async def test_no_light_within_patience_is_nothing():
    assert await lamp().verdict(0.9, 0.01) is None
