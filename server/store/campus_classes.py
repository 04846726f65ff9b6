"""Classes as the registry looks them up: by their words, by their code, by who may reach them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, false, func, or_, select

from server.errors import NotFound
from server.scope import Scope
from server.store.campus import FieldRefused
from server.store.schema import class_group, course, enrolment

STUDENT, TEACHER = ROLES = ("student", "teacher")
FOUND = 25


@dataclass(frozen=True, kw_only=True)
class Found:
    """A class as a list shows it."""

    id: int
    code: str
    title: str
    course_code: str
    ended_ms: int | None
    students: int


def visible(scope: Scope, act: str) -> ColumnElement[bool]:
    """The condition on `class_group` under which this scope reaches it; `course` is outer-joined by the caller."""
    inside = class_group.c.institution_id == scope.institution_id
    reach = scope.reach(act)
    if reach.all:
        return inside
    if reach.departments or reach.courses:
        mine = or_(course.c.department_id.in_(reach.departments), course.c.id.in_(reach.courses))
        return and_(inside, class_group.c.course_id.in_(select(course.c.id).where(mine)))
    return false()


def search(connection: Connection, scope: Scope, text: str, *, limit: int = FOUND) -> list[Found]:
    """Classes in reach that have all these words in code, title or course. No words: none."""
    words = text.casefold().split()
    if not words:
        return []
    whole = func.lower(class_group.c.code + " " + class_group.c.title + " " + func.coalesce(course.c.code, ""))
    students = (
        select(func.count())
        .where(enrolment.c.class_id == class_group.c.id, enrolment.c.role == STUDENT, enrolment.c.to_ms.is_(None))
        .scalar_subquery()
    )
    query = (
        select(class_group, course.c.code.label("course_code"), students.label("students"))
        .outerjoin(course, course.c.id == class_group.c.course_id)
        .where(visible(scope, "campus.read"), *(whole.contains(word, autoescape=True) for word in words))
        .order_by(class_group.c.ended_ms.is_not(None), class_group.c.code, class_group.c.id)
        .limit(limit)
    )
    return [
        Found(
            id=row.id,
            code=row.code,
            title=row.title,
            course_code=row.course_code or "",
            ended_ms=row.ended_ms,
            students=row.students,
        )
        for row in connection.execute(query)
    ]


def need(connection: Connection, scope: Scope, class_id: int, act: str = "campus.read") -> Any:
    """The class's own row. Raises NotFound(`class`)."""
    row = connection.execute(select(class_group).where(class_group.c.id == class_id, visible(scope, act))).first()
    if row is None:
        raise NotFound("class", "there is no such class, or it is not yours")
    return row


def by_code(connection: Connection, scope: Scope, code: str, act: str = "campus.change") -> Any:
    """The one class in reach that has this code and is not at an end. Raises FieldRefused(`class-unknown`)."""
    rows = connection.execute(
        select(class_group)
        .where(func.lower(class_group.c.code) == code.strip().lower(), class_group.c.ended_ms.is_(None))
        .where(visible(scope, act))
    ).all()
    if len(rows) != 1:
        text = f"there is no class {code!r} in your care: find it by its code" if not rows else (
            f"{len(rows)} classes have the code {code!r}: open the one that is meant, and enrol there"
        )  # fmt: skip
        raise FieldRefused("class-unknown", "class", text)
    return rows[0]


def codes(connection: Connection, scope: Scope, act: str = "campus.change") -> list[str]:
    """The codes of every class in reach that is not at an end."""
    query = (
        select(class_group.c.code)
        .where(class_group.c.ended_ms.is_(None), visible(scope, act))
        .distinct()
        .order_by(class_group.c.code)
    )
    return list(connection.execute(query).scalars())


def ids_of(connection: Connection, scope: Scope, act: str = "campus.change") -> dict[str, int]:
    """Code -> id of every class in reach that is not at an end and alone has its code."""
    query = select(class_group.c.code, class_group.c.id).where(class_group.c.ended_ms.is_(None), visible(scope, act))
    found: dict[str, list[int]] = {}
    for row in connection.execute(query):
        found.setdefault(row.code, []).append(row.id)
    return {code: ids[0] for code, ids in found.items() if len(ids) == 1}
