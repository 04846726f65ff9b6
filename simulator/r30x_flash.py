"""The sensor's own memory of templates: a file that outlives its power, written byte by byte, so that power can go in between.

A slot is a mark, a template and its sum. Erased is FF. A template is written first and its mark last, so what was cut
short is not there; with `mark_first` the other way round, as some sensors do it, so that what was cut short seems to be
there until somebody loads it.
"""

import os
import zlib
from pathlib import Path

from simulator.r30x_finger import TEMPLATE_BYTES

SLOT_BYTES = 1 + TEMPLATE_BYTES + 4
_ERASED, _HELD = 0xFF, 0x00


class PowerCut(Exception):
    """The power went while a byte was to be written."""


class Flash:
    """Templates in *path*, which is made where it is not there."""

    def __init__(self, path: Path, *, capacity: int, mark_first: bool = False) -> None:
        self._capacity = capacity
        self._mark_first = mark_first
        if not path.exists():
            path.write_bytes(b"\xff" * capacity * SLOT_BYTES)
        self._file = os.open(path, os.O_RDWR)
        #: bytes that may still be written before the power goes; None: it stays
        self.cut_after: int | None = None
        #: bytes written so far, and how often each slot was written or erased: what wears it out
        self.written = 0
        self.wear: dict[int, int] = {}

    def close(self) -> None:
        """The file stays."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def held(self) -> list[int]:
        """The slots that are marked."""
        return [slot for slot in range(self._capacity) if os.pread(self._file, 1, slot * SLOT_BYTES)[0] == _HELD]

    def load(self, slot: int) -> bytes | None:
        """The template in *slot*; None: nothing whole is there."""
        data = os.pread(self._file, SLOT_BYTES, slot * SLOT_BYTES)
        kept, told = data[1:-4], data[-4:]
        return kept if data[0] == _HELD and zlib.crc32(kept).to_bytes(4, "big") == told else None

    def store(self, slot: int, kept: bytes) -> None:
        """Write a template over whatever is there. May raise PowerCut half-way."""
        self.erase(slot)
        mark = [(0, bytes((_HELD,)))]
        body = [(1, kept + zlib.crc32(kept).to_bytes(4, "big"))]
        for at, data in mark + body if self._mark_first else body + mark:
            self._write(slot, at, data)

    def erase(self, slot: int) -> None:
        """Unmark the slot, then wipe it. May raise PowerCut half-way."""
        self.wear[slot] = self.wear.get(slot, 0) + 1
        self._write(slot, 0, b"\xff" * SLOT_BYTES)

    def wipe(self) -> None:
        """Everything goes, as in a factory's reset; nobody is asked."""
        os.pwrite(self._file, b"\xff" * self._capacity * SLOT_BYTES, 0)

    def _write(self, slot: int, at: int, data: bytes) -> None:
        allowed = len(data) if self.cut_after is None else min(self.cut_after, len(data))
        if allowed:
            os.pwrite(self._file, data[:allowed], slot * SLOT_BYTES + at)
        self.written += allowed
        if self.cut_after is not None:
            self.cut_after -= allowed
            if allowed < len(data):
                self.cut_after = None
                raise PowerCut(f"after {allowed} of {len(data)} bytes at {at} of slot {slot}")
