"""The history of registers: append-only, one hash chain for each register (LOUGH-7, LOUGH-39).

An entry's hash is sha256 over the hash before it and one string of everything it says: so nothing can be altered, put
in or taken out of the middle without a break (store/chains.py finds it), and nothing cut off the end without a
difference to the heads that were written down elsewhere. A body holds ids, codes and salted digests of notes: never a
name, a reason or a note, so that those can be erased.

A register from before there was a history begins its chain when it is first touched: a `begin` entry says what it then
held.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, bindparam, func, select

from server.store import notes
from server.store.prepared import Prepared, send
from server.store.schema import mark, register
from server.store.schema_work import history

BEGIN, MARK, VERIFY, RELEASE, CANCEL, RESTORE, COVER, BURSARY = (
    "begin",
    "mark",
    "verify",
    "release",
    "cancel",
    "restore",
    "cover",
    "bursary",
)
#: how a `restore` entry names the persons whose marks are corrections again (DDU-10)
CORRECTED = "corrected"
#: what stands before the first entry
NOTHING = bytes(32)
#: how an entry calls a mark's columns; what is NULL, false or empty is left out
MARK_FIELDS = (
    ("code", "code"),
    ("late", "late_min"),
    ("early", "early_min"),
    ("source", "source"),
    ("authority", "authority"),
    ("verified", "verified"),
    ("rule", "rule"),
    ("ledgers", "ledgers"),
    ("flag", "flag"),
    ("credit", "credit_id"),
    ("note", "note_id"),
)
#: a body's strings: codes, words, digests. Whoever tries to put a sentence there is stopped
_WORD = re.compile(r"[A-Za-z0-9._:/\\+,@#*-]{0,128}")
_KIND = re.compile(r"[a-z-]{1,32}")

_encoded = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode


class Head(NamedTuple):
    """Where a chain stands."""

    #: of its newest entry; 0: there is none
    seq: int
    hash: bytes


def entry_hash(
    before: bytes,
    *,
    institution_id: int,
    session_id: int,
    seq: int,
    kind: str,
    at_ms: int,
    by_account_id: int | None,
    body: str,
) -> bytes:
    """The hash of an entry. body comes last and as it is stored: nothing before it can hold a bar."""
    by = "" if by_account_id is None else by_account_id
    said = f"{institution_id}|{session_id}|{seq}|{kind}|{at_ms}|{by}|{body}"
    return hashlib.sha256(before + said.encode()).digest()


def append(
    connection: Connection,
    *,
    institution_id: int,
    session_id: int,
    kind: str,
    body: Mapping[str, Any],
    by_account_id: int | None,
    now_ms: int,
) -> int:
    """Append one entry to a register's chain, before what it tells of is written. The caller holds the register's lock
    (`derivations.lock_registers`). Returns its seq.

    body: ids, numbers, codes; a note by `notes.cited`. Raises ValueError where a text stands in it.
    """
    if not _KIND.fullmatch(kind):
        raise ValueError(f"a kind is a word, not {kind!r}")
    _only_words(body)
    heads = opened(connection, institution_id, [session_id], now_ms)
    _write(connection, institution_id, [(session_id, kind, now_ms, by_account_id, dict(body))], heads)
    return heads[session_id].seq


_TOP = (
    select(func.max(history.c.seq).label("seq"))
    .where(history.c.session_id == register.c.session_id)
    .correlate(register)
    .scalar_subquery()
)
_NEWEST = history.alias("newest")
_HEADS = Prepared(
    select(
        register.c.session_id,
        register.c.evidence,
        register.c.verified_ms,
        register.c.verified_by_account_id,
        _NEWEST.c.seq,
        _NEWEST.c.hash,
    )
    .select_from(register)
    .outerjoin(_NEWEST, and_(_NEWEST.c.session_id == register.c.session_id, _NEWEST.c.seq == _TOP))
    .where(register.c.session_id.in_(bindparam("ids", expanding=True)))
)
_MARKS = (
    select(mark).where(mark.c.session_id.in_(bindparam("ids", expanding=True))).order_by(mark.c.session_id, mark.c.id)
)


def opened(connection: Connection, institution_id: int, session_ids: Iterable[int], now_ms: int) -> dict[int, Head]:
    """session id -> where its chain stands, for locked registers; chains of registers from before are begun.

    Called before anything is written of which an entry is to tell.
    """
    wanted = sorted(set(session_ids))
    heads: dict[int, Head] = {}
    bare: dict[int, Any] = {}
    for start in range(0, len(wanted), 500):
        for row in _HEADS.all(connection, {"ids": wanted[start : start + 500]}):
            if row.seq is None:
                bare[row.session_id] = row
                heads[row.session_id] = Head(0, NOTHING)
            else:
                heads[row.session_id] = Head(row.seq, bytes(row.hash))
    if len(heads) != len(wanted):
        raise LookupError("a register is locked (derivations.lock_registers) before its history is written")
    if bare:
        _begin(connection, institution_id, bare, heads, now_ms)
    return heads


def _begin(
    connection: Connection, institution_id: int, bare: Mapping[int, Any], heads: dict[int, Head], now_ms: int
) -> None:
    held: dict[int, list[Any]] = {}
    ids = list(bare)
    for start in range(0, len(ids), 500):
        for row in connection.execute(_MARKS, {"ids": ids[start : start + 500]}):
            held.setdefault(row.session_id, []).append(row)
    old = [one for one in ids if one in held or bare[one].evidence != "pending" or bare[one].verified_ms is not None]
    if not old:
        return
    cited = notes.cited(connection, {row.note_id for rows in held.values() for row in rows if row.note_id is not None})
    entries = []
    for one in old:
        state: dict[str, Any] = {"evidence": bare[one].evidence}
        if bare[one].verified_ms is not None:
            state |= {"verified": bare[one].verified_ms, "verified_by": bare[one].verified_by_account_id}
        # These have times and hands of their own: they are not the entry's.
        marks = [
            mark_facts(row._mapping, row.id, cited) | {"at": row.created_ms, "by": row.by_account_id}
            for row in held.get(one, ())
        ]
        entries.append((one, BEGIN, now_ms, None, state | {"marks": marks}))
    _write(connection, institution_id, entries, heads)


def add_marks(
    connection: Connection,
    rows: Iterable[Mapping[str, Any]],
    made: Mapping[tuple[int, int], int],
    heads: dict[int, Head],
    kind: str = MARK,
    about: Mapping[str, Any] | None = None,
) -> None:
    """An entry for each register (and hand, and time) of these marks, which were just inserted. heads: `opened` before.

    about: what stands in the bodies beside them.
    """
    found = list(rows)
    noted = {row["note_id"] for row in found if row.get("note_id") is not None}
    cited = notes.cited(connection, noted) if noted else {}
    groups: dict[tuple[int, int, int | None], list[dict[str, Any]]] = {}
    for row in found:
        session_id = row["session_id"]
        facts = mark_facts(row, made[session_id, row["person_id"]], cited)
        groups.setdefault((session_id, row["created_ms"], row.get("by_account_id")), []).append(facts)
    beside = dict(about or {})
    entries = [
        (session_id, kind, at_ms, by, {**beside, "marks": marks}) for (session_id, at_ms, by), marks in groups.items()
    ]
    _write(connection, found[0]["institution_id"], entries, heads)


def mark_facts(row: Mapping[str, Any], mark_id: int, cited: Mapping[int, list[int | str]]) -> dict[str, Any]:
    """What an entry says of a mark: everything that its row says but time and hand, which are the entry's."""
    facts: dict[str, Any] = {"id": mark_id, "person": row["person_id"]}
    for name, column in MARK_FIELDS:
        value = row.get(column)
        if value is not None and value is not False and value != "":
            facts[name] = value
    if "note" in facts:
        facts["note"] = cited[facts["note"]]
    return facts


