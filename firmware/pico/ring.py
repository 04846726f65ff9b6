"""The journal on raw NOR flash: a ring of pre-erased blocks with CRC-framed records. See docs/wire.md, Storage.

Two rules govern it:
1. `append` returns only after the record's pages were programmed and read back equal. It programs at most two pages
   and erases nothing, because `idle` keeps erased blocks ahead.
2. A block is erased only when a receipt covers every record in it, and only the oldest one, and only when erased
   blocks run short. Without such a block the answer is StorageFull; nothing is overwritten.

A block (4 KB):

    0    <4sII  magic, erase count, CRC-32: programmed after the erase was finished. Without it: erase again
    12   4 bytes 0xFF; 0 when the block was given up for erasing, so that a half-erased one is known
    16   frames  <HBHI: length of the body, kind, low half of the seq, CRC-32; then the body
         block    body <I8sI: generation (rises by one a block), the first journal not wholly freed, freed + 1
         journal  body <8sIB: journal, seq of the next record, key id; then the reader's name
         records  body: the MACed text without `1|kind|reader|key|journal|seq|`, then the MAC
         freed    body <8sI: as in `block`, newer

The first two frames go into the same program as the block's first record. Each CRC begins with the generation and the
frame's place, so nothing that stood here before is taken for a frame. After a boot, writing goes on at the next page
that power had not reached, so nothing is ever added to a page that may be half programmed; what is torn fails its CRC
and reading goes on at the next frame that does not. Freed marks are written at leisure; a lost one only means offering again.
"""

import struct

from firmware.contract.mac import MAC_BYTES
from firmware.contract.statement import Held, seal
from firmware.pico.ring_blocks import (
    BLOCK,
    BLOCK_BODY,
    BLOCK_KIND,
    BODY_MAX,
    CLOCK,
    DIRTY,
    ERASED,
    FRAME_BYTES,
    FRAMES,
    FREED_BODY,
    FREED_KIND,
    JOURNAL_BODY,
    JOURNAL_KIND,
    OPEN,
    SWIPE,
    USED,
    WHOLE,
)
from firmware.pico.ring_recovery import JOURNALS_MAX, Opened, Recovery
from firmware.reader.errors import StorageFailed, StorageFull

#: blocks that `idle` keeps erased: room for some 480 swipes of a queue that leaves no pause to erase in
ERASED_AHEAD = 12
#: bytes that the longest swipe takes, frame and MAC included; most take about 100
SURE_BYTES = 192
#: freed records after which the mark is written down
NOTE_EVERY = 32
QUIET_CALLS = 300  #: calls of `idle` with nothing to do after which it is written down, too

_KINDS = {"open": OPEN, "swipe": SWIPE, "clock": CLOCK}
_WORDS = {OPEN: "open", SWIPE: "swipe", CLOCK: "clock"}


