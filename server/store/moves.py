"""Readers that move: another room's door from a time on, written down."""

from __future__ import annotations

from sqlalchemy import Connection

from server.errors import StoreError
from server.scope import Scope
from server.store import campus, readers

TEND = "doors.tend"
#: a move may be said so long after it was made, and planned so long ahead
PAST_MS, AHEAD_MS = 31 * 86_400_000, 400 * 86_400_000


def move(connection: Connection, scope: Scope, name: str, room_code: str | None, *, from_ms: int, now_ms: int) -> None:
    """The reader serves this room's door from then on (None: no door). What it recorded before counts at the door before.

    Raises NotAllowed, NotFound(`reader`, `room`), Refused(`door-kiosk`), StoreError(`move-time`).
    """
    scope.need(TEND)
    if not now_ms - PAST_MS <= from_ms <= now_ms + AHEAD_MS:
        raise StoreError("move-time", "say a time of the last month, or of the coming year")
    readers.move(connection, scope.institution_id, name, room_code, from_ms, now_ms)
    reader_id = readers.by_name(connection, [name])[name].id
    campus.write_down(connection, scope, "reader.move", f"reader:{reader_id}", now_ms, room=room_code, since=from_ms)
