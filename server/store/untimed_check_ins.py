"""Check-ins without a time: between when and when each was made (DDU-13).

A kiosk's boot that never learnt the time is bounded by what stands around it, as a door's swipes are (store/untimed.py):
by what the boots before it recorded and stated, by the residents list that it judged with, by what later boots stated,
and by its arrival here. What is not known bounds nothing. Of a kiosk that was off the line for weeks one check-in may hold
open every evening of that time: staff see between when and when it was, and settle them (`not-then`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, func, select

from server.store import check_ins, chunks
from server.store.rosters import AHEAD_MS
from server.store.schema import clock_pair, head, journal, reader, record
from server.store.schema_residence import check_in, check_in_reading, kiosk_event

#: where nothing bounds it and the kiosk was heard of meanwhile: of any evening of the week before it came
WEEK_MS = 7 * 24 * 3_600_000
#: however long a kiosk was off the line: nothing that it brings holds open what is longer ago than this
LONGEST_MS = 26 * WEEK_MS
#: boots before it that are looked through for one that knew the time
STEPS = 16


class Span(NamedTuple):
    """Between when and when something was, and when the store heard of it. UTC epoch milliseconds."""

    from_ms: int
    to_ms: int
    received_ms: int


def of(connection: Connection, people: Iterable[int], from_ms: int, to_ms: int) -> dict[int, list[Span]]:
    """person id -> earliest and latest time of each of their check-ins without a time that may be within [from, to)."""
    found: dict[int, list[Span]] = {}
    boots: dict[int, _Boot] = {}
    for ids in chunks.of(people):
        query = (
            select(check_in, check_in_reading.c.person_id)
            .join(check_in_reading, check_in_reading.c.check_in_id == check_in.c.id)
            .where(
                check_in_reading.c.person_id.in_(ids),
                check_in_reading.c.at_ms.is_(None),
                may_be_of(check_in.c.received_ms, from_ms, to_ms),
            )
            .order_by(check_in.c.id)
        )
        for row in connection.execute(query).all():
            if span := _bounded(connection, boots, row, to_ms):
                found.setdefault(row.person_id, []).append(span)
    return found


def may_be_of(received_ms: ColumnElement[int], from_ms: int, to_ms: int) -> ColumnElement[bool]:
    """Whether what came then without a time may be of [from, to): it came later, and by no more than the longest."""
    return and_(received_ms >= from_ms, received_ms < to_ms + LONGEST_MS)


def bounds(connection: Connection, rows: Iterable[Any], to_ms: int) -> list[Span | None]:
    """Earliest and latest time of each of these facts of kiosks that have none: rows with journal_id, seq, clock,
    received_ms and roster_shown. None: it was surely not before to_ms."""
    boots: dict[int, _Boot] = {}
    return [_bounded(connection, boots, row, to_ms) for row in rows]


def _bounded(connection: Connection, boots: dict[int, _Boot], row: Any, to_ms: int) -> Span | None:
    if row.journal_id not in boots:
        boots[row.journal_id] = _Boot(connection, row.journal_id)
    # Of one evening's page most that came in the weeks after it is told apart by this alone.
    boot = boots[row.journal_id]
    return boot.bounds(connection, row) if boot.least(row) < to_ms else None


class _Boot:
    """What bounds the check-ins of one boot."""

    def __init__(self, connection: Connection, journal_id: int) -> None:
        one = connection.execute(select(journal).where(journal.c.id == journal_id)).one()
        known = (_latest_of(connection, one), _stated_before(connection, one))
        #: when it had surely not begun yet; None: not known
        self.after_ms = max((time for time in known if time is not None), default=None)
        #: when the kiosk was last heard of before anything of it came
        self.quiet_ms = _quiet_since(connection, one) if self.after_ms is None else None
        #: (up to which of its records it had come, by when) as was first stated of it
        self.stated = _stated_after(connection, one, self.after_ms)

    def _after(self, row: Any) -> list[int]:
        """After each of these it was made, as far as these are true."""
        found = [] if self.after_ms is None else [self.after_ms]
        if row.roster_shown is not None:
            # Its version is the store's time when it was made, and by no more than this above it.
            found.append(row.roster_shown - AHEAD_MS)
        if not found:
            week_ms = row.received_ms - WEEK_MS
            # Nobody is silently missing: off the line for longer it may have been made then.
            found.append(week_ms if self.quiet_ms is None else min(self.quiet_ms, week_ms))
        return found

    def least(self, row: Any) -> int:
        """The earliest that anything known of it allows, were one part of that not true."""
        return max(row.received_ms - LONGEST_MS, min(*self._after(row), row.received_ms - WEEK_MS))

    def bounds(self, connection: Connection, row: Any) -> Span:
        """The earliest and the latest time at which this check-in may have been made."""
        los, his = [row.received_ms - LONGEST_MS, *self._after(row)], [row.received_ms]
        if row.clock == "none":
            # Where the boot had a time that is not believed, nothing else of it proves anything.
            before_ms, after_ms = check_ins.around(connection, row.journal_id, row.seq, row.seq)
            los += [] if before_ms is None else [before_ms]
            his += [] if after_ms is None else [after_ms]
            his += [at_ms for last, at_ms in self.stated if last >= row.seq]
        # What contradicts itself rests on a clock that was wrong.
        lo_ms, hi_ms = (max(los), min(his)) if max(los) <= min(his) else (self.least(row), row.received_ms)
        return Span(lo_ms, hi_ms, row.received_ms)


_UNSURE = func.coalesce(head.c.uncertainty_ms, 0)


def _stated_before(connection: Connection, one: Any) -> int | None:
    """When the kiosk last stated what it holds, naming the boot before this one and not this one: before it began."""
    if one.before_journal is None:
        return None
    query = _timed(one.reader_id, head.c.wall_ms - _UNSURE).where(
        head.c.wall_ms <= one.opened_ms,
        head.c.wall_ms > one.opened_ms - LONGEST_MS,
        head.c.journals.contains(f"{one.before_journal}:"),
        ~head.c.journals.contains(f"{one.journal}:"),
    )
    return connection.execute(query.order_by(head.c.wall_ms.desc()).limit(1)).scalar()


def _quiet_since(connection: Connection, one: Any) -> int | None:
    """When the kiosk last stated anything before it was heard of this boot; before that it was made, where it never did.

    Of another storage's heads that is no proof that the boot had not begun: it only says for how long nothing was heard.
    """
    query = _timed(one.reader_id, head.c.wall_ms - _UNSURE).where(
        head.c.wall_ms <= one.opened_ms, ~head.c.journals.contains(f"{one.journal}:")
    )
    found = connection.execute(query.order_by(head.c.wall_ms.desc()).limit(1)).scalar()
    made = select(reader.c.created_ms).where(reader.c.id == one.reader_id)
    return connection.execute(made).scalar() if found is None else found


def _stated_after(connection: Connection, one: Any, after_ms: int | None) -> list[tuple[int, int]]:
    """What the kiosk first stated of this boot at a time that it knew, as a later boot does: up to which record it had
    come, and by when."""
    from_ms = one.opened_ms - WEEK_MS if after_ms is None else after_ms
    query = _timed(one.reader_id, head.c.journals, (head.c.wall_ms + _UNSURE).label("at_ms")).where(
        head.c.wall_ms > from_ms, head.c.journals.contains(f"{one.journal}:")
    )
    row = connection.execute(query.order_by(head.c.wall_ms).limit(1)).first()
    if row is None:
        return []
    named = dict(part.split(":") for part in filter(None, row.journals.split(",")))
    return [(int(named[one.journal]), row.at_ms)] if one.journal in named else []


def _timed(reader_id: int, *what: Any) -> Any:
    return select(*what).where(head.c.reader_id == reader_id, head.c.clock != "none", head.c.wall_ms.is_not(None))


def _latest_of(connection: Connection, one: Any) -> int | None:
    """The latest time that the nearest boot before this one recorded, of those that knew it."""
    for _ in range(STEPS):
        if one.before_journal is None:
            return None
        before = connection.execute(
            select(journal).where(journal.c.reader_id == one.reader_id, journal.c.journal == one.before_journal)
        ).first()
        if before is None:
            return None
        # A copied card's other half may have gone on in that journal.
        last = one.before_seq if one.before_seq is not None else -1
        events = select(
            func.max(kiosk_event.c.at_ms - func.coalesce(kiosk_event.c.unsure_ms, kiosk_event.c.uncertainty_ms, 0))
        ).where(kiosk_event.c.journal_id == before.id, kiosk_event.c.seq <= last)
        pairs = (
            select(func.max(clock_pair.c.wall_ms - clock_pair.c.uncertainty_ms))
            .join(record, record.c.id == clock_pair.c.record_id)
            .where(clock_pair.c.journal_id == before.id, record.c.seq <= last)
        )
        checked_in = check_ins.around(connection, before.id, last + 1, last + 1)[0]
        times = (checked_in, connection.execute(events).scalar(), connection.execute(pairs).scalar())
        known = [time for time in times if time is not None]
        if known:
            return max(known)
        one = before
    return None
