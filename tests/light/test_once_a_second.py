"""A card tapped once a second for ten minutes: none missed, none doubled. Whole in virtual time, and a part of it on the
Pico's real program; `python -m tests.light --minutes 10` does all of it there in real time."""

import asyncio

import pytest

from tests.firmware.reader.broken_firmware import broken
from tests.light import once_a_second, power_to_blue, virtual
from tests.light.counting import spans_repeats


def test_six_hundred_taps_are_six_hundred_lights_and_swipes_and_one_credit():
    counted = virtual.run(taps=600)
    assert counted.ok, counted
    assert (counted.taps, counted.greens, counted.swipes, counted.repeats) == (600, 600, 600, 599)


SABOTEURS = [
    # a repeat is answered and not kept; kept and not shown; kept twice
    ("forgets_repeats", "        try:\n            self.journal.swipe(", "        if any(a.token in tokens for a in self.door._answers):\n            self.lights.flash(judged.verdict, now_ms)\n            return judged.verdict\n        try:\n            self.journal.swipe("),
    ("dark_at_repeats", "        self.lights.flash(judged.verdict, now_ms)\n        self._count(judged.verdict)", "        if judged.verdict not in self.taps:\n            self.lights.flash(judged.verdict, now_ms)\n        self._count(judged.verdict)"),
    ("keeps_one_twice", "        self._count(judged.verdict)\n        return judged.verdict", "        self._count(judged.verdict)\n        if self.taps[judged.verdict] == 300:\n            self.tap(uid, now_ms)\n        return judged.verdict"),
]  # fmt: skip


@pytest.mark.parametrize("name, good, bad", SABOTEURS, ids=[one[0] for one in SABOTEURS])
def test_a_reader_that_loses_or_doubles_a_repeat_is_caught(tmp_path, name, good, bad):
    with broken(tmp_path, name, "reader/reader.py", good, bad) as package:
        assert not virtual.run(taps=320, package=package).ok


@pytest.mark.needs("micropython", "mosquitto")
def test_on_the_picos_program_a_card_that_comes_again_and_again_is_seen_each_time(mosquitto, tmp_path):
    # Eight times as fast as ours, so that it goes on past the two minutes of a repeat.
    taps, scale = 20, 8
    assert spans_repeats(taps, scale * 1000)
    found = asyncio.run(once_a_second.run(tmp_path, mosquitto, taps=taps, scale=scale, patient=True))
    assert found.counted.ok, found


@pytest.mark.needs("micropython", "mosquitto")
def test_with_a_full_journal_and_no_broker_the_lamp_says_that_it_needs_a_technician(mosquitto, tmp_path):
    found = asyncio.run(power_to_blue.run(tmp_path, "full"))
    assert found.kept >= 5000
    assert found.colour == "red", "nothing could be kept: it must not look as if it could"


@pytest.mark.needs("micropython", "mosquitto")
@pytest.mark.parametrize("journal", ["new", "nearly full"])
def test_without_a_network_the_lamp_comes_to_breathing_blue_by_itself(tmp_path, journal):
    found = asyncio.run(power_to_blue.run(tmp_path, journal))
    assert found.colour == "blue"
    assert found.kept >= (0 if journal == "new" else 5000 - power_to_blue.SPARE)
