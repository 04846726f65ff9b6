"""Registers with all that a walk of their chains compares: entries, marks, notes, state; and what the entries say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select, union

from server.store import history, request_kinds
from server.store.schema import correction, mark, mark_current, note, register, session
from server.store.schema_work import bursary_grant
from server.store.schema_work import history as history_table

CHUNK = 200


@dataclass(kw_only=True)
class Register:
    """Everything that is compared of one session."""

    session_id: int
    entries: list[Any] = field(default_factory=list)
    marks: dict[int, Any] = field(default_factory=dict)
    #: person -> mark id
    current: dict[int, int] = field(default_factory=dict)
    state: Any = None
    session: Any = None
    #: to whom bursary is granted, and the marks that are corrections: both are paid by, or are not
    granted: set[int] = field(default_factory=set)
    corrections: set[int] = field(default_factory=set)
    notes: dict[int, Any] = field(default_factory=dict)


def every(connection: Connection) -> Iterator[list[int]]:
    """The ids of the sessions that have a history, a mark or a register, in parts."""
    every = union(
        select(history_table.c.session_id),
        select(mark.c.session_id),
        select(register.c.session_id),
        select(bursary_grant.c.session_id),
    ).subquery()
    ids = sorted(connection.execute(select(every.c.session_id)).scalars())
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]


def loaded(connection: Connection, ids: list[int]) -> list[Register]:
    """The registers of these sessions, each with everything that is compared."""
    made = {one: Register(session_id=one) for one in ids}
    query = select(history_table).where(history_table.c.session_id.in_(ids))
    for row in connection.execute(query.order_by(history_table.c.session_id, history_table.c.seq, history_table.c.id)):
        made[row.session_id].entries.append(row)
    for row in connection.execute(select(mark).where(mark.c.session_id.in_(ids)).order_by(mark.c.id)):
        made[row.session_id].marks[row.id] = row
    for row in connection.execute(select(mark_current).where(mark_current.c.session_id.in_(ids))):
        made[row.session_id].current[row.person_id] = row.mark_id
    for row in connection.execute(select(register).where(register.c.session_id.in_(ids))):
        made[row.session_id].state = row
    for row in connection.execute(select(session).where(session.c.id.in_(ids))):
        made[row.id].session = row
    granted = select(bursary_grant.c.session_id, bursary_grant.c.person_id)
    for row in connection.execute(granted.where(bursary_grant.c.session_id.in_(ids))):
        made[row.session_id].granted.add(row.person_id)
    corrected = select(mark.c.session_id, correction.c.mark_id).join(mark, mark.c.id == correction.c.mark_id)
    for row in connection.execute(corrected.where(mark.c.session_id.in_(ids))):
        made[row.session_id].corrections.add(row.mark_id)
    texts = select(note).where(
        note.c.id.in_(select(mark.c.note_id).where(mark.c.session_id.in_(ids), mark.c.note_id.is_not(None)))
    )
    held = {row.id: row for row in connection.execute(texts)}
    cited = {number for one in made.values() for number in _cited(one.entries)} - held.keys()
    for number in sorted(cited):
        row = connection.execute(select(note).where(note.c.id == number)).first()
        if row is not None:
            held[number] = row
    for one in made.values():
        one.notes = held
    return list(made.values())


def _cited(entries: Iterable[Any]) -> Iterator[int]:
    for row in entries:
        for number, _ in notes_in(body_of(row)):
            yield number


def body_of(row: Any) -> dict[str, Any]:
    """An entry's body; empty where it is no JSON object any more (its hash shows that)."""
    try:
        found = json.loads(row.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def notes_in(body: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """(note id, digest) of every note that a body cites."""
    marks = body.get("marks")
    for one in [body, *(marks if isinstance(marks, list) else [])]:
        cited = one.get("note") if isinstance(one, dict) else None
        if isinstance(cited, list) and len(cited) == 2 and isinstance(cited[0], int):
            yield cited[0], str(cited[1])


class Said:
    """What the entries say, taken one after another."""

    def __init__(self) -> None:
        #: mark id -> (its facts, when, by whom, the entry's seq)
        self.marks: dict[int, tuple[dict[str, Any], int, int | None, int]] = {}
        #: person -> the mark that holds
        self.current: dict[int, int] = {}
        #: note id -> (digest, the entry's seq)
        self.notes: dict[int, tuple[str, int]] = {}
        self.evidence = "pending"
        self.verified: tuple[int | None, int | None] = (None, None)
        #: (when, by whom); None: nobody cancelled it, or it was brought back
        self.cancelled: tuple[int, int | None] | None = None
        #: to whom bursary was granted; the marks that a request set
        self.granted: set[int] = set()
        self.corrections: set[int] = set()

    def take(self, row: Any, body: dict[str, Any]) -> None:
        """One entry more, with its body."""
        marks, again = body.get("marks"), body.get(history.CORRECTED)
        again = again if row.kind == history.RESTORE and isinstance(again, list) else []
        for facts in marks if isinstance(marks, list) else []:
            if not isinstance(facts, dict) or not isinstance(facts.get("id"), int):
                continue
            at_ms, by = facts.pop("at", row.at_ms), facts.pop("by", row.by_account_id)
            self.marks[facts["id"]] = (facts, at_ms, by, row.seq)
            self.current[facts.get("person", 0)] = facts["id"]
            # What a class that is brought back gets again is a correction where its entry says so.
            applied = row.kind == history.MARK and facts.get("source") == request_kinds.SOURCE
            if applied or facts.get("person") in again:
                self.corrections.add(facts["id"])
        for number, digest in notes_in(body):
            self.notes[number] = (digest, row.seq)
        if row.kind == history.BEGIN:
            self.evidence = body.get("evidence", self.evidence)
            self.verified = (body.get("verified"), body.get("verified_by"))
        elif row.kind == history.RELEASE:
            self.evidence = body.get("evidence", self.evidence)
        elif row.kind == history.VERIFY:
            self.verified = (row.at_ms, row.by_account_id)
        elif row.kind in (history.CANCEL, history.RESTORE):
            self.cancelled = (row.at_ms, row.by_account_id) if row.kind == history.CANCEL else None
        elif row.kind == history.BURSARY:
            persons = body.get("persons")
            self.granted |= {one for one in persons if isinstance(one, int)} if isinstance(persons, list) else set()
