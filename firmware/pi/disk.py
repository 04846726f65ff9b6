"""The disk under the journal and the roster: how much room it has, and that a new name in a folder stays there."""

import contextlib
import os
from pathlib import Path

PROBE = "disk.probe"
PROBE_BYTES = 64 << 10


def free_bytes(folder: Path) -> int:
    """What the file system of `folder` has left for us. Raises OSError."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def sync_folder(folder: Path) -> None:
    """Names made, renamed or removed in `folder` are on stable storage when this returns. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def takes_writes(folder: Path) -> bool:
    """Whether the disk takes a file of 64 KB and syncs it now, by doing it (the file is removed). Never raises."""
    probe = folder / PROBE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with probe.open("wb") as file:
                if os.pwrite(file.fileno(), bytes(PROBE_BYTES), 0) < PROBE_BYTES:  # as SQLite writes
                    return False
                os.fsync(file.fileno())
        finally:
            with contextlib.suppress(FileNotFoundError):
                probe.unlink()
        sync_folder(folder)
    except OSError:
        return False
    return True


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
