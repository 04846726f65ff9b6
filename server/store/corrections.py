"""The rows of corrections: a mark that an approved request set, its rule and its day. Quotas are counted from them (DDU-8),
and what they say counts for the attendance and not for entitlements (DDU-10)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, select

from server.store import chunks
from server.store.schema import correction, mark, session

#: what makes two rows one correction: a class that is brought back has its marks again, and no correction more
_ONE = (correction.c.person_id, mark.c.session_id, correction.c.created_ms, correction.c.note_id)


def of_marks(connection: Connection, mark_ids: Iterable[int]) -> list[Any]:
    """The rows of these marks."""
    found: list[Any] = []
    for ids in chunks.of(mark_ids):
        found += connection.execute(select(correction).where(correction.c.mark_id.in_(ids)))
    return found


def again(connection: Connection, rows: Iterable[Any], mark_ids: Mapping[int, int]) -> None:
    """The same corrections for marks that say them again. mark_ids: person -> the new mark."""
    kept = ("institution_id", "person_id", "rule", "day", "note_id", "created_ms")
    made = [{name: getattr(row, name) for name in kept} | {"mark_id": mark_ids[row.person_id]} for row in rows]
    if made:
        connection.execute(correction.insert(), made)


def of_persons(
    connection: Connection, institution_id: int, profile: str, person_ids: Iterable[int]
) -> list[tuple[int, int]]:
    """(person, when) of every correction of these persons in sessions of this profile, each once."""
    query = (
        select(*_ONE)
        .join(mark, mark.c.id == correction.c.mark_id)
        .join(session, session.c.id == mark.c.session_id)
        .where(
            correction.c.institution_id == institution_id,
            correction.c.person_id.in_(sorted(set(person_ids))),
            session.c.profile == profile,
        )
        .distinct()
    )
    return [(row.person_id, row.created_ms) for row in connection.execute(query)]
