"""Bursary granted for a session without a change of its mark (LOUGH-35, and by the same way LOUGH-37)."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from server.store.schema_work import bursary_grant


def grant(
    connection: Connection,
    institution_id: int,
    session_id: int,
    person_ids: Iterable[int],
    *,
    request_id: int | None,
    account_id: int,
    now_ms: int,
) -> list[int]:
    """Grant it to these students for this session; who has it keeps it. The caller holds the register's lock. Returns
    to whom it is new."""
    wanted = sorted(set(person_ids))
    there = granted(connection, session_id)
    new = [one for one in wanted if one not in there]
    if new:
        connection.execute(
            bursary_grant.insert(),
            [
                {
                    "institution_id": institution_id,
                    "request_id": request_id,
                    "session_id": session_id,
                    "person_id": one,
                    "by_account_id": account_id,
                    "created_ms": now_ms,
                }
                for one in new
            ],
        )
    return new


def granted(connection: Connection, session_id: int) -> frozenset[int]:
    """To which students it is granted for this session."""
    return frozenset(
        connection.execute(select(bursary_grant.c.person_id).where(bursary_grant.c.session_id == session_id)).scalars()
    )
