"""Who lives in a house and who is on duty there, as lists show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, select

from server.scope import Scope
from server.store import residence_reach
from server.store.schema import person, person_name
from server.store.schema_residence import residency


@dataclass(frozen=True, kw_only=True)
class Resident:
    """Somebody who lives, lived or will live in a house; or is on duty there (then floor and room are '')."""

    #: of the residency, or duty
    id: int
    person_id: int
    name: str
    number: str
    house_id: int
    floor: str
    room: str
    source: str
    from_ms: int
    to_ms: int | None


def listed(connection: Connection, scope: Scope, table: Any, house_id: int, now_ms: int, ended: bool) -> list[Resident]:
    """The rows of `residency` or `duty` of a house, by floor, room and name. Raises NotAllowed, NotFound(`house`)."""
    scope.need("residence.read")
    residence_reach.need_house(connection, scope, house_id, "residence.read")
    over = and_(table.c.to_ms.is_not(None), table.c.to_ms <= now_ms)
    floor, room = (table.c.floor, table.c.room) if table is residency else (func.lower(""), func.lower(""))
    query = (
        select(
            *(table.c[name] for name in ("id", "person_id", "house_id", "source", "from_ms", "to_ms")),
            floor.label("floor"),
            room.label("room"),
            func.coalesce(person_name.c.full_name, "").label("name"),
            func.coalesce(residence_reach.number(), "").label("number"),
        )
        .join(person, person.c.id == table.c.person_id)
        .outerjoin(person_name, person_name.c.person_id == table.c.person_id)
        .where(table.c.house_id == house_id, over if ended else ~over)
        .order_by(floor, room, person_name.c.sort_name, table.c.id)
    )
    return [
        Resident(**{name: getattr(row, name) for name in Resident.__dataclass_fields__})
        for row in connection.execute(query)
        if row.to_ms is None or row.to_ms > row.from_ms
    ]
