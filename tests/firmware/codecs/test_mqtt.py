"""firmware/codecs/mqtt.py: what it says, byte for byte as paho says it, and what it makes of anything it hears."""

import contextlib
import itertools
import socket
import threading

import paho.mqtt.client as paho
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.codecs import mqtt, mqtt_packets
from firmware.codecs.mqtt import Client, LocalError, ProtocolError

CONNACK = b"\x20\x02\x00\x00"


def up(make=Client, **options):
    client = make(**options)
    client.connect("r1")
    assert events(client, CONNACK) == [mqtt.Connected(False)]
    return client


def events(client, data):
    client.feed(data)
    found = []
    while (event := client.next_event()) is not None:
        found.append(event)
    return found


def message(topic, payload, *, qos=1, retain=False, dup=False, packet_id=7):
    return bytes(
        mqtt_packets.publish(topic, payload, qos=qos, retain=retain, dup=dup, packet_id=packet_id if qos else 0)
    )


# --- what we say ------------------------------------------------------------------------------------------------


class Listener:
    """Takes one MQTT connection and keeps what the client says, answering as a broker would."""

    def __init__(self):
        self.said = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        sock, _ = self._listener.accept()
        with sock, contextlib.suppress(OSError):
            stream = sock.makefile("rb")
            while first := stream.read(1):
                length, shift, prefix = 0, 0, b""
                while True:
                    prefix += (byte := stream.read(1))
                    length |= (byte[0] & 0x7F) << shift
                    shift += 7
                    if byte[0] < 0x80:
                        break
                body = stream.read(length)
                self.said.append(first + prefix + body)
                kind = first[0] & 0xF0
                if kind == 0x10:
                    sock.sendall(CONNACK)
                elif kind == 0x80:
                    sock.sendall(b"\x90\x03" + body[:2] + b"\x01" + message("in", b"x", packet_id=513))
                elif kind == 0x30 and first[0] & 6:
                    n = body[0] << 8 | body[1]
                    sock.sendall(b"\x40\x02" + body[2 + n : 4 + n])

    def close(self):
        self._listener.close()
        self._thread.join(10)


@pytest.mark.parametrize("clean_session", [True, False])
@pytest.mark.parametrize("size", [0, 1, 108, 109, 16_365, 70_000])
def test_every_packet_is_byte_for_byte_what_paho_sends(clean_session, size):
    listener = Listener()
    other = paho.Client(
        paho.CallbackAPIVersion.VERSION2, client_id="reader-7", clean_session=clean_session, protocol=paho.MQTTv311
    )
    other.username_pw_set("user", "pässword")
    other.will_set("muster/v1/s/r/status", b"gone", qos=1, retain=True)
    done = threading.Event()
    other.on_connect = lambda *rest: other.subscribe("muster/v1/s/r/roster", 1)
    payload = bytes(size)
    other.on_message = lambda *rest: other.publish("muster/v1/s/r/swipes", payload, qos=1, retain=size == 1)
    other.on_publish = lambda client, data, mid, *rest: client.publish("q", b"zero", qos=0) if mid == 2 else done.set()
    other.connect("127.0.0.1", listener.port, keepalive=30)
    other.loop_start()
    try:
        assert done.wait(10)
        other.disconnect()
    finally:
        other.loop_stop()
        listener.close()

    ours = Client()
    said = [
        ours.connect(
            "reader-7",
            user="user",
            password="pässword",
            clean_session=clean_session,
            keepalive_s=30,
            will=("muster/v1/s/r/status", b"gone"),
        )
    ]
    events(ours, CONNACK)
    said.append(ours.subscribe(["muster/v1/s/r/roster"])[1])
    said.append(ours.publish("muster/v1/s/r/swipes", payload, 1, size == 1)[1])
    said.append(ours.puback(513))
    said.append(ours.publish("q", b"zero", 0)[1])
    said.append(ours.disconnect())
    assert sorted(map(bytes, said)) == sorted(listener.said)


def test_a_ping_is_two_bytes():
    assert up().pingreq() == b"\xc0\x00"


def test_a_resend_keeps_its_packet_id_and_says_so():
    first = up()
    packet_id, data = first.publish("t", b"x")
    second = up()
    again_id, again = second.publish("t", b"x", dup=True, packet_id=packet_id)
    assert again_id == packet_id
    assert again[0] == data[0] | 0x08
    assert again[1:] == data[1:]
    with pytest.raises(LocalError, match="in use"):
        second.publish("t", b"x", dup=True, packet_id=packet_id)


