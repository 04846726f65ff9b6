"""Who can cover a session: colleagues who teach and can sign in (LOUGH-9)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, exists, or_, select

from server.scope import Scope
from server.store import cover, parts, rights, sessions
from server.store.schema import account, person_name, session_staff
from server.store.schema_rights import account_role

#: as many are listed
MOST = 500


@dataclass(frozen=True, kw_only=True)
class Colleague:
    """One of them."""

    person_id: int
    full_name: str


def free(connection: Connection, scope: Scope, session_id: int, now_ms: int) -> list[Colleague]:
    """Who may take this session over: not those who have it already. Raises NotFound(`session`)."""
    found = sessions.need(connection, scope, session_id, "register.cover")
    teaches = exists().where(
        account.c.person_id == person_name.c.person_id,
        rights.opens(),
        account_role.c.account_id == account.c.id,
        account_role.c.role.in_(cover.TEACHING),
        account_role.c.from_ms <= now_ms,
        or_(account_role.c.to_ms.is_(None), account_role.c.to_ms > now_ms),
    )
    has_it = exists().where(
        session_staff.c.session_id == session_id,
        session_staff.c.person_id == person_name.c.person_id,
        session_staff.c.to_ms.is_(None),
    )
    query = (
        select(person_name.c.person_id, person_name.c.full_name)
        .where(person_name.c.institution_id == found.institution_id, teaches, ~has_it)
        .order_by(person_name.c.sort_name, person_name.c.person_id)
        .limit(MOST)
    )
    return [Colleague(**row._mapping) for row in connection.execute(query)]


def covering(connection: Connection, session_id: int) -> list[Colleague]:
    """Who covers it now."""
    return _with_part(connection, session_id, parts.COVER)


def teaching(connection: Connection, session_id: int) -> list[Colleague]:
    """Its own staff, but those who handed it over."""
    return _with_part(connection, session_id, parts.TEACHES)


def handed_over(connection: Connection, scope: Scope, session_id: int) -> list[Colleague] | None:
    """Who covers the session, where whoever looks handed it over; None: they did not."""
    away = {one.person_id for one in _with_part(connection, session_id, parts.AWAY)}
    return covering(connection, session_id) if scope.person_id in away else None


def _with_part(connection: Connection, session_id: int, part: str) -> list[Colleague]:
    query = (
        select(person_name.c.person_id, person_name.c.full_name)
        .join(session_staff, session_staff.c.person_id == person_name.c.person_id)
        .where(
            session_staff.c.session_id == session_id,
            session_staff.c.role == part,
            session_staff.c.to_ms.is_(None),
        )
        .order_by(person_name.c.sort_name, person_name.c.person_id)
    )
    return [Colleague(**row._mapping) for row in connection.execute(query)]
