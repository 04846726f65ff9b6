"""What is known of a house's kiosks on an evening: up to when, and what keeps *missing* from being said (DDU-13)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, exists, false, func, null, or_, select, true

from server.policy import downtime
from server.policy.evenings import Evening
from server.policy.outages import outages
from server.store import alarms, chunks, heads, journals, lost_ranges, untimed_check_ins, withheld
from server.store.schema import alarm, reader, reader_state
from server.store.schema_residence import check_in, check_in_reading, kiosk, kiosk_event
from server.store.untimed_check_ins import Span

#: what a kiosk without a list of residents keeps of a card (docs/wire.md)
STRANGER, NO_LIST = "card-unknown", "no-list"
_UNSURE_MS = func.coalesce(kiosk_event.c.unsure_ms, kiosk_event.c.uncertainty_ms, 0)
_NOTED = and_(kiosk_event.c.event == STRANGER, kiosk_event.c.detail == NO_LIST)


@dataclass(frozen=True, kw_only=True)
class KioskKnown:
    """A kiosk of a house, and up to when it has told everything."""

    reader_id: int
    name: str
    known_until_ms: int | None
    seen_ms: int | None
    clock: str | None
    able: str | None
    #: an alarm is open that there are two of it: then nothing is known of it
    twice: bool


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """Why it is not known who came."""

    #: one of server/policy/downtime.py
    why: str
    #: names of the kiosks that it is about
    kiosks: tuple[str, ...] = ()
    #: (from, to) of each stretch in which all were down; or when the card of whom it is about may have been noted
    spans: tuple[tuple[int, int], ...] = ()
    #: up to when all is known; None: nothing is
    up_to_ms: int | None = None


@dataclass(frozen=True, kw_only=True)
class Known:
    """Up to when everything of a house's evening is known (None: nothing is); and why not all that it takes is."""

    up_to_ms: int | None
    doubt: Doubt | None


def placed(connection: Connection, house_id: int, from_ms: int, to_ms: int) -> list[Any]:
    """Rows of the placements of kiosks in a house that overlap [from, to), with what is known of each.

    Of a kiosk with an open alarm that there are two of it nothing is known, as in `evidence.doors_of`.
    """
    two = select(alarm.c.reader_id).where(
        alarm.c.code == alarms.CLONE, alarm.c.closed_ms.is_(None), alarm.c.reader_id.is_not(None)
    )
    query = (
        select(
            kiosk.c.reader_id,
            reader.c.name,
            kiosk.c.from_ms,
            kiosk.c.to_ms,
            case((kiosk.c.reader_id.in_(two), null()), else_=reader_state.c.known_until_ms).label("known_until_ms"),
            case((kiosk.c.reader_id.in_(two), true()), else_=false()).label("twice"),
            reader_state.c.seen_ms,
            reader_state.c.clock,
            reader_state.c.able,
        )
        .join(reader, reader.c.id == kiosk.c.reader_id)
        .outerjoin(reader_state, reader_state.c.reader_id == kiosk.c.reader_id)
        .where(
            kiosk.c.house_id == house_id,
            kiosk.c.from_ms < to_ms,
            or_(kiosk.c.to_ms.is_(None), and_(kiosk.c.to_ms > from_ms, kiosk.c.to_ms > kiosk.c.from_ms)),
        )
        .order_by(reader.c.name, kiosk.c.id)
    )
    return list(connection.execute(query))


def shown(rows: Iterable[Any]) -> tuple[KioskKnown, ...]:
    """The same rows for people."""
    return tuple(
        KioskKnown(**{name: getattr(one, name) for name in KioskKnown.__dataclass_fields__ if name != "twice"},
                   twice=bool(one.twice))
        for one in rows
    )  # fmt: skip


def known(
    connection: Connection, rows: list[Any], evening: Evening, least_ms: int, waits_ms: int | None, now_ms: int
) -> Known:
    """What is known of an evening at these kiosks (rows of `placed`). least_ms: no shorter outage is one.

    waits_ms: when the first check-in was that is still to be judged. Outages are looked up only when the evening is
    over and everything of it has been told: before that nobody is missing anyhow.
    """
    opens_ms, closes_ms = evening.opens_ms, evening.closes_ms
    here = [row for row in rows if row.from_ms < closes_ms and (row.to_ms is None or row.to_ms > opens_ms)]
    up_to_ms = _not_past(_up_to(here, closes_ms), waits_ms)
    if not here:
        return Known(up_to_ms=None, doubt=Doubt(why=downtime.NO_KIOSK))
    if twice := tuple(dict.fromkeys(row.name for row in here if row.twice)):
        return Known(up_to_ms=None, doubt=Doubt(why=downtime.TWICE, kiosks=twice))
    if up_to_ms is None or up_to_ms < closes_ms:
        return Known(up_to_ms=up_to_ms, doubt=Doubt(why=downtime.BEHIND, up_to_ms=up_to_ms))
    if now_ms < closes_ms:
        return Known(up_to_ms=up_to_ms, doubt=None)
    gone = journals.lost_of(connection, {row.reader_id for row in here})
    out, lost = [], []
    for row in here:
        begins = max(row.from_ms, opens_ms)
        ends = closes_ms if row.to_ms is None else min(row.to_ms, closes_ms)
        stated = heads.stated(connection, row.reader_id, begins, ends)
        # Before it stood there and after it nobody could check in at it either.
        out.append(
            [
                (opens_ms, begins),
                *((one, other) for one, other, _ in outages(stated, begins, ends)),
                (ends, closes_ms),
            ]
        )
        if any(lost_ranges.may_lie_in(connection, one, stated, begins, ends) for one in gone.get(row.reader_id, ())):
            lost.append(row.name)
    doubt = None
    if spans := downtime.together(out, opens_ms, closes_ms, least_ms):
        doubt = Doubt(why=downtime.DOWN, spans=spans, up_to_ms=up_to_ms)
    elif lost:
        doubt = Doubt(why=downtime.LOST, kiosks=tuple(dict.fromkeys(lost)), up_to_ms=up_to_ms)
    return Known(up_to_ms=up_to_ms, doubt=doubt)


