"""The emulated chip at its frames: what a host may send it, and what it answers. Hex is written out, not computed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.pn532 import ACTIVATION_S, SELECT_S, Pn532
from simulator.pn532_card import Card, crc_a
from simulator.pn532_faults import FAULTS
from simulator.pn532_frames import ACK, ERROR, NACK, HostStream, answer
from simulator.pn532_i2c import I2cPort

SAM = bytes.fromhex("0000ff05fbd4140100001700")
VERSION = bytes.fromhex("0000ff02fed4022a00")
VERSION_SAID = bytes.fromhex("0000ff06fad50332010607e800")
SEARCH = bytes.fromhex("0000ff04fcd44a0100e100")
NONE_FOUND = bytes.fromhex("0000ff03fdd54b00e000")
TRY_TWICE = bytes.fromhex("0000ff06fad43205ff0101f400")


class Clock:
    """Virtual seconds."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Host:
    """Writes frames to the chip and takes what comes, in virtual time."""

    def __init__(self, **settings):
        self.clock = Clock()
        self.chip = Pn532(clock=self.clock, **settings)

    def awake(self):
        self.chip.wake()
        self.clock.now += 0.01
        return self

    def configured(self):
        self.awake().say(SAM)
        self.say(TRY_TWICE)
        return self

    def say(self, frame, seconds=1.0):
        """Every frame that comes within *seconds*."""
        self.chip.receive(frame)
        return self.hear(seconds)

    def hear(self, seconds=1.0):
        end, heard = self.clock.now + seconds, []
        while self.clock.now < end:
            if (frame := self.chip.take()) is not None:
                heard.append(frame)
            self.clock.now += 0.0005
        return heard


def frame(text):
    """The host's frame around a command given in hex (D4 left out)."""
    return answer(b"\xd4" + bytes.fromhex(text))


def test_a_sleeping_chip_misses_its_first_command_and_answers_the_next():
    host = Host()
    assert host.say(VERSION) == []
    assert host.awake().say(VERSION) == [ACK, VERSION_SAID]


def test_a_search_before_sam_configuration_is_refused():
    assert Host().awake().say(SEARCH) == [ACK, ERROR]


def test_an_unknown_command_is_refused_with_the_error_frame():
    assert Host().awake().say(frame("99")) == [ACK, ERROR]


@pytest.mark.parametrize(
    "text", ["4a", "4a0300", "4a0109", "14", "1409", "3205", "32ff00", "06", "0663", "0863", "1600", "0009"]
)
def test_a_command_with_wrong_parameters_is_refused(text):
    assert Host().configured().say(frame(text)) == [ACK, ERROR]


@pytest.mark.parametrize(
    ("card", "said"),
    [
        (Card(uid=bytes.fromhex("b0864d25")), "0000ff0cf4d54b010100040804b0864d252600"),
        (Card(uid=bytes.fromhex("047bcb51962280")), "0000ff0ff1d54b01010044000704" + "7bcb51962280c000"),
        (
            Card(
                uid=bytes.fromhex("fde60899"),
                sens_res=b"\x00\x04",
                sel_res=0x28,
                ats=bytes.fromhex("10788090022090000000000" + "0fde60899"),
            ),
            "0000ff1ce4d54b010100042804fde6089910788090022090000000000" + "0fde608995c00",
        ),
    ],
)
def test_a_card_is_described_byte_for_byte_as_a_real_chip_described_it(card, said):
    host = Host().configured()
    host.chip.card_in(card)
    assert host.say(SEARCH) == [ACK, bytes.fromhex(said)]


def test_no_card_is_said_after_the_attempts_configured():
    host = Host().configured()
    before = host.clock.now
    host.chip.receive(SEARCH)
    host.hear(0.009)
    assert host.hear(0.004) == [NONE_FOUND]
    assert 0.009 < host.clock.now - before < 0.02


