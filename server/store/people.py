"""Persons: found by what others call them, and who may see them. Names stand in a table that can be erased."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, exists, false, func, or_, select, true

from server.errors import NotAllowed, NotFound
from server.scope import Reach, Scope
from server.store import sessions
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
    """person_id, external_id of everybody: their identifier, else any other external id of theirs; of those
    that hold now, if any does."""
    return (
        select(
            person_external_id.c.person_id,
            func.coalesce(
                func.max(person_external_id.c.external_id).filter(
                    person_external_id.c.source == "identifier", person_external_id.c.to_ms.is_(None)
                ),
                func.min(person_external_id.c.external_id).filter(person_external_id.c.to_ms.is_(None)),
                func.min(person_external_id.c.external_id),
            ).label("external_id"),
        )
        .where(person_external_id.c.institution_id == institution_id)
        .group_by(person_external_id.c.person_id)
    )


def visible(scope: Scope, act: str) -> ColumnElement[bool]:
    """The condition on `person` under which this scope reaches them with an act of server/scope.py.

    One's own are oneself and the students who were on the list of a session that one staffs; a student's own is nobody
    else. Of whom a department reaches by a list of its own alone, it is for that class's matters only: `whole`.
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
                # Nor of those who had left its list, or came onto it later.
                sessions.listed(),
            )
        )
        ways.append(person.c.id.in_(staffed))
    if reach.departments or reach.courses:
        taught = select(enrolment.c.person_id).where(
            enrolment.c.role == "student",
            enrolment.c.class_id.in_(_classes(reach)),
            # A mistake that was put right at once was never a place.
            or_(enrolment.c.to_ms.is_(None), enrolment.c.to_ms > enrolment.c.from_ms),
        )
        ways += [person.c.id.in_(taught), _belongs(reach)]
    return and_(inside, or_(*ways)) if ways else false()


def _classes(reach: Reach) -> Select[int]:
    """The classes of these departments and courses."""
    return (
        select(class_group.c.id)
        .join(course, course.c.id == class_group.c.course_id)
        .where(or_(course.c.department_id.in_(reach.departments), course.c.id.in_(reach.courses)))
    )


def _belongs(reach: Reach) -> ColumnElement[bool]:
    return exists().where(
        person_department.c.person_id == person.c.id,
        person_department.c.department_id.in_(reach.departments),
        person_department.c.to_ms.is_(None),
    )


def whole(scope: Scope, act: str, now_ms: int) -> ColumnElement[bool]:
    """The condition on `person`, of those whom the scope reaches with this act, under which all of them is for it, and
    not only what concerns a class of its own: they belong to its department. Without a department of their own they
    belong where all the classes are that they are in now, or were in as they left; between terms, in none, where all are
    that they ever were in."""
    reach = scope.reach(act)
    if reach.all:
        return true()
    if not reach.departments and not reach.courses:
        return false()
    theirs = and_(person_department.c.person_id == person.c.id, person_department.c.to_ms.is_(None))
    ever_in = and_(
        enrolment.c.person_id == person.c.id,
        enrolment.c.role == "student",
        or_(enrolment.c.to_ms.is_(None), enrolment.c.to_ms > enrolment.c.from_ms),
    )
    holds = or_(enrolment.c.to_ms.is_(None), enrolment.c.to_ms > func.coalesce(person.c.ended_ms - 1, now_ms))
    in_now = and_(ever_in, holds)
    mine = enrolment.c.class_id.in_(_classes(reach))
    now, ever = (and_(exists().where(rows, mine), ~exists().where(rows, ~mine)) for rows in (in_now, ever_in))
    return or_(_belongs(reach), and_(~exists().where(theirs), or_(now, and_(~exists().where(in_now), ever))))


def need_whole(connection: Connection, scope: Scope, person_id: int, act: str, now_ms: int) -> int:
    """The person's id. Raises NotFound(`person`), NotAllowed(`not-allowed`) where only a class of theirs is the scope's."""
    need(connection, scope, person_id, act)
    if is_whole(connection, scope, person_id, act, now_ms):
        return person_id
    theirs = and_(person_department.c.person_id == person_id, person_department.c.to_ms.is_(None))
    if connection.execute(select(person_department.c.id).where(theirs)).first() is None:
        told = "no department has them alone: ask the whole institution's registry, which says where they belong"
        raise NotAllowed("not-allowed", told)
    raise NotAllowed("not-allowed", "they belong to another department: ask its registry, or the whole institution's")


def is_whole(connection: Connection, scope: Scope, person_id: int, act: str, now_ms: int) -> bool:
    """Whether all of this person is for this scope, and not only what concerns a class of its own."""
    query = select(person.c.id).where(person.c.id == person_id, whole(scope, act, now_ms))
    return connection.execute(query).first() is not None


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