def _up_to(rows: list[Any], closes_ms: int) -> int | None:
    """Up to when everything is known at these kiosks; one that stood there for a part of the evening need only be known
    to that part's end."""
    found: list[int | None] = []
    for row in rows:
        until_ms = row.known_until_ms
        if until_ms is not None and row.to_ms is not None and until_ms >= row.to_ms:
            until_ms = max(until_ms, closes_ms)
        found.append(until_ms)
    whole = [one for one in found if one is not None]
    return min(whole) if found and len(whole) == len(found) else None


def _not_past(known_ms: int | None, waits_ms: int | None) -> int | None:
    """What was told and judged: no further than the first check-in that is still to be judged."""
    return known_ms if known_ms is None or waits_ms is None else min(known_ms, waits_ms)


def waiting(connection: Connection, house_id: int) -> int | None:
    """When the earliest check-in was, or card that was noted without a list, that has arrived at a house's kiosks and is
    not judged yet; None: none waits."""
    at_ms = check_in_reading.c.at_ms - check_in_reading.c.uncertainty_ms
    query = (
        select(func.min(func.coalesce(at_ms, check_in.c.received_ms)))
        .join(check_in, check_in.c.id == check_in_reading.c.check_in_id)
        .join(kiosk, kiosk.c.reader_id == check_in_reading.c.reader_id)
        .where(check_in_reading.c.due, kiosk.c.house_id == house_id)
    )
    card_ms = kiosk_event.c.at_ms - _UNSURE_MS
    cards = (
        select(func.min(func.coalesce(card_ms, kiosk_event.c.received_ms)))
        .join(kiosk, kiosk.c.reader_id == kiosk_event.c.reader_id)
        .where(_NOTED, kiosk_event.c.due, kiosk.c.house_id == house_id)
    )
    found = [connection.execute(one).scalar() for one in (query, cards)]
    return min((one for one in found if one is not None), default=None)


def _noted() -> ColumnElement[bool]:
    """A card was noted without a list, by a kiosk that is believed: one that is stolen says of nobody that they were there."""
    return and_(_NOTED, withheld.event_is_believed())


def _may_be_of(begins_ms: int, ends_ms: int) -> ColumnElement[bool]:
    at_ms, received_ms = kiosk_event.c.at_ms, kiosk_event.c.received_ms
    return or_(
        and_(at_ms.is_(None), untimed_check_ins.may_be_of(received_ms, begins_ms, ends_ms)),
        and_(at_ms - _UNSURE_MS < ends_ms, at_ms + _UNSURE_MS >= begins_ms),
    )


def nowhere(connection: Connection, people: Iterable[int], begins_ms: int, ends_ms: int) -> dict[int, tuple[str, ...]]:
    """person id -> names of the kiosks that noted their card so while they served no house: these never have a list."""
    when_ms = func.coalesce(kiosk_event.c.at_ms, kiosk_event.c.received_ms)
    placed_then = exists().where(
        kiosk.c.reader_id == kiosk_event.c.reader_id,
        kiosk.c.from_ms <= when_ms,
        or_(kiosk.c.to_ms.is_(None), kiosk.c.to_ms > when_ms),
    )
    found: dict[int, tuple[str, ...]] = {}
    for ids in chunks.of(people):
        query = (
            select(kiosk_event.c.person_id, reader.c.name)
            .join(reader, reader.c.id == kiosk_event.c.reader_id)
            .where(kiosk_event.c.person_id.in_(ids), _noted(), _may_be_of(begins_ms, ends_ms), ~placed_then)
            .distinct()
            .order_by(reader.c.name)
        )
        for person_id, name in connection.execute(query):
            found[person_id] = (*found.get(person_id, ()), name)
    return found


def noted(connection: Connection, people: list[int], begins_ms: int, ends_ms: int) -> dict[int, list[Span]]:
    """person id -> when their card was held to a kiosk that had no list of residents, where that may be within
    [begins, ends). They were told that it is kept and looked at: nobody calls them missing for it (DDU-13)."""
    may_be = _may_be_of(begins_ms, ends_ms)
    rows: list[Any] = []
    for ids in chunks.of(people):
        query = select(kiosk_event, _UNSURE_MS.label("doubt_ms"), null().label("roster_shown"))
        rows += connection.execute(query.where(kiosk_event.c.person_id.in_(ids), _noted(), may_be))
    found: dict[int, list[Span]] = {}
    untimed = [row for row in rows if row.at_ms is None]
    for row in rows:
        if row.at_ms is not None:
            span = Span(row.at_ms - row.doubt_ms, row.at_ms + row.doubt_ms, row.received_ms)
            found.setdefault(row.person_id, []).append(span)
    for row, span in zip(untimed, untimed_check_ins.bounds(connection, untimed, ends_ms), strict=True):
        if span is not None:
            found.setdefault(row.person_id, []).append(span)
    return found
