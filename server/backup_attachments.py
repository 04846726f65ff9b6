"""The files of requests and absences in a backup and after a restore: each is there, and is what its row says.

A file never changes once it has its name, which is random; it only goes, where somebody erases it. So the database is
copied first, and the files that this copy names are then taken by links, which cost no room. Where one was erased
between the two, both are taken again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from server import backup_file
from server.errors import StoreError
from server.store.attached import NAME, Held

PREFIX = "attachments/"
#: the folder of links beside the files, while a backup is taken
STAGING = ".muster-backup-"
#: what a killed backup left is removed by the next one after this, s
LEFT_S = 86_400
MISSING, ALTERED = "missing", "altered"


@dataclass(frozen=True, kw_only=True)
class Staged:
    """The files of one state of the store."""

    #: name in the backup -> file
    members: dict[str, Path] = field(default_factory=dict)
    #: stored_as -> missing, altered
    lacks: dict[str, str] = field(default_factory=dict)


def stage(folder: Path, wanted: Mapping[str, Held], into: Path) -> Staged:
    """Take these files of the folder into another one, which is empty: by links, or as copies on another disk."""
    made = Staged()
    for name, row in wanted.items():
        if not NAME.fullmatch(name):
            made.lacks[name] = MISSING
            continue
        target = into / name
        try:
            _take(folder / name, target)
        except FileNotFoundError:
            made.lacks[name] = MISSING
            continue
        if is_whole(target, row):
            made.members[PREFIX + name] = target
        else:
            made.lacks[name] = ALTERED
    return made


def _take(source: Path, target: Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except FileNotFoundError:
        raise
    except OSError:
        # Another disk, or one without links.
        shutil.copyfile(source, target)


def is_whole(path: Path, row: Held) -> bool:
    """Whether a file is what its row says."""
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
                size += len(piece)
    except OSError:
        return False
    return (size, digest.hexdigest()) == row


def sweep(data_dir: Path) -> None:
    """Remove the links that a killed backup left: they would keep the bytes of what is erased."""
    for one in data_dir.glob(f"{STAGING}*"):
        if one.is_dir() and one.stat().st_mtime < time.time() - LEFT_S:
            shutil.rmtree(one, ignore_errors=True)


def need_same(
    path: Path, files: Mapping[str, tuple[int, str]], rows: Mapping[str, Held], lacks: Mapping[str, str]
) -> None:
    """Raise StoreError(`backup-damaged`) unless a backup's files are those that its database names."""
    there = {name.removeprefix(PREFIX): Held(*said) for name, said in files.items() if name.startswith(PREFIX)}
    if any(not NAME.fullmatch(name) for name in there) or there != {
        name: row for name, row in rows.items() if name not in lacks
    }:
        raise StoreError("backup-damaged", f"{path}: the files are not those that its database names; take another")


class Returning:
    """Puts a backup's files back. `bring` before the database gets its place, `settle` after it; `undo` if it never does.

    What is in the folder stays there until the database has its place: the files of two stores do not meet.
    """

    def __init__(self, backup: Path, manifest: backup_file.Manifest, folder: Path, aside: Path) -> None:
        self._backup, self._manifest, self._folder, self._aside = backup, manifest, folder, aside
        self._brought: list[Path] = []
        self._kept = False

    def bring(self, *, keep: bool) -> None:
        """Put every file of the backup in the folder. keep: those that are there are also linked into a folder beside,
        which goes with the store that is kept."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        old = _files(self._folder)
        if keep and old:
            self._aside.mkdir(mode=0o700)
            for one in old:
                _take(one, self._aside / one.name)
            self._kept = True
        wanted = {
            name.removeprefix(PREFIX): Held(*said)
            for name, said in self._manifest.files.items()
            if name.startswith(PREFIX)
        }
        lacking = {name for name, row in wanted.items() if not is_whole(self._folder / name, row)}
        for name in sorted(lacking):
            (self._folder / name).unlink(missing_ok=True)
            self._brought.append(self._folder / name)
        backup_file.take_all(self._backup, {PREFIX + name: self._folder / name for name in lacking})
        _sync(self._folder)

    def undo(self) -> None:
        """The database did not get its place: what was brought goes again, and what was there is there."""
        for one in self._brought:
            one.unlink(missing_ok=True)
        if self._kept:
            for one in _files(self._aside):
                if not (self._folder / one.name).exists():
                    _take(one, self._folder / one.name)
            shutil.rmtree(self._aside, ignore_errors=True)

    def settle(self, rows: Mapping[str, Held]) -> tuple[Path | None, list[str]]:
        """Remove from the folder what the database does not name. Answers where the old store's files are kept, and
        which files the database names and the backup lacks."""
        for one in _files(self._folder):
            if one.name not in rows:
                one.unlink(missing_ok=True)
        _sync(self._folder)
        lacking = sorted(name for name, row in rows.items() if not is_whole(self._folder / name, row))
        return self._aside if self._kept else None, lacking


def _files(folder: Path) -> list[Path]:
    return [one for one in folder.iterdir() if one.is_file()] if folder.is_dir() else []


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
