"""firmware/codecs/mqtt.py: what it makes of what it hears, of any bytes, and however they were cut."""

import contextlib
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.codecs import mqtt, mqtt_packets
from firmware.codecs.mqtt import Client, LocalError, ProtocolError
from tests.firmware.codecs.mqtt_talk import CONNACK, events, message, up


@pytest.mark.parametrize("present", [False, True])
def test_a_kept_session_is_reported_and_never_refused(present):
    client = Client()
    client.connect("a", clean_session=False)
    assert events(client, bytes((0x20, 2, present, 0))) == [mqtt.Connected(present)]
    assert client.state == mqtt.UP


@pytest.mark.parametrize(
    "number, code",
    [
        (1, "mqtt-refused-version"),
        (4, "mqtt-refused-password"),
        (5, "mqtt-refused-not-authorised"),
        (9, "mqtt-refused"),
    ],
)
def test_a_refusal_has_a_word_and_ends_the_connection(number, code):
    client = Client()
    client.connect("a")
    assert events(client, bytes((0x20, 2, 0, number))) == [mqtt.Refused(number, code)]
    assert client.state == mqtt.CLOSED
    with pytest.raises(LocalError):
        client.publish("t", b"")


def test_subscriptions_are_answered_one_by_one():
    client = up()
    packet_id, _ = client.subscribe(["a", "b", "c"])
    assert events(client, bytes((0x90, 5, 0, packet_id, 1, 0x80, 0))) == [mqtt.SubscribeAcked(packet_id, (1, 0x80, 0))]


def test_a_message_exactly_as_large_as_allowed_is_taken_and_one_byte_more_is_skipped():
    client = up(max_packet=100)
    fits = message("t", bytes(95))
    over = message("t", bytes(96), packet_id=258)
    assert events(client, fits + over + message("t", b"next", qos=0)) == [
        mqtt.Message("t", bytearray(95), 1, False, False, 7),
        mqtt.Skipped("t", 96, 1, 258, "mqtt-too-large"),
        mqtt.Message("t", bytearray(b"next"), 0, False, False, 0),
    ]


def test_the_payload_buffer_is_as_large_as_the_payload_and_the_receivers_own():
    client = up()
    first, second = events(client, message("t", b"one") + message("t", b"two"))
    first.payload[:] = b"ONE"
    assert bytes(second.payload) == b"two"
    assert len(first.payload) == 3


@pytest.mark.parametrize(
    "code, data",
    [
        ("mqtt-type", b"\x00"),
        ("mqtt-type", b"\x10"),
        ("mqtt-type", b"\x50"),
        ("mqtt-type", b"\xf0"),
        ("mqtt-state", b"\x20"),
        ("mqtt-flags", b"\x41"),
        ("mqtt-flags", b"\xd8"),
        ("mqtt-qos", b"\x34"),
        ("mqtt-qos", b"\x36"),
        ("mqtt-length", b"\x30\xff\xff\xff\xff"),
        ("mqtt-length", b"\x30\x02"),
        ("mqtt-length", b"\x32\x04"),
        ("mqtt-length", b"\x40\x03"),
        ("mqtt-length", b"\xd0\x01"),
        ("mqtt-length", b"\x90\x02"),
        ("mqtt-length", b"\x90\x13"),
        ("mqtt-packet-id", b"\x40\x02\x00\x63"),
        ("mqtt-packet-id", b"\x90\x03\x00\x63\x01"),
        ("mqtt-packet-id", b"\x32\x05\x00\x01t\x00\x00"),
        ("mqtt-topic", b"\x30\x03\x00\x00x"),
        ("mqtt-topic", b"\x30\x03\x00\x02x"),
        ("mqtt-topic", b"\x30\xff\x7f\x01\x01"),
        ("mqtt-topic", b"\x30\x04\x00\x02\xff\xfe"),
        ("mqtt-topic", b"\x30\x03\x00\x01#"),
        ("mqtt-topic", b"\x30\x03\x00\x01\x00"),
    ],
)
def test_what_is_not_mqtt_has_a_code_and_is_the_end(code, data):
    client = up()
    client.feed(data)
    with pytest.raises(ProtocolError) as error:
        client.next_event()
    assert error.value.code == code
    assert client.state == mqtt.CLOSED
    with pytest.raises(ProtocolError):
        client.next_event()


