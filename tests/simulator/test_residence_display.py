"""What somebody before a kiosk reads: from the firmware's own file of words, so that neither changes alone."""

import tomllib

import pytest

from simulator.residence_display import CLEARED, IDLE, OFF, RECORDED, Display, meaning


@pytest.fixture(scope="module")
def words(repo):
    return tomllib.loads((repo / "firmware" / "pi" / "words" / "en.toml").read_text())["messages"]


def test_every_message_of_the_kiosk_is_understood(words):
    said = {name: meaning([line.format(stars="**", left="4") for line in rows]) for name, rows in words.items()}
    assert "?" not in said.values(), said
    assert [said[name] for name in ("recorded", "recorded-check", "recorded-closed")] == list(RECORDED)
    assert {said[name] for name in ("open", "closed", "waiting", "moved")} == set(IDLE)
    promises = ("recorded", "recorded-check", "recorded-closed")
    assert not {said[name] for name in words if name not in promises} & set(RECORDED)


def test_a_screen_that_comes_in_pieces_is_one_and_the_same_again_is_nothing_new():
    display = Display()
    try:
        for piece in (CLEARED[:3], CLEARED[3:] + b"Recor", b"ded\r\n\r\nGood evening"):
            display.read(piece)
        assert display.says == "recorded"
        before = len(display.history)
        display.read(CLEARED + b"Recorded\r\n\r\nGood evening")
        assert len([said for _, said in display.history if said == "recorded"]) == 1
        display.dark()
        assert display.says == OFF and len(display.history) >= before
    finally:
        display.close()
