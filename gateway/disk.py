"""The disk under the spool: that a new name in a folder stays there, and what a failed sync dropped is written anew."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Names made in `folder` are on stable storage when this returns. Raises OSError. SQLite does it for its WAL as
    well, and does not look whether it succeeded."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def written_anew(path: Path) -> None:
    """The file's bytes written once more in place, and synced; nothing where there is none. Raises OSError.

    What a sync that failed dropped reads well from the cache, never reaches the disk, and later syncs say that all is
    well (Linux). A log of which only the beginning is on the disk would undo what is built on its end. The caller sees
    to it that nobody else writes the file meanwhile.
    """
    try:
        file = path.open("r+b")
    except FileNotFoundError:
        return
    with file:
        at = 0
        while piece := os.pread(file.fileno(), 1 << 20, at):
            os.pwrite(file.fileno(), piece, at)
            at += len(piece)
        os.fsync(file.fileno())
