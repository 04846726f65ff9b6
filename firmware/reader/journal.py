"""The reader's journal: numbered, MACed statements on storage that is handed in.

A journal is opened at the first append after each boot: 64 random bits, and a first record (seq 0) that names the
previous journal and its last seq. `seq` is gapless within it: a number is used up only by an append that succeeded,
and after a failed one nothing is appended any more in this boot, because what the medium holds is then unknown.
"""

from firmware.contract import statement
from firmware.reader.errors import StorageFailed, StorageFull


class Journal:
    """Makes the records of one boot, and knows what of all boots is still to be delivered.

    storage: as docs/wire.md says. random_bytes(n) -> bytes. firmware: its version, a word.
    """

    def __init__(self, *, reader, key, storage, random_bytes, firmware):
        self._reader = reader
        self._key = key
        self._storage = storage
        self._random_bytes = random_bytes
        self._firmware = firmware
        self._seq = 0
        #: id of this boot's journal, or None until the first append
        self.live = None
        #: why nothing can be appended: None, `full` or `storage`
        self.trouble = None
        #: what storage holds, in order of opening; kept here so that nothing is read at a tap
        self.held = list(storage.journals())
        if storage.room() < 2:  # nobody shall have to tap to find out
            self.trouble = "full"

    def swipe(self, **values) -> int:
        """Append a swipe (fields as in `statement.FIELDS`, without journal and seq); durable on return.

        Returns its seq. Raises StorageFull or StorageFailed: then it is not recorded, and the light must not be green.
        """
        return self._append("swipe", values)

    def record(self, kind: str, values: dict) -> int:
        """Append a record of another numbered kind, as a kiosk makes them. Raises like `swipe`."""
        return self._append(kind, values)

    def clock(self, **values) -> int:
        """Append a clock record: boot_ms, wall_ms, uncertainty_ms. Raises like `swipe`."""
        return self._append("clock", values)

    def lines(self, journal: str, first: int, limit: int) -> list:
        """Sealed lines of a journal from seq `first` on. [] where storage fails: then a head tells so."""
        try:
            return self._storage.read(journal, first, limit)
        except StorageFailed:
            self.trouble = "storage"
            return []

    def receipted(self, journal: str, up_to: int) -> bool:
        """A receipt came. False where it cannot be true: for an unknown journal, or beyond the head."""
        place = self._place(journal)
        if place is None:
            return False
        held = self.held[place]
        if up_to > held.head:
            return False
        if up_to > held.freed:
            self._storage.free(journal, up_to)
            self.held[place] = statement.Held(held.journal, held.oldest, up_to, held.head)
            if self.trouble == "full" and self._storage.room() > 1:
                self.trouble = None
        return True

    def lost_by_store(self, journal: str, first: int) -> bool:
        """The store was restored and asks again from `first` on: what is kept of that waits for a receipt once more."""
        self.refresh()  # what was recycled since cannot come back
        place = self._place(journal)
        if place is None:
            return False
        held = self.held[place]
        back_to = max(first, held.oldest)
        if back_to <= held.freed:
            self._storage.unfree(journal, back_to)
            self.held[place] = statement.Held(held.journal, held.oldest, back_to - 1, held.head)
        return True

    def refresh(self) -> None:
        """Ask storage again what it holds, after it recycled something between taps."""
        self.held = list(self._storage.journals())

    def room_again(self) -> None:
        """The board found that its disk takes writes again: no longer full, if storage says that records fit."""
        if self.trouble == "full" and self._storage.room() >= 2:
            self.trouble = None

    def head(self, journal: str) -> int:
        """The highest seq of a journal, or -1 where nothing of it is kept."""
        place = self._place(journal)
        return -1 if place is None else self.held[place].head

    def backlog(self) -> int:
        """How many records wait for a receipt."""
        return sum([h.head - h.freed for h in self.held])

    def _place(self, journal):
        for place in range(len(self.held)):
            if self.held[place].journal == journal:
                return place
        return None

    def _append(self, kind, values):
        if self.trouble == "storage":
            raise StorageFailed("storage failed before in this boot: restart the reader, then replace it")
        try:
            if self.live is None:
                self._open()
            seq = self._write(kind, self.live, values)
        except StorageFull:
            self.trouble = "full"
            raise
        except StorageFailed:
            self.trouble = "storage"
            raise
        self.trouble = None
        return seq

    def _open(self):
        journal = self._random_bytes(8).hex()
        before = self.held[-1] if self.held else None
        # Full must be known before the journal is open: an open record alone would be a boot that says nothing.
        if self._storage.room() < 2:
            raise StorageFull("the journal is full: connect the reader, so that it can deliver")
        self._seq = 0
        self._write(
            "open",
            journal,
            {
                "before": before.journal if before else None,
                "before_seq": before.head if before else None,
                "firmware": self._firmware,
            },
        )
        self.live = journal

    def _write(self, kind, journal, values):
        seq = self._seq
        values = dict(values)
        values["journal"] = journal
        values["seq"] = seq
        text = statement.say(kind, self._reader, self._key.id, values)
        self._storage.append(journal, seq, text, self._key.mac(text.encode()))
        self._seq = seq + 1
        place = self._place(journal)
        if place is None:  # it is new, or all of it was receipted and recycled
            self.held.append(statement.Held(journal, seq, seq - 1, seq))
        else:
            last = self.held[place]
            self.held[place] = statement.Held(journal, last.oldest, last.freed, seq)
        return seq
