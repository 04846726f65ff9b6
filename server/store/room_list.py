"""The rooms of an institution, for whoever tends doors: codes and nothing else."""

from __future__ import annotations

from sqlalchemy import Connection, select

from server.scope import Scope
from server.store.schema import room


def codes(connection: Connection, scope: Scope) -> list[str]:
    """The code of every room that has not ended, in order. Raises NotAllowed."""
    scope.need("doors.tend")
    query = (
        select(room.c.code)
        .where(room.c.institution_id == scope.institution_id, room.c.ended_ms.is_(None))
        .order_by(room.c.code)
    )
    return list(connection.execute(query).scalars())
