"""To which department a student belongs, as an import says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from server.store import chunks
from server.store.schema_rights import department, person_department


@dataclass(frozen=True, kw_only=True)
class Department:
    """One that is not at an end."""

    id: int
    code: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Place:
    """A student's department now."""

    department_id: int


def departments(connection: Connection, institution_id: int) -> list[Department]:
    """Every one that is not at an end."""
    query = select(department.c.id, department.c.code, department.c.title).where(
        department.c.institution_id == institution_id, department.c.ended_ms.is_(None)
    )
    return [Department(id=row.id, code=row.code, title=row.title) for row in connection.execute(query)]


def places(connection: Connection, institution_id: int, sids: Mapping[int, str]) -> dict[str, Place]:
    """The source's id -> the department of these persons (person id -> the source's id), of whoever has one."""
    query = (
        select(person_department.c.person_id, person_department.c.department_id)
        .where(person_department.c.institution_id == institution_id, person_department.c.to_ms.is_(None))
        .order_by(person_department.c.id)
    )
    return {
        sids[row.person_id]: Place(department_id=row.department_id)
        for row in connection.execute(query)
        if row.person_id in sids
    }


def apply(
    connection: Connection,
    institution_id: int,
    persons: Mapping[str, int],
    changes: list[dict[str, Any]],
    now_ms: int,
) -> None:
    """They belong there from now on. changes: user_sid, department_id."""
    if not changes:
        return
    for ids in chunks.of(persons[one["user_sid"]] for one in changes):
        connection.execute(
            update(person_department)
            .where(person_department.c.person_id.in_(ids), person_department.c.to_ms.is_(None))
            .values(to_ms=now_ms)
        )
    connection.execute(
        insert(person_department),
        [
            {
                "institution_id": institution_id,
                "person_id": persons[one["user_sid"]],
                "department_id": one["department_id"],
                "from_ms": now_ms,
            }
            for one in changes
        ],
    )
