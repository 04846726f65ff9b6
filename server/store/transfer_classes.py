"""Classes that a learner may be transferred to."""

from __future__ import annotations

from sqlalchemy import Connection, select

from server.errors import NotFound
from server.store import request_terms
from server.store.schema import class_group


def by_code(connection: Connection, institution_id: int, code: str) -> int:
    """The one class with this code that is not at an end. Raises NotFound(`class`)."""
    found = (
        connection.execute(
            select(class_group.c.id).where(
                class_group.c.institution_id == institution_id,
                class_group.c.code == code,
                class_group.c.ended_ms.is_(None),
            )
        )
        .scalars()
        .all()
    )
    if len(found) != 1:
        many = "no class has" if not found else "several classes have"
        raise NotFound("class", f"{many} the code {code[:40]}: write it as the timetable does")
    return found[0]


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
