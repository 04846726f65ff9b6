"""MQTT 3.1.1, client side, without I/O: one `Client` a connection, bytes in and events out. MicroPython and CPython.

Two rules govern it:
1. `feed(data)`, then `next_event()` until it returns None (more bytes needed). It answers the same however the bytes were cut.
2. What you ask for (`connect`, `publish`, `puback`...) is returned as the bytes of one packet; sending them is yours.

Memory is bounded by `max_topic` and by one payload of at most `max_packet` bytes: a payload is read into one bytearray of
exactly its size as it streams in. A larger PUBLISH, or one for which there is no memory, is *skipped* byte by byte and
reported as `Skipped`, and the connection goes on: were it closed, a retained roster too large for this reader would come
again at every connect, and no swipe could leave any more. Anything else of a wrong size is a ProtocolError.

States and what may arrive in them (all else is `ProtocolError`, code `mqtt-state`):
    NEW, CLOSED  nothing
    WAITING      CONNACK
    UP           PUBLISH QoS 0/1, PUBACK, SUBACK, PINGRESP

Where the standard leaves room or brokers do: session-present is reported, never refused (also beside a clean session), DUP
on a QoS 0 message is ignored, a return code above 5 is `Refused` like the others.
"""

from collections import namedtuple

from firmware.codecs import mqtt_packets as packets
from firmware.codecs.mqtt_packets import LocalError, MqttError, ProtocolError

__all__ = (
    "NEW", "WAITING", "UP", "CLOSED",
    "Connected", "Refused", "Message", "Skipped", "Published", "SubscribeAcked", "PongReceived",
    "Client", "LocalError", "MqttError", "ProtocolError",
)  # fmt: skip

NEW = "new"
WAITING = "waiting"
UP = "up"
CLOSED = "closed"

#: The broker has taken us. `session_present`: it kept our session, so subscriptions and unacknowledged messages live on.
Connected = namedtuple("Connected", ("session_present",))
#: The broker has not. `return_code` as in CONNACK, `code` the same as a stable word. The connection is over.
Refused = namedtuple("Refused", ("return_code", "code"))
#: A message. `payload` is a bytearray and the receiver's to keep. `packet_id` is 0 with QoS 0; else acknowledge it.
Message = namedtuple("Message", ("topic", "payload", "qos", "retain", "dup", "packet_id"))
#: A message that was thrown away: `size` payload bytes, `code` `mqtt-too-large` or `mqtt-no-memory`. Acknowledge it too.
Skipped = namedtuple("Skipped", ("topic", "size", "qos", "packet_id", "code"))
#: PUBACK: the broker has the message with this packet id (which says nothing about the store).
Published = namedtuple("Published", ("packet_id",))
#: SUBACK: one granted QoS a topic, 0x80 where it was refused.
SubscribeAcked = namedtuple("SubscribeAcked", ("packet_id", "granted"))
#: PINGRESP.
PongReceived = namedtuple("PongReceived", ())

#: CONNACK return codes, MQTT 3.1.1 table 3.1
REFUSALS = {
    1: "mqtt-refused-version",
    2: "mqtt-refused-client-id",
    3: "mqtt-refused-unavailable",
    4: "mqtt-refused-password",
    5: "mqtt-refused-not-authorised",
}

# What the parser waits for.
_TYPE, _LENGTH, _HEAD, _PAYLOAD, _SKIP = range(5)
_SUBSCRIPTIONS_MAX = 16


