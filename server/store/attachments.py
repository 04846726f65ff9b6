"""Supporting files: the rows here, the bytes outside the web root below the data folder, under random names.

A file is made `Ready` before the transaction (its type told by content, its digest, on stable storage), and belongs to
a subject from the commit on: rolled back, it is gone. History cites a file by its sha256 only.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Connection, event, func, select, update

from server import filetypes
from server.errors import NotFound, Refused, TooMuch, Unwritable
from server.scope import Scope
from server.store.schema_work import attachment
from server.store.upsert import new_id

#: of one file, in bytes; and of an account's files in a day
SIZE_MOST, DAY_MOST = 10 * 1024 * 1024, 200 * 1024 * 1024
#: of one subject
COUNT_MOST = 20
#: what files never take of the disk: the database, and with it every swipe, may be on the same one
ROOM_KEPT = 256 * 1024 * 1024
INCOMING = "incoming"
#: after so long a file that belongs to nothing is one that a crash left
LEFT_S = 3600
DAY_MS = 86_400_000
#: what a file may belong to
REQUEST, ABSENCE, MARK = "change_request", "absence", "mark"


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A file that was looked through and may be attached."""

    path: Path
    file_name: str
    media_type: str
    size: int
    #: hex
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Attached:
    """A file as a page lists it."""

    id: int
    subject: str
    subject_id: int
    file_name: str
    media_type: str
    size: int
    sha256: str
    stored_as: str
    by_account_id: int
    created_ms: int
    erased_ms: int | None


def folder_of(data_dir: Path) -> Path:
    """Where the bytes lie."""
    return data_dir / "attachments"


def incoming(folder: Path) -> Path:
    """Where bytes lie that belong to nothing yet; made if there is none, nobody else's to look into."""
    found = folder / INCOMING
    for one in (folder, found):
        one.mkdir(mode=0o700, parents=True, exist_ok=True)
    return found


def new_file(folder: Path, account_id: int) -> Path:
    """An empty file for bytes that come in, with mode 0600. Raises Unwritable(`file-room`)."""
    place = incoming(folder)
    if shutil.disk_usage(place).free < ROOM_KEPT:
        raise no_room()
    path = place / f"{account_id}-{secrets.token_hex(16)}"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return path


def make_ready(path: Path, file_name: str) -> Ready:
    """Look the file at this path through. Raises StoreError(`file-*`)."""
    size = path.stat().st_size
    if size > SIZE_MOST:
        raise too_large(file_name)
    kind = filetypes.judge(path, file_name)
    shown = filetypes.names.clean(file_name)
    if not filetypes.names.ending(shown):
        shown += kind.endings[0]
    digest = hashlib.sha256()
    with path.open("rb+") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
        os.fsync(file.fileno())
    return Ready(path=path, file_name=shown, media_type=kind.media_type, size=size, sha256=digest.hexdigest())


def too_large(file_name: str) -> TooMuch:
    """The error about a file that is too large."""
    shown = filetypes.names.clean(file_name)
    return TooMuch("file-size", f"{shown} is larger than {SIZE_MOST >> 20} MB: make it smaller, or attach fewer pages")


def no_room() -> Unwritable:
    """The error about a disk that is full."""
    return Unwritable("file-room", "there is no room for files now: tell whoever runs Muster here, and send them later")


def add(
    connection: Connection,
    folder: Path,
    scope: Scope,
    subject: str,
    subject_id: int,
    file_name: str,
    content: bytes | Ready,
    now_ms: int,
) -> int:
    """Attach a file; whoever calls has asked whether this scope may. Returns its id. The bytes are there after the
    commit, and gone after a rollback.

    Raises StoreError(`file-type`, `file-disguised`, `file-unsafe`, `file-empty`, `file-size`, `file-count`,
    `file-quota`, `file-room`).
    """
    made = None if isinstance(content, Ready) else new_file(folder, scope.account_id)
    try:
        if isinstance(content, Ready):
            ready = content
        else:
            assert made is not None
            made.write_bytes(content[: SIZE_MOST + 1])
            ready = make_ready(made, file_name)
        _count(connection, scope, subject, subject_id, ready.size, now_ms)
        stored_as = secrets.token_hex(16)
        place = folder / stored_as
        # Whatever becomes of the transaction, no row is without its bytes.
        os.rename(ready.path, place)
        event.listen(connection, "rollback", lambda _connection: place.unlink(missing_ok=True), once=True)
        _sync(folder)
    except BaseException:
        if made is not None:
            made.unlink(missing_ok=True)
        raise
    inserted = connection.execute(
        attachment.insert().values(
            institution_id=scope.institution_id,
            subject=subject,
            subject_id=subject_id,
            file_name=ready.file_name,
            media_type=ready.media_type,
            size=ready.size,
            sha256=ready.sha256,
            stored_as=stored_as,
            by_account_id=scope.account_id,
            created_ms=now_ms,
        )
    )
    return new_id(inserted)


