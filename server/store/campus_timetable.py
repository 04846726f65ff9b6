"""Sessions as the registry finds them: by words, and those of a class."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, or_, select

from server.scope import Scope
from server.store import sessions
from server.store.campus_sessions import classes_of, rooms_of
from server.store.schema import class_group, room, session, session_class, session_room

FOUND = 25


@dataclass(frozen=True, kw_only=True)
class Found:
    """A session as a list shows it."""

    id: int
    title: str
    starts_ms: int
    ends_ms: int
    rooms: tuple[str, ...]
    classes: tuple[str, ...]
    cancelled_ms: int | None
    kept_by_hand: bool


def search(
    connection: Connection, scope: Scope, text: str, from_ms: int, to_ms: int, *, limit: int = FOUND
) -> list[Found]:
    """Sessions in reach that start in [from, to) and have all these words in title, class or room, by start."""
    words = text.casefold().split()
    if not words:
        return []
    conditions = []
    for word in words:
        of_class = (
            select(session_class.c.session_id)
            .join(class_group, class_group.c.id == session_class.c.class_id)
            .where(session_class.c.to_ms.is_(None), func.lower(class_group.c.code).contains(word, autoescape=True))
        )
        of_room = (
            select(session_room.c.session_id)
            .join(room, room.c.id == session_room.c.room_id)
            .where(session_room.c.to_ms.is_(None), func.lower(room.c.code).contains(word, autoescape=True))
        )
        named = func.lower(session.c.title).contains(word, autoescape=True)
        conditions.append(or_(named, session.c.id.in_(of_class), session.c.id.in_(of_room)))
    query = (
        select(session)
        .where(sessions.visible(scope, "campus.read"), session.c.starts_ms >= from_ms, session.c.starts_ms < to_ms)
        .where(*conditions)
        .order_by(session.c.starts_ms, session.c.title, session.c.id)
        .limit(limit)
    )
    rows = connection.execute(query).all()
    return [_found(connection, row) for row in rows]


def of_class(connection: Connection, class_id: int, from_ms: int, *, limit: int = 20) -> list[Found]:
    """The next sessions of a class. The caller has asked for the class."""
    query = (
        select(session)
        .join(session_class, session_class.c.session_id == session.c.id)
        .where(session_class.c.class_id == class_id, session_class.c.to_ms.is_(None), session.c.ends_ms > from_ms)
        .order_by(session.c.starts_ms, session.c.id)
        .limit(limit)
    )
    return [_found(connection, row) for row in connection.execute(query).all()]


def _found(connection: Connection, row) -> Found:  # noqa: ANN001  a row of `session`
    return Found(
        id=row.id,
        title=row.title,
        starts_ms=row.starts_ms,
        ends_ms=row.ends_ms,
        rooms=tuple(rooms_of(connection, row.id)),
        classes=tuple(classes_of(connection, row.id)),
        cancelled_ms=row.cancelled_ms,
        kept_by_hand=row.kept_by_hand,
    )
