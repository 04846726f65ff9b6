"""What the doors' page shows beside the doors: gateways, and when the last record came through each."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from server.store.schema import gateway, record

#: the newest records that are looked at: a gateway that delivered none of them is quiet
RECENT = 2000


@dataclass(frozen=True, kw_only=True)
class GatewaySeen:
    """A gateway."""

    name: str
    #: when it last asked for rosters, which it does every 2 s (written down every 10); None: never
    seen_ms: int | None
    #: when the newest record that came through it arrived; None: none lately
    last_ms: int | None


def gateways(connection: Connection, institution_id: int) -> list[GatewaySeen]:
    """The gateways that may deliver, by name."""
    newest = select(func.coalesce(func.max(record.c.id), 0)).scalar_subquery()
    recent = (
        select(record.c.gateway_id, func.max(record.c.received_ms).label("last_ms"))
        .where(record.c.id > newest - RECENT)
        .group_by(record.c.gateway_id)
        .subquery()
    )
    query = (
        select(gateway.c.name, gateway.c.seen_ms, recent.c.last_ms)
        .outerjoin(recent, recent.c.gateway_id == gateway.c.id)
        .where(gateway.c.institution_id == institution_id, gateway.c.revoked_ms.is_(None))
        .order_by(gateway.c.name)
    )
    return [GatewaySeen(name=row.name, seen_ms=row.seen_ms, last_ms=row.last_ms) for row in connection.execute(query)]
