"""Which faculty a student belongs to: by it requests for absence over a week are routed (PORT-13)."""

from __future__ import annotations

from sqlalchemy import Connection, or_, select

from server.store.schema import class_group, course, enrolment
from server.store.schema_rights import department, person_department

#: departments above one another, at most: a circle ends here
DEPTH = 10


def of_person(connection: Connection, institution_id: int, person_id: int, at_ms: int) -> int | None:
    """The faculty of the student at that time: the topmost of the departments above their own.

    Without a department of their own, that of the course of which they are longest on a class list. None: not known.
    """
    own = connection.execute(
        select(person_department.c.department_id)
        .where(
            person_department.c.institution_id == institution_id,
            person_department.c.person_id == person_id,
            person_department.c.from_ms <= at_ms,
            or_(person_department.c.to_ms.is_(None), person_department.c.to_ms > at_ms),
        )
        .order_by(person_department.c.from_ms.desc(), person_department.c.id.desc())
        .limit(1)
    ).scalar()
    if own is None:
        own = connection.execute(
            select(course.c.department_id)
            .join(class_group, class_group.c.course_id == course.c.id)
            .join(enrolment, enrolment.c.class_id == class_group.c.id)
            .where(
                enrolment.c.person_id == person_id,
                enrolment.c.role == "student",
                or_(enrolment.c.to_ms.is_(None), enrolment.c.to_ms > at_ms),
                course.c.department_id.is_not(None),
            )
            .order_by(enrolment.c.from_ms, enrolment.c.id)
            .limit(1)
        ).scalar()
    return None if own is None else _top(connection, own)


def _top(connection: Connection, department_id: int) -> int:
    found = department_id
    for _ in range(DEPTH):
        above = connection.execute(select(department.c.parent_id).where(department.c.id == found)).scalar()
        if above is None:
            break
        found = above
    return found


def title(connection: Connection, department_id: int | None) -> str | None:
    """What the department is called."""
    return connection.execute(select(department.c.title).where(department.c.id == department_id)).scalar()
