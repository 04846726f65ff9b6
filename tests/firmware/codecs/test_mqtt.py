"""firmware/codecs/mqtt.py: what it says, byte for byte as paho says it."""

import contextlib
import socket
import threading

import paho.mqtt.client as paho
import pytest

from firmware.codecs import mqtt, mqtt_packets
from firmware.codecs.mqtt import Client, LocalError
from tests.firmware.codecs.mqtt_talk import CONNACK, events, message, up


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
