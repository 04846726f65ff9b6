"""A board with MicroPython on it, as it is at the end of a USB cable: `micropython -i -m prompt`, on a terminal.

It does what MicroPython does on a board: mounts the files' part of the flash, runs `main.py` if there is one, and then
listens at the prompt. MUSTER_FILES_BYTES says how large that part is; the rest is as in `start.py`. Nothing of ours is
importable but what stands on the flash.
"""

import gc

gc.threshold(1024)

import os  # noqa: E402
import sys  # noqa: E402
import termios  # noqa: E402

import rp2  # noqa: E402
import vfs  # noqa: E402

_flash = rp2.Flash(start=0, len=int(os.getenv("MUSTER_FILES_BYTES")))
try:
    _files = vfs.VfsLfs2(_flash, progsize=256)
except OSError:
    vfs.VfsLfs2.mkfs(_flash, progsize=256)
    _files = vfs.VfsLfs2(_flash, progsize=256)
vfs.mount(_files, "/muster")
os.chdir("/muster")
# The board's own modules stand where a board has them built in: before its files.
sys.path[:] = [os.getenv("MUSTER_BUILT_IN"), "", ".frozen"]
# From here on Ctrl-C interrupts: a board's own start cannot be.
_terminal = termios.tcgetattr(0)
_terminal[3] |= int(os.getenv("MUSTER_ISIG"))
termios.tcsetattr(0, termios.TCSANOW, _terminal)
if "main.py" in os.listdir():
    with open("main.py") as _file:
        _code = _file.read()
    exec(_code, {"__name__": "__main__"})
