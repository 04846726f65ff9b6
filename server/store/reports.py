"""What the registers team is told about a register (LOUGH-5, LOUGH-12), or by a mark on it (LOUGH-C), and remarks on a
session (STEP-12)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select

from server.errors import StoreError
from server.scope import Scope
from server.store import alarms, derivations, history, notes, sessions
from server.store.schema import account, note, room, session_room
from server.store.schema_work import register_report, remark

#: not the marker's own; cannot be marked for a fault of IT; anything else
NOT_MINE, IT_FAULT, PROBLEM = KINDS = ("not-mine", "it-fault", "problem")
#: told by the mark itself: somebody has completed, and the exams team arranges that
COMPLETED = "completed"
#: the alarm that tells those who tend the doors
HELPDESK = "it-fault"


@dataclass(frozen=True, kw_only=True)
class Report:
    """One report that is still open."""

    id: int
    kind: str
    by: str
    created_ms: int
    note: str | None


@dataclass(frozen=True, kw_only=True)
class Remark:
    """One remark."""

    by: str
    created_ms: int
    text: str


def report(connection: Connection, scope: Scope, session_id: int, kind: str, *, text: str = "", now_ms: int) -> bool:
    """Tell the registers team, of an IT fault also those who tend the doors (LOUGH-5). Returns False where this account has told the same already, and it is still open.

    Raises NotFound(`session`), StoreError(`report-kind`).
    """
    if kind not in KINDS:
        raise StoreError("report-kind", f"a report is one of: {', '.join(KINDS)}")
    found = sessions.need(connection, scope, session_id, "register.report")
    derivations.lock_registers(connection, found.institution_id, [session_id])
    there = select(register_report.c.id).where(
        register_report.c.session_id == session_id,
        register_report.c.kind == kind,
        register_report.c.by_account_id == scope.account_id,
        register_report.c.closed_ms.is_(None),
    )
    if not text and connection.execute(there).first() is not None:
        return False
    note_id = notes.add(connection, found.institution_id, text, scope.account_id, now_ms) if text else None
    history.append(
        connection,
        institution_id=found.institution_id,
        session_id=session_id,
        kind="report",
        body={"report": kind},
        by_account_id=scope.account_id,
        now_ms=now_ms,
    )
    connection.execute(
        register_report.insert().values(
            institution_id=found.institution_id,
            session_id=session_id,
            kind=kind,
            note_id=note_id,
            by_account_id=scope.account_id,
            created_ms=now_ms,
        )
    )
    if kind == IT_FAULT:
        _tell_helpdesk(connection, found, now_ms)
    derivations.touch(connection, [session_id])
    return True


def completed(connection: Connection, found: Any, by_account_id: int, now_ms: int) -> None:
    """Somebody on this session's register (its row) has completed: the registers team has it on its list, for the exams
    team (LOUGH-C). Nobody is named there; the register says who. Its lock is the caller's."""
    there = select(register_report.c.id).where(
        register_report.c.session_id == found.id,
        register_report.c.kind == COMPLETED,
        register_report.c.closed_ms.is_(None),
    )
    if connection.execute(there).first() is not None:
        return
    history.append(
        connection,
        institution_id=found.institution_id,
        session_id=found.id,
        kind="report",
        body={"report": COMPLETED},
        by_account_id=by_account_id,
        now_ms=now_ms,
    )
    connection.execute(
        register_report.insert().values(
            institution_id=found.institution_id,
            session_id=found.id,
            kind=COMPLETED,
            by_account_id=by_account_id,
            created_ms=now_ms,
        )
    )


def _tell_helpdesk(connection: Connection, found: Any, now_ms: int) -> None:
    """An IT fault goes also to those who tend the doors, the same day (LOUGH-5); nobody is named to them."""
    query = (
        select(room.c.code)
        .join(session_room, session_room.c.room_id == room.c.id)
        .where(session_room.c.session_id == found.id, session_room.c.to_ms.is_(None))
        .order_by(room.c.code)
    )
    rooms = ", ".join(connection.execute(query).scalars())
    alarms.raise_(
        connection,
        found.institution_id,
        HELPDESK,
        helpdesk_subject(found.id),
        f"a register{f' at {rooms}' if rooms else ''} cannot be marked: whoever marks it tells of an IT fault",
        now_ms,
    )


def helpdesk_subject(session_id: int) -> str:
    """What the alarm about an IT fault is about."""
    return f"session {session_id}"


def open_reports(connection: Connection, session_id: int) -> list[Report]:
    """What was told about a session and is not closed, newest first."""
    return [Report(**row._mapping) for row in connection.execute(_OPEN, {"session": session_id})]


_OPEN = (
    select(
        register_report.c.id,
        register_report.c.kind,
        account.c.shown_name.label("by"),
        register_report.c.created_ms,
        notes.shown().label("note"),
    )
    .join(account, account.c.id == register_report.c.by_account_id)
    .outerjoin(note, note.c.id == register_report.c.note_id)
    .where(register_report.c.session_id == bindparam("session"), register_report.c.closed_ms.is_(None))
    .order_by(register_report.c.id.desc())
    .limit(50)
)


def add_remark(connection: Connection, scope: Scope, session_id: int, text: str, now_ms: int) -> bool:
    """Write a remark on the session. Returns False where it is the same as the account's last one: sent twice.

    Raises NotFound(`session`), StoreError(`remark-empty`).
    """
    if not text:
        raise StoreError("remark-empty", "write something first")
    found = sessions.need(connection, scope, session_id, "register.mark")
    derivations.lock_registers(connection, found.institution_id, [session_id])
    last = connection.execute(
        select(note.c.text)
        .join(remark, remark.c.note_id == note.c.id)
        .where(remark.c.session_id == session_id, remark.c.by_account_id == scope.account_id)
        .order_by(remark.c.id.desc())
        .limit(1)
    ).scalar()
    if last == text:
        return False
    note_id = notes.add(connection, found.institution_id, text, scope.account_id, now_ms)
    connection.execute(
        remark.insert().values(
            institution_id=found.institution_id,
            session_id=session_id,
            note_id=note_id,
            by_account_id=scope.account_id,
            created_ms=now_ms,
        )
    )
    derivations.touch(connection, [session_id])
    return True


def remarks(connection: Connection, session_id: int) -> list[Remark]:
    """The remarks on a session, newest first."""
    return [Remark(**row._mapping) for row in connection.execute(_REMARKS, {"session": session_id})]


_REMARKS = (
    select(account.c.shown_name.label("by"), remark.c.created_ms, notes.shown().label("text"))
    .join(note, note.c.id == remark.c.note_id)
    .join(account, account.c.id == remark.c.by_account_id)
    .where(remark.c.session_id == bindparam("session"), remark.c.person_id.is_(None))
    .order_by(remark.c.id.desc())
    .limit(50)
)
