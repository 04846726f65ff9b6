"""Swipes without a time: between when and when each was made, whose it may be, and at which sessions' doors.

A boot that never learnt the time is bounded by its neighbours: by what its board recorded in the boots before and after
it, by the class list that it judged with, and by its arrival here. What is not known bounds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, bindparam, func, select

from firmware.contract.decide import Window
from server.store import cards
from server.store.evidence import LOOK_BACK_MS
from server.store.prepared import Prepared
from server.store.rosters import AHEAD_MS
from server.store.schema import journal, placement, reader, reading, swipe

#: boots that are looked through on either side for one that knew the time
STEPS = 16
#: as long as a placement lasts that has not ended
FOREVER_MS = 1 << 62

_FIELDS = (
    *(reading.c[name] for name in ("swipe_id", "reader_id", "institution_id", "person_id")),
    *(swipe.c[name] for name in ("journal_id", "seq", "clock", "key_id", "token", "key2_id", "token2")),
    *(swipe.c[name] for name in ("roster_shown", "received_ms")),
)


class Untimed(NamedTuple):
    """One swipe without a time."""

    swipe_id: int
    reader_id: int
    institution_id: int
    #: whose it may be: person id -> (from, to), as long as they had the card between when and when it was made
    whose: Mapping[int, tuple[int, int]]


_MADE = select(*_FIELDS).join(swipe, swipe.c.id == reading.c.swipe_id).where(reading.c.at_ms.is_(None))
_OF_READERS = Prepared(
    _MADE.where(
        reading.c.reader_id.in_(bindparam("readers", expanding=True)), swipe.c.received_ms >= bindparam("from_ms")
    )
)
_OF_SWIPES = Prepared(_MADE.where(reading.c.swipe_id.in_(bindparam("swipes", expanding=True))))


def of_readers(connection: Connection, reader_ids: Iterable[int], now_ms: int) -> dict[int, Untimed]:
    """swipe id -> what is known of when and whose it was: the swipes of these readers that have no time, and may be
    somebody's.

    What came longer ago than registers are looked at again is left out: it would only be read at each delivery.
    """
    wanted = sorted(set(reader_ids))
    if not wanted:
        return {}
    rows = _OF_READERS.all(connection, {"readers": wanted, "from_ms": now_ms - LOOK_BACK_MS})
    return {row.swipe_id: one for row, one in _known(connection, rows)}


def of_swipes(connection: Connection, swipe_ids: Iterable[int]) -> dict[int, Untimed]:
    """The same of these swipes."""
    wanted = sorted(set(swipe_ids))
    rows = _OF_SWIPES.all(connection, {"swipes": wanted}) if wanted else []
    return {row.swipe_id: one for row, one in _known(connection, rows)}


_AT_ROOMS = Prepared(
    select(*_FIELDS, placement.c.room_id, placement.c.from_ms.label("placed_ms"), placement.c.to_ms.label("left_ms"))
    .select_from(placement)
    .join(reading, and_(reading.c.reader_id == placement.c.reader_id, reading.c.at_ms.is_(None)))
    .join(swipe, swipe.c.id == reading.c.swipe_id)
    .where(placement.c.room_id.in_(bindparam("rooms", expanding=True)), swipe.c.received_ms >= bindparam("from_ms"))
)


def at_sessions(
    connection: Connection, person_ids: Iterable[int], windows: Mapping[int, Window], rooms: Mapping[int, set[int]]
) -> dict[tuple[int, int], int]:
    """(person, session) -> since when: a swipe that has no time may be the person's, and have been made in the session's
    window at one of its rooms. windows, rooms: by session id."""
    if not windows:
        return {}
    there = {room for session in windows for room in rooms.get(session, ())}
    values = {"rooms": sorted(there), "from_ms": min(one.opens_ms for one in windows.values())}
    rows = _AT_ROOMS.all(connection, values) if there else []
    found: dict[tuple[int, int], int] = {}
    for row, one in _known(connection, rows, set(person_ids)):
        left_ms = FOREVER_MS if row.left_ms is None else row.left_ms
        for person, (begins, ends) in one.whose.items():
            begins, ends = max(begins, row.placed_ms), min(ends, left_ms - 1)
            for session, window in windows.items():
                since_ms = max(begins, window.opens_ms)
                if since_ms <= min(ends, window.closes_ms) and row.room_id in rooms.get(session, ()):
                    key = person, session
                    found[key] = min(since_ms, found.get(key, since_ms))
    return found


def _known(connection: Connection, rows: list[Any], persons: Set[int] | None = None) -> list[tuple[Any, Untimed]]:
    """Those of these rows that may be somebody's. persons: among these only."""
    if not rows:
        return []
    bounds, tokens = _Bounds(connection), {}
    for row in rows:
        tokens.setdefault(row.institution_id, set()).update(_tokens(row))
    owned = {one: cards.owners(connection, one, named) for one, named in tokens.items()}
    found = []
    for row in rows:
        held = [one for token in _tokens(row) for one in owned[row.institution_id].get(token, ())]
        if row.token is None and row.person_id is not None:
            # Its token was taken out since (store/emptying.py): whose it was stays.
            held.append((0, None, row.person_id))
        # Most are nobody's of those asked for, and to look for when they were made takes a look at each boot around.
        held = [one for one in held if persons is None or one[2] in persons]
        if not held:
            continue
        lo_ms, hi_ms = bounds.of(row)
        whose: dict[int, tuple[int, int]] = {}
        for from_ms, to_ms, person in held:
            begins, ends = max(lo_ms, from_ms), hi_ms if to_ms is None else min(hi_ms, to_ms - 1)
            if begins <= ends:
                before = whose.get(person, (begins, ends))
                whose[person] = min(begins, before[0]), max(ends, before[1])
        made = Untimed(swipe_id=row.swipe_id, reader_id=row.reader_id, institution_id=row.institution_id, whose=whose)
        found.append((row, made))
    return found