class Ring(Recovery):
    """The Storage of one reader. flash: a MicroPython block device of 4 KB blocks with program-without-erase."""

    def __init__(self, flash):
        super().__init__(flash)
        if self._blocks < 4:
            raise ValueError("the journal needs at least four blocks of flash")
        # A small ring keeps fewer: what was freed is to stay as long as there is room.
        self._ahead = max(2, min(ERASED_AHEAD, self._blocks // 8))
        #: for the health report: erases on the way to a light
        self.late_erases = 0

    # --- the Storage of docs/wire.md ---------------------------------------------------------------------------

    def journals(self) -> list:
        """Every journal of which something is kept, as `Held`, in order of opening."""
        return [Held(j.journal.hex(), j.oldest, j.freed, j.head) for j in self._journals if j.head >= j.oldest]

    def append(self, journal: str, seq: int, text: str, mac: bytes) -> None:
        """Durable on return. journal: 16 hex digits. text: the MACed line, ASCII. mac: 16 bytes.

        Raises StorageFull (nothing was overwritten) or StorageFailed (final).
        """
        if self._failed:
            raise StorageFailed("the flash failed before: this boot writes nothing more to it")
        wanted = bytes.fromhex(journal)
        last = self._journals[-1] if self._journals else None
        is_new = last is None or last.journal != wanted
        if not is_new and seq != last.head + 1:
            raise ValueError("records of a journal are appended in order")
        if len(mac) != MAC_BYTES or len(text) + MAC_BYTES > BODY_MAX:
            raise ValueError("this record cannot be kept: its MAC or its text has a wrong length")
        context, kind, body = self._cut(wanted, seq, text, is_new)
        size = FRAME_BYTES + len(body) + MAC_BYTES
        head = 0 if context is self._context else self._journal_size(context)
        if is_new and len(self._journals) >= JOURNALS_MAX:
            self._forget()
        note = None
        if self._order and self._offset + head + size <= BLOCK:
            block, generation = self._order[-1], self._generation[self._order[-1]]
            start, out = self._offset, 0
        else:
            block, generation = self._take(), self._next_generation
            start = FRAMES
            note = self._frontier()
            if note is None:
                note = (wanted, seq - 1)
            struct.pack_into(BLOCK_BODY, self._out, FRAME_BYTES, generation, note[0], note[1] + 1)
            # The generation itself is in this frame, so its own CRC begins with 0.
            out = self._frame(0, 0, start, BLOCK_KIND, 0, struct.calcsize(BLOCK_BODY))
            head = self._journal_size(context)
        if head:
            at = out + FRAME_BYTES
            struct.pack_into(JOURNAL_BODY, self._out, at, wanted, seq, context[2])
            name = context[1].encode()
            at += struct.calcsize(JOURNAL_BODY)
            self._out[at : at + len(name)] = name
            out = self._frame(out, generation, start + out, JOURNAL_KIND, 0, head - FRAME_BYTES)
        at = out + FRAME_BYTES
        self._out[at : at + len(body)] = body
        self._out[at + len(body) : at + len(body) + MAC_BYTES] = mac
        out = self._frame(out, generation, start + out, kind, seq & 0xFFFF, len(body) + MAC_BYTES)
        self._program(block, start, out)
        # Only now does the rest of the object learn of it: an error above leaves it as it was.
        if is_new:
            self._journals.append(Opened(wanted, self._next_number, seq))
            self._next_number += 1
        held = self._journals[-1]
        held.head = seq
        self._quiet = 0
        self._context = context
        if start == FRAMES:
            self._state[block] = USED
            self._generation[block] = generation
            self._first_journal[block] = held.number
            self._first_seq[block] = seq
            self._order.append(block)
            self._next_generation = generation + 1
            self._noted = note
        self._offset = start + out

    def read(self, journal: str, first: int, limit: int) -> list:
        """Sealed lines of a journal from seq `first` on, at most `limit`. What cannot be read any more is left out."""
        held = self._find(bytes.fromhex(journal))
        lines = []
        if held is None or first > held.head:
            return lines
        key = (held.number, max(first, held.oldest))
        at = 0
        for i in range(len(self._order)):
            block = self._order[i]
            if (self._first_journal[block], self._first_seq[block]) > key:
                break
            at = i
        for i in range(at, len(self._order)):
            block = self._order[i]
            if self._first_journal[block] > held.number or len(lines) >= limit:
                break
            self._collect(block, held.journal, key[1], limit, lines)
        return lines

    def free(self, journal: str, up_to: int) -> None:
        """A receipt covers the records of a journal up to `up_to`."""
        held = self._find(bytes.fromhex(journal))
        if held is not None:
            held.freed = max(held.freed, min(up_to, held.head))

    def unfree(self, journal: str, first: int) -> None:
        """The store lost the records of a journal from `first` on. Only those still kept come back."""
        held = self._find(bytes.fromhex(journal))
        if held is not None and first <= held.freed:
            held.freed = max(first, held.oldest) - 1
            self._note_now = True

    def room(self) -> int:
        """Records that surely fit, however long, without recycling anything that is not freed."""
        blocks = 0
        for state in self._state:
            if state in (ERASED, DIRTY):
                blocks += 1
        for i in range(len(self._order) - 1):
            if not self._is_freed(i):
                break
            blocks += 1
        each = (BLOCK - FRAMES - 2 * FRAME_BYTES - 64) // SURE_BYTES
        return blocks * each + max(0, BLOCK - self._offset) // SURE_BYTES

    def idle(self) -> bool:
        """One slow step if there is one to do: erase a block, or write the freed mark. Whether it did one."""
        if self._failed:
            return False
        erased = 0
        dirty = -1
        for i in range(self._blocks):
            block = (self._last() + 1 + i) % self._blocks
            if self._state[block] == ERASED:
                erased += 1
            elif self._state[block] == DIRTY and dirty < 0:
                dirty = block
        if dirty >= 0:
            self._erase(dirty)
            return True
        short = erased < self._ahead and len(self._order) > 1 and self._is_freed(0)
        if self._note_is_due(short) and self._note():
            return True
        if short:
            self._recycle()
            return True
        self._quiet += 1
        return False

    # --- writing -----------------------------------------------------------------------------------------------

    def _cut(self, journal, seq, text, is_new):
        """(context, kind, body) for a record: what need not be written again, and what must."""
        parts = text.split("|", 6)
        context = self._context
        known = len(parts) == 7 and parts[0] == "1" and parts[1] in _KINDS
        known = known and parts[4] == journal.hex() and parts[5] == str(seq) and len(parts[2]) <= 32
        if is_new or context is None or context[0] != journal:
            context = (journal, parts[2], _key_id(parts[3])) if known else (journal, "", 0)
        if known and parts[2] == context[1] and parts[3] == str(context[2]):
            return context, _KINDS[parts[1]], parts[6].encode()
        return context, WHOLE, text.encode()

    def _journal_size(self, context):
        return FRAME_BYTES + struct.calcsize(JOURNAL_BODY) + len(context[1])

    def _take(self):
        """The next erased block. Erasing here is the last resort: late is better than a refusal, and it is counted."""
        for i in range(self._blocks):
            block = (self._last() + 1 + i) % self._blocks
            if self._state[block] == ERASED:
                return block
        for i in range(self._blocks):
            block = (self._last() + 1 + i) % self._blocks
            if self._state[block] == DIRTY:
                self.late_erases += 1
                if self._erase(block):
                    return block
        while len(self._order) > 1 and self._is_freed(0):
            self.late_erases += 1
            block = self._order[0]
            if self._recycle():
                return block
        raise StorageFull("the journal is full of swipes that the store has not received yet: connect the reader")

    def _recycle(self):
        block = self._order.pop(0)
        first = self._order[0]
        kept = []
        for j in self._journals:
            if j.number >= self._first_journal[first]:
                kept.append(j)
        self._journals = kept
        if kept and kept[0].number == self._first_journal[first]:
            kept[0].oldest = max(kept[0].oldest, self._first_seq[first])
        self._state[block] = DIRTY
        return self._erase(block)

    # --- freed marks -------------------------------------------------------------------------------------------

    def _frontier(self):
        """(journal, freed) of the first journal that is not wholly freed, else of the last; None without journals."""
        for j in self._journals:
            if j.freed < j.head:
                return (j.journal, j.freed)
        if self._journals:
            return (self._journals[-1].journal, self._journals[-1].freed)
        return None

    def _note_is_due(self, now):
        mark = self._frontier()
        if mark is None or mark == self._noted:
            return False
        if now or self._note_now or self._quiet >= QUIET_CALLS or self._noted is None or mark[0] != self._noted[0]:
            return True
        return mark[1] >= self._noted[1] + NOTE_EVERY

    def _note(self):
        mark = self._frontier()
        size = FRAME_BYTES + struct.calcsize(FREED_BODY)
        block = self._order[-1]
        if self._offset + size > BLOCK:
            # The next block's first frame carries it. Until then an older mark stands, which is safe.
            self._noted = mark
            self._note_now = False
            return False
        struct.pack_into(FREED_BODY, self._out, FRAME_BYTES, mark[0], mark[1] + 1)
        self._frame(0, self._generation[block], self._offset, FREED_KIND, 0, size - FRAME_BYTES)
        self._program(block, self._offset, size)
        self._offset += size
        self._noted = mark
        self._note_now = False
        return True

    def _is_freed(self, i):
        """Whether a receipt covers every record in the used block at place `i`, which has a block after it."""
        after = self._order[i + 1]
        for j in self._journals:
            if j.number > self._first_journal[after]:
                break
            last = j.head if j.number < self._first_journal[after] else self._first_seq[after] - 1
            if j.freed < last:
                return False
        return True

    def _forget(self):
        """Makes room in memory for one more journal: the oldest that is wholly freed is not listed any more."""
        for i in range(len(self._journals) - 1):
            if self._journals[i].freed >= self._journals[i].head:
                self._journals.pop(i)
                return
        raise StorageFull(f"{JOURNALS_MAX} journals wait for their receipts: connect the reader")

    # --- reading and recovery ----------------------------------------------------------------------------------

    def _collect(self, block, wanted, first, limit, lines):
        self._load(block)
        generation = self._generation[block]
        offset = FRAMES + FRAME_BYTES + struct.calcsize(BLOCK_BODY)
        context = None
        seq = 0
        while len(lines) < limit and (frame := self._next_frame(generation, offset)) is not None:
            kind, low, start, offset = frame
            if kind == JOURNAL_KIND:
                context = self._read_context(start, offset)
                seq = struct.unpack_from("<I", self._block, start + 8)[0]
            elif kind <= CLOCK and context is not None:
                seq += (low - seq) & 0xFFFF
                if context[0] == wanted and seq >= first:
                    body = bytes(self._block[start : offset - MAC_BYTES]).decode()
                    if kind != WHOLE:
                        body = f"1|{_WORDS[kind]}|{context[1]}|{context[2]}|{wanted.hex()}|{seq}|{body}"
                    lines.append(seal(body, bytes(self._block[offset - MAC_BYTES : offset])))
                seq += 1


def _key_id(text):
    return int(text) if 1 <= len(text) <= 3 and text.isdigit() and 1 <= int(text) <= 255 else 0
