"""Releases on a Pi: the pack that was chosen is laid out in a folder of its own, and a symlink says which one runs.

    releases/slot.a, slot.b, slots.json   as on a Pico (firmware/reader/releases.py): confirm, or the one before runs again
    releases/run-<tag>/                   a pack's files; made beside and renamed, so it is whole or not there
    releases/current -> run-<tag>         replaced in one step; absent: what was installed runs

`muster pi choose` runs before each start, out of what was installed: no update replaces it.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

from firmware.contract import release
from firmware.pi.disk import sync_folder
from firmware.reader import releases

CURRENT = "current"
_RUN, _BESIDE = "run-", ".part"
TAG_DIGITS = 16


def synced(folder: Path) -> Callable[[BinaryIO | TextIO | None], None]:
    """What `Updates` and `choose` make durable with: an open file, or with None the folder's names."""

    def sync(file: BinaryIO | TextIO | None) -> None:
        if file is None:
            sync_folder(folder)
        else:
            file.flush()
            os.fsync(file.fileno())

    return sync


def choose(folder: Path) -> tuple[str | None, bool]:
    """Lets `current` lead to what is to run now. (its version or None: what was installed, whether on trial).

    Raises OSError where the disk does not take it: then `current` is as it was, and a release on trial has failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pack, on_trial = releases.choose(f"{folder}/", synced(folder))
    if pack is None:
        (folder / CURRENT).unlink(missing_ok=True)
        sync_folder(folder)
        return None, False
    blob = Path(pack.path).read_bytes()
    run = folder / (_RUN + _tag(blob))
    try:
        if not _laid_out(blob, run):
            _lay_out(blob, run)
        link = folder / (CURRENT + ".part")
        link.unlink(missing_ok=True)
        link.symlink_to(run.name)
        link.replace(folder / CURRENT)
        sync_folder(folder)
    except OSError:
        # A full disk, mostly: what lies half there leaves its room to the journal. What runs now is not what is on trial.
        shutil.rmtree(run.with_name(run.name + _BESIDE), ignore_errors=True)
        if on_trial:
            with contextlib.suppress(OSError):
                releases.State(f"{folder}/", synced(folder)).gave_up()
        raise
    _tidy(folder, run)
    return pack.version, on_trial


def runs_the_trial(folder: Path) -> bool:
    """Whether `current` leads to the release that is on trial: another program must not confirm it."""
    trial = releases.State(f"{folder}/").trial
    if trial is None:
        return False
    try:
        return (folder / CURRENT).readlink().name == _RUN + _tag(Path(releases.path(f"{folder}/", trial)).read_bytes())
    except (OSError, release.Malformed):
        return False


def _parts(blob: bytes) -> Iterator[tuple[release.Entry, bytes]]:
    manifest, signature = release.lengths(blob)
    body = release.PACK_BYTES + manifest + signature
    for entry in release.read(blob[release.PACK_BYTES : release.PACK_BYTES + manifest]).entries:
        yield entry, blob[body + entry.offset : body + entry.offset + entry.size]


def _tag(blob: bytes) -> str:
    manifest, _ = release.lengths(blob)
    text = blob[release.PACK_BYTES : release.PACK_BYTES + manifest]
    return hashlib.sha256(text).hexdigest()[:TAG_DIGITS]


def _laid_out(blob: bytes, run: Path) -> bool:
    """Whether every file is there, and is as the manifest says: a card may rot."""
    try:
        return all((run / entry.name).read_bytes() == data for entry, data in _parts(blob))
    except OSError:
        return False


def _lay_out(blob: bytes, run: Path) -> None:
    beside = run.with_name(run.name + _BESIDE)
    for old in (beside, run):
        shutil.rmtree(old, ignore_errors=True)
    folders = {beside}
    for entry, data in _parts(blob):
        path = beside / entry.name
        path.parent.mkdir(parents=True, exist_ok=True)
        folders |= {path.parent, *(one for one in path.parents if one.is_relative_to(beside))}
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    for one in folders:
        sync_folder(one)
    beside.replace(run)


def _tidy(folder: Path, run: Path) -> None:
    """What no slot holds any more goes."""
    keep = {run.name}
    for slot in releases.SLOTS:
        with contextlib.suppress(OSError, release.Malformed):
            keep.add(_RUN + _tag(Path(releases.path(f"{folder}/", slot)).read_bytes()))
    for path in folder.glob(_RUN + "*"):
        if path.name not in keep:
            shutil.rmtree(path, ignore_errors=True)
