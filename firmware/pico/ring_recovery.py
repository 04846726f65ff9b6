"""Opening the journal: what stands on the flash after a boot, read without writing anything.

Every block's first page is read, and whole blocks only where journals change and the newest: a full journal of 5,100
swipes opens in some milliseconds on a PC. The format is told in ring.py.
"""

import struct
from array import array

from firmware.pico.ring_blocks import (
    BLOCK,
    BLOCK_BODY,
    CLOCK,
    DIRTY,
    ERASED,
    FRAME_BYTES,
    FRAMES,
    FREED_BODY,
    FREED_KIND,
    JOURNAL_BODY,
    JOURNAL_KIND,
    PAGE,
    Blocks,
)

JOURNALS_MAX = 100  #: kept in memory; more that wait for receipts are refused, and a hello could not list them


class Opened:
    """A journal of which something is kept. journal: its id, 8 bytes. number: rises with each journal opened."""

    def __init__(self, journal: bytes, number: int, oldest: int):
        self.journal = journal
        self.number = number
        self.oldest = oldest
        self.freed = oldest - 1
        self.head = oldest - 1


class Recovery(Blocks):
    """The blocks, and which journals stand in them."""

    def __init__(self, flash):
        super().__init__(flash)
        # per block: number of its first journal, seq of its first record
        self._first_journal = array("I", [0] * self._blocks)
        self._first_seq = array("I", [0] * self._blocks)
        self._order = []  # used blocks, oldest first
        self._journals = []
        self._next_number = 0
        self._noted = None  # (journal, freed) as it stands on flash
        self._note_now = False
        self._quiet = 0
        self._next_generation = 1
        self._offset = BLOCK  # where the next frame goes in the last used block
        self._context = None  # (journal, reader, key) that records there are written under
        self._mount()

    def _mount(self):
        """What stands on the flash. Reads every block's first page, and whole blocks only where journals change."""
        headers = {}
        for block in range(self._blocks):
            header = self._look(block)
            if header is not None:
                headers[block] = header
        self._order = sorted(headers, key=lambda b: self._generation[b])
        for i in range(self._blocks):
            block = (self._last() + 1 + i) % self._blocks
            if self._state[block] == ERASED:
                # It was next: power may have failed at its first program, too early to show. Erased once more.
                self._state[block] = DIRTY
                break
        mark = None
        if self._order:
            self._next_generation = self._generation[self._order[-1]] + 1
            mark = self._last_mark(self._order[-1])
        self._list(headers, mark, True)

    def _last_mark(self, block):
        """The newest freed mark: it always stands in the newest block. Also finds where writing goes on."""
        self._load(block)
        generation = self._generation[block]
        _, journal, after = struct.unpack_from(BLOCK_BODY, self._block, FRAMES + FRAME_BYTES)
        offset = FRAMES + FRAME_BYTES + struct.calcsize(BLOCK_BODY)
        while (frame := self._next_frame(generation, offset)) is not None:
            kind, _, start, offset = frame
            if kind == FREED_KIND:
                journal, after = struct.unpack_from(FREED_BODY, self._block, start)
            elif kind == JOURNAL_KIND:
                self._context = self._read_context(start, offset)
        end = BLOCK
        while end > offset and self._block[end - 1] == 0xFF:
            end -= 1
        # The page that holds the end may be half programmed, even where it reads blank: it is left alone.
        self._offset = (end // PAGE + 1) * PAGE
        return bytes(journal), after - 1

    def _list(self, headers, mark, forgetting):
        """Fills the table of journals. forgetting: drop those before the freed mark when there are too many."""
        self._journals = []
        self._next_number = 0
        forgot = False
        for i in range(len(self._order)):
            block = self._order[i]
            journal, seq = headers[block]
            held = self._enter(journal, seq)
            self._first_journal[block] = held.number
            self._first_seq[block] = seq
            held.head = max(held.head, seq - 1)
            after = headers[self._order[i + 1]] if i + 1 < len(self._order) else None
            if after is None or after[0] != journal:
                self._list_inside(block)
            if forgetting and mark is not None:
                while len(self._journals) > JOURNALS_MAX and self._find(mark[0]) in (None, self._journals[-1]):
                    self._journals.pop(0)
                    forgot = True
        frontier = self._find(mark[0]) if mark is not None else None
        if forgot and frontier is None:
            self._list(headers, mark, False)
            return
        for j in self._journals:
            j.freed = j.oldest - 1
            if frontier is not None and j.number < frontier.number:
                j.freed = j.head
        if frontier is not None:
            frontier.freed = max(frontier.oldest - 1, min(mark[1], frontier.head))
            self._noted = (frontier.journal, frontier.freed)

    def _enter(self, journal, seq):
        if self._journals and self._journals[-1].journal == journal:
            return self._journals[-1]
        self._journals.append(Opened(journal, self._next_number, seq))
        self._next_number += 1
        return self._journals[-1]

    def _list_inside(self, block):
        """Journals and heads as the records of one block tell them."""
        self._load(block)
        generation = self._generation[block]
        offset = FRAMES + FRAME_BYTES + struct.calcsize(BLOCK_BODY)
        held = None
        seq = 0
        while (frame := self._next_frame(generation, offset)) is not None:
            kind, low, start, offset = frame
            if kind == JOURNAL_KIND:
                journal, seq, _ = struct.unpack_from(JOURNAL_BODY, self._block, start)
                held = self._enter(bytes(journal), seq)
            elif kind <= CLOCK and held is not None:
                seq += (low - seq) & 0xFFFF
                held.head = seq
                seq += 1

    def _find(self, journal):
        for j in self._journals:
            if j.journal == journal:
                return j
        return None

    def _last(self):
        return self._order[-1] if self._order else self._blocks - 1

    def _read_context(self, start, end):
        journal, _, key = struct.unpack_from(JOURNAL_BODY, self._block, start)
        name = bytes(self._block[start + struct.calcsize(JOURNAL_BODY) : end]).decode()
        return (bytes(journal), name, key)
