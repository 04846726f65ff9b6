"""`rp2` for the MicroPython unix port: flash on a file, programmed and erased as NOR is.

MUSTER_FLASH names the file (848 KB, made if it is not there). What was programmed is in the file at once, so a SIGKILL
loses nothing that a power cut would not. MUSTER_FLASH_CUT=N[:how] lets the power fail in operation N of this process
(see nor.py), and the process ends.
"""

import os

from nor import BLOCK, Nor

STORAGE_BYTES = 848 * 1024


class _File:
    """A file with slices, as Nor wants its memory."""

    def __init__(self, path, size):
        try:
            # Nothing is buffered in the process: what it wrote outlives it.
            self._file = open(path, "r+b", 0)  # noqa: SIM115
        except OSError:
            self._file = open(path, "w+b", 0)  # noqa: SIM115
        have = self._file.seek(0, 2)
        while have < size:
            have += self._file.write(b"\xff" * BLOCK)

    def __getitem__(self, where):
        self._file.seek(where.start)
        return self._file.read(where.stop - where.start)

    def __setitem__(self, where, data):
        self._file.seek(where.start)
        if self._file.write(data) != len(data):
            raise OSError(5)


class _Power(Nor):
    """The whole chip. When its power fails the process ends, as a board does."""

    def _change(self, at, old, new):
        super()._change(at, old, new)
        if self.dead:
            raise SystemExit(3)


def _whole():
    cut, _, how = (os.getenv("MUSTER_FLASH_CUT") or "-1").partition(":")
    return _Power(
        _File(os.getenv("MUSTER_FLASH") or "flash.img", STORAGE_BYTES), STORAGE_BYTES, int(cut), how or "half"
    )


#: The one flash chip of the board; its counters are `programs`, `erases` and `operations`.
chip = _whole()


class Flash:
    """A range of the storage, as on the rp2 port: 4 KB blocks, programmed in whole pages."""

    def __init__(self, *, start=0, len=STORAGE_BYTES):
        if start % BLOCK or len % BLOCK or start < 0 or start + len > STORAGE_BYTES:
            raise ValueError
        self._first = start // BLOCK
        self._blocks = len // BLOCK

    def readblocks(self, block, buffer, offset=0):
        return chip.readblocks(self._first + block, buffer, offset)

    def writeblocks(self, block, buffer, offset=None):
        return chip.writeblocks(self._first + block, buffer, offset)

    def ioctl(self, op, arg):
        if op == 4:
            return self._blocks
        if op == 6:
            return chip.ioctl(6, self._first + arg)
        return chip.ioctl(op, arg)
