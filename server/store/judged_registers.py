"""Registers judged by their deadlines (LOUGH-8): marked in time, late, or not at all. Deadlines are the profile's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from server.policy import deadlines
from server.policy.profile import Profiles
from server.scope import Scope
from server.store import chunks, course_times, parts, sessions, standing
from server.store.schema import (
    class_group,
    course,
    enrolment,
    mark,
    mark_current,
    person_name,
    register,
    session,
    session_class,
    session_staff,
)
from server.store.schema_rights import department
from server.store.schema_work import paper_register

NO_DEPARTMENT = "No department"
PAPER = "paper"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A register, and whether it was marked in time."""

    session_id: int
    title: str
    starts_ms: int
    ends_ms: int
    #: a word of policy/deadlines.py
    state: str
    rule: str
    #: why, for people
    text: str
    #: by when it was to be marked
    due_ms: int | None
    #: when the last student on the list got a mark, or it was verified; None: not yet
    marked_ms: int | None
    #: students on the list, and those of them without a mark
    members: int
    missing: int
    course_code: str
    #: of the session's courses; empty: none has one
    department_ids: tuple[int, ...]
    departments: tuple[str, ...]
    #: their titles as one text, or NO_DEPARTMENT
    department: str
    #: who marks it: those who cover it and those who teach it still, not who handed it over (LOUGH-9, LOUGH-10)
    staff_ids: tuple[int, ...]
    #: full names
    staff: tuple[str, ...]


def of(connection: Connection, scope: Scope, profiles: Profiles, from_ms: int, to_ms: int, now_ms: int) -> list[Judged]:
    """Every register of sessions that began in [from, to), as far as `compliance.read` reaches, by start.

    One is marked when the last student on the list got a mark or, where the profile needs it, when it was verified.
    Cancelled, empty and ended registers are never due, nor is one unmarked that was marked by the end of its day
    (LOUGH-24).
    """
    scope.need("compliance.read")
    query = (
        select(session)
        .where(
            sessions.visible(scope, "compliance.read"),
            session.c.starts_ms >= from_ms,
            session.c.starts_ms < to_ms,
            session.c.starts_ms <= now_ms,
        )
        .order_by(session.c.starts_ms, session.c.title, session.c.id)
    )
    found = list(connection.execute(query))
    ids = [row.id for row in found]
    zone = standing.zone_of(connection, scope.institution_id)
    times = course_times.of(connection, ids)
    paper = _ids(connection, select(paper_register.c.session_id), paper_register.c.session_id, ids)
    ended = _ended(connection, found)
    counts, verified = _counts(connection, ids), _verified(connection, ids)
    of_course, of_staff = _courses(connection, ids), _staff(connection, ids)
    rows: list[Judged] = []
    for row in found:
        profile = standing.profile_of(profiles, row)
        members, marked, last_ms = counts.get(row.id, (0, 0, None))
        marked_ms = verified.get(row.id) if profile.verification_needed else None
        if not profile.verification_needed and members and marked >= members:
            marked_ms = last_ms
        about: dict[str, Any] = {
            "starts_ms": row.starts_ms,
            "ends_ms": row.ends_ms,
            "mode": PAPER if row.id in paper else row.mode,
            "zone": zone,
            "course_deadline_ms": times[row.id].by(profile, zone).marking_deadline_ms,
        }
        state = deadlines.state(
            profile,
            now_ms=now_ms,
            marked_ms=marked_ms,
            cancelled=row.cancelled_ms is not None,
            members=members,
            ended=row.id in ended,
            **about,
        )
        taught, staff = of_course.get(row.id, []), of_staff.get(row.id, [])
        departments = {one.department_id: one.department for one in taught if one.department_id is not None}
        rows.append(
            Judged(
                session_id=row.id,
                title=row.title,
                starts_ms=row.starts_ms,
                ends_ms=row.ends_ms,
                state=state.name,
                rule=state.rule,
                text=state.text,
                due_ms=deadlines.marking(profile, **about).breach_ms,
                marked_ms=marked_ms,
                members=members,
                missing=members - marked,
                course_code=taught[0].code if taught else "",
                department_ids=tuple(departments),
                departments=tuple(departments.values()),
                department=", ".join(departments.values()) or NO_DEPARTMENT,
                staff_ids=tuple(person_id for person_id, _ in staff),
                staff=tuple(name for _, name in staff),
            )
        )
    return rows