def _tokens(row: Any) -> list[tuple[int, bytes]]:
    both = ((row.key_id, row.token), (row.key2_id, row.token2))
    return [(key, bytes(token)) for key, token in both if token is not None]


_PLACED = (
    select(swipe.c.seq, reading.c.at_ms, reading.c.uncertainty_ms)
    .join(reading, reading.c.swipe_id == swipe.c.id)
    .where(swipe.c.journal_id == bindparam("journal"), reading.c.at_ms.is_not(None))
)
_PLACED_IN = Prepared(_PLACED)
#: the time after which something of a journal was surely made, by what stands up to a place in it; and before which
_LATEST = Prepared(
    _PLACED.with_only_columns(func.max(reading.c.at_ms - reading.c.uncertainty_ms)).where(
        swipe.c.seq <= bindparam("last")
    )
)
_EARLIEST = Prepared(_PLACED.with_only_columns(func.min(reading.c.at_ms + reading.c.uncertainty_ms)))
_JOURNAL = (journal.c.id, journal.c.journal, journal.c.before_journal, journal.c.before_seq)
_BY_ID = Prepared(select(*_JOURNAL).where(journal.c.id == bindparam("journal")))
_BY_NAME = Prepared(
    select(*_JOURNAL).where(journal.c.reader_id == bindparam("reader"), journal.c.journal == bindparam("name"))
)
_AFTER = Prepared(
    select(*_JOURNAL).where(
        journal.c.reader_id == bindparam("reader"),
        journal.c.before_journal == bindparam("name"),
        journal.c.before_seq.is_not(None),
    )
)
_CREATED = Prepared(select(reader.c.created_ms).where(reader.c.id == bindparam("reader")))


class _Boot:
    """What bounds the swipes of one boot."""

    def __init__(self, connection: Connection, reader_id: int, journal_id: int) -> None:
        self._connection, self._reader_id = connection, reader_id
        one = _BY_ID.first(connection, {"journal": journal_id})
        #: when the boots before it had surely ended
        self.after_ms = self._boots_before(one)
        #: (up to which of its records it had come, by when) of each boot after it
        self._followed = [(row.before_seq, self._boots_after(row)) for row in self._next(one)]
        rows = _PLACED_IN.all(connection, {"journal": journal_id})
        #: (seq, earliest, latest) of its own swipes that have a time
        self._placed = [(row.seq, row.at_ms - row.uncertainty_ms, row.at_ms + row.uncertainty_ms) for row in rows]

    def ended_ms(self, seq: int) -> int | None:
        """When a boot after it had surely begun, that knew of this record."""
        return min((at_ms for last, at_ms in self._followed if last >= seq and at_ms is not None), default=None)

    def around(self, seq: int) -> tuple[int | None, int | None]:
        """The same by its own swipes before and after this one."""
        before = max((lo_ms for one, lo_ms, _ in self._placed if one < seq), default=None)
        return before, min((hi_ms for one, _, hi_ms in self._placed if one > seq), default=None)

    def _boots_before(self, one: Any) -> int | None:
        for _ in range(STEPS):
            if one.before_journal is None or one.before_seq is None:
                return None
            before = _BY_NAME.first(self._connection, {"reader": self._reader_id, "name": one.before_journal})
            if before is None:
                return None
            # A copied board's other half may have gone on in that journal.
            found = _LATEST.scalar(self._connection, {"journal": before.id, "last": one.before_seq})
            if found is not None:
                return found
            one = before
        return None

    def _next(self, one: Any) -> list[Any]:
        return _AFTER.all(self._connection, {"reader": self._reader_id, "name": one.journal})

    def _boots_after(self, one: Any) -> int | None:
        """By when this boot, or one after it, had surely begun."""
        boots = [one]
        for _ in range(STEPS):
            times = [_EARLIEST.scalar(self._connection, {"journal": boot.id}) for boot in boots]
            known = [time for time in times if time is not None]
            if known:
                return min(known)
            boots = [following for boot in boots for following in self._next(boot)]
        return None


class _Bounds:
    """Between when and when swipes without a time were made; what is looked up once is kept."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._boots: dict[int, _Boot] = {}
        self._created: dict[int, int] = {}

    def of(self, row: Any) -> tuple[int, int]:
        """The earliest and the latest time at which this swipe may have been made."""
        if row.reader_id not in self._created:
            self._created[row.reader_id] = _CREATED.scalar(self._connection, {"reader": row.reader_id}) or 0
        # Older registers are not looked at again by themselves either.
        widest = max(self._created[row.reader_id], row.received_ms - LOOK_BACK_MS), row.received_ms
        boot = self._boots.get(row.journal_id)
        if boot is None:
            boot = self._boots[row.journal_id] = _Boot(self._connection, row.reader_id, row.journal_id)
        los, his = [boot.after_ms], [row.received_ms, boot.ended_ms(row.seq)]
        if row.roster_shown is not None:
            # Its version is the store's time when it was made, and by no more than this above it.
            los.append(row.roster_shown - AHEAD_MS)
        if row.clock == "none":
            # Where the boot had a time that is not believed, its other swipes prove nothing.
            before, after = boot.around(row.seq)
            los.append(before)
            his.append(after)
        lo_ms = max((one for one in los if one is not None), default=widest[0])
        hi_ms = min(one for one in his if one is not None)
        # What contradicts itself rests on a clock that was wrong.
        return (lo_ms, hi_ms) if lo_ms <= hi_ms else widest
