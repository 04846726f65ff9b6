"""What the store knows of one door in a stretch of time: for a dispute, and without anybody's name.

It says what was stated and when it came, what is proved by it and what is not. Whether somebody tapped there and nothing
shows it is for people to judge: this is what they judge by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from server.policy import outages as lives
from server.store import alarms, heads, journals, outages, withheld
from server.store.outages import Outage
from server.store.schema import (
    alarm,
    head,
    journal,
    placement,
    quarantine,
    reader_state,
    reading,
    room,
    session,
    session_room,
    swipe,
)
from server.store.schema_residence import check_in, check_in_reading

#: why nothing is proved: two boards speak as this reader, and what one states says nothing of the other's taps
TWO_BOARDS = "two-boards"


@dataclass(frozen=True, kw_only=True)
class Heads:
    """What its heads of that time say. A head comes each minute."""

    many: int
    first_ms: int | None
    last_ms: int | None
    #: the longest stretch without one, its two ends
    gap: tuple[int, int] | None
    #: how wrong its clock may have been at the most
    unsure_ms: int | None
    #: clock state -> heads
    clocks: dict[str, int]
    #: the longest that one took to come here
    late_ms: int | None


@dataclass(frozen=True, kw_only=True)
class Session:
    """A session at its door in that time."""

    title: str
    opens_ms: int
    closes_ms: int
    cancelled: bool
    #: swipes that credit somebody with it, and swipes at this door within its window
    credited: int
    swipes: int


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All of it, for [from, to)."""

    rooms: tuple[str, ...]
    heads: Heads
    #: (from, to, why): where its heads do not prove that it was on and took cards
    unproved: tuple[tuple[int, int, str], ...]
    #: since when it is believed no more, as it was out of our hands; None: it is believed
    revoked_ms: int | None
    outages: tuple[Outage, ...]
    #: everything that it recorded up to then is here; None: nothing is known
    known_until_ms: int | None
    #: shown -> swipes
    shown: dict[str, int]
    #: what the store made of them -> swipes
    worth: dict[str, int]
    #: swipes of which the store decides otherwise than the reader showed, and which have no time yet
    differ: int
    unplaced: int
    #: swipes by the class list that they were judged by: its version -> many; None: without one
    lists: dict[int | None, int]
    #: the longest that a swipe took to come here
    latest_ms: int | None
    sessions: tuple[Session, ...]
    #: of a residence's kiosk: shown -> check-ins; and how many of them count for their evening
    check_ins: dict[str, int]
    counted: int
    #: records that are said to exist and are not here, now; records that were declared lost
    missing: int
    lost: int
    #: code -> things that claimed this reader then, and could not be believed or used
    suspect: dict[str, int]


def of(
    connection: Connection, institution_id: int, reader_id: int, reader_name: str, from_ms: int, to_ms: int
) -> Evidence:
    """What is known of this reader in [from, to)."""
    revoked = withheld.of_readers(connection, [reader_id]).get(reader_id)
    # What came from a reader that was stolen may be whoever's, also what says that it is older: it proves nothing.
    by_ms = heads.LAST_MS if revoked is None else revoked.since_ms
    stated = heads.stated(connection, reader_id, from_ms, to_ms, by_ms=by_ms)
    unproved = lives.outages(stated, from_ms, to_ms) if stated else ((from_ms, to_ms, "unknown"),)
    two = _are_two(connection, reader_id)
    counts = _swipes(connection, reader_id, from_ms, to_ms)
    known = connection.execute(
        select(reader_state.c.known_until_ms).where(reader_state.c.reader_id == reader_id)
    ).scalar()
    # Added up here: a reader may state any number, and no database adds two of the largest.
    behind = connection.execute(
        select(journal.c.head, journal.c.up_to).where(
            journal.c.reader_id == reader_id, journal.c.head > journal.c.up_to
        )
    )
    missing = sum(row.head - row.up_to for row in behind)
    lost = sum(row.last - row.first + 1 for row in journals.lost_of(connection, [reader_id]).get(reader_id, []))
    suspects = connection.execute(
        select(quarantine.c.code, func.sum(quarantine.c.count))
        .where(
            quarantine.c.institution_id == institution_id,
            quarantine.c.reader_name == reader_name,
            quarantine.c.first_ms < to_ms,
            quarantine.c.last_ms >= from_ms,
        )
        .group_by(quarantine.c.code)
        .order_by(quarantine.c.code)
    )
    placed = _placed(connection, reader_id, from_ms, to_ms)
    return Evidence(
        rooms=tuple(dict.fromkeys(row.code for row in placed)),
        heads=_heads(connection, reader_id, from_ms, to_ms),
        unproved=((from_ms, to_ms, TWO_BOARDS),) if two else unproved,
        revoked_ms=None if revoked is None else revoked.since_ms,
        outages=tuple(outages.within(connection, institution_id, from_ms, to_ms, reader_id=reader_id)),
        known_until_ms=None if two else known,
        sessions=_sessions(connection, reader_id, placed, from_ms, to_ms),
        missing=missing,
        lost=lost,
        suspect={code: int(many) for code, many in suspects},
        **counts,
        **_check_ins(connection, reader_id, from_ms, to_ms),
    )


def _are_two(connection: Connection, reader_id: int) -> bool:
    """Whether nobody has said yet which of two boards this is: registers do not rest on it either (store/evidence.py)."""
    query = select(alarm.c.id).where(
        alarm.c.reader_id == reader_id, alarm.c.code == alarms.CLONE, alarm.c.closed_ms.is_(None)
    )
    return connection.execute(query.limit(1)).first() is not None


