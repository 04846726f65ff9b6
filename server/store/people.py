"""Persons: found by what others call them, and who may see them. Names stand in a table that can be erased."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, exists, false, func, or_, select

from server.errors import NotFound
from server.scope import Scope
from server.store.schema import (
    class_group,
    course,
    enrolment,
    person,
    person_external_id,
    session,
    session_class,
    session_staff,
)
from server.store.schema_rights import person_department


def by_external_id(connection: Connection, institution_id: int, external_id: str) -> int:
    """The id of the one person with this external id, of whatever source. Raises NotFound(`person`)."""
    found = set(
        connection.execute(
            select(person_external_id.c.person_id).where(
                person_external_id.c.institution_id == institution_id,
                person_external_id.c.external_id == external_id,
            )
        ).scalars()
    )
    if len(found) != 1:
        raise NotFound("person", f"there are {len(found)} persons with the external id {external_id}: give another")
    return found.pop()


def known_by(institution_id: int) -> Select[Any, Any]:
    """person_id, external_id of everybody: their identifier, else any other external id of theirs."""
    return (
        select(
            person_external_id.c.person_id,
            func.coalesce(
                func.max(person_external_id.c.external_id).filter(person_external_id.c.source == "identifier"),
                func.min(person_external_id.c.external_id),
            ).label("external_id"),
        )
        .where(person_external_id.c.institution_id == institution_id)
        .group_by(person_external_id.c.person_id)
    )


def visible(scope: Scope, act: str) -> ColumnElement[bool]:
    """The condition on `person` under which this scope reaches them with an act of server/scope.py.

    One's own are oneself and the students of the sessions that one staffs; a student's own is nobody else.
    """
    inside = person.c.institution_id == scope.institution_id
    reach = scope.reach(act)
    if reach.all:
        return inside
    ways = []
    if reach.oneself:
        ways.append(person.c.id == scope.person_id)
    if reach.own:
        staffed = (
            select(enrolment.c.person_id)
            .join(session_class, session_class.c.class_id == enrolment.c.class_id)
            .join(session, session.c.id == session_class.c.session_id)
            .join(session_staff, session_staff.c.session_id == session.c.id)
            .where(
                session_staff.c.person_id == scope.person_id,
                # Whoever was taken off before it began, or whose class was, does not see its students.
                or_(session_staff.c.to_ms.is_(None), session_staff.c.to_ms > session.c.starts_ms),
                or_(session_class.c.to_ms.is_(None), session_class.c.to_ms > session.c.starts_ms),
                enrolment.c.role == "student",
            )
        )
        ways.append(person.c.id.in_(staffed))
    if reach.departments or reach.courses:
        taught = (
            select(enrolment.c.person_id)
            .join(class_group, class_group.c.id == enrolment.c.class_id)
            .join(course, course.c.id == class_group.c.course_id)
            .where(
                enrolment.c.role == "student",
                or_(course.c.department_id.in_(reach.departments), course.c.id.in_(reach.courses)),
            )
        )
        ways.append(person.c.id.in_(taught))
        ways.append(
            exists().where(
                person_department.c.person_id == person.c.id,
                person_department.c.department_id.in_(reach.departments),
                person_department.c.to_ms.is_(None),
            )
        )
    return and_(inside, or_(*ways)) if ways else false()


def reached(connection: Connection, scope: Scope, person_ids: Iterable[int], act: str) -> set[int]:
    """Those of these persons whom this scope reaches with an act: to whose pages a list may lead."""
    found: set[int] = set()
    wanted = sorted(set(person_ids)) if scope.may(act) else []
    for start in range(0, len(wanted), 500):
        query = select(person.c.id).where(person.c.id.in_(wanted[start : start + 500]), visible(scope, act))
        found.update(connection.execute(query).scalars())
    return found


def need(connection: Connection, scope: Scope, person_id: int, act: str) -> int:
    """The person's id. Raises NotFound(`person`) where there is none, or not for this scope and act."""
    found = connection.execute(_reached(scope, act), {"person": person_id}).scalar()
    if found is None:
        raise NotFound("person", "there is no such person, or they are not in your care")
    return found


@lru_cache(maxsize=256)
def _reached(scope: Scope, act: str) -> Select[int]:
    # Kept for whoever works at the moment: it takes longer to make than to run.
    return select(person.c.id).where(person.c.id == bindparam("person"), visible(scope, act))
