"""Old head statements: read in their order, and thinned (policy/head_keeping.py says which stay)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, and_, delete, func, or_, select

from server.policy.head_keeping import Stated
from server.store.schema import head, placement, reader, session, session_room
from server.store.schema_residence import kiosk


def readers(connection: Connection) -> list[int]:
    """Every reader, ended ones too."""
    return list(connection.execute(select(reader.c.id).order_by(reader.c.id)).scalars())


def is_kiosk(connection: Connection, reader_id: int) -> bool:
    """Whether it is, or ever was, a kiosk of the residence."""
    return connection.execute(select(kiosk.c.id).where(kiosk.c.reader_id == reader_id).limit(1)).first() is not None


def newest(connection: Connection, reader_id: int, before_ms: int) -> int | None:
    """The time of a reader's newest head before this. It stays, and whatever was stated with it."""
    query = select(func.max(head.c.wall_ms)).where(
        head.c.reader_id == reader_id, head.c.wall_ms < before_ms, head.c.clock != "none"
    )
    return connection.execute(query).scalar()


def timed(
    connection: Connection, reader_id: int, after: tuple[int, int], before_ms: int, came_before_ms: int, limit: int
) -> list[Stated]:
    """A reader's heads with a time, in its order. after: time and id of the last one that was read. Those that came
    later than came_before_ms are passed over: gateways may bring them again."""
    wall_ms, number = after
    query = (
        select(*(head.c[name] for name in ("id", "wall_ms", "uncertainty_ms", "clock", "held_ms", "boot_ms", "able")))
        .where(
            head.c.reader_id == reader_id,
            head.c.wall_ms >= wall_ms,
            or_(head.c.wall_ms > wall_ms, head.c.id > number),
            head.c.wall_ms < before_ms,
            head.c.received_ms < came_before_ms,
        )
        .order_by(head.c.wall_ms, head.c.id)
        .limit(limit)
    )
    return [
        Stated(
            id=row.id,
            wall_ms=row.wall_ms,
            timed=row.clock != "none",
            uncertainty_ms=row.uncertainty_ms or 0,
            held=row.held_ms is not None,
            boot_ms=row.boot_ms,
            able=row.able,
        )
        for row in connection.execute(query)
    ]


def untimed(connection: Connection, reader_id: int, came_before_ms: int, limit: int) -> list[int]:
    """Ids of a reader's heads that were stated without a time and are held: no door was known by them. Its newest head
    stays, whatever it is."""
    last = select(func.max(head.c.id)).where(head.c.reader_id == reader_id).scalar_subquery()
    query = (
        select(head.c.id)
        .where(
            head.c.reader_id == reader_id,
            head.c.wall_ms.is_(None),
            head.c.held_ms.is_not(None),
            head.c.received_ms < came_before_ms,
            head.c.id < last,
        )
        .limit(limit)
    )
    return list(connection.execute(query).scalars())


def closes(connection: Connection, reader_id: int, after_ms: int | None, until_ms: int) -> list[int]:
    """When sessions closed at whose rooms the reader was placed in their windows (store/evidence.py), in order."""
    query = (
        select(session.c.closes_ms)
        .join(session_room, session_room.c.session_id == session.c.id)
        .join(placement, placement.c.room_id == session_room.c.room_id)
        .where(
            placement.c.reader_id == reader_id,
            session.c.closes_ms <= until_ms,
            session_room.c.from_ms <= session.c.closes_ms,
            or_(session_room.c.to_ms.is_(None), session_room.c.to_ms > session.c.opens_ms),
            placement.c.from_ms <= session.c.closes_ms,
            or_(placement.c.to_ms.is_(None), placement.c.to_ms > session.c.opens_ms),
        )
        .distinct()
        .order_by(session.c.closes_ms)
    )
    if after_ms is not None:
        query = query.where(session.c.closes_ms > after_ms)
    return list(connection.execute(query).scalars())


def remove(connection: Connection, ids: Sequence[int]) -> int:
    """Remove heads, but none that is not covered. Returns how many went."""
    gone = 0
    for start in range(0, len(ids), 500):
        some = and_(head.c.id.in_(ids[start : start + 500]), head.c.held_ms.is_not(None))
        gone += connection.execute(delete(head).where(some)).rowcount
    return gone
