"""Reading a card that signs: its frames, and what its file says. The card is the emulated NTAG 424 (simulator/ntag424.py)."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.codecs import sun, tag4
from simulator.ntag424 import Ntag424

UID, KEY = bytes.fromhex("041e3c8a2d6b80"), bytes(16)


def read(card, answer=lambda said: said):
    """What is read of a card; `answer` may change what it says. Also every frame that was sent."""
    talk, frames = tag4.Reading(), []
    while talk.frame is not None:
        frames.append(talk.frame)
        talk.heard(answer(card.exchange(talk.frame)) or b"")
    return talk.file, frames


def message(card, uid):
    """What the card's file says, which is there."""
    file, _ = read(card)
    assert file is not None
    return sun.message_of(file, uid)


def test_a_cards_number_counter_and_mac_are_read_in_four_frames():
    card = Ntag424(uid=UID, key=KEY, counter=5)
    file, frames = read(card)
    assert len(frames) == 4 and file is not None
    # The counter 6 and this MAC: the published vector of a plain mirror (NXP AN12196).
    assert sun.message_of(file, UID) == (6, bytes.fromhex("4b00064004b0b3d3"))
    assert message(card, UID).counter == 7


@pytest.mark.parametrize("longest", [8, 16, 64, 128])
def test_a_file_in_several_blocks_is_put_together(longest):
    file, _ = read(Ntag424(uid=UID, key=KEY, counter=5, frame_bytes=longest))
    said = sun.message_of(file, UID) if file else None
    # 8 bytes a block are more blocks than we wait for: then it is a card with a number, and nothing more.
    assert said == (None if longest == 8 else (6, bytes.fromhex("4b00064004b0b3d3")))


def test_a_card_that_wants_more_time_gets_it_and_not_for_ever():
    card, asked = Ntag424(uid=UID, key=KEY), []

    def waits(said):
        if len(asked) < 3:
            asked.append(said)
            return b"\xf2\x01"
        return asked.pop(0) if said is None else said

    talk = tag4.Reading()
    assert talk.frame is not None
    talk.heard(card.exchange(talk.frame) or b"")
    talk.heard(b"\xf2\x41")
    assert talk.frame == b"\xf2\x01"
    for _ in range(100):
        if talk.frame is None:
            break
        talk.heard(b"\xf2\x01")
    assert talk.frame is None
    assert talk.file is None


def test_an_encrypted_message_is_known_as_one_and_says_nothing():
    assert message(Ntag424(uid=UID, key=KEY, sealed=True), UID) == sun.ENCRYPTED


def test_a_message_of_another_card_is_none_of_this_one():
    assert message(Ntag424(uid=UID, key=KEY), bytes(7)) is None


def test_a_card_without_the_application_has_no_file():
    class Other(Ntag424):
        def _command(self, apdu):
            return b"\x6a\x82"

    assert read(Other(uid=UID, key=KEY))[0] is None


def test_a_link_without_a_message_says_nothing():
    for link in (
        b"example.org/",
        b"example.org/?u=041E3C8A2D6B80&c=000006",
        b"example.org/?m=4B00064004B0B3D3",
        b"?=&&=",
    ):
        record = b"\xd1\x01" + bytes((len(link) + 1, 0x55, 4)) + link
        assert sun.message_of(bytes((0, len(record))) + record, UID) is None


@given(st.binary(max_size=140))
def test_whatever_a_file_holds_nothing_is_raised(file):
    assert sun.message_of(file, UID) is None


@given(st.integers(0, 2**32))
def test_whatever_a_card_answers_the_talk_ends_without_an_error(seed):
    rng = random.Random(seed)
    card = Ntag424(uid=UID, key=KEY)

    def spoiled(said):
        kind = rng.randrange(5)
        if said is None or kind == 0:
            return rng.randbytes(rng.randrange(130))
        return said if kind > 1 else bytes(b ^ (rng.random() < 0.1) for b in said)

    file, frames = read(card, spoiled)
    assert len(frames) <= tag4.BLOCKS_MAX
    assert file is None or len(file) <= 2 * tag4.FILE_BYTES + 256
