"""Sessions and rooms as a timetable import finds them and leaves them: read whole, written in bulk, never deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, Table, select, update

from server.policy.profile import Profiles
from server.store import due, session_profiles
from server.store.imported import Step, Values, add_many, insert_many, update_many
from server.store.imported_registers import chunks, touch_registers
from server.store.imported_staff import staff_sessions
from server.store.schema import class_group, room, session, session_class, session_room

#: both get their room and class rows by the same code
_TABLES = {"rooms": (session_room, "room_id"), "classes": (session_class, "class_id")}


@dataclass(frozen=True, kw_only=True)
class HeldSession:
    """A session as it is. classes: ids. rooms: codes."""

    id: int
    uid: str
    recurrence_id: str
    title: str
    kind: str
    starts_ms: int
    ends_ms: int
    cancelled: bool
    classes: frozenset[int]
    rooms: frozenset[str]
    #: set or cancelled by a person: an import leaves it alone, and says so
    by_hand: bool = False


@dataclass(frozen=True, kw_only=True)
class HeldTimetable:
    """What the store holds of one source, and of everybody's classes and rooms."""

    sessions: list[HeldSession]
    #: class code -> ids of the classes that have it and are not at an end
    classes: Mapping[str, list[int]]
    #: room code -> id
    rooms: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class SessionChanges:
    """What is to be done. Rows are `WantedSession`s as dicts: uid, recurrence_id, title, kind, starts_ms, ends_ms,
    classes (ids), rooms (codes)."""

    new_rooms: list[str] = field(default_factory=list)
    new: list[Values] = field(default_factory=list)
    #: the same with `id` and `cancelled_ms`
    changed: list[Values] = field(default_factory=list)
    #: ids of sessions that are cancelled
    cancelled: list[int] = field(default_factory=list)

    def any(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.new or self.changed or self.cancelled)


def held_timetable(connection: Connection, institution_id: int, source: str) -> HeldTimetable:
    """What the store holds."""
    classes: dict[str, list[int]] = {}
    query = (
        select(class_group.c.id, class_group.c.code)
        .where(class_group.c.institution_id == institution_id, class_group.c.ended_ms.is_(None))
        .order_by(class_group.c.id)
    )
    for row in connection.execute(query):
        classes.setdefault(row.code, []).append(row.id)
    query = select(room.c.code, room.c.id).where(room.c.institution_id == institution_id)
    rooms = {row.code: row.id for row in connection.execute(query)}
    mine = (session.c.institution_id == institution_id, session.c.source == source)
    of_classes: dict[int, set[int]] = {}
    query = (
        select(session_class.c.session_id, session_class.c.class_id)
        .join(session, session.c.id == session_class.c.session_id)
        .where(*mine, session_class.c.to_ms.is_(None))
    )
    for row in connection.execute(query):
        of_classes.setdefault(row.session_id, set()).add(row.class_id)
    of_rooms: dict[int, set[str]] = {}
    query = (
        select(session_room.c.session_id, room.c.code)
        .join(session, session.c.id == session_room.c.session_id)
        .join(room, room.c.id == session_room.c.room_id)
        .where(*mine, session_room.c.to_ms.is_(None))
    )
    for row in connection.execute(query):
        of_rooms.setdefault(row.session_id, set()).add(row.code)
    found = [
        HeldSession(
            id=row.id,
            uid=row.uid,
            recurrence_id=row.recurrence_id,
            title=row.title,
            kind=row.kind,
            starts_ms=row.starts_ms,
            ends_ms=row.ends_ms,
            cancelled=row.cancelled_ms is not None,
            classes=frozenset(of_classes.get(row.id, ())),
            rooms=frozenset(of_rooms.get(row.id, ())),
            by_hand=row.kept_by_hand or row.cancelled_by_account_id is not None,
        )
        for row in connection.execute(select(session).where(*mine).order_by(session.c.id))
    ]
    return HeldTimetable(sessions=found, classes=classes, rooms=rooms)


