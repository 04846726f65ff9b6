"""Outages as facts: what began, what ended, and what was; and what the job that notes them reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, delete, func, or_, select, update

from server.policy.outage_facts import OFF, Change, Head
from server.store import upsert
from server.store.schema import gateway, head, reader, reader_state
from server.store.schema_fleet import fleet_watch
from server.store.schema_fleet import reader_outage as outage

#: heads of one look
HEADS_MOST = 5000


@dataclass(frozen=True, kw_only=True)
class Outage:
    """One. reader_id None: of the whole line. to_ms None: it goes on."""

    reader_id: int | None
    kind: str
    from_ms: int
    to_ms: int | None


def looked(connection: Connection, institution_id: int) -> tuple[int, int] | None:
    """When the store looked last, and up to which head; None: never. Of two servers at once the second one waits, and finds
    what the first one noted."""
    row = connection.execute(
        select(fleet_watch.c.looked_ms, fleet_watch.c.head_id)
        .where(fleet_watch.c.institution_id == institution_id)
        .with_for_update()
    ).first()
    return (row.looked_ms, row.head_id) if row is not None else None


def note_look(connection: Connection, institution_id: int, now_ms: int, head_id: int) -> None:
    """The store has looked, up to this head."""
    connection.execute(
        upsert.over(connection, fleet_watch, ("institution_id",), ("looked_ms", "head_id")).values(
            institution_id=institution_id, looked_ms=now_ms, head_id=head_id
        )
    )


def last_head(connection: Connection) -> int:
    """The newest head's id; 0: there is none."""
    return connection.execute(select(func.coalesce(func.max(head.c.id), 0))).scalar_one()


_SAID = (head.c.id, head.c.reader_id, head.c.wall_ms, head.c.boot_ms, head.c.able, head.c.uncertainty_ms, head.c.clock,
         head.c.received_ms)  # fmt: skip


def heads_after(connection: Connection, institution_id: int, head_id: int) -> list[tuple[int, Head]]:
    """(id, head) of those that came after this one, in order of their arrival."""
    query = (
        select(*_SAID)
        .where(head.c.id > head_id, head.c.institution_id == institution_id)
        .order_by(head.c.id)
        .limit(HEADS_MOST)
    )
    return [(row.id, _head(row)) for row in connection.execute(query)]


def head_before(connection: Connection, reader_id: int, head_id: int) -> Head | None:
    """The newest of a reader's heads that had come before this one did."""
    query = (
        select(*_SAID)
        .where(head.c.reader_id == reader_id, head.c.id <= head_id, head.c.wall_ms.is_not(None))
        .order_by(head.c.wall_ms.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return _head(row) if row is not None else None


def _head(row: Any) -> Head:
    return Head(
        reader_id=row.reader_id,
        wall_ms=row.wall_ms if row.clock != "none" else None,
        boot_ms=row.boot_ms,
        able=row.able,
        unsure_ms=row.uncertainty_ms or 0,
        received_ms=row.received_ms,
    )


def seen(connection: Connection, institution_id: int) -> dict[int, int | None]:
    """reader id -> when anything authentic of it came; of readers that have not ended."""
    query = (
        select(reader_state.c.reader_id, reader_state.c.seen_ms)
        .join(reader, reader.c.id == reader_state.c.reader_id)
        .where(reader_state.c.institution_id == institution_id, reader.c.ended_ms.is_(None))
    )
    return {row.reader_id: row.seen_ms for row in connection.execute(query)}


def gateways_seen(connection: Connection, institution_id: int) -> list[int | None]:
    """When each gateway that may deliver asked for class lists last."""
    query = select(gateway.c.seen_ms).where(gateway.c.institution_id == institution_id, gateway.c.revoked_ms.is_(None))
    return list(connection.execute(query).scalars())


def going_on(connection: Connection, institution_id: int) -> dict[int | None, dict[str, int]]:
    """reader id -> kind -> since when; None for the whole line."""
    query = select(outage.c.reader_id, outage.c.kind, outage.c.from_ms).where(
        outage.c.institution_id == institution_id, outage.c.to_ms.is_(None)
    )
    found: dict[int | None, dict[str, int]] = {}
    for row in connection.execute(query):
        found.setdefault(row.reader_id, {})[row.kind] = row.from_ms
    return found


def note(connection: Connection, institution_id: int, reader_id: int | None, change: Change, now_ms: int) -> None:
    """Note a change. The same one again changes nothing."""
    mine = and_(
        outage.c.institution_id == institution_id,
        outage.c.kind == change.kind,
        outage.c.reader_id.is_(None) if reader_id is None else outage.c.reader_id == reader_id,
    )
    if change.from_ms is None:
        ended = func.coalesce(change.to_ms, now_ms)
        later = upsert.greater(connection.dialect.name, outage.c.from_ms, ended)
        connection.execute(update(outage).where(mine, outage.c.to_ms.is_(None)).values(to_ms=later))
        return
    connection.execute(
        upsert.unless_there(connection, outage, ("reader_id", "kind", "from_ms")).values(
            institution_id=institution_id,
            reader_id=reader_id,
            kind=change.kind,
            from_ms=change.from_ms,
            to_ms=change.to_ms,
            noted_ms=now_ms,
        )
    )


def was_alive(connection: Connection, institution_id: int, head: Head, now_ms: int) -> None:
    """A head that came late proves that its reader was on up to it: what was noted as off is split there."""
    begins, ends = head.at_ms - head.boot_ms, head.at_ms
    mine = and_(outage.c.reader_id == head.reader_id, outage.c.kind == OFF)
    query = select(outage.c.id, outage.c.from_ms, outage.c.to_ms).where(
        mine, outage.c.from_ms < ends, outage.c.to_ms > ends
    )
    for row in connection.execute(query).all():
        connection.execute(update(outage).where(outage.c.id == row.id).values(to_ms=max(row.from_ms, begins)))
        rest = Change(kind=OFF, from_ms=ends, to_ms=row.to_ms)
        note(connection, institution_id, head.reader_id, rest, now_ms)
    connection.execute(delete(outage).where(mine, outage.c.from_ms == outage.c.to_ms))


def within(
    connection: Connection, institution_id: int, from_ms: int, to_ms: int, *, reader_id: int | None = None
) -> list[Outage]:
    """Those that touch [from, to), the first first. reader_id: one reader's, and those of the whole line."""
    query = (
        select(outage.c.reader_id, outage.c.kind, outage.c.from_ms, outage.c.to_ms)
        .where(
            outage.c.institution_id == institution_id,
            outage.c.from_ms < to_ms,
            or_(outage.c.to_ms.is_(None), outage.c.to_ms > from_ms),
        )
        .order_by(outage.c.from_ms, outage.c.id)
    )
    if reader_id is not None:
        query = query.where(or_(outage.c.reader_id == reader_id, outage.c.reader_id.is_(None)))
    return [Outage(**row._mapping) for row in connection.execute(query)]


def by_reader(found: Iterable[Outage]) -> dict[int | None, list[Outage]]:
    """reader id -> its outages, in their order."""
    each: dict[int | None, list[Outage]] = {}
    for one in found:
        each.setdefault(one.reader_id, []).append(one)
    return each
