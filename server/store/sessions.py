"""Sessions: their windows by the profile; rooms, classes and staff from and to; and who may see which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    bindparam,
    exists,
    false,
    func,
    or_,
    select,
    true,
    update,
)

from server.errors import NotFound
from server.policy import profile as profiles_
from server.policy.profile import Profiles
from server.scope import Scope
from server.store.parts import AWAY as AWAY
from server.store.parts import COVER as COVER
from server.store.parts import DELIVERING as DELIVERING
from server.store.parts import TEACHES as TEACHES
from server.store.parts import part_of as part_of
from server.store.parts import set_classes as set_classes
from server.store.parts import set_rooms as set_rooms
from server.store.parts import set_staff as set_staff
from server.store.schema import (
    class_group,
    course,
    credit,
    enrolment,
    mark,
    mark_current,
    person_name,
    profile_assignment,
    register,
    room,
    session,
    session_class,
    session_room,
    session_staff,
)

#: the narrowest wins
SCOPES = ("session", "session_kind", "course", "programme", "institution")
CHUNK = 500


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


def plan(
    connection: Connection,
    institution_id: int,
    session_ids: Iterable[int],
    now_ms: int,
    profiles: Profiles,
) -> None:
    """Work out profile and window of these sessions, from the assignments that hold at their start (PORT-2)."""
    known = profiles
    assigned = connection.execute(
        select(profile_assignment)
        .where(profile_assignment.c.institution_id == institution_id)
        .order_by(profile_assignment.c.from_ms)
    ).all()
    rows = []
    for ids in _chunks(session_ids):
        of_course: dict[int, tuple[int | None, int | None]] = {}
        if any(one.scope in ("course", "programme") for one in assigned):
            query = (
                select(session_class.c.session_id, course.c.id, course.c.programme_id)
                .join(class_group, class_group.c.id == session_class.c.class_id)
                .join(course, course.c.id == class_group.c.course_id)
                .where(session_class.c.session_id.in_(ids))
                .order_by(session_class.c.id.desc())
            )
            of_course = {row.session_id: (row.id, row.programme_id) for row in connection.execute(query)}
        query = select(session.c.id, session.c.kind, session.c.starts_ms, session.c.ends_ms).where(
            session.c.id.in_(ids)
        )
        for row in connection.execute(query):
            course_id, programme_id = of_course.get(row.id, (None, None))
            about = {
                "session": str(row.id),
                "session_kind": row.kind,
                "course": str(course_id),
                "programme": str(programme_id),
                "institution": "",
            }
            name = _assigned(assigned, about, row.starts_ms)
            found = known.at(name if name in known else profiles_.DEFAULT, row.starts_ms)
            opens_ms, closes_ms = found.window(row.starts_ms, row.ends_ms)
            rows.append({"one": row.id, "name": found.name, "opens": opens_ms, "closes": closes_ms})
    if rows:
        connection.execute(
            update(session)
            .where(session.c.id == bindparam("one"))
            .values(profile=bindparam("name"), opens_ms=bindparam("opens"), closes_ms=bindparam("closes")),
            rows,
        )


def _assigned(assigned: Iterable[Any], about: Mapping[str, str], at_ms: int) -> str:
    best, rank = profiles_.DEFAULT, len(SCOPES)
    for row in assigned:
        if (
            row.from_ms <= at_ms
            and (row.to_ms is None or at_ms < row.to_ms)
            and about.get(row.scope) == row.scope_value
        ):
            here = SCOPES.index(row.scope)
            if here <= rank:
                best, rank = row.profile, here
    return best


def assign_profile(
    connection: Connection, institution_id: int, scope: str, scope_value: str, name: str, from_ms: int
) -> None:
    """From then on this profile holds in this scope; what held before ends. `plan` the sessions concerned after it."""
    connection.execute(
        update(profile_assignment)
        .where(
            profile_assignment.c.institution_id == institution_id,
            profile_assignment.c.scope == scope,
            profile_assignment.c.scope_value == scope_value,
            profile_assignment.c.to_ms.is_(None),
        )
        .values(to_ms=from_ms)
    )
    connection.execute(
        profile_assignment.insert().values(
            institution_id=institution_id, scope=scope, scope_value=scope_value, profile=name, from_ms=from_ms
        )
    )


def visible(scope: Scope, act: str = "register.read") -> ColumnElement[bool]:
    """The condition on `session` under which this scope reaches it with an act of server/scope.py."""
    inside = session.c.institution_id == scope.institution_id
    reach = scope.reach(act)
    if reach.all:
        return inside
    ways = []
    if reach.own:
        ways.append(
            exists().where(
                session_staff.c.session_id == session.c.id,
                session_staff.c.person_id == scope.person_id,
                part_of(act),
            )
        )
    if reach.departments or reach.courses:
        taught = session_class.join(class_group, class_group.c.id == session_class.c.class_id).join(
            course, course.c.id == class_group.c.course_id
        )
        ways.append(
            exists(
                select(session_class.c.id)
                .select_from(taught)
                .where(
                    session_class.c.session_id == session.c.id,
                    # A class that was on it by mistake, and taken off before it began, opens nothing.
                    or_(session_class.c.to_ms.is_(None), session_class.c.to_ms > session.c.starts_ms),
                    or_(course.c.department_id.in_(reach.departments), course.c.id.in_(reach.courses)),
                )
                .correlate(session)
            )
        )
    return and_(inside, or_(*ways)) if ways else false()


def need(connection: Connection, scope: Scope, session_id: int, act: str = "register.read") -> Any:
    """The session's own row. Raises NotFound(`session`) where there is none, or not for this scope and act."""
    row = connection.execute(_reached(scope, act), {"session": session_id}).first()
    if row is None:
        raise NotFound("session", "there is no such session, or it is not yours")
    return row


