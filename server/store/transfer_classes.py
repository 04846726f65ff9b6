"""Classes that a learner may be transferred to."""

from __future__ import annotations

from sqlalchemy import Connection, select

from server.store import request_terms
from server.store.schema import class_group


def beside(connection: Connection, session_id: int) -> list[tuple[str, str]]:
    """(code, title) of the other classes of this session's courses: where a learner may be transferred to."""
    mine = request_terms.classes_of(connection, session_id)
    courses = select(class_group.c.course_id).where(class_group.c.id.in_(mine), class_group.c.course_id.is_not(None))
    query = (
        select(class_group.c.code, class_group.c.title)
        .where(class_group.c.course_id.in_(courses), class_group.c.id.not_in(mine), class_group.c.ended_ms.is_(None))
        .order_by(class_group.c.code)
        .limit(50)
    )
    return [(row.code, row.title) for row in connection.execute(query)]


def code_of(connection: Connection, class_id: int | None) -> str:
    """A class's code."""
    if class_id is None:
        return ""
    return connection.execute(select(class_group.c.code).where(class_group.c.id == class_id)).scalar() or ""
