"""The free texts and files that stand beside registers and persons: reasons, notes, callers, evidence, messages.

They are what may have to be erased (GDPR, article 17): found here for a register or for a person, as far as somebody's
act reaches. A text is named by a key, such as `note-12`, `file-3`, `message-7`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, and_, select

from server.scope import Scope
from server.store import absence_reach, attachments, people, sessions
from server.store.schema import account, mark, note, person, person_name, session
from server.store.schema_work import (
    absence,
    attachment,
    change_request,
    change_request_line,
    history,
    message,
    register_report,
    remark,
    swipe_resolution,
    walk_in,
)

ACT = "notes.erase"
NOTE, FILE, MESSAGE = "note", "file", "message"
#: so many are shown
MOST = 500


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a text stands. what: mark, walk-in, tap, report, remark, request, cancel, restore, cover, erase, reason,
    caller, decision, evidence, message."""

    what: str
    session_id: int | None = None
    person_id: int | None = None
    absence_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One text or file."""

    kind: str
    id: int
    text: str
    #: shown name of whoever wrote it
    by: str | None
    created_ms: int
    erased_ms: int | None
    #: of a file, hex
    sha256: str = ""
    places: tuple[Place, ...] = field(default=())
    #: of the sessions and persons that its places name
    titles: tuple[tuple[str, int], ...] = ()
    names: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What it is called in forms."""
        return f"{self.kind}-{self.id}"


def of_session(connection: Connection, scope: Scope, session_id: int) -> list[Kept]:
    """Those of a register, newest first. Raises NotFound(`session`)."""
    sessions.need(connection, scope, session_id, ACT)
    notes: dict[int, list[Place]] = {}
    files: dict[int, list[Place]] = {}
    _of_rows(connection, session.c.id == session_id, notes)
    _of_requests(connection, change_request.c.session_id == session_id, notes, files)
    _of_history(connection, history.c.session_id == session_id, notes)
    _of_marks(connection, mark.c.session_id == session_id, files)
    return _read(connection, scope.institution_id, {NOTE: notes, FILE: files})


def of_person(connection: Connection, scope: Scope, person_id: int, now_ms: int) -> list[Kept]:
    """Those about a person, newest first: in the registers and absences that the scope's act reaches, and what was
    written to them; of whoever belongs to another department, about those registers only. Raises NotFound(`person`)."""
    people.need(connection, scope, person_id, ACT)
    notes: dict[int, list[Place]] = {}
    files: dict[int, list[Place]] = {}
    reach = sessions.visible(scope, ACT)
    _of_rows(connection, reach, notes, person_id)
    mine = select(change_request_line.c.request_id).where(change_request_line.c.person_id == person_id)
    _of_requests(connection, and_(change_request.c.id.in_(mine), reach), notes, files, person_id)
    _of_marks(connection, and_(mark.c.person_id == person_id, reach), files)
    _of_absences(connection, scope, person_id, notes, files)
    query = select(message.c.id, message.c.session_id).where(
        message.c.to_person_id == person_id, message.c.institution_id == scope.institution_id
    )
    if not people.is_whole(connection, scope, person_id, ACT, now_ms):
        query = query.join(session, session.c.id == message.c.session_id).where(reach)
    written = {
        row.id: [Place(what="message", session_id=row.session_id, person_id=person_id)]
        for row in connection.execute(query.order_by(message.c.id.desc()).limit(MOST))
    }
    return _read(connection, scope.institution_id, {NOTE: notes, FILE: files, MESSAGE: written})


def _of_rows(connection: Connection, where: Any, found: dict[int, list[Place]], person_id: int | None = None) -> None:
    """Notes that rows of a register cite: of marks, walk-ins, taps, reports and remarks."""
    for table, what in (
        (mark, "mark"),
        (walk_in, "walk-in"),
        (swipe_resolution, "tap"),
        (register_report, "report"),
        (remark, "remark"),
    ):
        has_person = "person_id" in table.c
        if person_id is not None and not has_person:
            continue
        query = select(table.c.note_id, table.c.session_id, *([table.c.person_id] if has_person else []))
        query = query.join(session, session.c.id == table.c.session_id).where(table.c.note_id.is_not(None), where)
        if person_id is not None:
            query = query.where(table.c.person_id == person_id)
        for row in connection.execute(query.distinct()):
            place = Place(what=what, session_id=row.session_id, person_id=row.person_id if has_person else None)
            found.setdefault(row.note_id, []).append(place)


def _of_requests(
    connection: Connection,
    where: Any,
    notes: dict[int, list[Place]],
    files: dict[int, list[Place]],
    person_id: int | None = None,
) -> None:
    query = select(change_request).join(session, session.c.id == change_request.c.session_id).where(where)
    rows = {row.id: row for row in connection.execute(query)}
    places = {one: Place(what="request", session_id=row.session_id, person_id=person_id) for one, row in rows.items()}
    for one, row in rows.items():
        for note_id in (row.reason_note_id, row.decided_note_id):
            if note_id is not None:
                notes.setdefault(note_id, []).append(places[one])
    # Comments that stand in the history alone: when evidence was asked for, when somebody approved.
    said = select(history.c.session_id, history.c.body).where(
        history.c.session_id.in_({row.session_id for row in rows.values()}), history.c.kind.like("request%")
    )
    for row in connection.execute(said):
        body = json.loads(row.body)
        if body.get("request") in rows and "note" in body:
            notes.setdefault(body["note"][0], []).append(places[body["request"]])
    _files(connection, attachments.REQUEST, places, files)


