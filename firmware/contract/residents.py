"""The residents list: who belongs to a kiosk's house, and which template its sensor may hold. Binary and small.

    header    <4s 32s Q I I H H  magic, kiosk's name padded with zeros, version, valid from, valid until, evenings, entries
    evenings  <I I               opens, closes (UTC epoch seconds)
    entries   <8s H I B 8s       token, slot, generation, flags, PIN's keyed hash; sorted by token
    checksum  <I                 CRC-32 of all before it
    MAC       16 bytes           under the kiosk's key, of all before it

Where the kiosk is registered stands as an entry of nobody's, before all others: token of zeros, no slot, no flags, the
radius (metres; 0: no place is registered) as its generation, and `<i i` latitude and longitude (1e-7 degrees) as its
PIN. To firmware and gateways that know nothing of it, it is the entry of a card that nobody has; a list of an older
store has none.

It travels where a door's roster does, with the same rules of version and freshness. It is a *desired state*: the sensor
may hold, in this slot, the template of this generation, and nothing else; the kiosk erases what the list does not name.
Names never go to a kiosk.
"""

import struct
from binascii import crc32
from collections import namedtuple

from firmware.contract.errors import Malformed, Misuse
from firmware.contract.mac import MAC_BYTES, TOKEN_BYTES
from firmware.contract.roster import ROSTER_MAX, STALE_AFTER_MS
from firmware.contract.statement import NUMBER_MAX
from firmware.contract.topics import NAME_MAX, is_name

MAGIC = b"MRS1"
_HEADER = "<4s32sQIIHH"
_EVENING = "<II"
_ENTRY = "<8sHIB8s"
_HEADER_BYTES = struct.calcsize(_HEADER)
_EVENING_BYTES = struct.calcsize(_EVENING)
_ENTRY_BYTES = struct.calcsize(_ENTRY)
#: no template of this person may be on this kiosk's sensor
NO_SLOT = 0xFFFF
PIN_BYTES = 8
NO_PIN = bytes(PIN_BYTES)

RESIDENT = 1  #: may check in here
STAFF = 2  #: may witness a PIN and enrol
ENROL = 4  #: staff asked for a finger to be enrolled into the slot, as this generation
AWAY = 8  #: on leave tonight: nobody is missed, and a check-in counts all the same
LOCKED = 16  #: five wrong PINs: until staff set a new one the PIN is not taken
FLAGS = RESIDENT | STAFF | ENROL | AWAY | LOCKED

#: When a check-in counts, UTC epoch milliseconds; `closes_ms` is the first moment at which it does not.
Evening = namedtuple("Evening", ("opens_ms", "closes_ms"))
#: The token of the entry that says where the kiosk is registered. (No card has it, as near as 64 bits can promise.)
PLACE_TOKEN = bytes(TOKEN_BYTES)
_DEGREES = "<ii"
_PER_DEGREE = 10_000_000
RADIUS_MAX_M = 100_000
#: Where a kiosk is registered: degrees, and metres around it. `NOWHERE`: nobody registered a place for it.
Place = namedtuple("Place", ("latitude", "longitude", "radius_m"))
NOWHERE = Place(0.0, 0.0, 0)
#: One card. slot: `NO_SLOT` where the sensor may hold nothing of theirs; pin: `NO_PIN` where none is set.
Entry = namedtuple("Entry", ("token", "slot", "generation", "flags", "pin"))


class Residents:
    """A residents list that passed its checks: a view on the bytes it was read from."""

    def __init__(self, reader, version_ms, valid_from_ms, valid_until_ms, evenings, count, blob, place):
        self.reader = reader
        #: issue time, UTC epoch milliseconds
        self.version_ms = version_ms
        self.valid_from_ms = valid_from_ms
        self.valid_until_ms = valid_until_ms
        #: every `Evening`, by its opening
        self.evenings = evenings
        #: how many entries there are
        self.count = count
        #: the whole list as received: what is kept on the shelf
        self.blob = blob
        #: the registered `Place`, or None: the store said nothing of it
        self.place = place
        self._offset = _HEADER_BYTES + (len(evenings) * _EVENING_BYTES) + (0 if place is None else _ENTRY_BYTES)

    def entry(self, place: int) -> "Entry":
        """The entry at this place, 0 to `count` - 1, in order of tokens."""
        return Entry(*struct.unpack_from(_ENTRY, self.blob, self._offset + place * _ENTRY_BYTES))

    def find(self, token: bytes) -> "Entry | None":
        """The entry of a card, or None. Binary search."""
        low, high = 0, self.count
        while low < high:
            middle = (low + high) // 2
            at = self._offset + middle * _ENTRY_BYTES
            here = self.blob[at : at + TOKEN_BYTES]
            if here == token:
                return self.entry(middle)
            if here < token:
                low = middle + 1
            else:
                high = middle
        return None

    def evening(self, at_ms: int) -> "Evening | None":
        """The evening that is open then, or None."""
        for one in self.evenings:
            if one.opens_ms <= at_ms < one.closes_ms:
                return one
        return None

    def is_fresh(self, at_ms: int) -> bool:
        """Whether a card that is not on this list may be told so with a red light."""
        return at_ms <= self.valid_until_ms and at_ms - self.version_ms <= STALE_AFTER_MS


