"""A student's attendance: every session that they were on the list of, or are marked in, with the mark that holds.

One statement, by the student's own rows (enrolments and marks) and primary keys from there: a test looks at its plan.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, func, literal, select, union

from server.scope import Scope
from server.store import people, sessions
from server.store.schema import (
    class_group,
    correction,
    course,
    credit,
    enrolment,
    mark,
    mark_current,
    person_external_id,
    person_name,
    register,
    room,
    session,
    session_class,
    session_room,
)
from server.store.schema_rights import person_department
from server.store.schema_work import bursary_grant, term

#: more of one student's sessions than any year holds
ROWS_MAX = 3000


@dataclass(frozen=True, kw_only=True)
class Attended:
    """One session of a student's and what its register says of them."""

    session_id: int
    title: str
    starts_ms: int
    ends_ms: int
    opens_ms: int
    closes_ms: int
    kind: str
    mode: str
    profile: str
    cancelled_ms: int | None
    course_id: int | None
    course_code: str | None
    course_title: str | None
    #: None: not marked (yet)
    code: str | None
    late_min: int | None
    early_min: int | None
    #: swipe, absence, person, import ...; None: nothing was decided yet
    source: str | None
    verified: bool
    #: when the card was tapped that credited it
    tapped_ms: int | None
    #: pending, complete, incomplete; None: nothing happened yet
    evidence: str | None
    #: bursary was granted for it without changing its mark (LOUGH-35)
    granted: bool
    #: the mark is that of a request that was applied (DDU-8, DDU-10)
    corrected: bool


def _mine() -> Any:
    """(session id, class id) of what the person is listed in at its start; and of what they are marked in."""
    listed = (
        select(session.c.id.label("session_id"), func.min(session_class.c.class_id).label("class_id"))
        .select_from(enrolment)
        .join(session_class, session_class.c.class_id == enrolment.c.class_id)
        .join(session, session.c.id == session_class.c.session_id)
        .where(
            enrolment.c.person_id == bindparam("person"),
            sessions.listed(),
            session.c.starts_ms >= bindparam("from_ms"),
            session.c.starts_ms < bindparam("to_ms"),
        )
        .group_by(session.c.id)
    )
    marked = (
        select(mark_current.c.session_id, literal(None, class_group.c.id.type).label("class_id"))
        .select_from(mark)
        .join(
            mark_current,
            and_(mark_current.c.session_id == mark.c.session_id, mark_current.c.person_id == mark.c.person_id),
        )
        .join(session, session.c.id == mark.c.session_id)
        .where(
            mark.c.person_id == bindparam("person"),
            mark_current.c.mark_id == mark.c.id,
            mark.c.code.is_not(None),
            session.c.starts_ms >= bindparam("from_ms"),
            session.c.starts_ms < bindparam("to_ms"),
        )
    )
    both = union(listed, marked).subquery()
    return select(both.c.session_id, func.max(both.c.class_id).label("class_id")).group_by(both.c.session_id).subquery()


@cache
def _statement() -> Select:
    mine = _mine()
    other_class = (
        select(func.min(session_class.c.class_id))
        .where(session_class.c.session_id == mine.c.session_id)
        .correlate(mine)
        .scalar_subquery()
    )
    granted = (
        select(literal(1))
        .where(bursary_grant.c.session_id == mine.c.session_id, bursary_grant.c.person_id == bindparam("person"))
        .correlate(mine)
        .exists()
    )
    corrected = (
        select(literal(1))
        .where(correction.c.person_id == bindparam("person"), correction.c.mark_id == mark.c.id)
        .correlate(mark)
        .exists()
    )
    return (
        select(
            session.c.id.label("session_id"),
            session.c.title,
            session.c.starts_ms,
            session.c.ends_ms,
            session.c.opens_ms,
            session.c.closes_ms,
            session.c.kind,
            session.c.mode,
            session.c.profile,
            session.c.cancelled_ms,
            course.c.id.label("course_id"),
            course.c.code.label("course_code"),
            course.c.title.label("course_title"),
            mark.c.code,
            mark.c.late_min,
            mark.c.early_min,
            mark.c.source,
            func.coalesce(mark.c.verified, literal(False)).label("verified"),
            credit.c.at_ms.label("tapped_ms"),
            register.c.evidence,
            granted.label("granted"),
            corrected.label("corrected"),
        )
        .select_from(mine)
        .join(session, session.c.id == mine.c.session_id)
        .outerjoin(class_group, class_group.c.id == func.coalesce(mine.c.class_id, other_class))
        .outerjoin(course, course.c.id == class_group.c.course_id)
        .outerjoin(
            mark_current,
            and_(mark_current.c.session_id == session.c.id, mark_current.c.person_id == bindparam("person")),
        )
        .outerjoin(mark, mark.c.id == mark_current.c.mark_id)
        # Also where a hand set another mark since: they were there (DDU-11).
        .outerjoin(
            credit,
            and_(
                credit.c.session_id == session.c.id,
                credit.c.person_id == bindparam("person"),
                credit.c.superseded_ms.is_(None),
            ),
        )
        .outerjoin(register, register.c.session_id == session.c.id)
        .order_by(session.c.starts_ms, session.c.id)
        .limit(ROWS_MAX)
    )


