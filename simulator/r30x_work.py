"""What an R30x does with each command: pictures, two buffers of features, and its memory.

Commands it knows and Muster never sends are here as well (0x04 searches all slots, 0x0D empties them), so that other
drivers can be tried on the emulator; those that carry templates or pictures are refused.
"""

import struct
from collections.abc import Callable, Mapping
from typing import ClassVar

from simulator.r30x_finger import ENOUGH, TEMPLATE_BYTES, features, score, template
from simulator.r30x_flash import Flash
from simulator.r30x_glass import Glass, Press

#: What has to do with a template or a picture leaving or entering, and how many bytes that is: it may never be asked.
FORBIDDEN = {0x08: TEMPLATE_BYTES, 0x09: TEMPLATE_BYTES, 0x0A: 256 * 288 // 2, 0x0B: 256 * 288 // 2}


class Work:
    """The sensor's own state, without its line: what `carry_out` answers."""

    def __init__(
        self,
        *,
        memory: Flash,
        glass: Glass,
        capacity: int,
        system: int,
        password: int,
        address: int,
        empty_loads: bool,
    ) -> None:
        self._memory, self._glass = memory, glass
        self._capacity, self._system, self._password, self._address = capacity, system, password, address
        self._empty_loads = empty_loads
        self.start_anew()

    def start_anew(self) -> None:
        """As after power-up: the password, the picture and the buffers are gone."""
        self._known = False
        self._picture: Press | None = None
        self._buffers: dict[int, frozenset[int]] = {}

    def carry_out(self, code: int, parameters: bytes, now_s: float) -> bytes:
        """The answer's contents to one command, begun so that it is done by *now_s*. May raise PowerCut."""
        handler, layout = self._HANDLERS.get(code, (None, ""))
        if not self._known and code != 0x13:
            return b"\x13"
        if code in FORBIDDEN:
            return b"\x0d"
        if handler is None or len(parameters) != struct.calcsize(layout):
            return b"\x01"
        return handler(self, now_s, *struct.unpack(layout, parameters))

    def _verify_password(self, now_s: float, password: int) -> bytes:
        self._known = password == self._password
        return b"\x00" if self._known else b"\x13"

    def _generate_image(self, now_s: float) -> bytes:
        press = self._glass.at(now_s)
        if press is None:
            return b"\x02"
        if press.finger.state == "smudge":
            return b"\x03"
        self._picture = press
        return b"\x00"

    def _extract(self, now_s: float, buffer: int) -> bytes:
        if self._picture is None:
            return b"\x15"
        if buffer not in (1, 2):
            return b"\x01"
        if self._picture.finger.state == "dirty":
            return b"\x06"
        if len(self._picture.shown) < ENOUGH:
            return b"\x07"
        self._buffers[buffer] = self._picture.shown
        return b"\x00"

    def _match(self, now_s: float) -> bytes:
        like = score(self._buffers.get(1, frozenset()), self._buffers.get(2, frozenset()))
        return struct.pack(">BH", 0 if like else 8, like)

    def _merge(self, now_s: float) -> bytes:
        one, other = self._buffers.get(1, frozenset()), self._buffers.get(2, frozenset())
        if not score(one, other):
            return b"\x0a"
        self._buffers = {1: one | other, 2: one | other}
        return b"\x00"

    def _store(self, now_s: float, buffer: int, slot: int) -> bytes:
        if slot >= self._capacity:
            return b"\x0b"
        if buffer not in self._buffers:
            return b"\x18"
        self._memory.store(slot, template(self._buffers[buffer]))
        return b"\x00"

    def _load(self, now_s: float, buffer: int, slot: int) -> bytes:
        if slot >= self._capacity or buffer not in (1, 2):
            return b"\x0b"
        kept = features(self._memory.load(slot) or b"")
        if kept is None:
            return b"\x00" if self._empty_loads else b"\x0c"
        self._buffers[buffer] = kept
        return b"\x00"

    def _search(self, now_s: float, buffer: int, first: int, count: int) -> bytes:
        for slot in range(first, min(first + count, self._capacity)):
            like = score(
                self._buffers.get(buffer, frozenset()), features(self._memory.load(slot) or b"") or frozenset()
            )
            if like:
                return struct.pack(">BHH", 0, slot, like)
        return struct.pack(">BHH", 9, 0, 0)

    def _delete(self, now_s: float, first: int, count: int) -> bytes:
        if first + count > self._capacity:
            return b"\x10"
        for slot in range(first, first + count):
            self._memory.erase(slot)
        return b"\x00"

    def _empty(self, now_s: float) -> bytes:
        self._memory.wipe()
        return b"\x00"

    def _parameters(self, now_s: float) -> bytes:
        status = 4 * self._known | 8 * (self._picture is not None)
        return struct.pack(">BHHHHIHH", 0, status, self._system, self._capacity, 3, self._address, 2, 6)

    def _count(self, now_s: float) -> bytes:
        return struct.pack(">BH", 0, len(self._memory.held()))

    def _index(self, now_s: float, page: int) -> bytes:
        bits = bytearray(32)
        for slot in self._memory.held():
            if slot // 256 == page:
                bits[slot % 256 // 8] |= 1 << slot % 8
        return b"\x00" + bits

    _HANDLERS: ClassVar[Mapping[int, tuple[Callable[..., bytes], str]]] = {
        0x01: (_generate_image, ">"),
        0x02: (_extract, ">B"),
        0x03: (_match, ">"),
        0x04: (_search, ">BHH"),
        0x05: (_merge, ">"),
        0x06: (_store, ">BH"),
        0x07: (_load, ">BH"),
        0x0C: (_delete, ">HH"),
        0x0D: (_empty, ">"),
        0x0F: (_parameters, ">"),
        0x13: (_verify_password, ">I"),
        0x1D: (_count, ">"),
        0x1F: (_index, ">B"),
    }
