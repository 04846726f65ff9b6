"""Readers that move: another room's door from a time on, written down."""

from __future__ import annotations

from sqlalchemy import Connection, and_, or_, select

from server.errors import StoreError
from server.scope import Scope
from server.store import campus, readers
from server.store.schema import placement, room

TEND = "doors.tend"
#: a move may be said so long after it was made, and planned so long ahead
PAST_MS, AHEAD_MS = 31 * 86_400_000, 400 * 86_400_000


def move(
    connection: Connection,
    scope: Scope,
    name: str,
    room_code: str | None,
    *,
    from_ms: int,
    now_ms: int,
    bounded: bool = True,
) -> None:
    """The reader serves this room's door from then on (None: no door). What it recorded before counts at the door before.
    bounded: a time that is far off is a slip of the hand. One that is there already changes nothing and is not written down.

    Raises NotAllowed, NotFound(`reader`, `room`), Refused(`door-kiosk`), StoreError(`move-time`).
    """
    scope.need(TEND)
    if bounded and not now_ms - PAST_MS <= from_ms <= now_ms + AHEAD_MS:
        raise StoreError("move-time", "say a time of the last month, or of the coming year")
    found = readers.by_name(connection, [name]).get(name)
    ours = found is not None and found.institution_id == scope.institution_id and found.ended_ms is None
    if found is not None and ours and room_code is not None and _is_there(connection, found.id, room_code, from_ms):
        return
    readers.move(connection, scope.institution_id, name, room_code, from_ms, now_ms)
    reader_id = readers.by_name(connection, [name])[name].id
    campus.write_down(connection, scope, "reader.move", f"reader:{reader_id}", now_ms, room=room_code, since=from_ms)


def _is_there(connection: Connection, reader_id: int, room_code: str, from_ms: int) -> bool:
    """Whether it serves this room's door from then on, and no other one later: a form sent twice."""
    query = (
        select(room.c.code, placement.c.from_ms, placement.c.to_ms)
        .join(room, room.c.id == placement.c.room_id)
        .where(
            placement.c.reader_id == reader_id,
            or_(
                placement.c.to_ms.is_(None),
                # One that was planned and taken back ends where it begins: it never held.
                and_(placement.c.to_ms > from_ms, placement.c.to_ms > placement.c.from_ms),
            ),
        )
    )
    held = connection.execute(query).all()
    return len(held) == 1 and held[0].code == room_code and held[0].to_ms is None and held[0].from_ms <= from_ms
