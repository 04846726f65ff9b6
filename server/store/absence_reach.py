"""Which absences somebody reaches, as conditions on a query: their own, their students', their faculty's (PORT-13)."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, exists, false, or_, select

from server.scope import Scope
from server.store import parts, sessions
from server.store.absence_kinds import REPORTED
from server.store.schema import class_group, course, enrolment, session, session_class, session_staff
from server.store.schema_rights import person_department
from server.store.schema_work import absence, absence_session

# --- who may see and decide ------------------------------------------------------------------------------------------


def visible(scope: Scope, act: str = "absence.read") -> ColumnElement[bool]:
    """The condition on `absence` and `person` (joined) under which this scope reaches it.

    A request over a week is its faculty's head's and the registry's, unless the rules leave it to no faculty (PORT-13). Whoever only teaches the student reads
    what was reported for a session of theirs, and no other.
    """
    inside = absence.c.institution_id == scope.institution_id
    reach = scope.reach(act)
    if reach.all:
        return inside
    ways: list[ColumnElement[bool]] = [absence.c.department_id.in_(reach.departments)]
    if reach.oneself:
        ways.append(absence.c.person_id == scope.person_id)
    if reach.own:
        ways.append(and_(absence.c.kind == REPORTED, staffed(scope, act)))
    if reach.departments or reach.courses:
        # What its rules leave to no faculty is for the heads of the student's classes.
        ways.append(and_(or_(absence.c.kind == REPORTED, absence.c.by_faculty.is_(False)), granted(scope, act)))
    return and_(inside, or_(*ways))


def staffed(scope: Scope, act: str) -> ColumnElement[bool]:
    """The condition on `absence` under which the scope's person teaches a session that it is about, with a part in it
    that gives this act."""
    if scope.person_id is None:
        return false()
    named = exists().where(absence_session.c.absence_id == absence.c.id)
    return exists(
        select(session.c.id)
        .join(session_staff, session_staff.c.session_id == session.c.id)
        .join(session_class, session_class.c.session_id == session.c.id)
        .join(enrolment, enrolment.c.class_id == session_class.c.class_id)
        .where(
            session_staff.c.person_id == scope.person_id,
            parts.part_of(act),
            enrolment.c.person_id == absence.c.person_id,
            sessions.listed(),
            session.c.starts_ms < absence.c.to_ms,
            session.c.ends_ms > absence.c.from_ms,
            or_(
                ~named,
                exists().where(
                    absence_session.c.absence_id == absence.c.id, absence_session.c.session_id == session.c.id
                ),
            ),
        )
        .correlate(absence)
    )


def granted(scope: Scope, act: str) -> ColumnElement[bool]:
    """The condition on `absence` by grants alone: whom one merely teaches does not count here. Who belonged to the
    department, or was in one of its classes, at another time only is not in its care any more."""
    reach = scope.reach(act)
    belongs = exists().where(
        person_department.c.person_id == absence.c.person_id,
        person_department.c.department_id.in_(reach.departments),
        person_department.c.to_ms.is_(None),
    )
    taught = exists(
        select(enrolment.c.id)
        .join(class_group, class_group.c.id == enrolment.c.class_id)
        .join(course, course.c.id == class_group.c.course_id)
        .where(
            enrolment.c.person_id == absence.c.person_id,
            enrolment.c.role == "student",
            enrolment.c.from_ms < absence.c.to_ms,
            or_(enrolment.c.to_ms.is_(None), enrolment.c.to_ms > absence.c.from_ms),
            or_(course.c.department_id.in_(reach.departments), course.c.id.in_(reach.courses)),
        )
        .correlate(absence)
    )
    return or_(belongs, taught)