def test_by_default_a_search_never_ends_and_a_later_card_ends_it():
    host = Host().awake()
    host.say(SAM)
    assert host.say(SEARCH, 60) == [ACK]
    shown = host.chip.card_in(bytes.fromhex("b0864d25"))
    assert len(host.hear()) == 1
    assert shown.chip_s == pytest.approx(ACTIVATION_S + SELECT_S, abs=0.006)


def test_the_hosts_ack_aborts_a_search():
    host = Host().awake()
    host.say(SAM)
    host.say(SEARCH)
    host.say(ACK)
    host.chip.card_in(bytes.fromhex("b0864d25"))
    assert host.hear() == []
    assert host.say(VERSION) == [ACK, VERSION_SAID]


def test_a_nack_brings_the_last_answer_again():
    host = Host().awake()
    host.say(VERSION)
    assert host.say(NACK) == [VERSION_SAID]


def test_a_command_with_a_wrong_checksum_is_not_acknowledged():
    host = Host().awake()
    assert host.say(VERSION[:-2] + b"\x2b\x00") == []
    assert host.say(VERSION) == [ACK, VERSION_SAID]


def test_the_line_test_comes_back_in_an_extended_frame():
    data = bytes(range(256)) + bytes(6)
    sent = answer(b"\xd4\x00" + bytes(1) + data[1:])
    assert sent[3:5] == b"\xff\xff"
    assert Host().awake().say(sent)[1] == answer(b"\xd5\x01" + bytes(1) + data[1:])


def test_after_power_down_it_sleeps_and_has_let_go_of_the_card():
    host = Host().configured()
    host.chip.card_in(bytes.fromhex("b0864d25"))
    assert len(host.say(SEARCH)) == 2
    assert host.say(frame("1620")) == [ACK, answer(bytes.fromhex("d51700"))]
    assert host.say(VERSION) == []
    host.chip.wake()
    host.clock.now += 0.01
    assert host.say(frame("40013000")) == [ACK, answer(bytes.fromhex("d54127"))]


def test_a_released_card_stays_quiet_until_the_field_was_off():
    host = Host().configured()
    host.chip.card_in(bytes.fromhex("b0864d25"))
    found = host.say(SEARCH)
    host.say(frame("5201"))
    assert host.say(SEARCH) == [ACK, NONE_FOUND]
    host.say(frame("320100"))
    assert host.say(SEARCH) == found


def test_of_two_cards_laid_on_each_other_now_one_and_now_the_other_is_found():
    host = Host().configured()
    host.chip.card_in(bytes.fromhex("11111111"))
    host.chip.card_in(bytes.fromhex("22222222"))
    found = [host.say(SEARCH)[1][-6:-2].hex() for _ in range(6)]
    assert set(found) == {"11111111", "22222222"}


def test_both_cards_are_described_when_two_are_asked_for():
    host = Host().configured()
    host.chip.card_in(bytes.fromhex("11111111"))
    host.chip.card_in(bytes.fromhex("22222222"))
    assert host.say(frame("4a0200"))[1] == answer(bytes.fromhex("d54b02 01000408 0422222222 02000408 0411111111"))


def test_a_type_2_tag_is_read_with_and_without_crc():
    host = Host().configured()
    host.chip.card_in(Card(uid=bytes.fromhex("04a035b2bc2b80"), memory=bytes(range(64))))
    host.say(SEARCH)
    assert host.say(frame("40013004"))[1] == answer(bytes.fromhex("d54100") + bytes(range(16, 32)))
    host.say(frame("08630300"))
    page = bytes(range(16, 32))
    assert host.say(frame("423004"))[1] == answer(bytes.fromhex("d54300") + page + crc_a(page))


def test_crc_a_is_the_standards():
    # ISO/IEC 14443-3, annex B: 00 00 gives A0 1E; 12 34 gives 26 CF.
    assert crc_a(bytes.fromhex("0000")) == bytes.fromhex("a01e")
    assert crc_a(bytes.fromhex("1234")) == bytes.fromhex("26cf")


