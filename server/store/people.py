"""Persons: found by what others call them. Names stand in a table of their own, which can be erased."""

from __future__ import annotations

from sqlalchemy import Connection, select

from server.errors import NotFound
from server.store.schema import person_external_id


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
