"""The heads of the history's chains as a file: written daily to a folder that is kept off the host, read by `verify`.

A plain text: an auditor can read it, print it, or note down the digest alone, which stands for all of it. A month's
first file holds the head of every register's chain; those after it hold the heads of the registers to which something
was added since then. So all files of a folder together hold every head, and none of them grows with the years.

    muster heads 1
    institution: main
    written: 2026-11-22T03:00:00.000Z
    since: -
    registers: 2
    digest: 3d1f...
    17 4 5f0a...
    18 2 9c11...

A line is a session's id, its newest entry's number, and that entry's hash. `since` is an hour before the
month's first file, or `-` in that file itself. The digest is sha256 over all other lines.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from server.errors import StoreError
from server.store import chains
from server.store.engine import Connection
from server.store.institutions import Institution

FIRST_LINE = "muster heads 1"
_LINE = re.compile(r"([0-9]{1,18}) ([0-9]{1,9}) ([0-9a-f]{64})")
#: what was being written while the month's first file was
SLACK_MS = 3_600_000
_NAMES = ("institution", "written", "since", "registers", "digest")


@dataclass(frozen=True, kw_only=True)
class Heads:
    """What a heads file says."""

    institution: str
    written: str
    #: None: it holds every register's head
    since: str | None
    digest: str
    #: session id, seq, hash
    lines: tuple[tuple[int, int, bytes], ...]


def collect(connection: Connection, here: Institution, now_ms: int, since_ms: int | None = None) -> Heads:
    """The heads as they are now. since_ms: only of registers to which something was added from then on."""
    lines = tuple(chains.heads(connection, here.id, since_ms))
    written, since = _said(now_ms), None if since_ms is None else _said(since_ms)
    digest = _digest(here.name, written, since, lines)
    return Heads(institution=here.name, written=written, since=since, digest=digest, lines=lines)


def text(heads: Heads) -> str:
    """The file's text."""
    top = (
        FIRST_LINE,
        f"institution: {heads.institution}",
        f"written: {heads.written}",
        f"since: {heads.since or '-'}",
        f"registers: {len(heads.lines)}",
        f"digest: {heads.digest}",
    )
    return "\n".join([*top, *_listed(heads.lines)]) + "\n"


def write_daily(connection: Connection, here: Institution, folder: Path, now_ms: int) -> Path | None:
    """Write today's file (UTC) unless it is there. None: it was. Raises OSError where the folder cannot be written.

    It gets its name only when all of it is on the disk: what has the name is whole.
    """
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    name = re.sub(r"[^A-Za-z0-9._-]", "_", here.name)
    path = folder / f"heads-{name}-{now:%Y-%m-%d}.txt"
    if path.exists():
        return None
    firsts = sorted(folder.glob(f"heads-{name}-{now:%Y-%m}-??.txt"))
    since_ms = _ms(read(firsts[0]).written) - SLACK_MS if firsts else None
    made = text(collect(connection, here, now_ms, since_ms))
    partly = path.with_suffix(".part")
    with open(partly, "w", encoding="utf-8") as file:
        file.write(made)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partly, path)
    return path


def read(path: Path) -> Heads:
    """A heads file. Raises StoreError(`heads-file`) where it is none, or not as it was written."""
    try:
        rows = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError("heads-file", f"{path} cannot be read: {error}") from error
    top = dict(row.split(": ", 1) for row in rows[1 : 1 + len(_NAMES)] if ": " in row)
    if not rows or rows[0] != FIRST_LINE or tuple(top) != _NAMES:
        raise StoreError("heads-file", f"{path} is no file that `muster audit heads` wrote")
    found = [_LINE.fullmatch(row) for row in rows[1 + len(_NAMES) :]]
    lines = tuple((int(one[1]), int(one[2]), bytes.fromhex(one[3])) for one in found if one is not None)
    since = None if top["since"] == "-" else top["since"]
    digest = _digest(top["institution"], top["written"], since, lines)
    if len(lines) != len(found) or str(len(lines)) != top["registers"] or digest != top["digest"]:
        raise StoreError("heads-file", f"{path} was altered, or is not whole: its digest is another. Take another copy")
    return Heads(institution=top["institution"], written=top["written"], since=since, digest=digest, lines=lines)


def files(path: Path) -> list[Path]:
    """The heads files that a file or folder stands for. Raises StoreError(`heads-file`) where there is none."""
    found = sorted(path.glob("heads-*.txt")) if path.is_dir() else [path]
    if not found:
        raise StoreError("heads-file", f"there is no heads-*.txt in {path}")
    return found


def kept(paths: Iterable[Path]) -> dict[int, list[chains.Kept]]:
    """session id -> its heads in these files, each but once. Raises StoreError(`heads-file`)."""
    made: dict[int, dict[tuple[int, bytes], chains.Kept]] = {}
    for path in paths:
        for session_id, seq, digest in read(path).lines:
            one = chains.Kept(seq=seq, hash=digest, source=path.name)
            made.setdefault(session_id, {}).setdefault((seq, digest), one)
    return {session_id: list(heads.values()) for session_id, heads in made.items()}


def _listed(lines: Iterable[tuple[int, int, bytes]]) -> Iterable[str]:
    return (f"{session_id} {seq} {made.hex()}" for session_id, seq, made in lines)


def _digest(institution: str, written: str, since: str | None, lines: Iterable[tuple[int, int, bytes]]) -> str:
    made = hashlib.sha256(f"{FIRST_LINE}\n{institution}\n{written}\n{since or '-'}\n".encode())
    for line in _listed(lines):
        made.update(f"{line}\n".encode())
    return made.hexdigest()


def _said(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def _ms(said: str) -> int:
    # In whole numbers: a float's milliseconds may be one off.
    at = datetime.strptime(said, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    return int(at.replace(microsecond=0).timestamp()) * 1000 + at.microsecond // 1000
