"""The fingerprint sensor's packets: each case fed whole, byte by byte and with a tail; whatever is damaged is never believed."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.codecs import fingerprint as codec
from firmware.codecs.fingerprint import Command
from firmware.codecs.fingerprint_packets import Answer, Decoder
from tests.firmware.codecs.feeding import fed, pieces
from tests.rules import rule

OK = bytes.fromhex("ef01ffffffff07000300000a")
SCORE = bytes.fromhex("ef01ffffffff070005000113" + "0020")
PARAMETERS = bytes.fromhex("ef01ffffffff0700130000 0c2ec8006400 03ffffffff00020006 0587")


def packet(contents, kind=7, address=b"\xff\xff\xff\xff"):
    """A packet as a sensor writes it."""
    body = bytes((kind, (len(contents) + 2) >> 8, (len(contents) + 2) & 0xFF)) + contents
    return b"\xef\x01" + address + body + (sum(body) & 0xFFFF).to_bytes(2, "big")


CASES = {
    "an answer of one byte": (OK, [Answer(0, b"")]),
    "a score": (SCORE, [Answer(0, b"\x01\x13")]),
    "parameters": (PARAMETERS, [Answer(0, PARAMETERS[10:-2])]),
    "the byte with which a sensor starts": (b"\x55" + OK, [Answer(0, b"")]),
    "half a beginning before": (b"\xef" + OK, [Answer(0, b"")]),
    "a beginning that lost its rest": (b"\xef\x01\xff\xff" + OK, ["fingerprint.kind", Answer(0, b"")]),
    "two answers": (OK + SCORE, [Answer(0, b""), Answer(0, b"\x01\x13")]),
    "a wrong sum": (OK[:-1] + b"\x0b" + OK, ["fingerprint.sum", Answer(0, b"")]),
    "longer than any answer": (packet(bytes(34)) + OK, ["fingerprint.too_long", Answer(0, b"")]),
    "the longest answer": (packet(bytes(33)), [Answer(0, bytes(32))]),
    "an empty one": (bytes.fromhex("ef01ffffffff0700020009") + OK, ["fingerprint.too_short", Answer(0, b"")]),
    "from another address": (packet(b"\x00", address=bytes(4)) + OK, ["fingerprint.address", Answer(0, b"")]),
    "a template that nobody asked for": (
        packet(bytes(range(128)), kind=2) + packet(bytes(128), kind=8) + OK,
        ["fingerprint.data", "fingerprint.data", Answer(0, b"")],
    ),
    "our own command, echoed": (codec.encode(codec.match()) + OK, ["fingerprint.kind", Answer(0, b"")]),
    "a beginning inside an answer": (packet(b"\x00\xef\x01"), [Answer(0, b"\xef\x01")]),
}


@pytest.mark.parametrize("name", CASES)
def test_a_packet_fed_whole(name):
    data, events = CASES[name]
    assert fed(Decoder(), [data]) == events


@pytest.mark.parametrize("name", CASES)
def test_a_packet_fed_byte_by_byte(name):
    data, events = CASES[name]
    assert fed(Decoder(), pieces(data)) == events


@pytest.mark.parametrize("name", CASES)
def test_a_packet_fed_with_a_tail(name):
    data, events = CASES[name]
    decoder = Decoder()
    assert fed(decoder, [data + SCORE[:7]]) == events
    assert decoder.pending() == 7
    assert fed(decoder, [SCORE[7:]]) == [Answer(0, b"\x01\x13")]


@rule("DDU-12")
@pytest.mark.parametrize("frame", [OK, SCORE, PARAMETERS], ids=["ok", "score", "parameters"])
def test_with_any_one_byte_changed_to_anything_an_answer_is_not_believed(frame):
    for at in range(len(frame)):
        for value in range(256):
            if value != frame[at]:
                spoilt = frame[:at] + bytes((value,)) + frame[at + 1 :]
                decoder = Decoder()
                assert not [event for event in decoder.feed(spoilt) if isinstance(event, Answer)], (at, value)
                decoder.clear()
                assert decoder.feed(frame) == [Answer(0, frame[10:-2])]


@given(st.sampled_from([OK, SCORE, PARAMETERS]), st.data())
def test_a_packet_that_was_cut_is_not_believed_and_the_next_is_found_after_clear(frame, data):
    cut = data.draw(st.integers(0, len(frame) - 1))
    decoder = Decoder()
    assert decoder.feed(frame[:cut]) == [] and decoder.pending() <= cut
    decoder.clear()
    assert decoder.feed(frame) == [Answer(0, frame[10:-2])]


@given(st.binary(max_size=60).filter(lambda noise: b"\xef" not in noise), st.binary(max_size=60), st.integers(1, 5))
def test_noise_before_and_after_changes_nothing_and_a_repeat_is_seen_as_one(before, after, times):
    events = Decoder().feed(before + SCORE * times + after)
    assert events[:times] == [Answer(0, b"\x01\x13")] * times


COMMANDS = {
    "GenImg": (codec.generate_image(), "01 0003 01 0005"),
    "Img2Tz": (codec.extract(2), "01 0004 02 02 0009"),
    "Match": (codec.match(), "01 0003 03 0007"),
    "RegModel": (codec.merge(), "01 0003 05 0009"),
    "Store": (codec.store(0), "01 0006 06 01 0000 000e"),
    "LoadChar": (codec.load(0x1234, 2), "01 0006 07 02 1234 0056"),
    "Delete": (codec.delete(1), "01 0007 0c 0001 0001 0016"),
    "ReadSysPara": (codec.read_parameters(), "01 0003 0f 0013"),
    "VfyPwd": (codec.verify_password(0), "01 0007 13 00000000 001b"),
    "TempleteNum": (codec.count(), "01 0003 1d 0021"),
    "ReadIndexTable": (codec.read_index(0), "01 0004 1f 00 0024"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_written_byte_for_byte_as_in_the_manual(name):
    command, text = COMMANDS[name]
    assert codec.encode(command) == bytes.fromhex("ef01 ffffffff" + text)
    assert codec.COMMANDS[command.code][0] == name


def test_every_command_is_in_the_table_above():
    assert {command.code for command, _ in COMMANDS.values()} == set(codec.COMMANDS)


def test_a_sensor_at_another_address_is_asked_by_it_and_heard():
    address = bytes.fromhex("01020304")
    assert codec.encode(codec.match(), address)[2:6] == address
    assert Decoder(address).feed(packet(b"\x00", address=address)) == [Answer(0, b"")]


#: UpChar, DownChar, UpImage, DownImage: what carries a template or a picture over the line.
CARRIERS = (0x08, 0x09, 0x0A, 0x0B)


@rule("DDU-12")
@pytest.mark.parametrize("code", CARRIERS)
@given(parameters=st.binary(max_size=40))
def test_the_encoder_cannot_make_a_command_that_carries_a_template_or_a_picture(code, parameters):
    with pytest.raises(codec.CommandError):
        codec.encode(Command(code, parameters))


@given(code=st.integers(0, 255), parameters=st.binary(max_size=8))
def test_whatever_it_is_handed_the_encoder_makes_one_whole_command_of_the_table_or_nothing(code, parameters):
    try:
        frame = codec.encode(Command(code, parameters))
    except codec.CommandError:
        assert code not in codec.COMMANDS or len(parameters) != codec.COMMANDS[code][1]
        return
    assert frame[6] == 1 and frame[9] == code and frame[9] in codec.COMMANDS
    # Nothing hangs behind it that a sensor would take for another packet.
    assert len(frame) == 9 + int.from_bytes(frame[7:9], "big") == 12 + len(parameters)


@rule("DDU-12")
def test_nothing_in_the_codec_makes_data_packets_or_names_a_carrier(repo):
    assert not set(CARRIERS) & set(codec.COMMANDS)
    for name in ("fingerprint", "fingerprint_packets"):
        text = (repo / f"firmware/codecs/{name}.py").read_text()
        assert not re.search(r"\b(up|down)(load)?_?(char|image)", text, re.I)


@pytest.mark.parametrize(
    "make",
    [
        lambda: codec.load(-1, 2),
        lambda: codec.store(65536),
        lambda: codec.extract(256),
        lambda: codec.verify_password(1 << 32),
        lambda: codec.encode(codec.match(), b"\xff"),
        lambda: codec.encode(Command(0x03, b"\x00")),
    ],
)
def test_a_number_that_does_not_fit_is_our_mistake_and_said(make):
    with pytest.raises(codec.CommandError):
        make()


def test_parameters_are_read_as_a_real_sensor_gave_them():
    said = codec.parse_parameters(Decoder().feed(PARAMETERS)[0])
    assert said == codec.Parameters(0x000C, 0x2EC8, 100, 3, b"\xff\xff\xff\xff", 128, 57600)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(0, b""),
        Answer(0x13, b""),
        Answer(0, bytes(16)),
        Answer(0, PARAMETERS[10:-3]),
        Answer(0, PARAMETERS[10:-4] + b"\x00\x63"),
        Answer(0, PARAMETERS[10:-5] + b"\x09\x00\x06"),
    ],
)
def test_parameters_that_cannot_be_are_refused(answer):
    with pytest.raises(codec.AnswerError):
        codec.parse_parameters(answer)


def test_a_score_is_a_number_and_no_match_is_none():
    assert codec.parse_score(Answer(0, b"\x01\x13")) == 0x113
    assert codec.parse_score(Answer(codec.NO_MATCH, b"\x00\x00")) is None
    assert codec.parse_score(Answer(codec.NO_MATCH, b"")) is None


@pytest.mark.parametrize("answer", [Answer(0, b""), Answer(0, b"\x00"), Answer(9, b"\x00\x00"), Answer(1, b"")])
def test_only_a_whole_score_is_a_match(answer):
    with pytest.raises(codec.AnswerError):
        codec.parse_score(answer)


@given(st.sets(st.integers(0, 255)), st.integers(0, 3))
def test_the_index_names_each_slot_that_is_held(slots, page):
    bits = bytearray(32)
    for slot in slots:
        bits[slot // 8] |= 1 << slot % 8
    assert codec.parse_index(Answer(0, bytes(bits)), page) == {page * 256 + slot for slot in slots}


def test_a_count_is_a_number():
    assert codec.parse_count(Answer(0, b"\x00\xc8")) == 200


def test_an_answer_of_another_length_is_not_this_commands():
    assert codec.expect(Answer(0, b""), codec.generate_image())
    assert codec.expect(Answer(2, b"\x00"), codec.generate_image())
    for command in (codec.match(), codec.count(), codec.read_index(0), codec.read_parameters()):
        with pytest.raises(codec.AnswerError):
            codec.expect(Answer(0, b""), command)


def test_an_error_says_what_to_do_and_has_a_code():
    assert {e.code for e in (codec.CommandError, codec.AnswerError)} == {"fingerprint.command", "fingerprint.answer"}
    with pytest.raises(codec.AnswerError, match="wrong-password"):
        codec.parse_count(Answer(0x13, b""))


def captured(shared_data):
    """The lines of the real capture: direction, and the packet's bytes."""
    path = shared_data / "fingerprint" / "zfm-capture.log"
    if not path.is_file():
        pytest.skip("needs ../shared/data/fingerprint, which only the developers' machines have")
    for line in path.read_text().splitlines():
        if found := re.search(r"\[(RX|TX)\] - ([0-9A-F ]+)", line):
            yield found[1], bytes.fromhex(found[2])


def test_what_a_real_sensor_answered_is_read(shared_data):
    heard = [data for direction, data in captured(shared_data) if direction == "RX"]
    decoder = Decoder()
    events = fed(decoder, heard)
    assert decoder.junk == 1 and decoder.pending() == 0  # the 55 of its start
    assert all(isinstance(event, Answer) for event in events)
    assert len(events) == len(heard) - 1 > 20
    assert Answer(0, b"\x01\x13") in events and Answer(0x26, b"\x01\x01") in events
    assert codec.parse_parameters(events[0]).capacity == 100


def test_what_a_real_host_sent_is_what_we_would_send(shared_data):
    ours = {
        codec.encode(command)
        for command in (
            codec.read_parameters(),
            codec.count(),
            codec.generate_image(),
            codec.extract(1),
            codec.extract(2),
            codec.match(),
            codec.merge(),
            codec.store(0),
            codec.delete(1),
        )
    }
    sent = {data for direction, data in captured(shared_data) if direction == "TX"}
    assert ours <= sent
    # The rest is what we never ask: an enrolment by the sensor alone, a search of everybody, and emptying it.
    assert {data[9] for data in sent - ours} == {0x31, 0x04, 0x0D}
