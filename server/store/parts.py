"""What belongs to a session from when to when: its rooms, classes and staff; and what each part of its staff may do."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, Table, and_, or_, select, update

from server.store.schema import session, session_class, session_room, session_staff

#: what a session's staff are: its own; who covers it (LOUGH-9); who handed it over and only reads it from then on
TEACHES, COVER, AWAY = "lecturer", "cover", "away"
#: what belongs to whoever delivers a session, and not to whoever handed it over
DELIVERING = frozenset(
    {
        "register.mark",
        "register.verify",
        "register.cancel",
        "register.notify",
        "request.make",
        "absence.approve",
    }
)


def part_of(act: str) -> ColumnElement[bool]:
    """The condition on session_staff and session under which that row gives its person this act (LOUGH-9, LOUGH-10)."""
    open_ = session_staff.c.to_ms.is_(None)
    # Whoever was taken off before it began does not see it.
    there = or_(open_, session_staff.c.to_ms > session.c.starts_ms)
    if act not in DELIVERING:
        return there
    return and_(there, session_staff.c.role != AWAY, or_(session_staff.c.role != COVER, open_))


def set_rooms(
    connection: Connection, institution_id: int, session_id: int, room_ids: Iterable[int], now_ms: int
) -> bool:
    """These are the session's rooms from now on. Returns whether anything changed.

    A row that goes keeps its time: swipes at a room that the session had at any time in its window still count.
    """
    return _set(connection, session_room, "room_id", institution_id, session_id, room_ids, now_ms)


def set_classes(
    connection: Connection, institution_id: int, session_id: int, class_ids: Iterable[int], now_ms: int
) -> bool:
    """These classes are its class list from now on. Returns whether anything changed."""
    return _set(connection, session_class, "class_id", institution_id, session_id, class_ids, now_ms)


def set_staff(
    connection: Connection, institution_id: int, session_id: int, person_ids: Iterable[int], now_ms: int
) -> bool:
    """These persons teach it from now on; where nobody of them covers it, nobody is away any more. Returns whether
    anything changed."""
    changed = _set(connection, session_staff, "person_id", institution_id, session_id, person_ids, now_ms)
    open_ = and_(session_staff.c.session_id == session_id, session_staff.c.to_ms.is_(None))
    roles = set(connection.execute(select(session_staff.c.role).where(open_)).scalars())
    if AWAY not in roles or COVER in roles:
        return changed
    connection.execute(update(session_staff).where(open_, session_staff.c.role == AWAY).values(role=TEACHES))
    return True


def _set(
    connection: Connection,
    table: Table,
    column: str,
    institution_id: int,
    session_id: int,
    ids: Iterable[int],
    now_ms: int,
) -> bool:
    wanted = set(ids)
    there = {
        getattr(row, column): row.id
        for row in connection.execute(select(table).where(table.c.session_id == session_id, table.c.to_ms.is_(None)))
    }
    gone = [row_id for value, row_id in there.items() if value not in wanted]
    new = sorted(wanted - set(there))
    if gone:
        connection.execute(update(table).where(table.c.id.in_(gone)).values(to_ms=now_ms))
    if new:
        opens_ms = connection.execute(select(session.c.opens_ms).where(session.c.id == session_id)).scalar_one()
        # What is said for the first time, or corrected afterwards, holds for the whole window.
        connection.execute(
            table.insert(),
            [
                {
                    "institution_id": institution_id,
                    "session_id": session_id,
                    column: value,
                    "from_ms": min(now_ms, opens_ms),
                }
                for value in new
            ],
        )
    return bool(gone or new)