def _counts(connection: Connection, ids: list[int]) -> dict[int, tuple[int, int, int | None]]:
    """session id -> (on the list, of them with a mark, when the last of them got theirs for the first time)."""
    found: dict[int, tuple[int, int, int | None]] = {}
    first = (
        select(mark.c.session_id, mark.c.person_id, func.min(mark.c.created_ms).label("first_ms"))
        .where(mark.c.code.is_not(None))
        .group_by(mark.c.session_id, mark.c.person_id)
    )
    for some in chunks.of(ids):
        at = first.where(mark.c.session_id.in_(some)).subquery()
        listed = (
            select(session.c.id, enrolment.c.person_id)
            .join(session_class, session_class.c.session_id == session.c.id)
            .join(enrolment, enrolment.c.class_id == session_class.c.class_id)
            .where(session.c.id.in_(some), sessions.listed())
            .distinct()
            .subquery()
        )
        query = (
            select(listed.c.id, func.count(), func.count(mark.c.code), func.max(at.c.first_ms))
            .select_from(listed)
            .outerjoin(
                mark_current,
                and_(mark_current.c.session_id == listed.c.id, mark_current.c.person_id == listed.c.person_id),
            )
            .outerjoin(mark, mark.c.id == mark_current.c.mark_id)
            .outerjoin(at, and_(at.c.session_id == listed.c.id, at.c.person_id == listed.c.person_id))
            .group_by(listed.c.id)
        )
        for session_id, members, marked, last_ms in connection.execute(query):
            found[session_id] = (members, marked, last_ms)
    return found


def _verified(connection: Connection, ids: list[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for some in chunks.of(ids):
        query = select(register.c.session_id, register.c.verified_ms).where(
            register.c.session_id.in_(some), register.c.verified_ms.is_not(None)
        )
        found |= {row.session_id: row.verified_ms for row in connection.execute(query)}
    return found


def _ended(connection: Connection, found: list[Any]) -> set[int]:
    """Sessions of which every class, or its course, had ended when they began."""
    made: set[int] = set()
    for some in chunks.of([row.id for row in found]):
        over = or_(
            and_(class_group.c.ended_ms.is_not(None), class_group.c.ended_ms <= session.c.starts_ms),
            and_(course.c.ended_ms.is_not(None), course.c.ended_ms <= session.c.starts_ms),
        )
        query = (
            select(session.c.id)
            .join(session_class, session_class.c.session_id == session.c.id)
            .join(class_group, class_group.c.id == session_class.c.class_id)
            .outerjoin(course, course.c.id == class_group.c.course_id)
            .where(session.c.id.in_(some), session_class.c.to_ms.is_(None))
        )
        every = set(connection.execute(query).scalars())
        made |= every - set(connection.execute(query.where(~func.coalesce(over, False))).scalars())
    return made


def _courses(connection: Connection, ids: list[int]) -> dict[int, list[Any]]:
    """session id -> its courses, each with its department."""
    found: dict[int, list[Any]] = {}
    for some in chunks.of(ids):
        query = (
            select(
                session_class.c.session_id,
                course.c.code,
                course.c.department_id,
                department.c.title.label("department"),
            )
            .join(class_group, class_group.c.id == session_class.c.class_id)
            .join(course, course.c.id == class_group.c.course_id)
            .outerjoin(department, department.c.id == course.c.department_id)
            .where(session_class.c.session_id.in_(some), session_class.c.to_ms.is_(None))
            .distinct()
            .order_by(course.c.code, course.c.department_id)
        )
        for row in connection.execute(query):
            found.setdefault(row.session_id, []).append(row)
    return found


def _staff(connection: Connection, ids: list[int]) -> dict[int, list[tuple[int, str]]]:
    """Whoever delivers it marks it, and all of them alike; who handed it over does not."""
    found: dict[int, list[tuple[int, str]]] = {}
    for some in chunks.of(ids):
        query = (
            select(
                session_staff.c.session_id, person_name.c.person_id, person_name.c.full_name, person_name.c.sort_name
            )
            .join(session, session.c.id == session_staff.c.session_id)
            .join(person_name, person_name.c.person_id == session_staff.c.person_id)
            .where(
                session_staff.c.session_id.in_(some),
                session_staff.c.role != parts.AWAY,
                or_(session_staff.c.to_ms.is_(None), session_staff.c.to_ms > session.c.ends_ms),
            )
            .distinct()
            .order_by(person_name.c.sort_name, person_name.c.person_id)
        )
        for session_id, person_id, name, _ in connection.execute(query):
            found.setdefault(session_id, []).append((person_id, name))
    return found


def _ids(connection: Connection, query: Any, column: Any, ids: list[int]) -> set[int]:
    found: set[int] = set()
    for some in chunks.of(ids):
        found |= set(connection.execute(query.where(column.in_(some))).scalars())
    return found
