"""A person's taps that are kept and do not count, because their reader was stolen, lost or opened: for them to see."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from server.policy.revoking import Revoked
from server.store.schema import reading, swipe
from server.store.schema_trust import reader_revocation

#: more than anybody taps at one reader before it is missed
MOST = 50


@dataclass(frozen=True, kw_only=True)
class Withheld:
    """One tap. since_ms: since when its reader is believed no more."""

    at_ms: int
    since_ms: int
    #: a technician may still let it count: it says that it is from before that, and nobody has looked yet
    waits: bool


def of_person(connection: Connection, person_id: int, from_ms: int, to_ms: int) -> list[Withheld]:
    """Those in [from, to), the newest first. The caller has asked for the person."""
    query = (
        select(
            reading.c.at_ms,
            reading.c.uncertainty_ms,
            swipe.c.received_ms,
            reader_revocation.c.since_ms,
            reader_revocation.c.released_ms,
        )
        .join(swipe, swipe.c.id == reading.c.swipe_id)
        .join(reader_revocation, reader_revocation.c.reader_id == reading.c.reader_id)
        .where(
            reading.c.person_id == person_id,
            reading.c.at_ms >= from_ms,
            reading.c.at_ms < to_ms,
            reading.c.verdict == "withheld",
        )
        .order_by(reading.c.at_ms.desc())
        .limit(MOST)
    )
    return [
        Withheld(
            at_ms=row.at_ms,
            since_ms=row.since_ms,
            waits=row.released_ms is None
            and Revoked(since_ms=row.since_ms, released=True).counts(
                at_ms=row.at_ms, unsure_ms=row.uncertainty_ms, received_ms=row.received_ms
            ),
        )
        for row in connection.execute(query)
    ]
