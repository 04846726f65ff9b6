"""The folder that one process plays in: in memory where there is some, and gone when the process is, however it ended.

Its process holds a lock in it, and the kernel takes that back with the process: whoever begins removes what is nobody's.
"""

import fcntl
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

PREFIX = "muster-sim-"
OWNER = "owner"  #: the locked file
#: a folder without a lock is just being made, or was left by somebody who was killed while it was, s
FRESH_S = 24 * 3600


def place() -> Path:
    """Where such folders are made."""
    quick = Path("/dev/shm")
    return quick if quick.is_dir() and os.access(quick, os.W_OK) else Path(tempfile.gettempdir())


class Scratch:
    """A folder with its lock. `close` removes it."""

    def __init__(self, under: Path | None = None) -> None:
        under = under or place()
        sweep(under)
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=under))
        self._owner = os.open(self.folder / OWNER, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._owner, fcntl.LOCK_EX)

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._owner)


def sweep(under: Path) -> list[str]:
    """Remove the folders there whose process no longer lives. Returns their names."""
    gone = []
    for folder in sorted(under.glob(f"{PREFIX}*")):
        if _is_left(folder):
            shutil.rmtree(folder, ignore_errors=True)
            gone.append(folder.name)
    return gone


def _is_left(folder: Path) -> bool:
    try:
        handle = os.open(folder / OWNER, os.O_RDWR)
    except FileNotFoundError:
        try:
            return time.time() - folder.stat().st_mtime > FRESH_S
        except FileNotFoundError:
            return False
    except OSError:  # somebody else's
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def end_well() -> None:
    """Asked to end (SIGTERM, SIGINT) this process unwinds, and so removes its folder."""

    def unwind(number: int, frame: object) -> None:
        # Once: a second one must not break into the removing.
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, signal.SIG_IGN)
        raise SystemExit(128 + number)

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, unwind)