#: an entry's columns, in the order of `_write`'s rows
_COLUMNS = ("institution_id", "session_id", "seq", "kind", "at_ms", "by_account_id", "body", "hash")


@cache
def _add(paramstyle: str) -> str:
    places = ", ".join("?" if paramstyle == "qmark" else "%s" for _ in _COLUMNS)
    return f"INSERT INTO {history.name} ({', '.join(_COLUMNS)}) VALUES ({places})"  # noqa: S608  names of ours


def _write(
    connection: Connection,
    institution_id: int,
    entries: Iterable[tuple[int, str, int, int | None, Mapping[str, Any]]],
    heads: dict[int, Head],
) -> None:
    rows = []
    for session_id, kind, at_ms, by, body in entries:
        seq, before = heads[session_id]
        seq += 1
        text = _encoded(body)
        made = entry_hash(
            before,
            institution_id=institution_id,
            session_id=session_id,
            seq=seq,
            kind=kind,
            at_ms=at_ms,
            by_account_id=by,
            body=text,
        )
        heads[session_id] = Head(seq, made)
        rows.append((institution_id, session_id, seq, kind, at_ms, by, text, made))
    if rows:
        # Past SQLAlchemy's own insert, which takes longer for a row than hash and database do: this is on the way of
        # every swipe.
        send(connection, _add(connection.dialect.paramstyle), rows, changes=True)


def _only_words(value: Any) -> None:
    if isinstance(value, Mapping):
        for name, one in value.items():
            _only_words(name)
            _only_words(one)
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            _only_words(one)
    elif isinstance(value, str):
        if not _WORD.fullmatch(value):
            raise ValueError("a history entry holds ids, codes and digests: put text into a note (store/notes.py)")
    elif value is not None and not isinstance(value, int):
        raise ValueError(f"a history entry holds no {type(value).__name__}")
