"""The heads of the history's chains as a file: written daily to a folder that is kept off the host, read by `verify`.

A plain text: an auditor can read it, print it, or note down the digest alone, which stands for all of it. A month's
first file holds the head of every register's chain; those after it hold the heads of the registers to which something
was added since then. So all files of a folder together hold every head, and none of them grows with the years.

    muster heads 2
    institution: main
    written: 2026-11-22T03:00:00.000Z
    since: -
    before: -
    previous: 77ab...
    registers: 2
    digest: 3d1f...
    key: 0b54...
    signature: kk2v...
    17 4 5f0a...
    18 2 9c11...

A line is a session's id, its newest entry's number, and that entry's hash. `since` is an hour before the month's first
file, or `-` in that file itself. `before` is what stands from before there was a history (store/history_start.py),
`previous` the sha256 of the file before this one. The digest is sha256 over all of that and the lines; the signature
is over the digest (audit_key.py), and `key` names the key. Format 1 had no `before`, `previous`, `key`, `signature`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from server import audit_key
from server.audit_key import AuditKey
from server.errors import StoreError
from server.store import chains, history_start
from server.store.engine import Connection
from server.store.institutions import Institution

FIRST_LINES = ("muster heads 1", "muster heads 2")
_LINE = re.compile(r"([0-9]{1,18}) ([0-9]{1,9}) ([0-9a-f]{64})")
#: what was being written while the month's first file was
SLACK_MS = 3_600_000
_NAMES = {
    FIRST_LINES[0]: ("institution", "written", "since", "registers", "digest"),
    FIRST_LINES[1]: (
        *("institution", "written", "since", "before", "previous", "registers"),
        *("digest", "key", "signature"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Heads:
    """What a heads file says. None stands for `-`."""

    institution: str
    written: str
    #: None: it holds every register's head
    since: str | None
    digest: str
    #: session id, seq, hash
    lines: tuple[tuple[int, int, bytes], ...]
    first: str = FIRST_LINES[1]
    before: str | None = None
    previous: str | None = None
    key: str | None = None
    signature: str | None = None


def collect(
    connection: Connection,
    here: Institution,
    now_ms: int,
    since_ms: int | None = None,
    *,
    previous: str | None = None,
    key: AuditKey | None = None,
) -> Heads:
    """The heads as they are now. since_ms: only of registers to which something was added from then on."""
    lines = tuple(chains.heads(connection, here.id, since_ms))
    start = history_start.of(connection).get(here.id)
    said = _said(now_ms), None if since_ms is None else _said(since_ms)
    plain = Heads(
        institution=here.name,
        written=said[0],
        since=said[1],
        before=None if start is None else start.said(),
        previous=previous,
        lines=lines,
        digest="",
    )
    digest = _digest(plain)
    signed = (None, None) if key is None else (audit_key.fingerprint(key.public), key.sign(digest))
    return Heads(**{**vars(plain), "digest": digest, "key": signed[0], "signature": signed[1]})


def text(heads: Heads) -> str:
    """The file's text."""
    said = {**vars(heads), "registers": len(heads.lines)}
    top = [f"{name}: {'-' if said[name] is None else said[name]}" for name in _NAMES[heads.first]]
    return "\n".join([heads.first, *top, *_listed(heads.lines)]) + "\n"


def write_daily(
    connection: Connection, here: Institution, folder: Path, now_ms: int, key: AuditKey | None = None
) -> Path | None:
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
    olders = sorted(one for one in folder.glob(f"heads-{name}-????-??-??.txt") if one.name < path.name)
    previous = _sha256(olders[-1]) if olders else None
    made = text(collect(connection, here, now_ms, since_ms, previous=previous, key=key))
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
    names = _NAMES.get(rows[0], ()) if rows else ()
    top = dict(row.split(": ", 1) for row in rows[1 : 1 + len(names)] if ": " in row)
    if not names or tuple(top) != names:
        raise StoreError("heads-file", f"{path} is no file that `muster audit heads` wrote")
    found = [_LINE.fullmatch(row) for row in rows[1 + len(names) :]]
    lines = tuple((int(one[1]), int(one[2]), bytes.fromhex(one[3])) for one in found if one is not None)
    may_lack = ("since", "before", "previous", "key", "signature")
    said = {name: None if name in may_lack and top[name] == "-" else top[name] for name in names if name != "registers"}
    made = Heads(**said, lines=lines, first=rows[0])  # type: ignore[arg-type]
    if len(lines) != len(found) or str(len(lines)) != top["registers"] or _digest(made) != made.digest:
        raise StoreError("heads-file", f"{path} was altered, or is not whole: its digest is another. Take another copy")
    return made


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


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _listed(lines: Iterable[tuple[int, int, bytes]]) -> Iterable[str]:
    return (f"{session_id} {seq} {made.hex()}" for session_id, seq, made in lines)


def _digest(heads: Heads) -> str:
    top = [heads.first, heads.institution, heads.written, heads.since or "-"]
    if heads.first != FIRST_LINES[0]:
        top += [heads.before or "-", heads.previous or "-"]
    made = hashlib.sha256("\n".join([*top, ""]).encode())
    for line in _listed(heads.lines):
        made.update(f"{line}\n".encode())
    return made.hexdigest()


def _said(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def _ms(said: str) -> int:
    # In whole numbers: a float's milliseconds may be one off.
    at = datetime.strptime(said, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    return int(at.replace(microsecond=0).timestamp()) * 1000 + at.microsecond // 1000
