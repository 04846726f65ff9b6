"""A backup is one file, a tar: manifest.json, the database, files of requests and absences, and the keys asked for.

The manifest comes first and names every other member with its size and SHA-256, the schema's revision, Muster's
version, when the copy was taken, and how many rows each table has in it. The file is written beside its place, synced
and renamed: what has a backup's name is whole.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from server.errors import StoreError

#: 2: with the files of requests and absences
FORMAT, READ = 2, (1, 2)
MANIFEST = "manifest.json"
SQLITE, POSTGRES, KEY, AUDIT_KEY = "store.sqlite", "store.pgdump", "server.key", "audit.key"
SUFFIX = ".muster-backup"
_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a backup says of itself."""

    #: of the file, not of the schema
    format: int = FORMAT
    #: Muster's version, for people
    muster: str
    #: the schema's revision
    schema: str
    #: when the copy was taken, by the store's clock
    made_ms: int
    #: sqlite, postgresql
    backend: str
    #: table -> rows in the copy
    rows: dict[str, int]
    #: what tells a server key from another, without saying it: see `fingerprint`
    key: str
    #: settings for people; no address with a password
    settings: dict[str, str] = field(default_factory=dict)
    #: member -> [bytes, sha256 hex]
    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    #: files that the database names and that were not there, or were altered: stored_as -> missing, altered
    lacks: dict[str, str] = field(default_factory=dict)

    def when(self) -> str:
        """When it was taken, for people."""
        return datetime.fromtimestamp(self.made_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def fingerprint(key: bytes) -> str:
    """16 hex digits that tell a server key from another and say nothing of it."""
    return hashlib.sha256(b"muster server key|" + key).hexdigest()[:16]


def name_at(made_ms: int) -> str:
    """The name of a backup in a folder of them: they sort by time."""
    return datetime.fromtimestamp(made_ms / 1000, UTC).strftime("muster-%Y%m%dT%H%M%SZ") + SUFFIX


def write(path: Path, manifest: Manifest, members: dict[str, Path]) -> Manifest:
    """Write a backup. members: name in the backup -> file. Answers the manifest with `files` filled in.

    Raises StoreError(`backup-exists`, `backup-write`).
    """
    if path.exists():
        raise StoreError("backup-exists", f"{path} exists: a backup is never overwritten")
    made = Manifest(**{**asdict(manifest), "files": {name: _digest(file) for name, file in members.items()}})
    part = path.with_name(path.name + ".part")
    try:
        part.unlink(missing_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                told = json.dumps(asdict(made), indent=1).encode()
                tar.addfile(_member(MANIFEST, len(told)), io.BytesIO(told))
                for name, source in members.items():
                    with source.open("rb") as data:
                        tar.addfile(_member(name, made.files[name][0]), data)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError("backup-write", f"{path} cannot be written: {error.strerror}") from error
    return made


def read(path: Path) -> Manifest:
    """The manifest of a backup, which is checked against the members. Raises StoreError(`backup-file`,
    `backup-damaged`, `backup-newer`)."""
    with _opened(path) as tar:
        first = tar.next()
        told = tar.extractfile(first) if first is not None and first.name == MANIFEST else None
        if told is None:
            raise StoreError("backup-file", f"{path} is no backup: it begins with no {MANIFEST}")
        try:
            values = json.loads(told.read())
            if values["format"] not in READ:
                raise StoreError("backup-newer", f"{path} was made by a newer Muster: use that one")
            files = {name: (int(size), str(digest)) for name, (size, digest) in values["files"].items()}
            manifest = Manifest(**{**values, "files": files})
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError("backup-damaged", f"{path}: its manifest cannot be read; take another backup") from error
        found = {}
        while (member := tar.next()) is not None:
            data = tar.extractfile(member)
            if data is not None:
                found[member.name] = _digest_of(data)
        if found != manifest.files:
            raise StoreError("backup-damaged", f"{path} is damaged or cut short; take another backup")
    return manifest


def take_out(path: Path, name: str, target: Path) -> None:
    """Write a member to a new file with mode 0600, synced. Raises StoreError(`backup-damaged`)."""
    take_all(path, {name: target})


def take_all(path: Path, targets: Mapping[str, Path]) -> None:
    """Write members to new files with mode 0600, synced; in one pass, however many. Raises StoreError(`backup-damaged`)."""
    left = dict(targets)
    with _opened(path) as tar:
        while left and (member := tar.next()) is not None:
            target = left.pop(member.name, None)
            data = tar.extractfile(member) if target is not None else None
            if target is None or data is None:
                continue
            handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                while chunk := data.read(_CHUNK):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
    if left:
        raise StoreError("backup-damaged", f"{path} holds no {min(left)}")


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, "r:") as tar:
            yield tar
    except FileNotFoundError as error:
        raise StoreError("backup-file", f"there is no {path}") from error
    except tarfile.TarError as error:
        raise StoreError("backup-damaged", f"{path} is no backup, or it is cut short: take another") from error
    except OSError as error:
        raise StoreError("backup-file", f"{path} cannot be read or written: {error.strerror}") from error


def _member(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info


def _digest(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        return _digest_of(file)


def _digest_of(file: IO[bytes]) -> tuple[int, str]:
    made, size = hashlib.sha256(), 0
    while chunk := file.read(_CHUNK):
        made.update(chunk)
        size += len(chunk)
    return size, made.hexdigest()
