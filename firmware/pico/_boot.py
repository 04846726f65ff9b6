"""Frozen into the board's firmware in place of MicroPython's own: mounts the littlefs on its part of the flash only.

MicroPython's `_boot.py` mounts the whole storage and, where that fails, formats it: it would find a file system of
another size here, and take the journal's flash for its own. So a board must be built with this one.

It imports nothing of ours: no file system is mounted yet, and a package that was found among the frozen modules once
would be looked for there for ever, past the files of `muster provision`.
"""

import gc

# Before anything is loaded. MicroPython takes fresh memory until it must collect; modules that load then lie scattered
# over the whole heap, and no 16 KB in one piece are left for a roster.
gc.threshold(1024)

import rp2  # noqa: E402
import vfs  # noqa: E402

#: as in board.py; a test compares them
FILES_BYTES = 344 * 1024

flash = rp2.Flash(start=0, len=FILES_BYTES)
try:
    files = vfs.VfsLfs2(flash, progsize=256)
except OSError:
    vfs.VfsLfs2.mkfs(flash, progsize=256)
    files = vfs.VfsLfs2(flash, progsize=256)
vfs.mount(files, "/")
