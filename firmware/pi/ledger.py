"""What is known of the journals without asking the database: what they hold, what of it has a receipt, and since when.

Freed records age from the moment of their receipt, in this run's monotonic time only: after a start, and whatever a
wall clock says, nothing of them is recycled early.
"""

from firmware.contract.statement import Held

COALESCE_MS = 10 * 60 * 1000  #: receipts of this span age together


class Kept:
    """One journal: its number in the database, the mark up to which it is freed, and how much of it is held."""

    def __init__(self, *, number: int, freed: int, oldest: int, head: int, count: int) -> None:
        self.number = number
        self.freed = freed
        self.oldest = oldest
        self.head = head
        self.count = count
        #: the freed mark differs from the database's
        self.dirty = False
        #: (up to, freed at, ms of this process), oldest first: what was freed before this start ages from it
        self.ages: list[tuple[int, int]] = []

    def aged(self, now_ms: int, older_than_ms: int) -> int:
        """The last seq that was freed at least so long ago, -1 for none."""
        up_to = max((u for u, at_ms in self.ages if now_ms - at_ms >= older_than_ms), default=-1)
        return min(up_to, self.freed)


class Ledger:
    """The journals by their ids, in order of opening. Tells after each change what the database does not know yet."""

    def __init__(self, journals: dict[str, Kept], now_ms: int) -> None:
        self._journals = journals
        #: since when a freed mark differs from the database's; None while none does
        self.dirty_since_ms: int | None = None
        for kept in journals.values():
            if kept.freed >= kept.oldest:
                kept.ages.append((kept.freed, now_ms))

    def held(self) -> list[Held]:
        """(journal, oldest kept, freed up to, head) of every journal, in order of opening."""
        return [Held(name, kept.oldest, kept.freed, kept.head) for name, kept in self._journals.items()]

    def get(self, journal: str) -> Kept | None:
        """What is kept of this journal; None where there is none."""
        return self._journals.get(journal)

    def count(self) -> int:
        """Records held."""
        return sum(kept.count for kept in self._journals.values())

    def waiting(self) -> int:
        """Records without a receipt."""
        return sum(kept.head - kept.freed for kept in self._journals.values())

    def next_number(self) -> int:
        """For the next journal that is opened."""
        return 1 + max((kept.number for kept in self._journals.values()), default=0)

    def appended(self, journal: str, number: int, seq: int) -> None:
        """The record is in the database; its first one opens the journal."""
        kept = self._journals.get(journal)
        if kept is None:
            self._journals[journal] = Kept(number=number, freed=-1, oldest=seq, head=seq, count=1)
        else:
            kept.head = seq
            kept.count += 1

    def free(self, journal: str, up_to: int, now_ms: int) -> None:
        """These have a receipt: they age from now on."""
        kept = self._journals[journal]
        if up_to <= kept.freed:
            return
        kept.freed = min(up_to, kept.head)
        if kept.ages and now_ms - kept.ages[-1][1] < COALESCE_MS:
            kept.ages[-1] = (kept.freed, kept.ages[-1][1])
        else:
            kept.ages.append((kept.freed, now_ms))
        self._mark(kept, now_ms)

    def unfree(self, journal: str, first: int, now_ms: int) -> None:
        """These have no receipt any more."""
        kept = self._journals[journal]
        if first > kept.freed:
            return
        kept.freed = first - 1
        kept.ages = [(min(up_to, kept.freed), at_ms) for up_to, at_ms in kept.ages if kept.freed >= kept.oldest]
        self._mark(kept, now_ms)

    def dirty(self) -> list[Kept]:
        """Whose freed mark the database does not know."""
        return [kept for kept in self._journals.values() if kept.dirty]

    def persisted(self) -> None:
        """The database knows every freed mark."""
        for kept in self._journals.values():
            kept.dirty = False
        self.dirty_since_ms = None

    def recyclable(self, now_ms: int, older_than_ms: int, at_most: int) -> tuple[str, Kept, int] | None:
        """The oldest records that may go: (journal, what is kept of it, the last seq to go). None where none may."""
        newest = next(reversed(self._journals), None)
        for name, kept in self._journals.items():
            up_to = min(kept.aged(now_ms, older_than_ms), kept.oldest + at_most - 1)
            if name == newest:
                up_to = min(up_to, kept.head - 1)  # the next journal names this one and its last seq
            if up_to >= kept.oldest:
                return name, kept, up_to
        return None

    def recycled(self, journal: str, up_to: int, gone: int) -> None:
        """`gone` records up to here left the database, which learned the freed mark with it."""
        kept = self._journals[journal]
        kept.count -= gone
        kept.oldest = up_to + 1
        kept.dirty = False
        kept.ages = [(u, at_ms) for u, at_ms in kept.ages if u > up_to]
        if kept.oldest > kept.head:
            del self._journals[journal]

    def _mark(self, kept: Kept, now_ms: int) -> None:
        kept.dirty = True
        if self.dirty_since_ms is None:
            self.dirty_since_ms = now_ms
