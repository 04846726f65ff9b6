"""What readers that are believed no more delivered since: whether it counts, asked wherever a swipe gets its room.

The rule is server/policy/revoking.py; store/revocations.py writes the rows.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, bindparam, or_, select, update

from server.policy.revoking import Revoked
from server.store.prepared import Prepared
from server.store.schema import reading, swipe
from server.store.schema_trust import reader_revocation

_OF = Prepared(
    select(reader_revocation.c.reader_id, reader_revocation.c.since_ms, reader_revocation.c.released_ms).where(
        reader_revocation.c.reader_id.in_(bindparam("ids", expanding=True))
    )
)


def of_readers(connection: Connection, reader_ids: Iterable[int]) -> dict[int, Revoked]:
    """Those of these readers that are believed no more, by id."""
    wanted = sorted(set(reader_ids))
    if not wanted:
        return {}
    return {
        row.reader_id: Revoked(since_ms=row.since_ms, released=row.released_ms is not None)
        for row in _OF.all(connection, {"ids": wanted})
    }


def is_believed() -> ColumnElement[bool]:
    """Of a row of `reading`: it came from a reader that is believed, or before that one was stolen. For lists of who was
    seen, in which a forged swipe would say that somebody is safe."""
    late = (
        select(swipe.c.id)
        .join(reader_revocation, reader_revocation.c.reader_id == swipe.c.reader_id)
        .where(swipe.c.id == reading.c.swipe_id, swipe.c.received_ms >= reader_revocation.c.since_ms)
    )
    return ~late.exists()


def take_rooms(connection: Connection, reader_id: int) -> None:
    """Take the room from those of the reader's readings that do not count: without a room a swipe credits nothing."""
    held = of_readers(connection, [reader_id]).get(reader_id)
    if held is None:
        return
    late = select(swipe.c.id).where(swipe.c.reader_id == reader_id, swipe.c.received_ms >= held.since_ms)
    where = [reading.c.reader_id == reader_id, reading.c.swipe_id.in_(late)]
    if held.released:
        where.append(or_(reading.c.at_ms.is_(None), reading.c.at_ms + reading.c.uncertainty_ms >= held.since_ms))
    connection.execute(update(reading).where(*where).values(room_id=None))