def _count(connection: Connection, scope: Scope, subject: str, subject_id: int, size: int, now_ms: int) -> None:
    there = connection.execute(
        select(func.count()).where(attachment.c.subject == subject, attachment.c.subject_id == subject_id)
    ).scalar_one()
    if there >= COUNT_MOST:
        raise TooMuch("file-count", f"there are {COUNT_MOST} files already: no more can be attached here")
    today = connection.execute(
        select(func.coalesce(func.sum(attachment.c.size), 0)).where(
            attachment.c.by_account_id == scope.account_id, attachment.c.created_ms > now_ms - DAY_MS
        )
    ).scalar_one()
    if today + size > DAY_MOST:
        raise TooMuch("file-quota", "you have attached very much today: attach the rest tomorrow")


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def of(connection: Connection, institution_id: int, subject: str, subject_ids: Iterable[int]) -> list[Attached]:
    """The files of these subjects, in the order in which they came, erased ones too (without a name)."""
    query = (
        select(attachment)
        .where(
            attachment.c.institution_id == institution_id,
            attachment.c.subject == subject,
            attachment.c.subject_id.in_(sorted(set(subject_ids))),
        )
        .order_by(attachment.c.id)
    )
    return [_attached(row) for row in connection.execute(query)]


def one(connection: Connection, institution_id: int, attachment_id: int) -> Attached:
    """One file; whoever calls asks whether its subject may be read. Raises NotFound(`file`)."""
    row = connection.execute(
        select(attachment).where(attachment.c.id == attachment_id, attachment.c.institution_id == institution_id)
    ).first()
    if row is None or row.erased_ms is not None:
        raise nothing()
    return _attached(row)


def nothing() -> NotFound:
    """There is no such file, or not for whoever asks: the same words."""
    return NotFound("file", "there is no such file, or it is not for you")


def _attached(row: object) -> Attached:
    return Attached(**{name: getattr(row, name) for name in Attached.__dataclass_fields__})


def opened(folder: Path, found: Attached) -> BinaryIO:
    """Its bytes from the first, looked through: what was looked through is what is read, also where the file is erased
    meanwhile. The caller closes it. Raises NotFound(`file`), Refused(`file-altered`)."""
    digest = hashlib.sha256()
    try:
        file = (folder / found.stored_as).open("rb")
    except OSError as error:
        raise NotFound("file", "the file's bytes are not there: tell whoever runs Muster here") from error
    try:
        while piece := file.read(1 << 20):
            digest.update(piece)
        if digest.hexdigest() != found.sha256:
            raise Refused("file-altered", "the file was altered after it was attached: tell whoever runs Muster here")
        file.seek(0)
    except OSError as error:
        file.close()
        raise NotFound("file", "the file's bytes cannot be read: tell whoever runs Muster here") from error
    except BaseException:
        file.close()
        raise
    return file


def erase(connection: Connection, folder: Path, institution_id: int, attachment_id: int, now_ms: int) -> None:
    """Take name and bytes away, at the commit. That there was a file, and its digest, stay. Raises NotFound(`file`)."""
    found = one(connection, institution_id, attachment_id)
    connection.execute(update(attachment).where(attachment.c.id == found.id).values(file_name="", erased_ms=now_ms))
    place = folder / found.stored_as
    event.listen(connection, "commit", lambda _connection: place.unlink(missing_ok=True), once=True)


def sweep(connection: Connection, folder: Path, *, now_s: float | None = None) -> int:
    """Remove what a crash left: files that belong to nothing. Returns how many."""
    if not folder.is_dir():
        return 0
    before_s = (time.time() if now_s is None else now_s) - LEFT_S
    known = set(connection.execute(select(attachment.c.stored_as).where(attachment.c.erased_ms.is_(None))).scalars())
    gone = 0
    for path in [*folder.iterdir(), *incoming(folder).iterdir()]:
        if path.is_file() and path.name not in known and path.stat().st_mtime < before_s:
            path.unlink(missing_ok=True)
            gone += 1
    return gone