def test_flags_of_the_answer_to_connect_that_nobody_defined_are_refused():
    client = Client()
    client.connect("a")
    client.feed(b"\x20\x02\x02\x00")
    with pytest.raises(ProtocolError):
        client.next_event()


def test_bytes_are_not_thrown_away_by_feeding_too_early():
    client = up()
    client.feed(b"\xd0\x00\xd0\x00")
    client.next_event()
    with pytest.raises(LocalError, match="next_event"):
        client.feed(b"")


topics = st.text(st.characters(exclude_characters="\0+#", exclude_categories=["Cs"]), min_size=1, max_size=40)
messages = st.builds(
    message,
    topics,
    st.binary(max_size=300),
    qos=st.sampled_from([0, 1]),
    retain=st.booleans(),
    dup=st.booleans(),
    packet_id=st.integers(1, 65_535),
)
packets = st.lists(messages | st.just(b"\xd0\x00") | st.just(message("t", bytes(600))), max_size=8)


def cut(data, at):
    edges = [0, *sorted(i % (len(data) + 1) for i in at), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def however_cut(make, data, at):
    """The events of `data` fed whole, byte by byte, in pieces, and with a tail, must be the same."""
    whole = events(up(make, max_packet=512), data)
    for pieces in ([data[i : i + 1] for i in range(len(data))], cut(data, at)):
        client = up(make, max_packet=512)
        assert [e for piece in pieces for e in events(client, piece)] == whole
    client = up(make, max_packet=512)
    assert events(client, memoryview(data + b"\x30")) == whole
    assert events(client, b"\x03\x00\x01t") == [mqtt.Message("t", b"", 0, False, False, 0)]
    return whole


@given(packets, st.lists(st.integers(0, 10_000), max_size=10))
def test_each_packet_is_one_event_however_the_bytes_were_cut(sent, at):
    assert len(however_cut(Client, b"".join(sent), at)) == len(sent)


class ForgetsHalfALength(Client):
    """Saboteur: begins a length anew with each feed."""

    def feed(self, data):
        super().feed(data)
        self._shift = 0


class DropsTheRest(Client):
    """Saboteur: forgets what followed the last whole packet."""

    def feed(self, data):
        super().feed(data)
        self._have = 0


@pytest.mark.parametrize("saboteur", [ForgetsHalfALength, DropsTheRest])
def test_the_cutting_test_catches_a_reader_that_forgets(saboteur):
    with pytest.raises((AssertionError, ProtocolError)):
        however_cut(saboteur, message("topic", bytes(range(200))), [3, 50])


@given(st.booleans(), st.lists(st.binary(max_size=200), max_size=20))
@settings(max_examples=500)
def test_any_bytes_raise_nothing_but_protocol_errors_and_memory_is_bounded(connected, chunks):
    assert most_held(Client, connected, chunks) <= BOUND


@given(packets, st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4))
@settings(max_examples=500)
def test_damaged_packets_raise_nothing_but_protocol_errors_and_memory_is_bounded(sent, damage):
    hurt = bytearray(b"".join(sent))
    for at, byte in damage:
        if hurt:
            hurt[at % len(hurt)] = byte
    assert most_held(Client, True, [bytes(hurt)]) <= BOUND


#: the longest payload that is let in, and the longest topic with what stands around it, bytes
BOUND = 512 + 64 + 4


def most_held(make, connected, chunks):
    """How many bytes the client made room for at the most; a ProtocolError ends it."""
    client = make(max_packet=512, max_topic=64)
    client.connect("a")
    if connected:
        events(client, CONNACK)
    payloads = [0]
    with contextlib.suppress(ProtocolError):
        for chunk in chunks:
            payloads += [len(event.payload) for event in events(client, chunk) if isinstance(event, mqtt.Message)]
            payloads.append(len(client._payload or b""))
    return max(payloads) + len(client._head)


class BelievesLengths(Client):
    """Saboteur: makes room for whatever length the broker claims."""

    def _headed(self):
        self._max_packet = mqtt_packets.LENGTH_MAX
        return super()._headed()


def test_the_memory_test_catches_a_reader_that_believes_lengths():
    assert most_held(BelievesLengths, True, [b"\x30\xff\xff\x03\x00\x01t"]) > BOUND
