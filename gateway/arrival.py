"""From an MQTT message to what is spooled: pure. Whatever the bytes are, something comes out; nothing is dropped.

A message on `swipes` gives one `Arrival` for each journal record in it. What cannot be read becomes kind `raw`, and
is forwarded as it came: the store quarantines it.
"""

import hashlib
import json
from dataclasses import dataclass

from firmware.contract import envelope, statement, topics
from firmware.contract.errors import Malformed
from firmware.contract.statement import Statement

#: what each topic of readers' lines may carry
LINES = {"swipes": statement.NUMBERED, "hello": ("hello",), "head": ("head",)}
#: of these only so many, the newest, wait for the store: a newer one says all that an older one said
WAITING_MOST = {"hello": 16, "head": 16, "status": 1, "health": 1}
#: bytes kept of a message that cannot be read; a message of ours is never larger
RAW_MAX = envelope.MESSAGE_MAX


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """One thing to be spooled and forwarded."""

    #: SHA-256 of what was received: the same bytes on the same topic are the same arrival
    id: bytes
    #: `site/reader/journal`: what takes turns in forwarding. For what is no journal record, `!kind` stands for it
    lane: str
    #: place in the journal; 0 where there is none
    seq: int
    #: record, hello, head, status, health or raw
    kind: str
    #: the line, or the JSON text; empty for raw
    line: str = ""
    #: for raw: the bytes as they came (at most RAW_MAX), and the topic they came on
    raw: bytes = b""
    topic: str = ""
    #: what the line says, for the judge; None where that is nothing
    statement: Statement | None = None
    #: for raw: the code of why it could not be read
    problem: str = ""
    #: whether bytes had to be cut off
    cut: bool = False


def arrivals(topic: str, payload: bytes, received_ms: int) -> list[Arrival]:
    """What one message brings, at least one. Never raises.

    received_ms: UTC epoch; goes into the id of `status` and `health` only, whose bytes repeat and mean something anew.
    """
    try:
        where = topics.parse(topic)
    except Malformed as error:
        return [_raw(topic, "//!raw", payload, error.code)]
    lane = f"{where.site}/{where.reader}/"
    if where.kind in LINES:
        try:
            lines = envelope.unwrap(payload)
        except Malformed as error:
            return [_raw(topic, lane + "!raw", payload, error.code)]
        return [_line(topic, lane, line, where.kind) for line in lines]
    if where.kind in ("status", "health"):
        return [_json(topic, lane, payload, where.kind, received_ms)]
    return [_raw(topic, lane + "!raw", payload, "topic-kind")]


def identity(topic: str, received: bytes) -> bytes:
    """The SHA-256 under which something received is known. The topic is in it: a line that somebody repeats on
    another reader's topic must not pass for the one that comes on its own."""
    return hashlib.sha256(b"%d:%b%b" % (len(topic), topic.encode("utf-8", "surrogatepass"), received)).digest()


def _line(topic: str, lane: str, line: str, topic_kind: str) -> Arrival:
    try:
        said = statement.read(line)
        if said.kind not in LINES[topic_kind]:
            raise Malformed("statement-kind", "this kind of statement does not belong on this topic")
    except Malformed as error:
        return _raw(topic, lane + "!raw", line.encode("utf-8", "surrogatepass"), error.code)
    id = identity(topic, line.encode())
    if topic_kind != "swipes":
        return Arrival(id=id, lane=f"{lane}!{said.kind}", seq=0, kind=said.kind, line=line, statement=said)
    values = said.values
    return Arrival(id=id, lane=lane + values["journal"], seq=values["seq"], kind="record", line=line, statement=said)


def _json(topic: str, lane: str, payload: bytes, kind: str, received_ms: int) -> Arrival:
    try:
        if len(payload) > envelope.MESSAGE_MAX:
            raise Malformed("envelope", "the message is larger than any may be")
        text = payload.decode()
        if not isinstance(json.loads(text), dict) or "\0" in text:
            raise Malformed("envelope", "the message is not a JSON object")
    except (ValueError, RecursionError, Malformed):
        return _raw(topic, lane + "!raw", payload, "envelope")
    id = identity(topic, b"%d:%b" % (received_ms, payload))
    return Arrival(id=id, lane=f"{lane}!{kind}", seq=0, kind=kind, line=text)


def _raw(topic: str, lane: str, payload: bytes, problem: str) -> Arrival:
    return Arrival(
        id=identity(topic, payload),
        lane=lane,
        seq=0,
        kind="raw",
        raw=bytes(payload[:RAW_MAX]),
        topic=topic,
        problem=problem,
        cut=len(payload) > RAW_MAX,
    )
