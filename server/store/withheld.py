"""What readers that are believed no more delivered since: whether it counts, asked wherever a swipe gets its room.

The rule is server/policy/revoking.py; store/revocations.py writes the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, or_, select, update

from server.policy.revoking import Revoked
from server.store.prepared import Prepared
from server.store.schema import reading, swipe
from server.store.schema_residence import kiosk_event
from server.store.schema_trust import reader_revocation

_OF = Prepared(
    select(reader_revocation.c.reader_id, reader_revocation.c.since_ms, reader_revocation.c.released_ms).where(
        reader_revocation.c.reader_id.in_(bindparam("ids", expanding=True))
    )
)


def of_readers(connection: Connection, reader_ids: Iterable[int]) -> dict[int, Revoked]:
    """Those of these readers that are believed no more, by id."""
    wanted = sorted(set(reader_ids))
    if not wanted:
        return {}
    return {
        row.reader_id: Revoked(since_ms=row.since_ms, released=row.released_ms is not None)
        for row in _OF.all(connection, {"ids": wanted})
    }


def is_believed() -> ColumnElement[bool]:
    """Of a row of `reading`: it came from a reader that is believed, or before that one was stolen. For lists of who was
    seen, in which a forged swipe would say that somebody is safe."""
    late = (
        select(swipe.c.id)
        .join(reader_revocation, reader_revocation.c.reader_id == swipe.c.reader_id)
        .where(swipe.c.id == reading.c.swipe_id, swipe.c.received_ms >= reader_revocation.c.since_ms)
    )
    return ~late.exists()


def counts(fact: Any, said: Any, number: Any) -> ColumnElement[bool]:
    """Of a row of `said` (`reading` or `check_in_reading`, or an alias) about one of `fact`: it counts. What a reader told
    since it was stolen accuses nobody and proves nothing, until a person has let it count. number: the fact's in `said`."""
    fact = fact.alias()
    late = (
        select(reader_revocation.c.reader_id)
        .join(fact, fact.c.reader_id == reader_revocation.c.reader_id)
        .where(
            fact.c.id == number,
            fact.c.received_ms >= reader_revocation.c.since_ms,
            or_(
                reader_revocation.c.released_ms.is_(None),
                said.c.at_ms.is_(None),
                said.c.at_ms + said.c.uncertainty_ms >= reader_revocation.c.since_ms,
            ),
        )
    )
    return ~late.exists()


def event_is_believed() -> ColumnElement[bool]:
    """Of a row of `kiosk_event`: the kiosk is believed, or told it before it was stolen, or it was let count since. What
    a kiosk told between theft and call is kept; no PIN is locked by it, no sensor holds what it says, nobody was there."""
    unsure_ms = func.coalesce(kiosk_event.c.unsure_ms, kiosk_event.c.uncertainty_ms, 0)
    late = select(reader_revocation.c.reader_id).where(
        reader_revocation.c.reader_id == kiosk_event.c.reader_id,
        kiosk_event.c.received_ms >= reader_revocation.c.since_ms,
        or_(
            reader_revocation.c.released_ms.is_(None),
            kiosk_event.c.at_ms.is_(None),
            kiosk_event.c.at_ms + unsure_ms >= reader_revocation.c.since_ms,
        ),
    )
    return ~late.exists()


def event_counts(row: Any, revoked: Mapping[int, Revoked]) -> bool:
    """The same of one row that was read. revoked: as `of_readers` says."""
    held = revoked.get(row.reader_id)
    unsure_ms = row.uncertainty_ms if row.unsure_ms is None else row.unsure_ms
    return held is None or held.counts(at_ms=row.at_ms, unsure_ms=unsure_ms or 0, received_ms=row.received_ms)


def events_among(connection: Connection, record_ids: Iterable[int]) -> set[int]:
    """Which of these records are events of kiosks that are not believed."""
    wanted = sorted(set(record_ids))
    if not wanted:
        return set()
    return set(connection.execute(_NOT_BELIEVED, {"ids": wanted}).scalars())


def take_rooms(connection: Connection, reader_id: int) -> None:
    """Take the room from those of the reader's readings that do not count: without a room a swipe credits nothing."""
    held = of_readers(connection, [reader_id]).get(reader_id)
    if held is None:
        return
    late = select(swipe.c.id).where(swipe.c.reader_id == reader_id, swipe.c.received_ms >= held.since_ms)
    where = [reading.c.reader_id == reader_id, reading.c.swipe_id.in_(late)]
    if held.released:
        where.append(or_(reading.c.at_ms.is_(None), reading.c.at_ms + reading.c.uncertainty_ms >= held.since_ms))
    connection.execute(update(reading).where(*where).values(room_id=None))


_NOT_BELIEVED = select(kiosk_event.c.id).where(
    kiosk_event.c.id.in_(bindparam("ids", expanding=True)), ~event_is_believed()
)
