"""Starts the Pico's program on the MicroPython unix port: `micropython -m start`, with these before the built-in modules.

From the environment: MUSTER_SETTINGS (path of the settings file), MUSTER_FLASH, MUSTER_BOARD_PTY, MUSTER_BOARD_ID, and
MUSTER_UPTIME_SCALE: how many times faster the reader's own time runs (windows, lights, retries; not the network's
deadlines), so that a simulator can play a day in minutes.
"""

import gc

# Before anything is loaded: what modules leave behind while they load must not lie between what stays (see _boot.py).
gc.threshold(1024)

import os  # noqa: E402

import machine  # noqa: E402
import rp2  # noqa: E402
import vfs  # noqa: E402

from firmware.pico.board import FILES_BYTES  # noqa: E402

FOLDER = "/muster/"


def _mount():
    """As _boot.py does on a board."""
    flash = rp2.Flash(start=0, len=FILES_BYTES)
    try:
        files = vfs.VfsLfs2(flash, progsize=256)
    except OSError:
        vfs.VfsLfs2.mkfs(flash, progsize=256)
        files = vfs.VfsLfs2(flash, progsize=256)
    vfs.mount(files, "/muster")


_mount()
if [name for name in os.listdir(FOLDER) if name.startswith("slot")]:
    # Only where there are some: on a board this is frozen into its MicroPython, and takes no heap.
    from firmware.pico import slots

    slots.start(FOLDER, machine, True)

from firmware.pico.board import Board  # noqa: E402
from firmware.pico.main import run  # noqa: E402


class UnixBoard(Board):
    """The board of the unix port: everything is `Board`'s, but where its files and its clock come from."""

    folder = FOLDER

    def __init__(self):
        super().__init__()
        self._scale = int(os.getenv("MUSTER_UPTIME_SCALE") or "1")

    def uptime_ms(self):
        return super().uptime_ms() * self._scale

    def settings_text(self):
        with open(os.getenv("MUSTER_SETTINGS")) as file:
            return file.read()


if __name__ == "__main__":
    run(UnixBoard())
