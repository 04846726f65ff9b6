"""The roster: the class lists of one door's coming sessions, as the reader holds them. Binary and small.

    header    <4s 32s Q I I H  magic, reader's name padded with zeros, version, valid from, valid until, sessions
    sessions  <I I I I I H     id, opens, starts, ends, closes (UTC epoch seconds), number of tokens
    tokens    8 bytes each, sorted within each session, session after session
    checksum  <I               CRC-32 of all before it
    MAC       16 bytes         under the reader's key, of all before it

2,000 tokens are 16 KB. Names never go to a reader. The version is the issue time in epoch milliseconds.
"""

import struct
from binascii import crc32
from collections import namedtuple

from firmware.contract.decide import Window
from firmware.contract.errors import Malformed, Misuse
from firmware.contract.mac import MAC_BYTES, TOKEN_BYTES
from firmware.contract.statement import NUMBER_MAX
from firmware.contract.topics import NAME_MAX, is_name

MAGIC = b"MRO1"
_HEADER = "<4s32sQIIH"
_SESSION = "<IIIIIH"
_HEADER_BYTES = struct.calcsize(_HEADER)
_SESSION_BYTES = struct.calcsize(_SESSION)
ROSTER_MAX = 60_000  #: bytes; a message carries one whole roster
#: past this age a card that is not on the list gets the double flash, never red
STALE_AFTER_MS = 24 * 3600 * 1000

#: One session's place in a roster: its window, where its tokens begin (bytes), how many there are.
Listed = namedtuple("Listed", ("window", "offset", "count"))


class Roster:
    """A roster that passed its checks. It is a view on the bytes it was read from, and copies no tokens."""

    def __init__(self, reader, version_ms, valid_from_ms, valid_until_ms, sessions, blob):
        self.reader = reader
        #: issue time, UTC epoch milliseconds
        self.version_ms = version_ms
        self.valid_from_ms = valid_from_ms
        self.valid_until_ms = valid_until_ms
        #: every `Listed` session, by start
        self.sessions = sessions
        #: the whole roster as received: what is kept on flash
        self.blob = blob

    def find(self, listed: "Listed", token: bytes) -> int:
        """The place of a token in a session's list, or -1. Binary search: at most 11 comparisons in 2,000."""
        low, high = 0, listed.count
        while low < high:
            middle = (low + high) // 2
            at = listed.offset + middle * TOKEN_BYTES
            here = self.blob[at : at + TOKEN_BYTES]
            if here == token:
                return middle
            if here < token:
                low = middle + 1
            else:
                high = middle
        return -1

    def token(self, listed: "Listed", place: int) -> bytes:
        """The token at a place of a session's list."""
        at = listed.offset + place * TOKEN_BYTES
        return self.blob[at : at + TOKEN_BYTES]

    def is_fresh(self, at_ms: int) -> bool:
        """Whether a card that is not on this roster may be told so with a red light."""
        return at_ms <= self.valid_until_ms and at_ms - self.version_ms <= STALE_AFTER_MS


def encode(reader: str, key, version_ms: int, valid_from_ms: int, valid_until_ms: int, sessions: list) -> bytes:
    """The bytes of a roster. sessions: (Window, iterable of 8-byte tokens); windows are cut to whole seconds.

    Raises Misuse(`roster-size`) where it would be larger than a reader can hold.
    """
    if not is_name(reader):
        raise Misuse("roster-reader", "a roster is for a reader with a name")
    if len(set([s[0].id for s in sessions])) != len(sessions):  # noqa: C403  a list is less heap than a generator
        raise Misuse("roster-order", "a roster lists each session once")
    head = []
    tokens = []
    for window, members in sorted(sessions, key=lambda s: (s[0].starts_ms, s[0].id)):
        listed = sorted(set(members))
        for token in listed:
            if len(token) != TOKEN_BYTES:
                raise Misuse("roster-token", "a token has 8 bytes")
        if len(listed) > 0xFFFF:
            raise Misuse("roster-size", "a session's list holds at most 65,535 tokens")
        seconds = [ms // 1000 for ms in window[1:]]
        head.append(struct.pack(_SESSION, window.id, *seconds, len(listed)))
        tokens.extend(listed)
    name = reader.encode()
    name += bytes(NAME_MAX - len(name))
    top = struct.pack(_HEADER, MAGIC, name, version_ms, valid_from_ms // 1000, valid_until_ms // 1000, len(head))
    body = b"".join([top] + head + tokens)
    body += struct.pack("<I", crc32(body))
    body += key.mac(body)
    if len(body) > ROSTER_MAX:
        raise Misuse("roster-size", f"a roster has at most {ROSTER_MAX} bytes, this one would have {len(body)}")
    return body


def decode(blob: bytes, key=None, reader: str = "") -> "Roster":
    """The roster in these bytes. key: the reader's `Key` (the gateway, which holds none, hands in None).

    reader: whose it must be, if given. Raises Malformed with `roster-length`, `roster-magic`, `roster-checksum`,
    `roster-mac`, `roster-reader` or `roster-order`. Whether it may replace an older one is the caller's to judge.
    """
    end = len(blob) - MAC_BYTES - 4
    if end < _HEADER_BYTES or len(blob) > ROSTER_MAX:
        raise Malformed("roster-length", "the roster is cut off, or larger than any can be")
    magic, name, version_ms, valid_from, valid_until, count = struct.unpack_from(_HEADER, blob, 0)
    if magic != MAGIC:
        raise Malformed("roster-magic", "this is not a roster of a format known here")
    if crc32(memoryview(blob)[:end]) != struct.unpack_from("<I", blob, end)[0]:
        raise Malformed("roster-checksum", "the roster's checksum is wrong")
    if key is not None and not key.made(memoryview(blob)[: end + 4], bytes(blob[end + 4 :])):
        raise Malformed("roster-mac", "the roster was not made with this reader's key")
    owner = bytes(name).rstrip(b"\0")
    owner = owner.decode() if _is_ascii(owner) else ""
    if not is_name(owner) or (reader and owner != reader):
        raise Malformed("roster-reader", "the roster is for another reader")
    if version_ms > NUMBER_MAX:
        raise Malformed("roster-order", "the roster's version is larger than any can be")
    sessions = []
    ids = set()
    offset = _HEADER_BYTES + count * _SESSION_BYTES
    if offset > end:
        raise Malformed("roster-length", "the roster names more sessions than it holds")
    for i in range(count):
        fields = struct.unpack_from(_SESSION, blob, _HEADER_BYTES + i * _SESSION_BYTES)
        if not fields[1] <= fields[2] <= fields[3] <= fields[4]:
            raise Malformed("roster-order", "a session's window is out of order")
        if fields[0] in ids:
            raise Malformed("roster-order", "the roster lists a session twice")
        ids.add(fields[0])
        window = Window(fields[0], fields[1] * 1000, fields[2] * 1000, fields[3] * 1000, fields[4] * 1000)
        sessions.append(Listed(window, offset, fields[5]))
        offset += fields[5] * TOKEN_BYTES
    if offset != end:
        raise Malformed("roster-length", "the roster's lists are longer or shorter than it says")
    return Roster(owner, version_ms, valid_from * 1000, valid_until * 1000, sessions, blob)


def _is_ascii(data):
    for b in data:
        if b > 126:
            return False
    return True
