"""Sessions as the registry keeps them: times, rooms, class lists, staff; and as a form wants them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from server.scope import Scope
from server.store import campus, sessions
from server.store.schema import class_group, person_name, room, session, session_class, session_room, session_staff


@dataclass(frozen=True, kw_only=True)
class Session:
    """A session with what the registry sets. rooms, classes: code -> id; staff: name -> id."""

    id: int
    source: str
    title: str
    kind: str
    mode: str
    starts_ms: int
    ends_ms: int
    opens_ms: int
    closes_ms: int
    profile: str
    cancelled_ms: int | None
    kept_by_hand: bool
    rooms: Mapping[str, int]
    classes: Mapping[str, int]
    staff: Mapping[int, str]

    @property
    def seen(self) -> str:
        """Stands for everything here."""
        return campus.digest(self)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A session as a form wants it. Ids of rooms, classes and persons."""

    title: str
    kind: str
    mode: str
    starts_ms: int
    ends_ms: int
    rooms: frozenset[int]
    classes: frozenset[int]
    staff: frozenset[int]


def rooms_of(connection: Connection, session_id: int) -> dict[str, int]:
    """Code -> id of the rooms that it has."""
    query = (
        select(room.c.code, room.c.id)
        .join(session_room, session_room.c.room_id == room.c.id)
        .where(session_room.c.session_id == session_id, session_room.c.to_ms.is_(None))
        .order_by(room.c.code)
    )
    return {row.code: row.id for row in connection.execute(query)}


def classes_of(connection: Connection, session_id: int) -> dict[str, int]:
    """Code -> id of the classes that are its list."""
    query = (
        select(class_group.c.code, class_group.c.id)
        .join(session_class, session_class.c.class_id == class_group.c.id)
        .where(session_class.c.session_id == session_id, session_class.c.to_ms.is_(None))
        .order_by(class_group.c.code)
    )
    return {row.code: row.id for row in connection.execute(query)}


def one(connection: Connection, scope: Scope, session_id: int, act: str = "campus.read") -> Session:
    """A session with what the registry sets. Raises NotFound(`session`)."""
    sessions.need(connection, scope, session_id, act)
    return as_it_is(connection, session_id)


def reached(connection: Connection, scope: Scope, session_id: int) -> bool:
    """Whether the registry's page of it is this scope's."""
    query = select(session.c.id).where(session.c.id == session_id, sessions.visible(scope, "campus.read"))
    return connection.execute(query).first() is not None


def as_it_is(connection: Connection, session_id: int) -> Session:
    """The same, whoever may see it: the caller has asked for it."""
    row = connection.execute(select(session).where(session.c.id == session_id)).one()
    query = (
        select(session_staff.c.person_id, person_name.c.full_name)
        .outerjoin(person_name, person_name.c.person_id == session_staff.c.person_id)
        .where(session_staff.c.session_id == session_id, session_staff.c.to_ms.is_(None))
        .order_by(person_name.c.sort_name, person_name.c.person_id)
    )
    plain = ("id", "source", "title", "kind", "mode", "starts_ms", "ends_ms", "opens_ms", "closes_ms", "profile",
             "cancelled_ms", "kept_by_hand")  # fmt: skip
    return Session(
        **{name: getattr(row, name) for name in plain},
        rooms=rooms_of(connection, session_id),
        classes=classes_of(connection, session_id),
        staff={found.person_id: found.full_name or "(name erased)" for found in connection.execute(query)},
    )


def made_by(connection: Connection, scope: Scope, once: str) -> int | None:
    """The session that this form has made already: it was sent twice."""
    return connection.execute(
        select(session.c.id).where(
            session.c.institution_id == scope.institution_id, session.c.source == campus.SOURCE, session.c.uid == once
        )
    ).scalar()


def differs(before: Session, wanted: Wanted) -> list[str]:
    """What would change, by the words that the pages use."""
    pairs = {
        "title": (before.title, wanted.title),
        "kind": (before.kind, wanted.kind),
        "place": (before.mode, wanted.mode),
        "times": ((before.starts_ms, before.ends_ms), (wanted.starts_ms, wanted.ends_ms)),
        "rooms": (frozenset(before.rooms.values()), wanted.rooms),
        "classes": (frozenset(before.classes.values()), wanted.classes),
        "staff": (frozenset(before.staff), wanted.staff),
    }
    return [word for word, (old, new) in pairs.items() if old != new]
