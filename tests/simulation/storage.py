"""A reader's stable storage: the emulators that the reader's own tests use, with power that may fail at any write.

Two kinds: records in memory, which is quick; and the Pico's own ring on emulated NOR flash. What outlives a cut is the
medium. Freed marks are "persisted at leisure": a cut may take some back, which must only mean offering again.
"""

import random
from collections.abc import Callable

from firmware.contract.statement import seal
from firmware.pico.ring import Ring
from firmware.reader import errors
from simulator.unixport.nor import BLOCK, Nor
from tests.firmware.reader.memory_storage import Medium, MemoryShelf, MemoryStorage


class PowerCut(BaseException):
    """The power is gone in the middle of a write."""


class Watched:
    """What one boot does with its storage, seen from outside: appended and freed records, and cuts at the writes."""

    def __init__(self) -> None:
        #: told of (journal, seq, sealed line) when a record is durable
        self.appended: Callable[[str, int, str], None] = lambda journal, seq, line: None
        #: told of (journal, up to) when records are freed
        self.freed: Callable[[str, int], None] = lambda journal, up_to: None
        #: None, `before` or `after`: the power fails at the next append
        self.cut: str | None = None
        #: None, or whether the record of the append that fails reached the medium
        self.fault: bool | None = None

    def around(self, append: Callable[[str, int, str, bytes], None], journal: str, seq: int, text: str, mac: bytes):
        cut, self.cut = self.cut, None
        fault, self.fault = self.fault, None
        if cut == "before":
            raise PowerCut
        if fault is False:
            raise errors.StorageFailed("the medium failed before it wrote")
        append(journal, seq, text, mac)
        self.appended(journal, seq, seal(text, mac))
        if fault is True:
            raise errors.StorageFailed("the medium failed after it wrote")
        if cut == "after":
            raise PowerCut


class QuickMedium:
    """Records in memory. capacity: in records."""

    def __init__(self, rng: random.Random, capacity: int) -> None:
        self.rng = rng
        self.medium = Medium(capacity)
        self.shelf = MemoryShelf(self.medium)
        self._at_boot: dict[str, int] = {}
        #: (journal, seq) of records that cannot be read any more
        self.unreadable: set[tuple[str, int]] = set()

    def waiting(self) -> list[tuple[str, int]]:
        """(journal, seq) of every record that no receipt covers, in order."""
        medium = self.medium
        return [(j, seq) for j in medium.order for seq in sorted(medium.records[j]) if seq > medium.freed[j]]

    def holds(self, journal: str, seq: int) -> bool:
        """Whether the record can still be read here."""
        return seq in self.medium.records.get(journal, {}) and (journal, seq) not in self.unreadable

    def boot(self, watched: Watched) -> MemoryStorage:
        medium = self.medium
        for journal, freed in medium.freed.items():
            # Somewhere between what stood there at the last boot and now.
            oldest = min(medium.records[journal], default=freed + 1) - 1
            last = max(self._at_boot.get(journal, -1), oldest)
            if freed > last and self.rng.random() < 0.5:
                medium.freed[journal] = self.rng.randint(last, freed)
        self._at_boot = dict(medium.freed)
        return _Quick(self, watched)


class _Quick(MemoryStorage):
    def __init__(self, kept: QuickMedium, watched: Watched) -> None:
        super().__init__(kept.medium)
        self.watched = watched
        self.unreadable = kept.unreadable

    def append(self, journal, seq, text, mac):
        self.watched.around(super().append, journal, seq, text, mac)

    def free(self, journal, up_to):
        super().free(journal, up_to)
        self.watched.freed(journal, up_to)

    def idle(self):
        # Room is made only where it runs short, as on flash.
        medium = self.medium
        kept = sum(map(len, medium.records.values()))
        if kept * 4 < medium.capacity * 3:
            return False
        done = False
        for journal in medium.order[:-1]:
            mine = medium.records[journal]
            for seq in [s for s in mine if s <= medium.freed[journal]]:
                del mine[seq]
                done = True
        newest = medium.records[medium.order[-1]] if medium.order else {}
        for seq in sorted(newest)[:-1]:
            if seq <= medium.freed[medium.order[-1]]:
                del newest[seq]
                done = True
        return done


class FlashMedium:
    """The Pico's ring on NOR flash of so many blocks."""

    def __init__(self, rng: random.Random, blocks: int) -> None:
        self.rng = rng
        self.memory = bytearray(b"\xff" * (blocks * BLOCK))
        self.medium = Medium()
        self.shelf = MemoryShelf(self.medium)

    def holds(self, journal: str, seq: int) -> bool:
        """Whether the record can still be read here."""
        return bool(Ring(Nor(self.memory, len(self.memory))).read(journal, seq, 1))

    def boot(self, watched: Watched) -> "_Flash":
        return _Flash(Nor(self.memory, len(self.memory)), watched)


class _Flash(Ring):
    def __init__(self, flash: Nor, watched: Watched) -> None:
        super().__init__(flash)
        self.nor, self.watched = flash, watched

    def append(self, journal, seq, text, mac):
        self.watched.around(super().append, journal, seq, text, mac)

    def free(self, journal, up_to):
        super().free(journal, up_to)
        self.watched.freed(journal, up_to)
