"""What an import of the residence compares with: houses, who lives there and is on duty, and whose numbers are whose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, or_, select

from server.store.schema import person_external_id
from server.store.schema_residence import duty, house, residency


@dataclass(frozen=True, kw_only=True)
class Lives:
    """A residency, or a duty (then floor and room are ''), that has not ended."""

    id: int
    person_id: int
    house: str
    floor: str
    room: str
    source: str
    from_ms: int
    to_ms: int | None


@dataclass(frozen=True, kw_only=True)
class Held:
    """What is held. houses: code -> (id, name, whether it ended); people: number -> the persons who have it."""

    houses: dict[str, tuple[int, str, bool]]
    people: dict[str, set[int]]
    residents: list[Lives]
    duties: list[Lives]


def held(connection: Connection, institution_id: int, now_ms: int) -> Held:
    """All of it, of whatever source."""
    houses = connection.execute(select(house).where(house.c.institution_id == institution_id)).all()
    people: dict[str, set[int]] = {}
    known = select(person_external_id.c.external_id, person_external_id.c.person_id).where(
        person_external_id.c.institution_id == institution_id, person_external_id.c.to_ms.is_(None)
    )
    for row in connection.execute(known):
        people.setdefault(row.external_id, set()).add(row.person_id)
    codes = {row.id: row.code for row in houses}
    return Held(
        houses={row.code: (row.id, row.name, row.ended_ms is not None) for row in houses},
        people=people,
        residents=_open(connection, residency, institution_id, codes, now_ms),
        duties=_open(connection, duty, institution_id, codes, now_ms),
    )


def _open(connection: Connection, table: Any, institution_id: int, codes: dict[int, str], now_ms: int) -> list[Lives]:
    query = (
        select(table)
        .where(table.c.institution_id == institution_id, or_(table.c.to_ms.is_(None), table.c.to_ms > now_ms))
        .order_by(table.c.id)
    )
    return [
        Lives(
            id=row.id,
            person_id=row.person_id,
            house=codes[row.house_id],
            floor=row._mapping.get("floor", ""),
            room=row._mapping.get("room", ""),
            source=row.source,
            from_ms=row.from_ms,
            to_ms=row.to_ms,
        )
        for row in connection.execute(query)
        if row.to_ms is None or row.to_ms > row.from_ms
    ]
