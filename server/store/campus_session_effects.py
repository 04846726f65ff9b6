"""What a change of a session does: whom it is for, which doors take their cards, what else is at that time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, or_, select

from server.store import due, sessions
from server.store.campus_sessions import Session
from server.store.schema import (
    enrolment,
    mark,
    mark_current,
    placement,
    room,
    session,
    session_class,
    session_room,
    session_staff,
)


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a change of a session would do."""

    before: Session
    after: Session
    #: on the list at its start, before and after
    students_before: int
    students_after: int
    #: rooms at whose door a reader stands, before and after
    doors_before: tuple[str, ...]
    doors_after: tuple[str, ...]
    #: marks with a code that are there
    marked: int
    #: titles of other sessions in its rooms, or of its staff, at that time
    room_clashes: tuple[str, ...]
    staff_clashes: tuple[str, ...]


def between(
    connection: Connection,
    before: Session,
    after: Session,
    now_ms: int,
    *,
    students: int | None = None,
    doors: tuple[str, ...] | None = None,
) -> Effect:
    """What lies between the two. students, doors: how it was before, where that cannot be read any more."""
    now = students_of(connection, after.id)
    marked = connection.execute(
        select(func.count())
        .select_from(mark_current)
        .join(mark, mark.c.id == mark_current.c.mark_id)
        .where(mark_current.c.session_id == after.id, mark.c.code.is_not(None))
    ).scalar_one()
    return Effect(
        before=before,
        after=after,
        students_before=now if students is None else students,
        students_after=now,
        doors_before=doors_at(connection, before, now_ms) if doors is None else doors,
        doors_after=doors_at(connection, after, now_ms),
        marked=marked,
        room_clashes=clashes(connection, after, session_room, "room_id", after.rooms.values()),
        staff_clashes=clashes(connection, after, session_staff, "person_id", after.staff),
    )


def students_of(connection: Connection, session_id: int) -> int:
    """How many are on its list at its start."""
    query = (
        select(func.count(enrolment.c.person_id.distinct()))
        .select_from(session)
        .join(session_class, session_class.c.session_id == session.c.id)
        .join(enrolment, enrolment.c.class_id == session_class.c.class_id)
        .where(session.c.id == session_id, session_class.c.to_ms.is_(None), sessions.listed())
    )
    return connection.execute(query).scalar_one()


def doors_at(connection: Connection, one_: Session, now_ms: int) -> tuple[str, ...]:
    """The doors that take its cards."""
    return doors_of(connection, [one_.id], now_ms) if one_.rooms else ()


def clashes(connection: Connection, here: Session, table, column: str, ids: Iterable[int]) -> tuple[str, ...]:  # noqa: ANN001
    """Titles of other sessions with one of these rooms, or persons, at that time."""
    query = (
        select(session.c.title)
        .join(table, table.c.session_id == session.c.id)
        .where(
            table.c[column].in_(list(ids)),
            table.c.to_ms.is_(None),
            session.c.id != here.id,
            session.c.cancelled_ms.is_(None),
            and_(session.c.starts_ms < here.ends_ms, session.c.ends_ms > here.starts_ms),
        )
        .order_by(session.c.starts_ms, session.c.id)
        .limit(5)
    )
    return tuple(dict.fromkeys(connection.execute(query).scalars()))


def doors_of(connection: Connection, session_ids: Iterable[int], now_ms: int) -> tuple[str, ...]:
    """The names of the rooms of these sessions at whose doors a reader stands now."""
    ids = list(session_ids)[: due.CHUNK]
    query = (
        select(room.c.code)
        .join(session_room, session_room.c.room_id == room.c.id)
        .join(placement, placement.c.room_id == room.c.id)
        .where(
            session_room.c.session_id.in_(ids),
            session_room.c.to_ms.is_(None),
            placement.c.from_ms <= now_ms,
            or_(placement.c.to_ms.is_(None), placement.c.to_ms > now_ms),
        )
        .distinct()
        .order_by(room.c.code)
    )
    return tuple(connection.execute(query).scalars())