def apply_sessions(
    connection: Connection,
    institution_id: int,
    source: str,
    before: HeldTimetable,
    changes: SessionChanges,
    now_ms: int,
    step: Step,
    profiles: Profiles,
) -> None:
    """Do what the changes say, in the caller's transaction, and mark whoever it concerns."""
    own = {"institution_id": institution_id}
    step("rooms")
    rooms = dict(before.rooms)
    made = insert_many(connection, room, [{**own, "code": code} for code in changes.new_rooms])
    rooms |= dict(zip(changes.new_rooms, made, strict=True))
    step("sessions")
    old_ids = [row["id"] for row in changes.changed] + changes.cancelled
    # Whoever was credited in the old window or at the old room has to be looked at as well.
    due.sessions(connection, institution_id, old_ids, now_ms)
    plain = ("uid", "recurrence_id", "title", "kind", "starts_ms", "ends_ms")
    new = [
        # The window is worked out below, by the profile.
        {**own, "source": source, **{name: row[name] for name in plain}, "profile": "port"}
        | {"opens_ms": row["starts_ms"], "closes_ms": row["ends_ms"]}
        for row in changes.new
    ]
    new_ids = insert_many(connection, session, new)
    update_many(connection, session, "id", changes.changed, (*plain, "cancelled_ms"))
    gone = [{"id": session_id, "cancelled_ms": now_ms} for session_id in changes.cancelled]
    update_many(connection, session, "id", gone, ("cancelled_ms",))
    step("windows")
    changed_ids = [row["id"] for row in changes.changed]
    wanted = dict(zip(new_ids, changes.new, strict=True)) | {row["id"]: row for row in changes.changed}
    # Classes first: a profile may be given to a course.
    _set_many(connection, own, "classes", {key: set(row["classes"]) for key, row in wanted.items()}, now_ms)
    keep = _begun(before, changes, now_ms)
    session_profiles.plan(connection, institution_id, wanted, now_ms, profiles, keep=keep)
    step("rooms of sessions")
    by_code = {key: {rooms[code] for code in row["rooms"]} for key, row in wanted.items()}
    _set_many(connection, own, "rooms", by_code, now_ms)
    for table, _ in _TABLES.values():
        _begin_with_window(connection, table, wanted)
    step("staff")
    staff_sessions(connection, institution_id, wanted, now_ms)
    step("registers")
    touch_registers(connection, session_ids=old_ids)
    due.sessions(connection, institution_id, [*new_ids, *changed_ids, *changes.cancelled], now_ms)


def _begun(before: HeldTimetable, changes: SessionChanges, now_ms: int) -> set[int]:
    """The changed sessions that have begun, and keep their rules: neither their kind nor their classes are corrected."""
    was = {one.id: (one.kind, one.classes) for one in before.sessions if one.starts_ms <= now_ms}
    return {
        row["id"]
        for row in changes.changed
        if row["starts_ms"] <= now_ms and was.get(row["id"]) == (row["kind"], row["classes"])
    }


def _set_many(connection: Connection, own: Values, what: str, wanted: Mapping[int, set[int]], now_ms: int) -> None:
    """Give each session these rooms or classes: end what is so no longer, begin what is new."""
    table, column = _TABLES[what]
    held: dict[int, dict[int, int]] = {}
    for ids in chunks(wanted):
        query = select(table.c.id, table.c.session_id, table.c[column]).where(
            table.c.session_id.in_(ids), table.c.to_ms.is_(None)
        )
        for row in connection.execute(query):
            held.setdefault(row.session_id, {})[row[2]] = row.id
    gone = [row_id for key, rows in held.items() for value, row_id in rows.items() if value not in wanted[key]]
    for ids in chunks(gone):
        connection.execute(update(table).where(table.c.id.in_(ids)).values(to_ms=now_ms))
    add_many(
        connection,
        table,
        [
            {**own, "session_id": key, column: value, "from_ms": now_ms}
            for key, values in wanted.items()
            for value in sorted(values - held.get(key, {}).keys())
        ],
    )


def _begin_with_window(connection: Connection, table: Table, session_ids: Iterable[int]) -> None:
    """What a session has, it has for its whole window, also where the window has begun or was moved to before."""
    for ids in chunks(session_ids):
        opens = select(session.c.opens_ms).where(session.c.id == table.c.session_id).scalar_subquery()
        connection.execute(
            update(table)
            .where(table.c.session_id.in_(ids), table.c.to_ms.is_(None), table.c.from_ms > opens)
            .values(from_ms=opens)
        )