def of_person(
    connection: Connection, scope: Scope, person_id: int, from_ms: int, to_ms: int
) -> tuple[list[Attended], bool]:
    """The student's sessions that start in [from, to), by start; and whether that is all of them.

    A student reads all of their own. Whoever reaches the student only through sessions that they teach, or courses of
    theirs, reads those sessions and no other. Raises NotFound(`person`).
    """
    people.need(connection, scope, person_id, "attendance.read")
    whole = _whole(connection, scope, person_id)
    statement = _statement() if whole else _inside(scope)
    rows = connection.execute(statement, {"person": person_id, "from_ms": from_ms, "to_ms": to_ms})
    return [Attended(**_as_said(row)) for row in rows], whole


@lru_cache(maxsize=256)
def _inside(scope: Scope) -> Select:
    return _statement().where(sessions.visible(scope, "attendance.read"))


def _as_said(row: Any) -> dict[str, Any]:
    values = dict(row._mapping)
    return values | {name: bool(values[name]) for name in ("verified", "granted", "corrected")}


def _whole(connection: Connection, scope: Scope, person_id: int) -> bool:
    """Whether all sessions of this student are for this scope: themselves, the institution's, their department's."""
    reach = scope.reach("attendance.read")
    if reach.all or (scope.person_id is not None and person_id == scope.person_id):
        return True
    if not reach.departments:
        return False
    query = select(person_department.c.id).where(
        person_department.c.person_id == person_id,
        person_department.c.department_id.in_(reach.departments),
        person_department.c.to_ms.is_(None),
    )
    return connection.execute(query.limit(1)).first() is not None


@dataclass(frozen=True, kw_only=True)
class Coming:
    """A session to come of a student's, with its door window (PORT-2)."""

    session_id: int
    title: str
    starts_ms: int
    ends_ms: int
    opens_ms: int
    closes_ms: int
    mode: str
    profile: str
    cancelled_ms: int | None
    #: what is on the register already: an approved absence, a cancelled class
    code: str | None
    rooms: tuple[str, ...]


_COMING = (
    select(
        session.c.id.label("session_id"),
        session.c.title,
        session.c.starts_ms,
        session.c.ends_ms,
        session.c.opens_ms,
        session.c.closes_ms,
        session.c.mode,
        session.c.profile,
        session.c.cancelled_ms,
        mark.c.code,
        room.c.code.label("room"),
    )
    .select_from(enrolment)
    .join(session_class, session_class.c.class_id == enrolment.c.class_id)
    .join(session, session.c.id == session_class.c.session_id)
    .outerjoin(session_room, and_(session_room.c.session_id == session.c.id, session_room.c.to_ms.is_(None)))
    .outerjoin(room, room.c.id == session_room.c.room_id)
    .outerjoin(
        mark_current, and_(mark_current.c.session_id == session.c.id, mark_current.c.person_id == enrolment.c.person_id)
    )
    .outerjoin(mark, mark.c.id == mark_current.c.mark_id)
    .where(
        enrolment.c.person_id == bindparam("person"),
        sessions.listed(),
        session.c.ends_ms > bindparam("from_ms"),
        session.c.starts_ms < bindparam("to_ms"),
    )
    .order_by(session.c.starts_ms, session.c.id, room.c.code)
)


def between(connection: Connection, person_id: int, from_ms: int, to_ms: int) -> list[Coming]:
    """The sessions on a student's timetable that touch [from, to), by start. The caller has asked for the person."""
    found: dict[int, Coming] = {}
    for row in connection.execute(_COMING, {"person": person_id, "from_ms": from_ms, "to_ms": to_ms}):
        values = dict(row._mapping)
        here = values.pop("room")
        there = found.get(row.session_id)
        rooms = there.rooms if there is not None else ()
        if here is not None and here not in rooms:
            rooms = (*rooms, here)
        found[row.session_id] = Coming(**values, rooms=rooms)
    return list(found.values())


def for_scope(connection: Connection, scope: Scope, person_id: int, coming: Iterable[Coming]) -> list[Coming]:
    """Those of a student's sessions that are this scope's to see, as in `of_person`."""
    found = list(coming)
    if not found or _whole(connection, scope, person_id):
        return found
    here = session.c.id.in_([one.session_id for one in found])
    query = select(session.c.id).where(here, sessions.visible(scope, "attendance.read"))
    theirs = set(connection.execute(query).scalars())
    return [one for one in found if one.session_id in theirs]


@dataclass(frozen=True, kw_only=True)
class Student:
    """Who it is about."""

    person_id: int
    full_name: str
    #: the student number; '' where there is none
    number: str


def student(connection: Connection, scope: Scope, person_id: int) -> Student:
    """Name and number. Raises NotFound(`person`)."""
    people.need(connection, scope, person_id, "attendance.read")
    query = (
        select(person_name.c.full_name, func.min(person_external_id.c.external_id).label("number"))
        .outerjoin(
            person_external_id,
            and_(
                person_external_id.c.person_id == person_name.c.person_id,
                person_external_id.c.source == "identifier",
                person_external_id.c.to_ms.is_(None),
            ),
        )
        .where(person_name.c.person_id == person_id)
        .group_by(person_name.c.full_name)
    )
    row = connection.execute(query).one()
    return Student(person_id=person_id, full_name=row.full_name, number=row.number or "")


@dataclass(frozen=True, kw_only=True)
class Term:
    """A term: what a page can be asked to show."""

    id: int
    title: str
    from_ms: int
    to_ms: int


def terms(connection: Connection, institution_id: int) -> list[Term]:
    """The terms that are kept, newest first."""
    query = (
        select(term.c.id, term.c.title, term.c.from_ms, term.c.to_ms)
        .where(term.c.institution_id == institution_id, term.c.ended_ms.is_(None))
        .order_by(term.c.from_ms.desc(), term.c.id.desc())
        .limit(30)
    )
    return [Term(**row._mapping) for row in connection.execute(query)]