def encode(
    reader: str, key, version_ms: int, valid_from_ms: int, valid_until_ms: int, evenings, entries, place=None
) -> bytes:
    """The bytes of a residents list. evenings: `Evening`s, cut to whole seconds; entries: `Entry`s; place: a `Place`, or
    None: nothing is said of it.

    Raises Misuse(`residents-...`) where it could not be read back, or is larger than a kiosk can hold.
    """
    if not is_name(reader):
        raise Misuse("residents-reader", "a residents list is for a kiosk with a name")
    ordered = sorted(entries)
    if ordered and ordered[0].token == PLACE_TOKEN:
        raise Misuse("residents-entry", "a token of zeros is no card's")
    if place is not None:
        ordered.insert(0, _entry_of(place))
    if len(set([one.token for one in ordered])) != len(ordered):  # noqa: C403  as in roster.py
        raise Misuse("residents-order", "a residents list names each card once")
    parts = []
    for one in sorted(evenings):
        if not one.opens_ms // 1000 < one.closes_ms // 1000:
            raise Misuse("residents-order", "an evening closes after it opens")
        parts.append(struct.pack(_EVENING, one.opens_ms // 1000, one.closes_ms // 1000))
    held = len(parts)
    for one in ordered:
        if len(one.token) != TOKEN_BYTES or len(one.pin) != PIN_BYTES or one.flags & ~FLAGS:
            raise Misuse("residents-entry", "an entry has a token and a PIN of 8 bytes, and flags that are known")
        parts.append(struct.pack(_ENTRY, *one))
    name = reader.encode()
    name += bytes(NAME_MAX - len(name))
    spans = (valid_from_ms // 1000, valid_until_ms // 1000)
    body = struct.pack(_HEADER, MAGIC, name, version_ms, spans[0], spans[1], held, len(ordered)) + b"".join(parts)
    body += struct.pack("<I", crc32(body))
    body += key.mac(body)
    if len(body) > ROSTER_MAX:
        raise Misuse("residents-size", f"a list has at most {ROSTER_MAX} bytes, this one would have {len(body)}")
    return body


def _entry_of(place):
    # Not a number compares false.
    if not (abs(place.latitude) <= 90 and abs(place.longitude) <= 180 and 0 <= place.radius_m <= RADIUS_MAX_M):
        raise Misuse("residents-place", "a place has degrees north and east, and up to 100 km around it")
    degrees = [round(one * _PER_DEGREE) for one in (place.latitude, place.longitude)]
    return Entry(PLACE_TOKEN, NO_SLOT, int(place.radius_m), 0, struct.pack(_DEGREES, *degrees))


def _place_of(one):
    """The place that this entry says, or None: it is a card's."""
    if one.token != PLACE_TOKEN:
        return None
    north, east = struct.unpack(_DEGREES, one.pin)
    place = Place(north / _PER_DEGREE, east / _PER_DEGREE, one.generation)
    on_earth = abs(place.latitude) <= 90 and abs(place.longitude) <= 180 and place.radius_m <= RADIUS_MAX_M
    if one.slot != NO_SLOT or one.flags or not on_earth:
        raise Malformed("residents-place", "the kiosk's registered place is not one")
    return place


def is_one(blob: bytes) -> bool:
    """Whether these bytes say that they are a residents list, and not a door's roster."""
    return bytes(blob[:4]) == MAGIC


def decode(blob: bytes, key=None, reader: str = "") -> "Residents":
    """The list in these bytes. key: the kiosk's `Key` (the gateway, which holds none, hands in None).

    reader: whose it must be, if given. Raises Malformed with `residents-length`, `residents-magic`,
    `residents-checksum`, `residents-mac`, `residents-reader`, `residents-order`, `residents-entry` or `residents-place`.
    """
    end = len(blob) - MAC_BYTES - 4
    if end < _HEADER_BYTES or len(blob) > ROSTER_MAX:
        raise Malformed("residents-length", "the residents list is cut off, or larger than any can be")
    magic, name, version_ms, valid_from, valid_until, evenings, count = struct.unpack_from(_HEADER, blob, 0)
    if magic != MAGIC:
        raise Malformed("residents-magic", "this is not a residents list of a format known here")
    if crc32(memoryview(blob)[:end]) != struct.unpack_from("<I", blob, end)[0]:
        raise Malformed("residents-checksum", "the residents list's checksum is wrong")
    if key is not None and not key.made(memoryview(blob)[: end + 4], bytes(blob[end + 4 :])):
        raise Malformed("residents-mac", "the residents list was not made with this kiosk's key")
    owner = bytes(name).rstrip(b"\0")
    owner = owner.decode() if not owner or max(owner) < 127 else ""
    if not is_name(owner) or (reader and owner != reader):
        raise Malformed("residents-reader", "the residents list is for another kiosk")
    if _HEADER_BYTES + evenings * _EVENING_BYTES + count * _ENTRY_BYTES != end:
        raise Malformed("residents-length", "the residents list is longer or shorter than it says")
    if version_ms > NUMBER_MAX:
        raise Malformed("residents-order", "the list's version is larger than any can be")
    found = []
    last = 0
    for i in range(evenings):
        opens, closes = struct.unpack_from(_EVENING, blob, _HEADER_BYTES + i * _EVENING_BYTES)
        if not last <= opens < closes:
            raise Malformed("residents-order", "the evenings are out of order")
        found.append(Evening(opens * 1000, closes * 1000))
        last = closes
    parts = (owner, version_ms, valid_from * 1000, valid_until * 1000, found)
    listed = Residents(*parts, count, blob, None)
    before = b""
    registered = _place_of(listed.entry(0)) if count else None
    if registered is not None:
        listed = Residents(*parts, count - 1, blob, registered)
        before = PLACE_TOKEN
    for place in range(listed.count):
        one = listed.entry(place)
        if one.token <= before:
            raise Malformed("residents-order", "the entries are not in order of their tokens")
        if one.flags & ~FLAGS:
            raise Malformed("residents-entry", "an entry has a flag that is not known here")
        before = one.token
    return listed
