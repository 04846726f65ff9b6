"""The journal's blocks on NOR flash: frames with checksums, programs that are read back, erases that are looked at.

What stands in a block, and why, is told in ring.py; here is how it gets there and back. Nothing here knows of receipts.
"""

import struct
from array import array
from binascii import crc32

from firmware.contract.mac import MAC_BYTES
from firmware.reader.errors import StorageFailed

PAGE = 256
BLOCK = 4096
MAGIC = b"MJr1"
BODY_MAX = 768  #: bytes of the longest frame's body

MARK = "<4sII"
GIVEN_UP = 12  #: offset of four bytes: 0 when the block was given up for erasing
FRAMES = 16  #: offset of the first frame
FRAME = "<HBHI"
FRAME_BYTES = 9
BLOCK_BODY = "<I8sI"
JOURNAL_BODY = "<8sIB"
FREED_BODY = "<8sI"
#: Frame kinds. WHOLE is a record whose text is kept whole: one that does not begin as its journal's frame says.
WHOLE, OPEN, SWIPE, CLOCK, BLOCK_KIND, JOURNAL_KIND, FREED_KIND = range(7)
#: Block states.
UNKNOWN, ERASED, USED, DIRTY, DAMAGED = range(5)


class Blocks:
    """The blocks of one flash range, one of them loaded at a time. `ring.Ring` is the journal on top."""

    def __init__(self, flash):
        self._flash = flash
        self._blocks = flash.ioctl(4, 0)
        #: for the health report: erases, blocks that hold what nobody can read
        self.erases = 0
        self.damaged = 0
        self._failed = False
        self._blank = b"\xff" * PAGE
        self._page = bytearray(PAGE)
        self._check = bytearray(PAGE)
        self._out = bytearray(BODY_MAX + 256)  # frames on their way
        self._block = bytearray(BLOCK)  # the loaded block
        self._view = memoryview(self._block)
        self._state = bytearray(self._blocks)
        self._wear = array("I", [0] * self._blocks)
        self._generation = array("I", [0] * self._blocks)

    def _frame(self, out, generation, place, kind, low, length):
        """Puts the frame's head before the body that stands in `_out` already; returns the frame's end there."""
        struct.pack_into("<HBH", self._out, out, length, kind, low)
        body = memoryview(self._out)[out + FRAME_BYTES : out + FRAME_BYTES + length]
        crc = _crc(generation, place, memoryview(self._out)[out : out + 5], body)
        struct.pack_into("<I", self._out, out + 5, crc)
        return out + FRAME_BYTES + length

    def _program(self, block, start, length):
        """Programs `length` bytes of `_out` at an offset of a block, page by page, and reads them back."""
        done = 0
        while done < length:
            page = (start + done) // PAGE * PAGE
            inside = start + done - page
            n = min(PAGE - inside, length - done)
            self._page[:] = self._blank
            self._page[inside : inside + n] = memoryview(self._out)[done : done + n]
            self._write_page(block, page)
            if self._check[inside : inside + n] != self._page[inside : inside + n]:
                self._fail("the flash did not keep what was written to it")
            done += n

    def _write_page(self, block, page):
        """Programs `_page`, and reads what stands there now into `_check`."""
        try:
            wrong = self._flash.writeblocks(block, self._page, page) or self._flash.readblocks(block, self._check, page)
        except OSError:
            wrong = True
        if wrong:
            self._fail("the flash refused to be written")

    def _fail(self, text):
        self._failed = True
        raise StorageFailed(text)

    def _erase(self, block):
        """Gives the block up, erases it, looks whether it is blank, and marks it as wholly erased. False: worn out."""
        self._page[:] = self._blank
        struct.pack_into("<I", self._page, GIVEN_UP, 0)
        self._write_page(block, 0)
        try:
            wrong = self._flash.ioctl(6, block)
            wrong = wrong or self._flash.readblocks(block, self._block, 0)
        except OSError:
            wrong = True
        if wrong:
            self._fail("the flash refused to be erased")
        self.erases += 1
        self._wear[block] += 1
        if not self._is_blank(0):
            # Worn out. It is left alone from now on, and the room shrinks by it.
            self._state[block] = DAMAGED
            self.damaged += 1
            return False
        struct.pack_into("<4sI", self._page, 0, MAGIC, self._wear[block])
        struct.pack_into("<I", self._page, 8, crc32(memoryview(self._page)[:8]))
        struct.pack_into("<I", self._page, GIVEN_UP, 0xFFFFFFFF)
        self._write_page(block, 0)
        self._state[block] = ERASED
        return True

    def _load(self, block):
        try:
            wrong = self._flash.readblocks(block, self._block, 0)
        except OSError:
            wrong = True
        if wrong:
            raise StorageFailed("the flash refused to be read")

    def _next_frame(self, generation, offset):
        """(kind, low, body start, body end) of the first whole frame at or after `offset` in the loaded block."""
        while offset + FRAME_BYTES <= BLOCK:
            length, kind, low, crc = struct.unpack_from(FRAME, self._block, offset)
            body = offset + FRAME_BYTES
            fits = length <= BODY_MAX and kind <= FREED_KIND and body + length <= BLOCK
            if fits and (kind > CLOCK or length >= MAC_BYTES):
                whole = self._view
                if crc == _crc(generation, offset, whole[offset : offset + 5], whole[body : body + length]):
                    return kind, low, body, body + length
            page = (offset // PAGE + 1) * PAGE
            if length == 0xFFFF and self._view[offset:page] == self._blank[: page - offset]:
                offset = page
            else:
                # Torn, or it rotted. The next whole frame may begin anywhere.
                offset += 1
        return None

    def _is_blank(self, start):
        """Whether the loaded block is erased from an offset on, a whole number of pages."""
        for at in range(start, BLOCK, PAGE):
            if self._block[at : at + PAGE] != self._blank:
                return False
        return True

    def _look(self, block):
        """Sets a block's state; for a used one returns (journal, seq) of its first record."""
        try:
            wrong = self._flash.readblocks(block, self._page, 0)
        except OSError:
            wrong = True
        if wrong:
            raise StorageFailed("the flash refused to be read")
        self._block[:PAGE] = self._page
        magic, wear, crc = struct.unpack_from(MARK, self._page, 0)
        marked = magic == MAGIC and crc == crc32(memoryview(self._page)[:8])
        self._wear[block] = wear if marked else 0
        self._state[block] = DIRTY
        # By majority: neither one flipped bit in a block in use nor one in a half-erased block decides.
        if _ones(struct.unpack_from("<I", self._page, GIVEN_UP)[0]) < 16:
            return None
        # Only what the first page holds is looked at here: both frames stand in it.
        for at in range(PAGE, BLOCK, PAGE):
            self._block[at : at + PAGE] = self._blank
        frame = self._next_frame(0, FRAMES)
        if frame is not None and frame[0] == BLOCK_KIND and frame[2] == FRAMES + FRAME_BYTES:
            generation = struct.unpack_from("<I", self._block, frame[2])[0]
            frame = self._next_frame(generation, frame[3])
            if frame is not None and frame[0] == JOURNAL_KIND:
                self._state[block] = USED
                self._generation[block] = generation
                journal, seq, _ = struct.unpack_from(JOURNAL_BODY, self._block, frame[2])
                return bytes(journal), seq
        if marked:
            self._load(block)
            if self._page[FRAMES:] == self._blank[FRAMES:] and self._is_blank(PAGE):
                self._state[block] = ERASED
            elif not self._is_blank(3 * PAGE):
                # More than a torn first write: records stood here. Nothing of it is erased.
                self._state[block] = DAMAGED
                self.damaged += 1
        return None


def _ones(value):
    count = 0
    while value:
        value &= value - 1
        count += 1
    return count


def _crc(generation, place, head, body):
    return crc32(body, crc32(head, (generation << 12 | place) & 0xFFFFFFFF))
