"""Sessions as lists and registers show them (LOUGH-6): with classes, rooms, staff, and how many came."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from server.scope import Scope
from server.store import chunks, sessions
from server.store.parts import AWAY
from server.store.schema import (
    class_group,
    course,
    credit,
    enrolment,
    mark,
    mark_current,
    person_name,
    register,
    room,
    session,
    session_class,
    session_room,
    session_staff,
)


@dataclass(frozen=True, kw_only=True)
class SessionRow:
    """One session as lists and registers show it (LOUGH-6)."""

    id: int
    source: str
    uid: str
    recurrence_id: str
    title: str
    kind: str
    starts_ms: int
    ends_ms: int
    opens_ms: int
    closes_ms: int
    profile: str
    cancelled_ms: int | None
    course_code: str
    course_title: str
    class_codes: tuple[str, ...]
    rooms: tuple[str, ...]
    #: full names
    staff: tuple[str, ...]
    #: on the class list at the start; credited with a swipe; with a mark that has a code
    members: int
    present: int
    marked: int
    #: pending, complete, incomplete
    evidence: str
    version: int
    verified_ms: int | None


def today(connection: Connection, scope: Scope, from_ms: int, to_ms: int) -> list[SessionRow]:
    """The sessions that this scope may see and that start in [from, to), by start."""
    query = (
        select(session)
        .where(sessions.visible(scope), session.c.starts_ms >= from_ms, session.c.starts_ms < to_ms)
        .order_by(session.c.starts_ms, session.c.title, session.c.id)
    )
    return shown(connection, connection.execute(query).all())


def one(connection: Connection, scope: Scope, session_id: int) -> SessionRow:
    """One session. Raises NotFound(`session`)."""
    return shown(connection, [sessions.need(connection, scope, session_id)])[0]


def shown(connection: Connection, rows: Iterable[Any]) -> list[SessionRow]:
    """Rows of `session` that the caller has asked for, with all that a list shows of them."""
    found = list(rows)
    ids = [row.id for row in found]
    classes = _grouped(connection, ids, _CLASSES)
    rooms = _grouped(connection, ids, _ROOMS)
    staff = _grouped(connection, ids, _STAFF)
    counts = _counts(connection, ids)
    registers = {
        row.session_id: row for some in chunks.of(ids) for row in connection.execute(_REGISTERS, {"ids": some})
    }
    made = []
    for row in found:
        mine = classes.get(row.id, [])
        state = registers.get(row.id)
        members, present, marked = counts.get(row.id, (0, 0, 0))
        made.append(
            SessionRow(
                **{name: getattr(row, name) for name in SessionRow.__dataclass_fields__ if name in row._mapping},
                course_code=next((one.course_code for one in mine if one.course_code), ""),
                course_title=next((one.course_title for one in mine if one.course_title), ""),
                class_codes=tuple(dict.fromkeys(one.code for one in mine)),
                rooms=tuple(dict.fromkeys(one.code for one in rooms.get(row.id, []))),
                staff=tuple(dict.fromkeys(one.full_name for one in staff.get(row.id, []))),
                members=members,
                present=present,
                marked=marked,
                evidence=state.evidence if state else "pending",
                version=state.version if state else 0,
                verified_ms=state.verified_ms if state else None,
            )
        )
    return made


# Made once each: a page of a session asks all of them.
_IDS = bindparam("ids", expanding=True)
_CLASSES = (
    select(
        session_class.c.session_id,
        class_group.c.code,
        course.c.code.label("course_code"),
        course.c.title.label("course_title"),
    )
    .join(class_group, class_group.c.id == session_class.c.class_id)
    .outerjoin(course, course.c.id == class_group.c.course_id)
    .where(session_class.c.session_id.in_(_IDS), session_class.c.to_ms.is_(None))
    .order_by(class_group.c.code)
)
_ROOMS = (
    select(session_room.c.session_id, room.c.code)
    .join(room, room.c.id == session_room.c.room_id)
    .where(session_room.c.session_id.in_(_IDS), session_room.c.to_ms.is_(None))
    .order_by(room.c.code)
)
_STAFF = (
    select(session_staff.c.session_id, person_name.c.full_name)
    .join(person_name, person_name.c.person_id == session_staff.c.person_id)
    .where(session_staff.c.session_id.in_(_IDS), session_staff.c.to_ms.is_(None), session_staff.c.role != AWAY)
    .order_by(person_name.c.sort_name, person_name.c.person_id)
)
_REGISTERS = select(register).where(register.c.session_id.in_(_IDS))


def _grouped(connection: Connection, ids: list[int], query: Any) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for some in chunks.of(ids):
        for row in connection.execute(query, {"ids": some}):
            found.setdefault(row.session_id, []).append(row)
    return found


_MEMBERS = (
    select(session.c.id, func.count(enrolment.c.person_id.distinct()))
    .join(session_class, session_class.c.session_id == session.c.id)
    .join(enrolment, enrolment.c.class_id == session_class.c.class_id)
    .where(session.c.id.in_(_IDS), sessions.listed())
    .group_by(session.c.id)
)
_PRESENT = (
    select(credit.c.session_id, func.count())
    .where(credit.c.session_id.in_(_IDS), credit.c.superseded_ms.is_(None))
    .group_by(credit.c.session_id)
)
_MARKED = (
    select(mark_current.c.session_id, func.count())
    .join(mark, mark.c.id == mark_current.c.mark_id)
    .where(mark_current.c.session_id.in_(_IDS), mark.c.code.is_not(None))
    .group_by(mark_current.c.session_id)
)


def _counts(connection: Connection, ids: list[int]) -> dict[int, tuple[int, int, int]]:
    members: dict[int, int] = {}
    present: dict[int, int] = {}
    marked: dict[int, int] = {}
    for some in chunks.of(ids):
        members |= dict(connection.execute(_MEMBERS, {"ids": some}).all())
        present |= dict(connection.execute(_PRESENT, {"ids": some}).all())
        marked |= dict(connection.execute(_MARKED, {"ids": some}).all())
    return {one: (members.get(one, 0), present.get(one, 0), marked.get(one, 0)) for one in ids}
