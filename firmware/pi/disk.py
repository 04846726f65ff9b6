"""The disk under the journal and the roster: how much room it has, and that a new name in a folder stays there."""

import os
from pathlib import Path


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
