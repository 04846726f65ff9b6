"""What a kiosk must know, gathered: its house's residents and duty staff, their cards, slots, PINs and leave."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, func, or_, select

from server.store.prepared import Prepared
from server.store.rosters import oldest_card_key
from server.store.schema import card_assignment, card_token, reader
from server.store.schema_residence import duty, kiosk, pin, residence_leave, residency, template


def _kiosks() -> Select:
    now_ms = bindparam("now_ms")
    last = select(func.max(kiosk.c.id)).where(kiosk.c.reader_id == reader.c.id).correlate(reader).scalar_subquery()
    serves = and_(kiosk.c.from_ms <= now_ms, or_(kiosk.c.to_ms.is_(None), kiosk.c.to_ms > now_ms))
    now = (
        select(kiosk.c.id)
        .where(kiosk.c.reader_id == reader.c.id, serves)
        .order_by(kiosk.c.from_ms.desc(), kiosk.c.id.desc())
        .limit(1)
        .correlate(reader)
        .scalar_subquery()
    )
    here = kiosk.alias()
    return (
        select(
            reader.c.id.label("reader_id"),
            reader.c.name,
            here.c.house_id,
            here.c.latitude,
            here.c.longitude,
            here.c.radius_m,
            kiosk.c.capacity,
        )
        .join(kiosk, kiosk.c.id == last)
        .outerjoin(here, here.c.id == now)
        .where(reader.c.institution_id == bindparam("institution"), reader.c.ended_ms.is_(None))
        .order_by(reader.c.id)
    )


_KIOSKS = Prepared(_kiosks())


def kiosks(connection: Connection, institution_id: int, now_ms: int) -> list[Any]:
    """Rows (reader id, name, house id or None, its registered place or Nones, capacity) of every reader that serves a
    house, or served one and whose sensor may still hold somebody: that one has no house now."""
    return _KIOSKS.all(connection, {"institution": institution_id, "now_ms": now_ms})


def of_house(connection: Connection, house_id: int, from_ms: int, until_ms: int) -> set[int]:
    """Who lives there now or moves in until then."""
    return _between(connection, residency, house_id, from_ms, until_ms)


def on_duty(connection: Connection, house_id: int, from_ms: int, until_ms: int) -> set[int]:
    """Who is on duty there now or begins until then."""
    return _between(connection, duty, house_id, from_ms, until_ms)


def _between(connection: Connection, table: Any, house_id: int, from_ms: int, until_ms: int) -> set[int]:
    query = select(table.c.person_id).where(
        table.c.house_id == house_id,
        table.c.from_ms <= until_ms,
        or_(table.c.to_ms.is_(None), and_(table.c.to_ms > from_ms, table.c.to_ms > table.c.from_ms)),
    )
    return set(connection.execute(query).scalars())


def tokens(connection: Connection, institution_id: int, person_ids: set[int], now_ms: int) -> list[Any]:
    """Rows (person id, card id, key id, token) of the cards that work for them, under the oldest card key."""
    key_id = oldest_card_key(connection, institution_id, now_ms)
    found: list[Any] = []
    wanted = sorted(person_ids)
    for start in range(0, len(wanted), 500):
        query = (
            select(card_assignment.c.person_id, card_token.c.card_id, card_token.c.key_id, card_token.c.token)
            .join(card_token, card_token.c.card_id == card_assignment.c.card_id)
            .where(
                card_assignment.c.person_id.in_(wanted[start : start + 500]),
                card_assignment.c.from_ms <= now_ms,
                or_(card_assignment.c.to_ms.is_(None), card_assignment.c.to_ms > now_ms),
                card_token.c.key_id == key_id,
            )
            .order_by(card_token.c.id)
        )
        found += connection.execute(query)
    return found


def slots(connection: Connection, reader_id: int) -> dict[int, Any]:
    """person id -> row (slot, generation, state) of the template that this kiosk may hold of them."""
    query = (
        select(template.c.person_id, template.c.slot, template.c.generation, template.c.state)
        .where(template.c.reader_id == reader_id, template.c.state.in_(("wanted", "held")))
        .order_by(template.c.generation)
    )
    return {row.person_id: row for row in connection.execute(query)}


def pins(connection: Connection, institution_id: int) -> dict[tuple[int, int], tuple[bytes, bool]]:
    """(card id, card key id) -> the PIN's hash, and whether it is locked."""
    query = select(pin).where(pin.c.institution_id == institution_id, pin.c.ended_ms.is_(None)).order_by(pin.c.id)
    return {
        (row.card_id, row.card_key_id): (bytes(row.hash), row.locked_ms is not None)
        for row in connection.execute(query)
    }


def away(connection: Connection, institution_id: int, day: str) -> set[int]:
    """Who is on approved leave on an evening (ISO date)."""
    query = select(residence_leave.c.person_id).where(
        residence_leave.c.institution_id == institution_id,
        residence_leave.c.state == "approved",
        residence_leave.c.first <= day,
        residence_leave.c.last >= day,
    )
    return set(connection.execute(query).scalars())
