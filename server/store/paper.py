"""Paper registers (LOUGH-4): said, transferred, destroyed; each with who and when. Off-site registers (LOUGH-3) with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, or_, select, update

from server.errors import Refused
from server.scope import Scope
from server.store import campus, sessions, standing, upsert
from server.store.schema import account, mark, mark_current, session
from server.store.schema_work import paper_register

#: what a timetable calls teaching away from the college; how a register on paper is marked, whatever the session is
OFF_SITE, PAPER = "off-site", "paper"


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A session whose register was kept on paper, or is taught off site."""

    session_id: int
    title: str
    starts_ms: int
    ends_ms: int
    mode: str
    profile: str
    #: None: nobody said that it is on paper
    said_ms: int | None
    said_by: str | None
    transferred_ms: int | None
    destroyed_ms: int | None


def mode() -> ColumnElement[str]:
    """How a session's register is marked, on session with paper_register (or none of it) beside it: by LOUGH-4 where it
    is on paper."""
    return case((paper_register.c.session_id.is_not(None), PAPER), else_=session.c.mode)


def say(connection: Connection, scope: Scope, session_id: int, *, now_ms: int) -> bool:
    """The register of this session is kept on paper. Said before: False. Raises NotFound(`session`), Refused."""
    found = sessions.need(connection, scope, session_id, "register.mark")
    if found.cancelled_ms is not None:
        raise Refused("session-cancelled", "this session is cancelled: it has no register to keep")
    # By what comes back: PostgreSQL's driver counts no rows of an insert.
    made = connection.execute(
        upsert.unless_there(connection, paper_register, ("session_id",), returning=("session_id",)),
        {
            "session_id": session_id,
            "institution_id": scope.institution_id,
            "said_ms": now_ms,
            "said_by_account_id": scope.account_id,
        },
    ).all()
    if made:
        campus.write_down(connection, scope, "paper.said", f"session/{session_id}", now_ms)
    return bool(made)


def transferred(connection: Connection, scope: Scope, session_id: int, *, now_ms: int) -> bool:
    """Its marks are on the register here now. Said before: False.

    Raises NotFound(`session`), Refused(`paper-none`, `paper-early`, `paper-unmarked`).
    """
    found = sessions.need(connection, scope, session_id, "register.mark")
    row = _row(connection, session_id)
    if row.transferred_ms is not None:
        return False
    if now_ms < found.starts_ms:
        raise Refused("paper-early", "this session has not begun: there is nothing to transfer yet")
    missing = _unmarked(connection, session_id)
    if missing:
        who = "1 student has" if missing == 1 else f"{missing} students have"
        raise Refused("paper-unmarked", f"{who} no mark on the register here: transfer the marks first, then say so")
    connection.execute(
        update(paper_register)
        .where(paper_register.c.session_id == session_id)
        .values(transferred_ms=now_ms, transferred_by_account_id=scope.account_id)
    )
    campus.write_down(connection, scope, "paper.transferred", f"session/{session_id}", now_ms)
    return True


def _unmarked(connection: Connection, session_id: int) -> int:
    """How many on the list have no mark."""
    marked = (
        select(mark_current.c.person_id)
        .join(mark, mark.c.id == mark_current.c.mark_id)
        .where(mark_current.c.session_id == session_id, mark.c.code.is_not(None))
    )
    return len(set(standing.members(connection, session_id)) - set(connection.execute(marked).scalars()))


def destroyed(connection: Connection, scope: Scope, session_id: int, *, now_ms: int) -> bool:
    """The paper is destroyed. Said before: False. Raises NotFound(`session`), Refused(`paper-none`, `paper-kept`)."""
    sessions.need(connection, scope, session_id, "register.mark")
    row = _row(connection, session_id)
    if row.destroyed_ms is not None:
        return False
    if row.transferred_ms is None:
        raise Refused("paper-kept", "keep the paper until its marks are transferred: then say so here first")
    connection.execute(
        update(paper_register)
        .where(paper_register.c.session_id == session_id)
        .values(destroyed_ms=now_ms, destroyed_by_account_id=scope.account_id)
    )
    campus.write_down(connection, scope, "paper.destroyed", f"session/{session_id}", now_ms)
    return True


def _row(connection: Connection, session_id: int) -> Any:
    row = connection.execute(select(paper_register).where(paper_register.c.session_id == session_id)).first()
    if row is None:
        raise Refused("paper-none", "nobody said that this register is on paper: say that first")
    return row


def listed(connection: Connection, scope: Scope, since_ms: int, now_ms: int, limit: int = 200) -> list[Paper]:
    """Paper registers that are not done with, and off-site sessions since then, in this scope, oldest first."""
    unfinished = and_(paper_register.c.session_id.is_not(None), paper_register.c.destroyed_ms.is_(None))
    off_site = and_(session.c.mode == OFF_SITE, session.c.starts_ms <= now_ms, session.c.cancelled_ms.is_(None))
    return _read(
        connection,
        and_(
            sessions.visible(scope, "register.mark"),
            or_(unfinished, and_(session.c.starts_ms >= since_ms, or_(off_site, paper_register.c.said_ms >= since_ms))),
        ),
        limit,
    )


def _read(connection: Connection, where: Any, limit: int) -> list[Paper]:
    query = (
        select(
            session.c.id.label("session_id"),
            session.c.title,
            session.c.starts_ms,
            session.c.ends_ms,
            session.c.mode,
            session.c.profile,
            paper_register.c.said_ms,
            account.c.shown_name.label("said_by"),
            paper_register.c.transferred_ms,
            paper_register.c.destroyed_ms,
        )
        .outerjoin(paper_register, paper_register.c.session_id == session.c.id)
        .outerjoin(account, account.c.id == paper_register.c.said_by_account_id)
        .where(where)
        .order_by(session.c.starts_ms, session.c.id)
        .limit(limit)
    )
    return [Paper(**row._mapping) for row in connection.execute(query)]
