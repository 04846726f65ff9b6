"""Emulated NOR flash, as MicroPython's `rp2.Flash` shows it: erase -> 0xFF, program = AND, power that fails half-way.

CPython and MicroPython. `rp2.py` beside this puts it on a file; tests put it on a bytearray.

`cut` is the number of the operation (programs of one 256-byte page and erases of one 4 KB block, counted from 0) in
which the power fails; `how` says what is on the flash then:
    none    nothing of the operation          whole   all of it, but nobody was told
    half    the first half of its bytes       bits    a random subset of the bits that were to change
    tail    the second half of its bytes
After it every operation answers EIO and changes nothing.
"""

PAGE = 256
BLOCK = 4096
EIO = 5
_BLANK = b"\xff" * PAGE
CUTS = ("none", "half", "tail", "bits", "whole")


class Nor:
    """A block device of 4 KB blocks on `memory`: anything with slices to read and to set, bytearray or file."""

    def __init__(self, memory, size: int, cut: int = -1, how: str = "half", seed: int = 1):
        self._memory = memory
        self._size = size
        self._cut = cut
        self._how = how
        self._random = seed * 2654435761 % 0x7FFFFFFF or 1
        self.dead = False
        self.operations = 0
        #: pages programmed, blocks erased since this object was made
        self.programs = 0
        self.erases = 0

    def readblocks(self, block: int, buffer, offset: int = 0) -> int:
        """Fill `buffer` from a byte offset in a block on."""
        if self.dead:
            return -EIO
        at = block * BLOCK + offset
        if at + len(buffer) > self._size:
            return -22
        for done in range(0, len(buffer), PAGE):
            n = min(PAGE, len(buffer) - done)
            buffer[done : done + n] = self._memory[at + done : at + done + n]
        return 0

    def writeblocks(self, block: int, buffer, offset=None) -> int:
        """Program whole pages; without an offset the block is erased first, as rp2 does."""
        if offset is None:
            for n in range(len(buffer) // BLOCK):
                if result := self.ioctl(6, block + n):
                    return result
            offset = 0
        at = block * BLOCK + offset
        if at % PAGE or len(buffer) % PAGE or at + len(buffer) > self._size:
            return -22
        for p in range(0, len(buffer), PAGE):
            if self.dead:
                return -EIO
            self.programs += 1
            old = self._memory[at + p : at + p + PAGE]
            value = int.from_bytes(old, "big") & int.from_bytes(bytes(buffer[p : p + PAGE]), "big")
            self._change(at + p, old, value.to_bytes(PAGE, "big"))
        return -EIO if self.dead else 0

    def ioctl(self, op: int, arg: int):
        """4: blocks; 5: bytes in one; 6: erase block `arg`; 1, 2, 3 (init, deinit, sync): nothing to do."""
        if op == 4:
            return self._size // BLOCK
        if op == 5:
            return BLOCK
        if op == 6:
            if self.dead:
                return -EIO
            if not 0 <= arg < self._size // BLOCK:
                return -22
            self.erases += 1
            at = arg * BLOCK
            if self.operations == self._cut:
                self._change(at, self._memory[at : at + BLOCK], b"\xff" * BLOCK)
            else:
                # In pages: a board's flash takes none of the heap, so this must not take much.
                self.operations += 1
                for page in range(at, at + BLOCK, PAGE):
                    self._memory[page : page + PAGE] = _BLANK
            return -EIO if self.dead else 0
        return 0

    def _change(self, at, old, new):
        n = self.operations
        self.operations += 1
        if n == self._cut:
            self.dead = True
            if self._how == "none":
                return
            if self._how == "half":
                middle = len(new) // 2
                new = bytes(new[:middle]) + bytes(old[middle:])
            elif self._how == "tail":
                middle = len(new) // 2
                new = bytes(old[:middle]) + bytes(new[middle:])
            elif self._how == "bits":
                new = self._mixed(bytes(old), bytes(new))
        self._memory[at : at + len(new)] = new

    def _mixed(self, old, new):
        mixed = bytearray(len(old))
        for i in range(len(old)):
            # A small generator of its own: the same on both interpreters, so that one seed replays a failure.
            self._random = (self._random * 1103515245 + 12345) & 0x7FFFFFFF
            take = (self._random >> 12) & 0xFF
            mixed[i] = (old[i] & ~take & 0xFF) | (new[i] & take)
        return bytes(mixed)
