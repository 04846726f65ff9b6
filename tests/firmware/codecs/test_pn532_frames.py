"""PN532 frames: every case is fed whole, byte by byte, and with a tail; any bytes give events and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.codecs import pn532
from firmware.codecs.pn532 import Ack, Answer, Damaged, Decoder, Nack, Refused
from tests.firmware.codecs.feeding import fed, named, pieces

ACK = bytes.fromhex("0000ff00ff00")
LONG = bytes(range(256)) + bytes(6)


def chip_frame(payload):
    """A frame as a chip writes it (for lengths up to 255)."""
    return b"\x00\x00\xff" + bytes((len(payload), -len(payload) & 0xFF)) + payload + bytes((-sum(payload) & 0xFF, 0))


CASES = {
    "ack": (ACK, [Ack()]),
    "nack": (bytes.fromhex("0000ffff0000"), [Nack()]),
    "error frame": (bytes.fromhex("0000ff01ff7f8100"), [Refused()]),
    "firmware version": (bytes.fromhex("0000ff06fad50332010607e800"), [Answer(3, bytes.fromhex("32010607"))]),
    "an answer without data": (bytes.fromhex("0000ff02fed5151600"), [Answer(0x15, b"")]),
    "the ACK glued before the answer": (
        ACK + bytes.fromhex("0000ff03fdd54b00e000"),
        [Ack(), Answer(0x4B, b"\x00")],
    ),
    "a long preamble": (bytes(20) + ACK, [Ack()]),
    "wake-up bytes before": (b"\x55\x55" + bytes(3) + ACK, [Ack()]),
    "extended": (
        bytes.fromhex("0000ffffff0108f7") + b"\xd5\x01" + LONG + bytes((-(0xD6 + sum(LONG)) & 0xFF, 0)),
        [Answer(1, LONG)],
    ),
    "255 bytes in a normal frame": (chip_frame(b"\xd5\x01" + bytes(253)), [Answer(1, bytes(253))]),
    "no postamble": (ACK[:-1] + bytes.fromhex("00ff02fed51516"), [Ack(), Answer(0x15, b"")]),
    "wrong length checksum": (bytes.fromhex("0000ff02ffd51516") + ACK, ["pn532.length_checksum", Ack()]),
    "wrong data checksum": (bytes.fromhex("0000ff02fed51517") + ACK, ["pn532.data_checksum", Ack()]),
    "extended, wrong length checksum": (bytes.fromhex("0000ffffff0108f8") + ACK, ["pn532.length_checksum", Ack()]),
    "longer than the chip sends": (bytes.fromhex("0000ffffff0200fe") + ACK, ["pn532.too_long", Ack()]),
    "no length": (bytes.fromhex("0000ff0000") + ACK, ["pn532.no_direction", Ack()]),
    "from host to chip": (bytes.fromhex("0000ff02fed4022a00") + ACK, ["pn532.no_direction", Ack()]),
    "a start code inside a frame": (chip_frame(b"\xd5\x43\x00\x00\xff\x00\xff\x00"), [Answer(0x43, ACK)]),
    "a frame that lost its end, then another": (
        bytes.fromhex("0000ff06fad50332") + bytes.fromhex("0000ff02fed5151600"),
        ["pn532.data_checksum", Answer(0x15, b"")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_frame_fed_whole(name):
    data, events = CASES[name]
    assert fed(Decoder(), [data]) == events


@pytest.mark.parametrize("name", CASES)
def test_a_frame_fed_byte_by_byte(name):
    data, events = CASES[name]
    assert fed(Decoder(), pieces(data)) == events


@pytest.mark.parametrize("name", CASES)
def test_a_frame_fed_with_a_tail(name):
    data, events = CASES[name]
    decoder = Decoder()
    assert fed(decoder, [data + bytes.fromhex("0000ff06fad503")]) == events
    assert decoder.pending() == 6  # the first 00 is preamble, which is not held
    assert fed(decoder, [bytes.fromhex("32010607e800")]) == [Answer(3, bytes.fromhex("32010607"))]


@pytest.mark.parametrize("name", CASES)
def test_a_frame_read_over_i2c_follows_the_ready_byte(name):
    data, events = CASES[name]
    assert named([pn532.from_i2c(b"\x01" + data)]) == events[:1]
    assert pn532.from_i2c(b"\x00" + data) is None


@pytest.mark.parametrize("buffer", [b"", b"\x00", bytes(26), b"\x00\xff"])
def test_an_i2c_read_that_is_not_ready_is_nothing(buffer):
    assert pn532.from_i2c(buffer) is None


@pytest.mark.parametrize("text", ["01", "010000ff", "010000ff06fad50332010607", "01ffffffff", "01" + "00" * 25])
def test_an_i2c_read_without_a_whole_frame_is_truncated(text):
    assert named([pn532.from_i2c(bytes.fromhex(text))]) == ["pn532.truncated"]


def test_a_status_byte_with_other_bits_set_counts_by_its_lowest():
    assert pn532.from_i2c(b"\x81" + ACK) == Ack()
    assert pn532.from_i2c(b"\x80" + ACK) is None


def test_junk_is_counted_and_preamble_is_not():
    decoder = Decoder()
    assert decoder.feed(b"\x00\x00\x00") == []
    assert decoder.feed(b"\x01\x02\x03" + ACK) == [Ack()]
    assert decoder.junk == 3


@given(st.binary(max_size=64))
def test_any_i2c_read_gives_one_event_or_nothing(data):
    event = pn532.from_i2c(bytearray(data))
    assert event is None or isinstance(event, (Ack, Nack, Refused, Answer, Damaged))


@given(st.sampled_from(sorted(pn532.COMMANDS)), st.binary(max_size=263))
def test_a_command_is_one_frame_whose_sums_are_zero(code, data):
    frame = pn532.command(code, data)
    assert frame[:3] == b"\x00\x00\xff"
    assert frame[-1] == 0
    head = 8 if len(data) > 253 else 5
    assert sum(frame[head:-1]) & 0xFF == 0
    assert frame[head:-2] == b"\xd4" + bytes((code,)) + data
    # Turned round (D5), the decoder reads what the encoder wrote.
    turned = frame[:head] + b"\xd5" + frame[head + 1 : -2] + bytes(((frame[-2] - 1) & 0xFF, 0))
    assert Decoder().feed(turned) == [Answer(code, data)]


def test_a_command_is_byte_for_byte_what_the_manual_shows():
    assert pn532.command(pn532.GET_FIRMWARE_VERSION) == bytes.fromhex("0000ff02fed4022a00")
    assert pn532.command(pn532.SAM_CONFIGURATION, b"\x01\x00\x00") == bytes.fromhex("0000ff05fbd4140100001700")
    assert pn532.command(pn532.IN_LIST_PASSIVE_TARGET, b"\x01\x00") == bytes.fromhex("0000ff04fcd44a0100e100")


def test_what_is_no_command_is_refused_with_a_code():
    with pytest.raises(pn532.CommandError) as unknown:
        pn532.command(0x99)
    assert unknown.value.code == "pn532.command"
    with pytest.raises(pn532.CommandError, match="at most 263"):
        pn532.command(0x00, bytes(264))


def test_published_frames_of_real_chips_are_read(shared_data):
    said = {
        "8a4cb512": (0x0002, 0x18), "047bcb51962280": (0x0044, 0x00), "04a035b2bc2b80": (0x0044, 0x00),
        "047fa99a1f6680": (0x0044, 0x00), "04416d412b0289": (0x0044, 0x00), "b0864d25": (0x0004, 0x08),
        "d0bbe11a": (0x0004, 0x08), "fde60899": (0x0004, 0x28), "24d34f59": (0x0004, 0x08), "5cbbe5d5": (0x0004, 0x08),
    }  # fmt: skip
    lines = (shared_data / "nfc" / "pn532_frames.tsv").read_text().splitlines()
    read, nobody = {}, 0
    for line in lines:
        if line.startswith("#") or not line.strip():
            continue
        transport, text = line.split("\t")[:2]
        data = bytes.fromhex(text)
        events = [pn532.from_i2c(data)] if transport == "i2c" else fed(Decoder(), [data])
        assert events[:-1] == ([Ack()] if transport.endswith("+ack") else []), line
        targets = pn532.parse_targets(events[-1])
        nobody += not targets
        read.update({t.uid.hex(): (t.sens_res, t.sel_res) for t in targets})
    assert read == said
    assert nobody == 2