def test_a_message_without_acknowledgement_never_says_it_is_a_resend():
    assert up().publish("t", b"x", 0, dup=True)[1][0] == 0x30


def test_packet_ids_come_round_and_pass_those_in_flight():
    client = up(window=2)
    kept, _ = client.publish("t", b"")
    seen = set()
    for _ in range(65_540):
        packet_id, _ = client.publish("t", b"")
        assert 1 <= packet_id <= 65_535
        assert packet_id != kept
        seen.add(packet_id)
        assert events(client, bytes((0x40, 2, packet_id >> 8, packet_id & 255))) == [mqtt.Published(packet_id)]
    assert len(seen) == 65_534


@pytest.mark.parametrize(
    "code, ask",
    [
        ("mqtt-topic", lambda c: c.publish("a/#", b"")),
        ("mqtt-topic", lambda c: c.publish("a/+/b", b"")),
        ("mqtt-topic", lambda c: c.publish("", b"")),
        ("mqtt-topic", lambda c: c.publish("a\0", b"")),
        ("mqtt-topic", lambda c: c.publish("a" * 65_536, b"")),
        ("mqtt-qos", lambda c: c.publish("a", b"", 2)),
        ("mqtt-packet-id", lambda c: c.publish("a", b"", packet_id=65_536)),
        ("mqtt-too-large", lambda c: c.publish("a", bytes(mqtt_packets.LENGTH_MAX))),
        ("mqtt-subscribe", lambda c: c.subscribe([])),
        ("mqtt-subscribe", lambda c: c.subscribe(["a"] * 17)),
        ("mqtt-state", lambda c: c.connect("again")),
        ("mqtt-connect", lambda c: Client().connect("a", password="no user")),
        ("mqtt-connect", lambda c: Client().connect("", clean_session=False)),
        ("mqtt-connect", lambda c: Client().connect("a", keepalive_s=65_536)),
        ("mqtt-string", lambda c: Client().connect("a", user="u" * 65_536)),
        ("mqtt-qos", lambda c: Client().connect("a", will=("t", b""), will_qos=2)),
        ("mqtt-topic", lambda c: Client().connect("a", will=("t/#", b""))),
        ("mqtt-state", lambda c: Client().publish("a", b"")),
        ("mqtt-state", lambda c: Client().pingreq()),
    ],
)
def test_what_mqtt_cannot_say_is_refused_and_changes_nothing(code, ask):
    client = up()
    with pytest.raises(LocalError) as error:
        ask(client)
    assert error.value.code == code
    assert client.in_flight == 0
    assert client.state == mqtt.UP


def test_no_more_than_the_window_is_in_flight():
    client = up(window=2)
    first, _ = client.publish("t", b"")
    client.publish("t", b"")
    with pytest.raises(LocalError, match="PUBACK"):
        client.publish("t", b"")
    client.publish("t", b"", 0)
    events(client, bytes((0x40, 2, 0, first)))
    client.publish("t", b"")


# --- what we hear -----------------------------------------------------------------------------------------------


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
streams = st.lists(messages | st.just(b"\xd0\x00") | st.just(message("t", bytes(600))), max_size=8).map(b"".join)


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


@given(streams, st.lists(st.integers(0, 10_000), max_size=10))
def test_events_do_not_depend_on_how_the_bytes_were_cut(data, at):
    however_cut(Client, data, at)


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
    survives(Client, connected, chunks)


@given(streams, st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4))
@settings(max_examples=500)
def test_damaged_packets_raise_nothing_but_protocol_errors_and_memory_is_bounded(data, damage):
    hurt = bytearray(data)
    for at, byte in damage:
        if hurt:
            hurt[at % len(hurt)] = byte
    survives(Client, True, [bytes(hurt)])


def survives(make, connected, chunks):
    client = make(max_packet=512, max_topic=64)
    client.connect("a")
    if connected:
        events(client, CONNACK)
    with contextlib.suppress(ProtocolError):
        for chunk in chunks:
            for event in events(client, chunk):
                if isinstance(event, mqtt.Message):
                    assert len(event.payload) <= 512
            assert len(client._payload or b"") <= 512
    assert len(client._head) <= 64 + 4


class BelievesLengths(Client):
    """Saboteur: makes room for whatever length the broker claims."""

    def _headed(self):
        self._max_packet = mqtt_packets.LENGTH_MAX
        return super()._headed()


def test_the_memory_test_catches_a_reader_that_believes_lengths():
    with pytest.raises(AssertionError):
        survives(BelievesLengths, True, [b"\x30\xff\xff\x03\x00\x01t"])
