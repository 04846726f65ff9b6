"""What is meant by a code that somebody wrote: the one class or course that has it and is not at an end."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, Table, select

from server.errors import NotFound
from server.store.schema import class_group, course

_WORDS = {class_group: ("class", "classes"), course: ("course", "courses")}


def every(connection: Connection, institution_id: int, table: Table, code: str) -> list[int]:
    """The ids of all that have this code and are not at an end."""
    query = select(table.c.id).where(
        table.c.institution_id == institution_id, table.c.code == code, table.c.ended_ms.is_(None)
    )
    return list(connection.execute(query.order_by(table.c.id)).scalars())


def one(connection: Connection, institution_id: int, table: Table, code: str) -> int:
    """The id of the one. Raises NotFound (`class`, `course`) where none has the code, or several have."""
    found = every(connection, institution_id, table, code)
    if len(found) != 1:
        what, plural = _WORDS[table]
        many = f"several {plural} have" if found else f"no {what} has"
        raise NotFound(what, f"{many} the code {code[:64]}: write the code of one {what} as the timetable does")
    return found[0]


def ids(connection: Connection, institution_id: int, table: Table, codes: Iterable[str]) -> dict[int, str]:
    """id -> code of these. Raises NotFound (`class`, `course`)."""
    return {one(connection, institution_id, table, code): code for code in codes}
