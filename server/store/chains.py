"""Walks the history's chains and says where they break, and where the registers say something else than they do.

What a chain alone shows: an entry altered, taken out or put in. What chain and tables together show: a mark, a note or
a register's state that was altered, removed or inserted past the history. What was cut off a chain's end, or written
anew from some entry on with fitting hashes, only the heads show that were kept elsewhere (server/heads_file.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select

from server.store import chained_registers, history, history_start, notes
from server.store.chained_registers import Register, Said
from server.store.schema_work import history as history_table


@dataclass(frozen=True, kw_only=True)
class Break:
    """Something that is not as it was written."""

    #: None: it is about what is from before there was a history
    session_id: int | None
    #: the entry at which it shows; None: it shows at none
    seq: int | None
    #: entry-altered, entry-missing, mark-altered, mark-missing, mark-unknown, mark-current, note-altered,
    #: register-altered, grant-altered, chain-missing, chain-cut, chain-rewritten, before-altered
    code: str
    #: ids, codes and numbers only
    text: str


@dataclass(kw_only=True)
class Found:
    """What a walk found."""

    registers: int = 0
    entries: int = 0
    marks: int = 0
    #: registers whose marks are from before there was a history, and which nobody has touched since
    before: int = 0
    breaks: list[Break] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A chain's head as it was written down elsewhere."""

    seq: int
    hash: bytes
    #: where it was written down
    source: str


def walk(connection: Connection, kept: Mapping[int, Iterable[Kept]] | None = None) -> Found:
    """Walk every chain. kept: session id -> heads that were written down."""
    found = Found()
    wanted = {one: list(heads) for one, heads in (kept or {}).items()}
    starts = history_start.of(connection)
    for institution_id, start in sorted(starts.items()):
        marks, made = history_start.digest(connection, institution_id, start.mark_id)
        if (marks, made) != (start.marks, start.digest):
            said = "one of them was altered" if marks == start.marks else f"they were {start.marks} and are {marks}"
            text = f"of the marks up to {start.mark_id}, from before there was a history: {said}"
            found.breaks.append(Break(session_id=None, seq=None, code="before-altered", text=text))
    for ids in chained_registers.every(connection):
        for one in chained_registers.loaded(connection, ids):
            _check(found, one, wanted.pop(one.session_id, []), starts)
    for session_id, heads in sorted(wanted.items()):
        text = f"{heads[0].source} names its entry {heads[0].seq}, and there is no such register"
        found.breaks.append(Break(session_id=session_id, seq=None, code="chain-missing", text=text))
    return found


def heads(connection: Connection, institution_id: int, since_ms: int | None = None) -> Iterator[tuple[int, int, bytes]]:
    """(session id, seq, hash) of every chain's newest entry, by session id. since_ms: only where something was added
    from then on."""
    newest = (
        select(history_table.c.session_id, func.max(history_table.c.seq).label("seq"))
        .where(history_table.c.institution_id == institution_id)
        .group_by(history_table.c.session_id)
    )
    if since_ms is not None:
        added = select(history_table.c.session_id).where(
            history_table.c.institution_id == institution_id, history_table.c.at_ms >= since_ms
        )
        newest = newest.where(history_table.c.session_id.in_(added))
    top = newest.subquery()
    query = (
        select(history_table.c.session_id, history_table.c.seq, history_table.c.hash)
        .join(top, (top.c.session_id == history_table.c.session_id) & (top.c.seq == history_table.c.seq))
        .order_by(history_table.c.session_id)
    )
    for row in connection.execute(query):
        yield row.session_id, row.seq, bytes(row.hash)


def _check(found: Found, one: Register, kept: list[Kept], starts: Mapping[int, history_start.Start]) -> None:
    found.registers += 1
    found.entries += len(one.entries)
    found.marks += len(one.marks)

    def broken(code: str, text: str, seq: int | None = None) -> None:
        found.breaks.append(Break(session_id=one.session_id, seq=seq, code=code, text=text))

    _check_kept(one, kept, broken)
    start = starts.get(one.session.institution_id) if one.session is not None else None
    last = 0 if start is None else start.mark_id
    if not one.entries:
        if newer := [mark_id for mark_id in one.marks if mark_id > last]:
            broken("mark-unknown", f"marks {_some(newer)} have no entry: there is no history of this register at all")
        elif one.marks:
            found.before += 1
        _check_bare(one, 0 if start is None else start.at_ms, broken)
        _check_grants(one, Said(), broken)
        return
    _check_chain(one, broken)
    said = Said()
    for row in one.entries:
        body = chained_registers.body_of(row)
        said.take(row, body)
        if row.kind == history.BEGIN:
            marks = body.get("marks")
            begun = [facts.get("id") for facts in marks if isinstance(facts, dict)] if isinstance(marks, list) else []
            if newer := [number for number in begun if isinstance(number, int) and number > last]:
                text = f"marks {_some(newer)} had no entry when the chain began, and are not from before there was a history"
                broken("mark-unknown", text, row.seq)
    _check_marks(one, said, broken)
    _check_state(one, said, broken)
    _check_grants(one, said, broken)


