"""The roster shelf: the newest roster that was kept whole, and the one before it, as two files.

`keep` writes beside, syncs, renames, and syncs the folder: whenever the power goes, one of the two names holds a whole
roster. What a name holds is looked at by its checksum only; whose it is and whether the MAC is right is the reader's
to judge, which has the key.

A kiosk's lists are of people who live there: of whoever does not any more nothing is to stay. Its shelf keeps no former
list: the newest stands under both names.
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
    """The shelf of docs/wire.md in `folder`, which is made where it is missing. decode: raises Malformed for what is torn.

    former: whether the one before the newest is kept; else the newest is kept twice.
    """

    def __init__(self, folder: Path, decode: Callable[[bytes], object] = roster.decode, *, former: bool = True) -> None:
        self._folder = folder
        self._decode = decode
        self._former = former
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
            if not self._former:
                # The power went before it stood under both, or it was kept by a release that keeps the former one.
                self._twice(blob)
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
        else:
            if not self._former:
                self._twice(blob)

    def _twice(self, blob: bytes) -> None:
        """Let this stand under both names, one after the other: at every cut one of them is whole."""
        with contextlib.suppress(OSError):
            for name in (BEFORE, NEWEST):
                if self._holds(name) != blob:
                    self._put(name, blob)

    def _holds(self, name: str) -> bytes | None:
        try:
            return (self._folder / name).read_bytes()
        except OSError:
            return None

    def _put(self, name: str, blob: bytes) -> None:
        beside = self._folder / BESIDE
        beside.write_bytes(blob)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(self._folder / name)
        sync_folder(self._folder)
