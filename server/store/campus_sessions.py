"""Sessions as the registry changes them: times, rooms, class lists, staff. What is set by hand an import leaves alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, select, update

from server.errors import Refused
from server.policy.profile import Profiles
from server.scope import Scope
from server.store import campus, campus_classes, derivations, due, history, institutions, sessions, standing
from server.store.campus import FieldRefused
from server.store.imported_registers import touch_registers
from server.store.schema import (
    class_group,
    enrolment,
    mark,
    mark_current,
    person_name,
    room,
    session,
    session_class,
    session_room,
    session_staff,
)
from server.store.upsert import new_id


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
    row = sessions.need(connection, scope, session_id, act)
    query = (
        select(session_staff.c.person_id, person_name.c.full_name)
        .outerjoin(person_name, person_name.c.person_id == session_staff.c.person_id)
        .where(session_staff.c.session_id == session_id, session_staff.c.to_ms.is_(None))
        .order_by(person_name.c.sort_name)
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


def add(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    wanted: Wanted,
    *,
    once: str,
    now_ms: int,
) -> int:
    """Make a session by hand. Raises NotFound(`class`), FieldRefused as `need_possible` says."""
    campus.begin(connection, scope)
    if (there := made_by(connection, scope, once)) is not None:
        return there
    need_possible(wanted)
    for class_id in wanted.classes:
        campus_classes.need(connection, scope, class_id, "campus.change")
    made = connection.execute(
        session.insert().values(
            institution_id=scope.institution_id,
            source=campus.SOURCE,
            uid=once,
            title=wanted.title,
            kind=wanted.kind,
            mode=wanted.mode,
            starts_ms=wanted.starts_ms,
            ends_ms=wanted.ends_ms,
            # The window is worked out below, by the profile.
            opens_ms=wanted.starts_ms,
            closes_ms=wanted.ends_ms,
            profile="port",
            kept_by_hand=True,
        )
    )
    session_id = new_id(made)
    _set(connection, scope, profiles, session_id, wanted, now_ms)
    campus.write_down(
        connection, scope, "session.add", f"session/{session_id}", now_ms, starts_ms=wanted.starts_ms,
        ends_ms=wanted.ends_ms, rooms=sorted(wanted.rooms), classes=sorted(wanted.classes),
    )  # fmt: skip
    return session_id


def need_possible(wanted: Wanted) -> None:
    """Raises FieldRefused(`session-end`, `session-long`, `session-class`)."""
    if wanted.ends_ms <= wanted.starts_ms:
        raise FieldRefused("session-end", "ends", "the end is after the start: correct it")
    if wanted.ends_ms - wanted.starts_ms > 24 * 3_600_000:
        raise FieldRefused("session-long", "ends", "a session lasts at most a day: correct it")
    if not wanted.classes:
        raise FieldRefused("session-class", "classes", "a session has at least one class: its list is whom it is for")


def change(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    session_id: int,
    wanted: Wanted,
    *,
    seen: str,
    now_ms: int,
) -> Effect:
    """Make the session so, and keep it so: imports leave it alone from now on. The effect says what it did.

    Raises NotFound(`session`, `class`), ChangedMeanwhile, FieldRefused(`session-cancelled`, `register-locked` and as `need_possible` says).
    """
    campus.begin(connection, scope)
    before = one(connection, scope, session_id, "campus.change")
    if not differs(before, wanted):
        return effect(connection, before, before, now_ms)
    campus.need_seen(seen, before.seen)
    need_possible(wanted)
    if before.cancelled_ms is not None:
        raise FieldRefused("session-cancelled", "title", "this session is cancelled: make a new one instead")
    try:
        standing.need_open(connection, profiles, sessions.need(connection, scope, session_id, "campus.change"), now_ms)
    except Refused as error:
        raise FieldRefused(error.code, "title", str(error)) from None
    for class_id in wanted.classes - set(before.classes.values()):
        campus_classes.need(connection, scope, class_id, "campus.change")
    students, doors = _students(connection, session_id), _doors(connection, before, now_ms)
    derivations.lock_registers(connection, scope.institution_id, [session_id])
    # Whoever was credited in the old window or at the old room has to be looked at as well.
    due.sessions(connection, scope.institution_id, [session_id], now_ms)
    connection.execute(
        update(session)
        .where(session.c.id == session_id)
        .values(
            title=wanted.title,
            kind=wanted.kind,
            mode=wanted.mode,
            starts_ms=wanted.starts_ms,
            ends_ms=wanted.ends_ms,
            kept_by_hand=True,
        )
    )
    _set(connection, scope, profiles, session_id, wanted, now_ms)
    after = one(connection, scope, session_id, "campus.change")
    history.append(
        connection,
        institution_id=scope.institution_id,
        session_id=session_id,
        kind="timetable",
        body=_cited(before, after),
        by_account_id=scope.account_id,
        now_ms=now_ms,
    )
    campus.write_down(
        connection, scope, "session.change", f"session/{session_id}", now_ms, changed=differs(before, wanted),
        **_told(before, after),
    )  # fmt: skip
    return effect(connection, before, after, now_ms, students=students, doors=doors)


def _cited(before: Session, after: Session) -> dict[str, object]:
    """From what to what in the register's chain: numbers only."""

    def ids(one_: Session) -> dict[str, list[int]]:
        times = [one_.starts_ms, one_.ends_ms, one_.opens_ms, one_.closes_ms]
        return {"times": times, "rooms": sorted(one_.rooms.values()), "classes": sorted(one_.classes.values()),
                "staff": sorted(one_.staff)}  # fmt: skip

    return {"was": ids(before), "is": ids(after)}


