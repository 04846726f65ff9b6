"""firmware/codecs/framing.py with each chip's frames: any bytes, however they were cut, in bounded memory."""

import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firmware.codecs import fingerprint_packets, pn532
from firmware.codecs.framing import Damaged
from tests.firmware.codecs.feeding import fed, pieces

PN532 = (pn532.Decoder, pn532.MAX_FRAME, bytes.fromhex("0000ff00ff00"), pn532.Ack())
FINGERPRINT = (
    fingerprint_packets.Decoder,
    fingerprint_packets.MAX_PACKET,
    bytes.fromhex("ef01ffffffff07000300000a"),
    fingerprint_packets.Answer(0, b""),
)
EVENTS = (Damaged, pn532.Ack, pn532.Nack, pn532.Refused, pn532.Answer, fingerprint_packets.Answer)
#: decoder, its longest frame (bytes), a frame, and what that one says
chips = pytest.mark.parametrize("make, longest, frame, event", [PN532, FINGERPRINT], ids=["pn532", "fingerprint"])

#: What streams are made of: frames, their beginnings, what follows them, and noise.
parts = st.sampled_from(
    [PN532[2], FINGERPRINT[2], b"\x00\xff", b"\xef\x01", b"\xef", b"\x07\x00\x23", b"\xff\xff\x01\x09"]
)
streams = st.lists(parts | st.binary(max_size=300), max_size=20).map(b"".join)


@chips
@given(data=streams, size=st.integers(1, 700))
@example(data=b"\x00\x00\xff\xff\xff\x01\x09\xf6" + bytes(264), size=1)
def test_any_bytes_give_events_in_bounded_memory_and_never_raise(make, longest, frame, event, data, size):
    decoder = make()
    for part in pieces(data, size):
        assert all(isinstance(found, EVENTS) for found in decoder.feed(part))
        assert decoder.pending() < longest


@chips
@given(data=streams, size=st.integers(1, 50))
def test_how_bytes_are_cut_changes_nothing(make, longest, frame, event, data, size):
    whole, cut = make(), make()
    assert fed(whole, [data]) == fed(cut, pieces(data, size))
    assert (whole.junk, whole.pending()) == (cut.junk, cut.pending())


@chips
@given(junk=st.binary(max_size=300))
def test_after_any_junk_a_frame_is_found_again(make, longest, frame, event, junk):
    # Zeroes flush whatever the junk seemed to begin.
    decoder = make()
    decoder.feed(junk + bytes(longest))
    assert decoder.feed(frame)[-1:] == [event]


@chips
def test_a_frame_that_stopped_half_way_is_forgotten_on_request_and_counted(make, longest, frame, event):
    decoder = make()
    assert decoder.feed(b"\x55\x01" + frame + frame[:-2]) == [event]
    assert decoder.junk == 2
    held = decoder.pending()
    decoder.clear()
    assert (decoder.junk, decoder.pending()) == (2 + held, 0)
    assert decoder.feed(frame) == [event]


@chips
def test_a_flood_handed_in_at_once_is_worked_off_in_bites(make, longest, frame, event):
    flood = memoryview(bytes(400_000))
    tracemalloc.start()
    try:
        assert make().feed(flood) == []
        assert tracemalloc.get_traced_memory()[1] < 40_000
    finally:
        tracemalloc.stop()
