"""The roster shelf: the newest roster that was kept whole, and the one before it, as two files.

`keep` writes beside, syncs, renames, and syncs the folder: whenever the power goes, one of the two names holds a whole
roster. What a name holds is looked at by its checksum only; whose it is and whether the MAC is right is the reader's
to judge, which has the key.
"""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from firmware.contract import roster
from firmware.contract.errors import Malformed
from firmware.pi.disk import sync_folder

NEWEST, BEFORE, BESIDE = "roster", "roster.before", "roster.part"


class RosterShelf:
    """The shelf of docs/wire.md in `folder`, which is made where it is missing. decode: raises Malformed for what is torn."""

    def __init__(self, folder: Path, decode: Callable[[bytes], object] = roster.decode) -> None:
        self._folder = folder
        self._decode = decode
        #: `roster-not-kept`: the last one could not be written; it is in force until the next start
        self.alarms: list[str] = []

    def load(self) -> bytes | None:
        """The newest roster whose checksum is right, or None."""
        for name in (NEWEST, BEFORE):
            try:
                blob = (self._folder / name).read_bytes()
                self._decode(blob)
            except (OSError, Malformed):
                continue
            return blob
        return None

    def keep(self, blob: bytes) -> None:
        """Keep this one, atomically. Where the disk will not have it: `alarms`, and what was kept before stays."""
        self.alarms.clear()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            beside = self._folder / BESIDE
            with beside.open("wb") as file:
                file.write(blob)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileNotFoundError):
                (self._folder / NEWEST).replace(self._folder / BEFORE)
            beside.replace(self._folder / NEWEST)
            sync_folder(self._folder)
        except OSError:
            self.alarms.append("roster-not-kept")