def _of_history(connection: Connection, where: Any, found: dict[int, list[Place]]) -> None:
    """Notes that a register's history cites and no row does: why it was cancelled, handed over, erased."""
    query = select(history.c.session_id, history.c.kind, history.c.body).where(where, history.c.kind != "mark")
    for row in connection.execute(query):
        cited = json.loads(row.body).get("note")
        if cited:
            what = "request" if row.kind.startswith("request") else row.kind
            found.setdefault(cited[0], []).append(Place(what=what, session_id=row.session_id))


def _of_marks(connection: Connection, where: Any, found: dict[int, list[Place]]) -> None:
    query = (
        select(mark.c.id, mark.c.session_id, mark.c.person_id)
        .join(session, session.c.id == mark.c.session_id)
        .join(attachment, and_(attachment.c.subject == attachments.MARK, attachment.c.subject_id == mark.c.id))
        .where(where)
    )
    places = {
        row.id: Place(what="evidence", session_id=row.session_id, person_id=row.person_id)
        for row in connection.execute(query)
    }
    _files(connection, attachments.MARK, places, found)


def _of_absences(
    connection: Connection,
    scope: Scope,
    person_id: int,
    notes: dict[int, list[Place]],
    files: dict[int, list[Place]],
) -> None:
    query = (
        select(absence)
        .join(person, person.c.id == absence.c.person_id)
        .where(absence.c.person_id == person_id, absence_reach.visible(scope, ACT))
    )
    places: dict[int, Place] = {}
    for row in connection.execute(query):
        places[row.id] = Place(what="evidence", person_id=person_id, absence_id=row.id)
        for what, note_id in (
            ("reason", row.reason_note_id),
            ("caller", row.told_by_note_id),
            ("decision", row.decided_note_id),
        ):
            if note_id is not None:
                notes.setdefault(note_id, []).append(replace(places[row.id], what=what))
    _files(connection, attachments.ABSENCE, places, files)


def _files(connection: Connection, subject: str, places: dict[int, Place], found: dict[int, list[Place]]) -> None:
    query = select(attachment.c.id, attachment.c.subject_id).where(
        attachment.c.subject == subject, attachment.c.subject_id.in_(sorted(places))
    )
    for row in connection.execute(query):
        found.setdefault(row.id, []).append(replace(places[row.subject_id], what="evidence"))


def _read(connection: Connection, institution_id: int, wanted: dict[str, dict[int, list[Place]]]) -> list[Kept]:
    """The texts themselves, newest first."""
    queries: dict[str, Any] = {
        NOTE: select(note.c.id, note.c.text, note.c.by_account_id, note.c.created_ms, note.c.erased_ms).where(
            note.c.institution_id == institution_id, note.c.id.in_(sorted(wanted.get(NOTE, ())))
        ),
        FILE: select(
            attachment.c.id, attachment.c.file_name.label("text"), attachment.c.by_account_id, attachment.c.created_ms,
            attachment.c.erased_ms, attachment.c.sha256,
        ).where(attachment.c.institution_id == institution_id, attachment.c.id.in_(sorted(wanted.get(FILE, ())))),
        MESSAGE: select(
            message.c.id, message.c.text, message.c.by_account_id, message.c.created_ms, message.c.erased_ms
        ).where(message.c.id.in_(sorted(wanted.get(MESSAGE, ())))),
    }  # fmt: skip
    rows = [(kind, row) for kind, query in queries.items() if wanted.get(kind) for row in connection.execute(query)]
    rows = sorted(rows, key=lambda one: (-one[1].created_ms, one[0], -one[1].id))[:MOST]
    every = [place for kind, row in rows for place in wanted[kind][row.id]]
    titles = _named(connection, select(session.c.id, session.c.title, session.c.starts_ms), session.c.id,
                    (one.session_id for one in every))  # fmt: skip
    names = _named(connection, select(person_name.c.person_id, person_name.c.full_name), person_name.c.person_id,
                   (one.person_id for one in every))  # fmt: skip
    hands = _named(connection, select(account.c.id, account.c.shown_name), account.c.id,
                   (row.by_account_id for _, row in rows))  # fmt: skip
    made = []
    for kind, row in rows:
        places = tuple(dict.fromkeys(wanted[kind][row.id]))
        made.append(
            Kept(
                kind=kind,
                id=row.id,
                text=row.text,
                by=hands[row.by_account_id][1] if row.by_account_id in hands else None,
                created_ms=row.created_ms,
                erased_ms=row.erased_ms,
                sha256=row.sha256 if kind == FILE else "",
                places=places,
                titles=tuple(
                    dict.fromkeys(tuple(titles[one.session_id][1:]) for one in places if one.session_id in titles)
                ),
                names=tuple(dict.fromkeys(names[one.person_id][1] for one in places if one.person_id in names)),
            )
        )
    return made


def _named(connection: Connection, query: Any, column: Any, ids: Iterable[int | None]) -> dict[int | None, Any]:
    """id -> the row."""
    wanted = sorted({one for one in ids if one is not None})
    found: dict[int | None, Any] = {}
    for start in range(0, len(wanted), 500):
        for row in connection.execute(query.where(column.in_(wanted[start : start + 500]))):
            found[row[0]] = row
    return found