@lru_cache(maxsize=256)
def _reached(scope: Scope, act: str) -> Select:
    # Kept for whoever works at the moment: it takes longer to make than to run, and every page of a session asks it.
    return select(session).where(session.c.id == bindparam("session"), visible(scope, act))


def today(connection: Connection, scope: Scope, from_ms: int, to_ms: int) -> list[SessionRow]:
    """The sessions that this scope may see and that start in [from, to), by start."""
    query = (
        select(session)
        .where(visible(scope), session.c.starts_ms >= from_ms, session.c.starts_ms < to_ms)
        .order_by(session.c.starts_ms, session.c.title, session.c.id)
    )
    return shown(connection, connection.execute(query).all())


def one(connection: Connection, scope: Scope, session_id: int) -> SessionRow:
    """One session. Raises NotFound(`session`)."""
    return shown(connection, [need(connection, scope, session_id)])[0]


def shown(connection: Connection, rows: Iterable[Any]) -> list[SessionRow]:
    """Rows of `session` that the caller has asked for, with all that a list shows of them."""
    found = list(rows)
    ids = [row.id for row in found]
    classes = _grouped(connection, ids, _CLASSES)
    rooms = _grouped(connection, ids, _ROOMS)
    staff = _grouped(connection, ids, _STAFF)
    counts = _counts(connection, ids)
    registers = {row.session_id: row for some in _chunks(ids) for row in connection.execute(_REGISTERS, {"ids": some})}
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
    .order_by(person_name.c.sort_name)
)
_REGISTERS = select(register).where(register.c.session_id.in_(_IDS))


def _grouped(connection: Connection, ids: list[int], query: Any) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for some in _chunks(ids):
        for row in connection.execute(query, {"ids": some}):
            found.setdefault(row.session_id, []).append(row)
    return found


def listed() -> ColumnElement[bool]:
    """The condition on session, session_class and enrolment under which a student is on the list at the start."""
    return and_(
        enrolment.c.role == "student",
        _holds(enrolment, session.c.starts_ms),
        _holds(session_class, session.c.starts_ms),
        true(),
    )


def _holds(table: Table, at_ms: ColumnElement[int]) -> ColumnElement[bool]:
    return and_(table.c.from_ms <= at_ms, or_(table.c.to_ms.is_(None), table.c.to_ms > at_ms))


_MEMBERS = (
    select(session.c.id, func.count(enrolment.c.person_id.distinct()))
    .join(session_class, session_class.c.session_id == session.c.id)
    .join(enrolment, enrolment.c.class_id == session_class.c.class_id)
    .where(session.c.id.in_(_IDS), listed())
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
    for some in _chunks(ids):
        members |= dict(connection.execute(_MEMBERS, {"ids": some}).all())
        present |= dict(connection.execute(_PRESENT, {"ids": some}).all())
        marked |= dict(connection.execute(_MARKED, {"ids": some}).all())
    return {one: (members.get(one, 0), present.get(one, 0), marked.get(one, 0)) for one in ids}


def _chunks(ids: Iterable[int]) -> Iterable[list[int]]:
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), CHUNK):
        yield wanted[start : start + CHUNK]