def _heads(connection: Connection, reader_id: int, from_ms: int, to_ms: int) -> Heads:
    at = func.coalesce(head.c.wall_ms, head.c.received_ms)
    query = (
        select(at.label("at_ms"), head.c.received_ms, head.c.clock, head.c.uncertainty_ms)
        .where(
            head.c.reader_id == reader_id,
            or_(
                and_(head.c.wall_ms >= from_ms, head.c.wall_ms < to_ms),
                and_(head.c.wall_ms.is_(None), head.c.received_ms >= from_ms, head.c.received_ms < to_ms),
            ),
        )
        .order_by(at)
    )
    rows = connection.execute(query).all()
    times = [from_ms, *(row.at_ms for row in rows), to_ms]
    gaps = [(later - earlier, earlier, later) for earlier, later in pairwise(times)]
    clocks: dict[str, int] = {}
    for row in rows:
        clocks[row.clock] = clocks.get(row.clock, 0) + 1
    longest = max(gaps)
    return Heads(
        many=len(rows),
        first_ms=rows[0].at_ms if rows else None,
        last_ms=rows[-1].at_ms if rows else None,
        gap=longest[1:] if rows else None,
        unsure_ms=max((row.uncertainty_ms for row in rows if row.uncertainty_ms is not None), default=None),
        clocks=clocks,
        late_ms=max((row.received_ms - row.at_ms for row in rows), default=None),
    )


def _swipes(connection: Connection, reader_id: int, from_ms: int, to_ms: int) -> dict[str, Any]:
    """Swipes by the time that the store gives them; those without one by their arrival."""
    at = func.coalesce(reading.c.at_ms, swipe.c.received_ms)
    query = (
        select(
            swipe.c.verdict,
            reading.c.verdict.label("worth"),
            reading.c.differs,
            reading.c.at_ms,
            swipe.c.roster_shown,
            swipe.c.received_ms,
        )
        .join(reading, reading.c.swipe_id == swipe.c.id)
        .where(swipe.c.reader_id == reader_id, at >= from_ms, at < to_ms)
    )
    shown: dict[str, int] = {}
    worth: dict[str, int] = {}
    lists: dict[int | None, int] = {}
    differ = unplaced = 0
    latest: list[int] = []
    for row in connection.execute(query):
        shown[row.verdict] = shown.get(row.verdict, 0) + 1
        said = row.worth or "undecided"
        worth[said] = worth.get(said, 0) + 1
        lists[row.roster_shown] = lists.get(row.roster_shown, 0) + 1
        differ += bool(row.differs)
        unplaced += row.at_ms is None
        if row.at_ms is not None:
            latest.append(row.received_ms - row.at_ms)
    return {
        "shown": dict(sorted(shown.items())),
        "worth": dict(sorted(worth.items())),
        "lists": lists,
        "differ": differ,
        "unplaced": unplaced,
        "latest_ms": max(latest, default=None),
    }


def _check_ins(connection: Connection, reader_id: int, from_ms: int, to_ms: int) -> dict[str, Any]:
    """Check-ins by the time that the store gives them; those without one by their arrival."""
    at = func.coalesce(check_in_reading.c.at_ms, check_in.c.received_ms)
    query = (
        select(check_in.c.verdict, check_in_reading.c.counts, func.count().label("many"))
        .join(check_in_reading, check_in_reading.c.check_in_id == check_in.c.id)
        .where(check_in.c.reader_id == reader_id, at >= from_ms, at < to_ms)
        .group_by(check_in.c.verdict, check_in_reading.c.counts)
        .order_by(check_in.c.verdict)
    )
    shown: dict[str, int] = {}
    counted = 0
    for row in connection.execute(query):
        shown[row.verdict] = shown.get(row.verdict, 0) + row.many
        counted += row.many if row.counts else 0
    return {"check_ins": shown, "counted": counted}


def _placed(connection: Connection, reader_id: int, from_ms: int, to_ms: int) -> list[Any]:
    query = (
        select(room.c.id, room.c.code)
        .join(placement, placement.c.room_id == room.c.id)
        .where(
            placement.c.reader_id == reader_id,
            placement.c.from_ms < to_ms,
            or_(placement.c.to_ms.is_(None), placement.c.to_ms > from_ms),
        )
        .order_by(placement.c.from_ms)
    )
    return list(connection.execute(query))


def _sessions(
    connection: Connection, reader_id: int, placed: Sequence[Any], from_ms: int, to_ms: int
) -> tuple[Session, ...]:
    rooms = sorted({row.id for row in placed})
    query = (
        select(session.c.id, session.c.title, session.c.opens_ms, session.c.closes_ms, session.c.cancelled_ms)
        .join(session_room, session_room.c.session_id == session.c.id)
        .where(
            session_room.c.room_id.in_(rooms),
            session.c.opens_ms < to_ms,
            session.c.closes_ms > from_ms,
            session_room.c.from_ms <= session.c.closes_ms,
            or_(session_room.c.to_ms.is_(None), session_room.c.to_ms > session.c.opens_ms),
        )
        .distinct()
        .order_by(session.c.opens_ms, session.c.id)
    )
    found = []
    for row in connection.execute(query).all():
        mine = and_(reading.c.reader_id == reader_id, reading.c.at_ms >= row.opens_ms, reading.c.at_ms <= row.closes_ms)
        many = connection.execute(select(func.count()).select_from(reading).where(mine)).scalar_one()
        credits = and_(reading.c.reader_id == reader_id, reading.c.session_id == row.id, reading.c.credits.is_(True))
        credited = connection.execute(select(func.count()).select_from(reading).where(credits)).scalar_one()
        found.append(
            Session(
                title=row.title,
                opens_ms=row.opens_ms,
                closes_ms=row.closes_ms,
                cancelled=row.cancelled_ms is not None,
                credited=credited,
                swipes=many,
            )
        )
    return tuple(found)
