"""Sessions: who may see which, and who is on their list."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, bindparam, exists, false, or_, select, true

from server.errors import NotFound
from server.scope import Scope
from server.store.parts import part_of
from server.store.schema import class_group, course, enrolment, session, session_class, session_staff


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