def _told(before: Session, after: Session) -> dict[str, object]:
    """From what to what, without names (LOUGH-7)."""
    told: dict[str, object] = {}
    if (before.starts_ms, before.ends_ms) != (after.starts_ms, after.ends_ms):
        told |= {"from": [before.starts_ms, before.ends_ms], "to": [after.starts_ms, after.ends_ms]}
    if before.rooms != after.rooms:
        told |= {"rooms_from": list(before.rooms), "rooms_to": list(after.rooms)}
    if before.classes != after.classes:
        told |= {"classes_from": list(before.classes), "classes_to": list(after.classes)}
    if before.staff != after.staff:
        told |= {"staff_from": sorted(before.staff), "staff_to": sorted(after.staff)}
    return told


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


def _set(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    session_id: int,
    wanted: Wanted,
    now_ms: int,
) -> None:
    here = scope.institution_id
    # Classes first: a profile may be given to a course.
    sessions.set_classes(connection, here, session_id, wanted.classes, now_ms)
    sessions.plan(connection, here, [session_id], now_ms, profiles)
    sessions.set_rooms(connection, here, session_id, wanted.rooms, now_ms)
    sessions.set_staff(connection, here, session_id, wanted.staff, now_ms)
    opens = select(session.c.opens_ms).where(session.c.id == session_id).scalar_subquery()
    for table in (session_class, session_room):
        # What it has, it has for its whole window, also where that was moved to before.
        connection.execute(
            update(table)
            .where(table.c.session_id == session_id, table.c.to_ms.is_(None), table.c.from_ms > opens)
            .values(from_ms=opens)
        )
    touch_registers(connection, session_ids=[session_id])
    due.sessions(connection, here, [session_id], now_ms)
    institutions.campus_changed(connection, here)


def effect(
    connection: Connection,
    before: Session,
    after: Session,
    now_ms: int,
    *,
    students: int | None = None,
    doors: tuple[str, ...] | None = None,
) -> Effect:
    """What lies between the two. students, doors: how it was before, where that cannot be read any more."""
    now = _students(connection, after.id)
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
        doors_before=_doors(connection, before, now_ms) if doors is None else doors,
        doors_after=_doors(connection, after, now_ms),
        marked=marked,
        room_clashes=clashes(connection, after, session_room, "room_id", after.rooms.values()),
        staff_clashes=clashes(connection, after, session_staff, "person_id", after.staff),
    )


def _students(connection: Connection, session_id: int) -> int:
    query = (
        select(func.count(enrolment.c.person_id.distinct()))
        .select_from(session)
        .join(session_class, session_class.c.session_id == session.c.id)
        .join(enrolment, enrolment.c.class_id == session_class.c.class_id)
        .where(session.c.id == session_id, session_class.c.to_ms.is_(None), sessions.listed())
    )
    return connection.execute(query).scalar_one()


def _doors(connection: Connection, one_: Session, now_ms: int) -> tuple[str, ...]:
    return campus_classes.doors_of(connection, [one_.id], now_ms) if one_.rooms else ()


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