@pytest.mark.parametrize(
    ("fault", "heard"),
    [
        ("drop_ack", []),
        ("lost_ack", [VERSION_SAID]),
        ("drop_answer", [ACK]),
        ("corrupt", [ACK, bytes.fromhex("0000ff06fad50332010617e800")]),
        ("truncate", [ACK, VERSION_SAID[:8]]),
    ],
)
def test_each_fault_strikes_once(fault, heard):
    host = Host().awake()
    host.chip.inject(fault)
    assert host.say(VERSION) == heard
    assert host.say(VERSION) == [ACK, VERSION_SAID]


def test_every_fault_is_explained_and_an_unknown_one_is_said():
    assert all(FAULTS.values())
    with pytest.raises(ValueError, match="unknown fault"):
        Host().chip.inject("gremlin")


def test_a_fault_may_wait_for_its_command():
    host = Host().configured()
    host.chip.inject("drop_answer", command=0x4A)
    assert host.say(VERSION) == [ACK, VERSION_SAID]
    assert host.say(SEARCH) == [ACK]


def test_a_chip_that_was_away_comes_back_asleep_and_unconfigured():
    host = Host().configured()
    host.chip.silence(2.0)
    assert host.say(VERSION) == []
    host.clock.now += 2
    assert not host.chip.silent
    assert host.chip.asleep
    assert host.awake().say(SEARCH) == [ACK, ERROR]


def test_presentations_record_when_the_chip_answered_and_leave_out_the_hosts_delay():
    host = Host().configured()
    shown = host.chip.card_in(bytes.fromhex("b0864d25"))
    host.clock.now += 5.0
    host.say(SEARCH)
    host.chip.card_out()
    assert shown.chip_s is not None
    assert shown.chip_s < 0.01
    assert shown.out_at_s is not None
    assert shown.out_at_s - shown.in_at_s > 5
    assert host.chip.presentations == [shown]


def test_on_i2c_a_frame_follows_the_status_byte_and_a_status_alone_takes_nothing():
    host = Host()
    bus = I2cPort(host.chip)
    assert not bus.write(0x24, VERSION)
    host.clock.now += 0.002
    assert bus.write(0x24, VERSION)
    assert bus.read(0x24, 7) == bytes(7)
    host.clock.now += 0.001
    assert bus.read(0x24, 1) == b"\x01"
    assert bus.read(0x24, 7) == b"\x01" + ACK
    assert bus.read(0x24, 1) == b"\x00"
    host.clock.now += 0.001
    assert bus.read(0x24, 20) == (b"\x01" + VERSION_SAID).ljust(20, b"\x00")
    assert bus.read(0x24, 20) == bytes(20)


def test_on_i2c_nobody_answers_for_another_address_or_a_silent_chip():
    host = Host().awake()
    bus = I2cPort(host.chip)
    assert bus.read(0x25, 1) is None
    assert bus.read(0x24, 1) == b"\x00"
    bus.nak(2)
    assert (bus.write(0x24, ACK), bus.read(0x24, 1), bus.read(0x24, 1)) == (False, None, b"\x00")
    host.chip.silence()
    assert not bus.write(0x24, ACK)


def test_a_hung_chip_acknowledges_on_i2c_and_is_never_ready():
    host = Host().awake()
    bus = I2cPort(host.chip)
    host.chip.hang()
    assert bus.write(0x24, VERSION)
    host.clock.now += 10
    assert bus.read(0x24, 7) == bytes(7)


@given(st.binary(max_size=600))
def test_whatever_bytes_come_the_chip_only_answers_frames(data):
    host = Host().configured()
    for heard in host.say(data, 0.05):
        assert heard.startswith(b"\x00\x00\xff")
    # All the zeroes a frame can hold, then an abort: it always listens again.
    host.say(bytes(300) + ACK, 0.01)
    assert VERSION_SAID in host.say(VERSION)


@given(st.lists(st.binary(min_size=2, max_size=260).map(lambda d: b"\xd4" + d), min_size=1, max_size=4), st.data())
def test_frames_cut_anywhere_are_put_together(payloads, data):
    stream = b"".join(map(answer, payloads))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    parts = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    host = HostStream()
    assert [item for part in parts for item in host.feed(part)] == payloads
