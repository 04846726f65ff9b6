"""Registers that an import changes: their version goes up, so that open pages fetch them again."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select, update

from server.store.due import CHUNK
from server.store.schema import enrolment, register, session_class


def touch_registers(
    connection: Connection,
    *,
    session_ids: Iterable[int] = (),
    class_ids: Iterable[int] = (),
    person_ids: Iterable[int] = (),
) -> None:
    """Raise the version of the registers of these sessions, of these classes' and of these persons' sessions."""
    classes = set(class_ids)
    for ids in chunks(person_ids):
        query = select(enrolment.c.class_id).where(enrolment.c.person_id.in_(ids)).distinct()
        classes.update(connection.execute(query).scalars())
    for ids in chunks(classes):
        concerned = select(session_class.c.session_id).where(session_class.c.class_id.in_(ids))
        connection.execute(
            update(register).where(register.c.session_id.in_(concerned)).values(version=register.c.version + 1)
        )
    for ids in chunks(session_ids):
        connection.execute(
            update(register).where(register.c.session_id.in_(ids)).values(version=register.c.version + 1)
        )


def chunks(ids: Iterable[int]) -> list[list[int]]:
    """The ids, each once and in order, in pieces that fit one statement."""
    wanted = sorted(set(ids))
    return [wanted[start : start + CHUNK] for start in range(0, len(wanted), CHUNK)]