def _check_bare(one: Register, start_ms: int, broken: Any) -> None:
    """A register without a chain was neither verified nor released since there is a history."""
    state = one.state
    if state is None:
        return
    if state.verified_ms is not None and state.verified_ms > start_ms:
        broken("register-altered", f"verified by account {state.verified_by_account_id}, and there is no history of it")
    if state.evidence != "pending" and (state.settled_ms is None or state.settled_ms > start_ms):
        broken("register-altered", f"evidence is {state.evidence}, and there is no history of it")


def _check_kept(one: Register, kept: Iterable[Kept], broken: Any) -> None:
    hashes = {row.seq: bytes(row.hash) for row in one.entries}
    last = max(hashes, default=0)
    for head in kept:
        if head.seq not in hashes:
            broken("chain-cut", f"{head.source} names entry {head.seq}; the chain ends at {last}", min(last, head.seq))
        elif hashes[head.seq] != head.hash:
            broken("chain-rewritten", f"entry {head.seq} is not the one that {head.source} names", head.seq)


def _check_chain(one: Register, broken: Any) -> None:
    """Says the first entry that does not follow from the one before."""
    before = history.NOTHING
    for place, row in enumerate(one.entries, 1):
        if row.seq != place:
            broken("entry-missing", f"entry {place} is missing: entry {row.seq} stands there", place)
            return
        made = history.entry_hash(
            before,
            institution_id=row.institution_id,
            session_id=row.session_id,
            seq=row.seq,
            kind=row.kind,
            at_ms=row.at_ms,
            by_account_id=row.by_account_id,
            body=row.body,
        )
        if made != bytes(row.hash):
            broken("entry-altered", f"entry {row.seq} ({row.kind}) does not have the hash of what it says", row.seq)
            return
        before = made


def _check_marks(one: Register, said: Said, broken: Any) -> None:
    for mark_id, (facts, at_ms, by, seq) in said.marks.items():
        row = one.marks.get(mark_id)
        if row is None:
            broken("mark-missing", f"mark {mark_id} of person {facts.get('person')} is gone", seq)
            continue
        # The note's digest is compared with the note: here it is which note.
        cited = {row.note_id: [row.note_id, ""]} if row.note_id is not None else {}
        is_now = history.mark_facts(row._mapping, row.id, cited) | {"at": row.created_ms, "by": row.by_account_id}
        was = facts | {"at": at_ms, "by": by}
        if "note" in was:
            was["note"] = [was["note"][0], ""] if isinstance(was["note"], list) else was["note"]
        if differs := sorted(name for name in was.keys() | is_now.keys() if was.get(name) != is_now.get(name)):
            told = ", ".join(f"{name} was {was.get(name)!r}, is {is_now.get(name)!r}" for name in differs)
            broken("mark-altered", f"mark {mark_id} of person {facts.get('person')}: {told}", seq)
    for row in one.marks.values():
        if row.id not in said.marks:
            broken("mark-unknown", f"mark {row.id} of person {row.person_id} has no entry: {row.code}")
    for person_id in sorted(said.current.keys() | one.current.keys()):
        holds, is_now = said.current.get(person_id), one.current.get(person_id)
        if holds != is_now:
            broken("mark-current", f"of person {person_id} mark {holds} holds, and the register shows {is_now}")
    for number, (digest, seq) in said.notes.items():
        row = one.notes.get(number)
        if row is None:
            broken("note-altered", f"note {number} is gone; erasing leaves it empty", seq)
        elif row.erased_ms is None and (row.salt is None or notes.digest(row.salt, row.text) != digest):
            broken("note-altered", f"note {number} does not say what was written", seq)
        elif row.erased_ms is not None and (row.text or row.salt is not None):
            broken("note-altered", f"note {number} was erased, and says something again", seq)


def _check_state(one: Register, said: Said, broken: Any) -> None:
    if one.state is None:
        broken("register-altered", "the register's own row is gone")
        return
    if one.state.evidence != said.evidence:
        broken("register-altered", f"evidence was {said.evidence}, is {one.state.evidence}")
    verified = (one.state.verified_ms, one.state.verified_by_account_id)
    if verified != said.verified:
        broken("register-altered", f"verified (when, by) was {said.verified}, is {verified}")
    by = one.session.cancelled_by_account_id if one.session is not None else None
    # Without somebody's name the timetable cancelled it: that is no entry.
    cancelled = (one.session.cancelled_ms, by) if one.session is not None and by is not None else None
    if cancelled != said.cancelled:
        broken("register-altered", f"cancelled (when, by) was {said.cancelled}, is {cancelled}")


def _check_grants(one: Register, said: Said, broken: Any) -> None:
    """What is paid by a register beside its marks: bursary granted, and which marks are corrections (LOUGH-35, DDU-10)."""
    if one.granted != said.granted:
        was, is_now = _some(sorted(said.granted)), _some(sorted(one.granted))
        broken("grant-altered", f"persons with bursary granted: were {was or 'none'}, are {is_now or 'none'}")
    if one.corrections != said.corrections:
        was, is_now = _some(sorted(said.corrections)), _some(sorted(one.corrections))
        broken("grant-altered", f"marks that are corrections: were {was or 'none'}, are {is_now or 'none'}")


def _some(ids: list[int]) -> str:
    return ", ".join(map(str, ids[:5])) + (" and others" if len(ids) > 5 else "")