class Client:
    """One connection's protocol. Raises LocalError for what the caller may not do, ProtocolError for what the broker may not.

    `max_packet` bytes (without the fixed header) are taken, larger messages skipped; a topic longer than `max_topic`
    bytes is an error, since we subscribe to short ones only; `window` QoS 1 messages may be in flight.
    """

    def __init__(self, *, max_packet: int = 66_048, max_topic: int = 256, window: int = 8):
        self.state = NEW
        self.window = window
        self._max_packet = max_packet
        self._max_topic = max_topic
        self._in_flight = set()
        self._subscribing = {}  # packet id -> number of topics
        self._last_id = 0
        self._failed = None
        # what is being read
        self._data = b""
        self._at = 0
        self._phase = _TYPE
        self._first = 0
        self._remaining = 0
        self._shift = 0
        self._head = bytearray(max(max_topic + 4, _SUBSCRIPTIONS_MAX + 2))
        self._have = 0
        self._need = 0
        self._topic = None
        self._packet_id = 0
        self._payload = None
        self._skip_code = None

    # --- what we say -------------------------------------------------------------------------------------------

    def connect(self, client_id: str, **options) -> bytes:
        """The CONNECT packet; for `options` see `mqtt_packets.connect`."""
        self._require(NEW)
        data = packets.connect(client_id, **options)
        self.state = WAITING
        return data

    def publish(
        self,
        topic: str,
        payload: bytes,
        qos: int = 1,
        retain: bool = False,
        dup: bool = False,
        packet_id: int = 0,
    ) -> "tuple":
        """(packet id, PUBLISH packet); the id is 0 with QoS 0, else in flight until `Published`.

        To send one again, whose PUBACK never came, hand in its old `packet_id` with `dup`; whether to is the caller's.
        Raises LocalError: `mqtt-window` when too many are in flight, `mqtt-packet-id` for an id that is in use.
        """
        self._require(UP)
        if not qos:
            return 0, packets.publish(topic, payload, qos=qos, retain=retain, dup=False, packet_id=0)
        if len(self._in_flight) >= self.window:
            raise LocalError("mqtt-window", "too many messages are in flight: wait for a PUBACK first")
        if not packet_id:
            packet_id = self._free_id()
        elif not 1 <= packet_id <= 65535 or self._is_used(packet_id):
            raise LocalError("mqtt-packet-id", "a packet id is 1 to 65,535 and in use once only")
        data = packets.publish(topic, payload, qos=qos, retain=retain, dup=dup, packet_id=packet_id)
        self._in_flight.add(packet_id)
        return packet_id, data

    def puback(self, packet_id: int) -> bytes:
        """The PUBACK packet for a QoS 1 message, once it has been acted upon."""
        self._require(UP)
        return packets.puback(packet_id)

    def subscribe(self, topics: "list | tuple", qos: int = 1) -> "tuple":
        """(packet id, SUBSCRIBE packet) for 1 to 16 topics."""
        self._require(UP)
        if not 1 <= len(topics) <= _SUBSCRIPTIONS_MAX:
            raise LocalError("mqtt-subscribe", "subscribe to 1 to 16 topics at once")
        packet_id = self._free_id()
        data = packets.subscribe(topics, qos=qos, packet_id=packet_id)
        self._subscribing[packet_id] = len(topics)
        return packet_id, data

    def pingreq(self) -> bytes:
        """The PINGREQ packet."""
        self._require(UP)
        return packets.pingreq()

    def disconnect(self) -> bytes:
        """The DISCONNECT packet; the connection is over, and the last will with it."""
        self._require(UP)
        self.state = CLOSED
        return packets.disconnect()

    @property
    def in_flight(self) -> int:
        """How many QoS 1 messages wait for their PUBACK."""
        return len(self._in_flight)

    def _require(self, state: str) -> None:
        if self.state != state:
            raise LocalError("mqtt-state", f"this needs the state {state}, and the connection is {self.state}")

    def _is_used(self, packet_id: int) -> bool:
        return packet_id in self._in_flight or packet_id in self._subscribing

    def _free_id(self) -> int:
        while True:  # ends: a window is far smaller than 65,535
            self._last_id = self._last_id % 65535 + 1
            if not self._is_used(self._last_id):
                return self._last_id

    # --- what we hear ------------------------------------------------------------------------------------------

    def feed(self, data: "bytes | bytearray | memoryview") -> None:
        """Takes the next bytes from the broker. They are referred to, not copied, until `next_event` returned None."""
        if self._at < len(self._data):
            raise LocalError("mqtt-feed", "take all events first: call next_event until it returns None")
        self._data = data
        self._at = 0

    def next_event(self):
        """The next event, or None when more bytes are needed. Raises ProtocolError, now and from then on."""
        if self._failed is not None:
            raise ProtocolError(self._failed, "the connection has failed before: close it")
        try:
            return self._read()
        except ProtocolError as e:
            self._failed = e.code
            self.state = CLOSED
            self._data = b""
            self._at = 0
            self._payload = None
            raise

    def _read(self):
        while True:
            if self._phase == _TYPE:
                if self._at >= len(self._data):
                    self._data = b""
                    self._at = 0
                    return None
                self._begin(self._byte())
            elif self._phase == _LENGTH:
                if self._at >= len(self._data):
                    return None
                byte = self._byte()
                self._remaining |= (byte & 0x7F) << self._shift
                self._shift += 7
                if not byte & 0x80:
                    self._measured()
                elif self._shift > 21:
                    raise ProtocolError("mqtt-length", "the broker's packet length has more than four bytes")
            elif self._phase == _HEAD:
                if not self._collect(self._head):
                    return None
                if (event := self._headed()) is not None:
                    return event
            elif self._phase == _PAYLOAD:
                if not self._collect(self._payload):
                    return None
                return self._message()
            else:
                if not self._collect(None):
                    return None
                return self._skipped()

    def _byte(self) -> int:
        byte = self._data[self._at]
        self._at += 1
        return byte

    def _collect(self, target) -> bool:
        """Moves what there is into `target` (nowhere if None) until `_need` bytes are there; whether they are."""
        n = min(self._need - self._have, len(self._data) - self._at)
        if n and target is not None:
            whole = self._at == 0 and n == len(self._data)
            part = self._data if whole else memoryview(self._data)[self._at : self._at + n]
            target[self._have : self._have + n] = part
        self._have += n
        self._at += n
        return self._have == self._need

    def _begin(self, first: int) -> None:
        kind = first & 0xF0
        if kind == packets.CONNACK and self.state == WAITING:
            pass
        elif kind not in (packets.PUBLISH, packets.PUBACK, packets.SUBACK, packets.PINGRESP, packets.CONNACK):
            raise ProtocolError("mqtt-type", "the broker sent a kind of packet that it may not send to us")
        elif self.state != UP or kind == packets.CONNACK:
            raise ProtocolError("mqtt-state", "the broker sent a packet at the wrong time")
        if kind != packets.PUBLISH and first & 0x0F:
            raise ProtocolError("mqtt-flags", "the broker set reserved flags of a packet")
        if kind == packets.PUBLISH and first & 0x04:
            raise ProtocolError(
                "mqtt-qos", "the broker sent a message with QoS 2 or 3, and we subscribe with 1 at most"
            )
        self._first = first
        self._remaining = 0
        self._shift = 0
        self._phase = _LENGTH

    def _measured(self) -> None:
        """The length is known: is it possible for this kind, and how much of it belongs into the head?"""
        kind = self._first & 0xF0
        n = self._remaining
        self._have = 0
        self._topic = None
        self._phase = _HEAD
        if kind == packets.PUBLISH:
            fits = n >= (5 if self._first & 0x06 else 3)
            self._need = 2
        else:
            self._need = n
            if kind == packets.SUBACK:
                fits = 3 <= n <= 2 + _SUBSCRIPTIONS_MAX
            else:
                fits = n == (0 if kind == packets.PINGRESP else 2)
        if not fits:
            raise ProtocolError("mqtt-length", "the broker sent a packet of a length that its kind cannot have")

    def _headed(self):
        """The head is complete. An event, or None where a message's topic or payload still follows."""
        kind = self._first & 0xF0
        if kind == packets.PUBLISH:
            return self._publish_headed()
        self._phase = _TYPE
        if kind == packets.PINGRESP:
            return PongReceived()
        if kind == packets.CONNACK:
            return self._connack()
        packet_id = self._head[0] << 8 | self._head[1]
        if kind == packets.PUBACK:
            if packet_id not in self._in_flight:
                raise ProtocolError("mqtt-packet-id", "the broker acknowledged a message that is not in flight")
            self._in_flight.remove(packet_id)
            return Published(packet_id)
        granted = tuple(self._head[2 : self._need])
        if self._subscribing.pop(packet_id, 0) != len(granted):
            raise ProtocolError("mqtt-packet-id", "the broker answered a subscription that was not asked for")
        for qos in granted:
            if qos not in (0, 1, 0x80):
                raise ProtocolError("mqtt-qos", "the broker granted a QoS that was not asked for")
        return SubscribeAcked(packet_id, granted)

    def _connack(self):
        flags, code = self._head[0], self._head[1]
        if flags & 0xFE:
            raise ProtocolError("mqtt-flags", "the broker set reserved flags of its answer to our connect")
        if code:
            self.state = CLOSED
            return Refused(code, REFUSALS.get(code, "mqtt-refused"))
        self.state = UP
        return Connected(bool(flags & 1))

    def _publish_headed(self):
        tail = 2 if self._first & 0x06 else 0
        if self._topic is None:
            n = self._head[0] << 8 | self._head[1]
            if not n or 2 + n + tail > self._remaining:
                raise ProtocolError("mqtt-topic", "the broker sent a message whose topic does not fit into it")
            if n > self._max_topic:
                raise ProtocolError("mqtt-topic", "the broker sent a topic longer than any that we subscribe to")
            self._topic = ""
            self._need = 2 + n + tail
            return None
        end = self._need - tail
        try:
            self._topic = str(bytes(self._head[2:end]), "utf-8")
        except UnicodeError:
            raise ProtocolError("mqtt-topic", "the broker sent a topic that is not UTF-8")
        if "\0" in self._topic or "+" in self._topic or "#" in self._topic:
            raise ProtocolError("mqtt-topic", "the broker sent a topic with a character that no topic may have")
        self._packet_id = self._head[end] << 8 | self._head[end + 1] if tail else 0
        if tail and not self._packet_id:
            raise ProtocolError("mqtt-packet-id", "the broker sent a QoS 1 message without a packet id")
        n = self._remaining - self._need
        self._skip_code = None
        if self._remaining > self._max_packet:
            self._skip_code = "mqtt-too-large"
        else:
            try:
                self._payload = bytearray(n)
            except MemoryError:
                self._skip_code = "mqtt-no-memory"
        self._need = n
        self._have = 0
        self._phase = _PAYLOAD if self._skip_code is None else _SKIP
        return None

    def _message(self):
        first = self._first
        event = Message(self._topic, self._payload, first >> 1 & 1, bool(first & 1), bool(first & 8), self._packet_id)
        self._payload = None
        self._phase = _TYPE
        return event

    def _skipped(self):
        self._phase = _TYPE
        return Skipped(self._topic, self._need, self._first >> 1 & 1, self._packet_id, self._skip_code)
