"""What was told about registers (LOUGH-5, LOUGH-12), as the registers team works through it. Telling: reports.py."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from server.errors import NotFound
from server.scope import Scope
from server.store import alarms, campus, derivations, history, notes, sessions
from server.store.reports import HELPDESK, IT_FAULT, helpdesk_subject
from server.store.schema import account, note, session
from server.store.schema_work import register_report


@dataclass(frozen=True, kw_only=True)
class Report:
    """Something that was told about a register: not mine (LOUGH-12), cannot be marked (LOUGH-5), somebody on it has
    completed (LOUGH-C)."""

    id: int
    session_id: int
    title: str
    starts_ms: int
    #: not-mine, it-fault, problem, completed
    kind: str
    created_ms: int
    #: shown name of the account
    by: str
    #: None: nothing was written, or it was erased
    note: str | None
    closed_ms: int | None
    closed_by: str | None


_BY, _CLOSED_BY = account.alias("told_by"), account.alias("closed_by")
#: so many are shown
REPORTS_MAX = 200


def reports(connection: Connection, scope: Scope, *, closed: bool = False) -> list[Report]:
    """What was told about registers that `report.close` reaches, and is open; the oldest first; or what was seen to,
    the newest first."""
    scope.need("report.close")
    query = (
        select(
            register_report.c.id,
            register_report.c.session_id,
            session.c.title,
            session.c.starts_ms,
            register_report.c.kind,
            register_report.c.created_ms,
            _BY.c.shown_name.label("by"),
            notes.shown().label("note"),
            register_report.c.closed_ms,
            _CLOSED_BY.c.shown_name.label("closed_by"),
        )
        .select_from(register_report)
        .join(session, session.c.id == register_report.c.session_id)
        .join(_BY, _BY.c.id == register_report.c.by_account_id)
        .outerjoin(_CLOSED_BY, _CLOSED_BY.c.id == register_report.c.closed_by_account_id)
        .outerjoin(note, note.c.id == register_report.c.note_id)
        .where(
            sessions.visible(scope, "report.close"),
            register_report.c.closed_ms.is_not(None) if closed else register_report.c.closed_ms.is_(None),
        )
        .order_by(register_report.c.id.desc() if closed else register_report.c.id)
        .limit(REPORTS_MAX)
    )
    return [Report(**row._mapping) for row in connection.execute(query)]


def close(connection: Connection, scope: Scope, report_id: int, now_ms: int) -> bool:
    """It was seen to. False: it was already. Raises NotFound(`report`)."""
    scope.need("report.close")
    query = (
        select(register_report)
        .join(session, session.c.id == register_report.c.session_id)
        .where(register_report.c.id == report_id, sessions.visible(scope, "report.close"))
    )
    row = connection.execute(query).first()
    if row is None:
        raise NotFound("report", "there is no such report, or it is not yours")
    derivations.lock_registers(connection, row.institution_id, [row.session_id])
    done = connection.execute(
        update(register_report)
        .where(register_report.c.id == report_id, register_report.c.closed_ms.is_(None))
        .values(closed_ms=now_ms, closed_by_account_id=scope.account_id)
    )
    if done.rowcount:
        history.append(
            connection,
            institution_id=row.institution_id,
            session_id=row.session_id,
            kind="report-closed",
            body={"report": report_id},
            by_account_id=scope.account_id,
            now_ms=now_ms,
        )
        still = select(register_report.c.id).where(
            register_report.c.session_id == row.session_id,
            register_report.c.kind == IT_FAULT,
            register_report.c.closed_ms.is_(None),
        )
        if row.kind == IT_FAULT and connection.execute(still).first() is None:
            alarms.over(connection, row.institution_id, HELPDESK, helpdesk_subject(row.session_id), now_ms)
        campus.write_down(connection, scope, "report.close", f"report/{report_id}", now_ms)
    return bool(done.rowcount)
