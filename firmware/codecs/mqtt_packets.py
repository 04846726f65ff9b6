"""MQTT 3.1.1 packets, client to broker: values in, the bytes of one whole packet out. No I/O, no state.

Every function returns one packet, made in one piece, so that it can leave in one write: three small writes for one packet
cost a delayed ACK each (measured: 22 messages/s instead of 5,376). Source: OASIS MQTT Version 3.1.1, chapters 2 and 3.
"""

CONNECT = 0x10
CONNACK = 0x20
PUBLISH = 0x30
PUBACK = 0x40
SUBSCRIBE = 0x82  # with the flags 0010 that the standard reserves
SUBACK = 0x90
PINGREQ = 0xC0
PINGRESP = 0xD0
DISCONNECT = 0xE0

LENGTH_MAX = 268_435_455  #: bytes; four length bytes of seven bits


class MqttError(Exception):
    """Base of the tree. `code` is stable and for machines; the text tells a person what is wrong."""

    def __init__(self, code: str, text: str):
        super().__init__(text)
        #: stable, lower case with hyphens, such as `mqtt-length`
        self.code = code


class LocalError(MqttError):
    """Ours: what was asked for cannot be said in MQTT, or not now. A fault of the caller."""


class ProtocolError(MqttError):
    """Theirs: what the broker sent is not MQTT 3.1.1. The connection is of no more use: close it."""


def _length(n: int) -> bytes:
    """A remaining length as its one to four bytes."""
    if n > LENGTH_MAX:
        raise LocalError("mqtt-too-large", "a packet may have 268,435,455 bytes at most: send less at once")
    out = bytearray()
    while True:
        byte = n & 0x7F
        n >>= 7
        out.append(byte | 0x80 if n else byte)
        if not n:
            return bytes(out)


def _string(data: bytes) -> bytes:
    """Up to 65,535 bytes behind their length."""
    if len(data) > 65535:
        raise LocalError("mqtt-string", "a name, topic, password or last will may have 65,535 bytes at most")
    return bytes((len(data) >> 8, len(data) & 0xFF)) + data


def topic_bytes(topic: str, wildcards: bool = False) -> bytes:
    """A topic as UTF-8. Raises LocalError(`mqtt-topic`) for one that cannot be published to (or subscribed to)."""
    if not topic or "\0" in topic or (not wildcards and ("+" in topic or "#" in topic)):
        raise LocalError("mqtt-topic", "a topic has at least one character, no NUL, and no + or # when publishing")
    data = topic.encode()
    if len(data) > 65535:
        raise LocalError("mqtt-topic", "a topic may have 65,535 bytes at most")
    return data


def connect(
    client_id: str,
    *,
    user: "str | None" = None,
    password: "str | bytes | None" = None,
    clean_session: bool = True,
    keepalive_s: int = 30,
    will: "tuple | None" = None,
    will_qos: int = 1,
    will_retain: bool = True,
) -> bytes:
    """A CONNECT packet. `will` is (topic, payload bytes), published by the broker when the client goes without goodbye.

    Raises LocalError: `mqtt-connect` for a password without a user, an empty client id that is to keep its session,
    a keepalive outside 0 to 65,535 s.
    """
    if password is not None and user is None:
        raise LocalError("mqtt-connect", "MQTT 3.1.1 has no password without a user: give both or neither")
    if not client_id and not clean_session:
        raise LocalError("mqtt-connect", "a client that keeps its session needs a client id")
    if not 0 <= keepalive_s <= 65535:
        raise LocalError("mqtt-connect", "keepalive is 0 to 65,535 seconds")
    flags = 0x02 if clean_session else 0
    body = _string(client_id.encode())
    if will is not None:
        _check_qos(will_qos)
        flags |= 0x04 | will_qos << 3 | (0x20 if will_retain else 0)
        body += _string(topic_bytes(will[0])) + _string(will[1])
    if user is not None:
        flags |= 0x80
        body += _string(user.encode())
    if password is not None:
        flags |= 0x40
        body += _string(password.encode() if isinstance(password, str) else password)
    fixed = b"\x00\x04MQTT\x04" + bytes((flags, keepalive_s >> 8, keepalive_s & 0xFF))
    return bytes((CONNECT,)) + _length(len(fixed) + len(body)) + fixed + body


def publish(topic: str, payload: bytes, *, qos: int, retain: bool, dup: bool, packet_id: int) -> bytearray:
    """A PUBLISH packet, sized before it is filled, so that a large payload is copied once. `packet_id` 0 with QoS 0."""
    _check_qos(qos)
    name = topic_bytes(topic)
    head = 2 + len(name) + (2 if qos else 0)
    prefix = _length(head + len(payload))
    at = 1 + len(prefix)
    out = bytearray(at + head + len(payload))
    out[0] = PUBLISH | (0x08 if dup and qos else 0) | qos << 1 | (1 if retain else 0)
    out[1:at] = prefix
    out[at] = len(name) >> 8
    out[at + 1] = len(name) & 0xFF
    out[at + 2 : at + 2 + len(name)] = name
    if qos:
        out[at + head - 2] = packet_id >> 8
        out[at + head - 1] = packet_id & 0xFF
    out[at + head :] = payload
    return out


def puback(packet_id: int) -> bytes:
    """A PUBACK packet: what was received with QoS 1 has been acted upon."""
    return bytes((PUBACK, 2, packet_id >> 8, packet_id & 0xFF))


def subscribe(topics: "list | tuple", *, qos: int, packet_id: int) -> bytes:
    """A SUBSCRIBE packet for all `topics` (wildcards allowed) at one QoS."""
    _check_qos(qos)
    body = bytes((packet_id >> 8, packet_id & 0xFF))
    for topic in topics:
        body += _string(topic_bytes(topic, True)) + bytes((qos,))
    return bytes((SUBSCRIBE,)) + _length(len(body)) + body


def pingreq() -> bytes:
    """A PINGREQ packet."""
    return bytes((PINGREQ, 0))


def disconnect() -> bytes:
    """A DISCONNECT packet: a goodbye, after which the broker does not publish the last will."""
    return bytes((DISCONNECT, 0))


def _check_qos(qos: int) -> None:
    if qos not in (0, 1):
        raise LocalError("mqtt-qos", "Muster speaks QoS 0 and 1; exactly-once is the store's work, not the broker's")
