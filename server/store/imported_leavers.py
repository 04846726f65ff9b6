"""Whom an import ends delivers no session any more, as where the registry says that somebody has left; and the sessions
that nobody delivers then."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection, select

from server.scope import Scope
from server.store import chunks, cover
from server.store.parts import AWAY
from server.store.schema import session, session_staff


def delivered(connection: Connection, person_ids: Iterable[int], now_ms: int) -> set[int]:
    """The sessions, not over and not cancelled, in which these people have a part."""
    return {row.id for row in _parts(connection, person_ids, now_ms) if row.cancelled_ms is None}


def leave(
    connection: Connection, scope: Scope, person_ids: Iterable[int], session_ids: Collection[int], now_ms: int
) -> list[int]:
    """They have a part in no session that is not over, set by hand or covered. session_ids: what they delivered before the
    import. Returns those of them that nobody delivers any more."""
    for person_id in sorted({row.person_id for row in _parts(connection, person_ids, now_ms)}):
        cover.left(connection, scope, person_id, now_ms)
    held: set[int] = set()
    for ids in chunks.of(sorted(session_ids)):
        query = select(session_staff.c.session_id).where(
            session_staff.c.session_id.in_(ids), session_staff.c.to_ms.is_(None), session_staff.c.role != AWAY
        )
        held.update(connection.execute(query).scalars())
    return sorted(set(session_ids) - held)


def _parts(connection: Connection, person_ids: Iterable[int], now_ms: int) -> list[Any]:
    found: list[Any] = []
    for ids in chunks.of(sorted(person_ids)):
        query = (
            select(session.c.id, session.c.cancelled_ms, session_staff.c.person_id)
            .join(session_staff, session_staff.c.session_id == session.c.id)
            .where(session_staff.c.person_id.in_(ids), session_staff.c.to_ms.is_(None), session.c.closes_ms > now_ms)
        )
        found += connection.execute(query)
    return found
