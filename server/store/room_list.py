"""The rooms of an institution, for whoever tends doors: codes and nothing else; and one more where a door has none."""

from __future__ import annotations

from sqlalchemy import Connection, select

from server.scope import Scope
from server.store import campus, readers
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


def ensure(connection: Connection, scope: Scope, code: str, now_ms: int) -> None:
    """There is a room with this code: it is made, and that is written down, where there was none. Raises NotAllowed."""
    scope.need("doors.tend")
    query = select(room.c.id).where(room.c.institution_id == scope.institution_id, room.c.code == code)
    if connection.execute(query).first() is None:
        made = readers.ensure_room(connection, scope.institution_id, code)
        campus.write_down(connection, scope, "room.add", f"room/{made}", now_ms)
