"""The reader's storage and roster shelf in memory, as docs/wire.md describes them, with faults to order.

What survives a reboot is the `Medium`; a `MemoryStorage` is one boot's view of it. Runs on MicroPython too.
"""

from firmware.contract.statement import Held, seal
from firmware.reader import errors as reader_errors


class Medium:
    """What stays when the power goes. capacity: in records."""

    def __init__(self, capacity=100_000):
        self.capacity = capacity
        self.order = []  # journals by opening
        self.records = {}  # journal -> {seq: sealed line}
        self.freed = {}  # journal -> freed up to
        self.appends = 0  # tried so far, in all boots
        self.rosters = []  # every blob that the shelf was given

    def lines(self):
        """Every sealed line that is kept, in order."""
        return [self.records[j][seq] for j in self.order for seq in sorted(self.records[j])]

    def waiting(self):
        """How many records are kept that nothing has freed."""
        return sum([len([s for s in self.records[j] if s > self.freed[j]]) for j in self.order])


class MemoryStorage:
    """fail_at: the number of the append (from 0, over all boots) that fails. torn: it reached the medium all the same.
    on_append: called before each append, when nothing is durable yet. errors: the module with the two errors."""

    def __init__(self, medium, fail_at=None, torn=False, on_append=None, errors=reader_errors):
        self.medium = medium
        self.fail_at = fail_at
        self.torn = torn
        self.on_append = on_append
        self.errors = errors
        self.unreadable = set()  # (journal, seq) that cannot be read any more
        self.recycle = False  # idle() drops everything that is freed
        self.fail_free = False
        self.fail_read = False
        self.fail_idle = False

    def journals(self):
        m = self.medium
        return [Held(j, min(m.records[j]), m.freed[j], max(m.records[j])) for j in m.order if m.records[j]]

    def append(self, journal, seq, text, mac):
        if self.on_append is not None:
            self.on_append()
        m = self.medium
        number = m.appends
        m.appends += 1
        failing = self.fail_at is not None and number == self.fail_at
        if failing and not self.torn:
            raise self.errors.StorageFailed("the medium failed before it wrote")
        if m.waiting() >= m.capacity:
            raise self.errors.StorageFull("no room that is not waiting for a receipt")
        if journal not in m.records:
            m.order.append(journal)
            m.records[journal] = {}
            m.freed[journal] = -1
        assert seq not in m.records[journal], "a seq was used twice"
        assert not m.records[journal] or seq == max(m.records[journal]) + 1, "a seq was left out"
        m.records[journal][seq] = seal(text, mac)
        if failing:
            raise self.errors.StorageFailed("the medium failed after it wrote")

    def read(self, journal, first, limit):
        if self.fail_read:
            raise self.errors.StorageFailed("the medium failed")
        found = []
        records = self.medium.records.get(journal, {})
        while first in records and len(found) < limit and (journal, first) not in self.unreadable:
            found.append(records[first])
            first += 1
        return found

    def free(self, journal, up_to):
        if self.fail_free:
            raise self.errors.StorageFailed("the medium failed")
        self.medium.freed[journal] = up_to

    def unfree(self, journal, first):
        assert first in self.medium.records[journal], "only what is kept can be unfreed"
        self.medium.freed[journal] = first - 1

    def room(self):
        return self.medium.capacity - self.medium.waiting()

    def idle(self):
        if self.fail_idle:
            raise self.errors.StorageFailed("the medium failed")
        if not self.recycle:
            return False
        for journal in self.medium.order:
            for seq in list(self.medium.records[journal]):
                if seq <= self.medium.freed[journal]:
                    del self.medium.records[journal][seq]
        return True


class MemoryShelf:
    """The roster shelf. broken: both calls fail as a file system does."""

    def __init__(self, medium, broken=False):
        self.medium = medium
        self.broken = broken

    def load(self):
        if self.broken:
            raise OSError(5)
        return self.medium.rosters[-1] if self.medium.rosters else None

    def keep(self, blob):
        if self.broken:
            raise OSError(5)
        self.medium.rosters.append(blob)
