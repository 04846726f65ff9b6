"""Swipes (facts) and readings (what the store makes of each: when, where, who, worth what)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, func, or_, select, update

from server.store import withheld
from server.store.prepared import Prepared
from server.store.schema import clock_pair, placement, reading, swipe

#: a wall time later than its arrival by more than its uncertainty and this is not believed
FUTURE_MS = 60_000
#: a time more uncertain than this is none: every search for what may have been in a session looks this far around it
UNSURE_MAX_MS = 24 * 3_600_000
#: growth of a clock's uncertainty: 50 ppm
PPM = 50
#: what whole milliseconds cost a clock record at most: the ticks when asked and when heard, and the store's own
TICKS_MS = 3
#: how long before a contradiction a swipe is doubted that a fresh answer of the store had timed: an hour's error is seen
#: on the doors sooner, and a month of right marks must not go to review because the store's clock was once stepped
DOUBT_MS = 24 * 3_600_000

Pair = tuple[int, int, int]  #: boot_ms, wall_ms, uncertainty_ms


def place(
    boot_ms: int, wall_ms: int | None, clock: str, uncertainty_ms: int | None, received_ms: int, pairs: Iterable[Pair]
) -> tuple[int | None, int, str]:
    """When a swipe was: (at_ms or None, uncertainty_ms, how). Never a silent guess.

    A reader that knew the time said so. Otherwise the clock record of the same boot that is nearest in monotonic time
    tells, at the cost of 50 ppm of the distance. A time that lies after its own arrival is not believed. Where the next
    clock record of the same boot contradicts what the reader said (the store's clock had been stepped, or the reader's
    drifts by more than 50 ppm), either may be right: the interval holds both, and whatever contradicts that in turn.
    """
    pairs = sorted(pairs)
    if clock != "none" and wall_ms is not None:
        at_ms, unsure, how = wall_ms, uncertainty_ms or 0, "wall"
    elif pairs:
        at_ms, unsure = _by(min(pairs, key=lambda pair: abs(pair[0] - boot_ms)), boot_ms)
        how = "clock"
    else:
        return None, 0, "unplaced"
    if unsure > UNSURE_MAX_MS:
        return None, UNSURE_MAX_MS, "unplaced"
    if at_ms > received_ms + unsure + FUTURE_MS:
        return None, unsure, "future"
    if at_ms < 0:
        return None, unsure, "unplaced"
    lo, hi = last = at_ms - unsure, at_ms + unsure
    for number, pair in enumerate(pair for pair in pairs if pair[0] >= boot_ms):
        # Without a fresh answer a swipe is held against the next record however late it comes.
        if pair[0] - boot_ms > DOUBT_MS and (number or clock == "sync"):
            break
        says, also = _by(pair, boot_ms)
        agrees = says - also <= last[1] and last[0] <= says + also
        last = says - also, says + also
        if not agrees:  # one that agrees proves nothing: a store that is wrong for an hour says so twice
            lo, hi = min(lo, last[0]), max(hi, last[1])
    if (lo, hi) == (at_ms - unsure, at_ms + unsure):
        return at_ms, unsure, how
    if hi - lo > 2 * UNSURE_MAX_MS:
        return None, UNSURE_MAX_MS, "doubted"
    return (lo + hi) // 2, (hi - lo + 1) // 2, "doubted"


def _by(pair: Pair, boot_ms: int) -> tuple[int, int]:
    """What a clock record says of another moment of its boot, and how far that can be wrong."""
    apart_ms = boot_ms - pair[0]
    return pair[1] + apart_ms, pair[2] + TICKS_MS + abs(apart_ms) * PPM // 1_000_000


_PAIRS_OF = Prepared(
    select(clock_pair.c.journal_id, clock_pair.c.boot_ms, clock_pair.c.wall_ms, clock_pair.c.uncertainty_ms).where(
        clock_pair.c.journal_id.in_(bindparam("ids", expanding=True))
    )
)


def pairs_of(connection: Connection, journal_ids: Iterable[int]) -> dict[int, list[Pair]]:
    """journal id -> its clock records."""
    wanted = sorted(set(journal_ids))
    if not wanted:
        return {}
    found: dict[int, list[Pair]] = {}
    for row in _PAIRS_OF.all(connection, {"ids": wanted}):
        found.setdefault(row.journal_id, []).append((row.boot_ms, row.wall_ms, row.uncertainty_ms))
    return found


def told_of(connection: Connection, new: Mapping[int, Iterable[Pair]]) -> list[Any]:
    """The swipes that new clock records (journal id -> pairs) may place otherwise, with what they are placed at now:
    those without a clock or with an ageing one, and those that `place` doubts by a later record."""
    found: list[Any] = []
    for journal_id, told in sorted(new.items()):
        query = (
            select(swipe, reading.c.at_ms, reading.c.uncertainty_ms.label("at_uncertainty_ms"), reading.c.person_id)
            .join(reading, reading.c.swipe_id == swipe.c.id)
            .where(
                swipe.c.journal_id == journal_id,
                or_(swipe.c.clock != "sync", *(swipe.c.boot_ms.between(b - DOUBT_MS, b) for b, _, _ in told)),
            )
        )
        found += connection.execute(query)
    return found


_ADD_SWIPES = Prepared(
    swipe.insert(),
    (
        *("id", "institution_id", "reader_id", "journal_id", "seq", "key_id", "token", "key2_id", "token2", "boot_ms"),
        *("wall_ms", "clock", "uncertainty_ms", "verdict", "session_shown", "roster_shown", "received_ms"),
    ),
)
_ADD_READINGS = Prepared(
    reading.insert(),
    (
        *("swipe_id", "institution_id", "reader_id", "room_id", "person_id", "at_ms", "uncertainty_ms", "placed_by"),
        *("verdict", "credits", "differs"),
    ),
)


def add(connection: Connection, facts: list[dict[str, Any]], readings: list[dict[str, Any]]) -> None:
    """Insert swipes and their first readings."""
    _ADD_SWIPES.each(connection, facts)
    _ADD_READINGS.each(connection, readings)


_READ_AGAIN = Prepared(
    update(reading)
    .where(reading.c.swipe_id == bindparam("swipe"))
    .values(
        at_ms=bindparam("at"),
        uncertainty_ms=bindparam("unsure"),
        placed_by=bindparam("how"),
        room_id=bindparam("room"),
        person_id=bindparam("person"),
        verdict=bindparam("worth"),
        session_id=None,
        credits=False,
    )
)


def read_again(connection: Connection, readings: list[dict[str, Any]]) -> None:
    """Overwrite when, where and who of these readings (keyed `swipe`); their worth is open again."""
    _READ_AGAIN.each(connection, readings)


def around(connection: Connection, journal_id: int, first: int, last: int) -> tuple[int | None, int | None]:
    """Between which times records of a journal from first to last were made, by the swipes before and after them."""
    joined = select(reading.c.at_ms).join(swipe, swipe.c.id == reading.c.swipe_id)
    mine = joined.where(swipe.c.journal_id == journal_id, reading.c.at_ms.is_not(None))
    before = mine.with_only_columns(func.max(reading.c.at_ms - reading.c.uncertainty_ms)).where(swipe.c.seq < first)
    after = mine.with_only_columns(func.min(reading.c.at_ms + reading.c.uncertainty_ms)).where(swipe.c.seq > last)
    return connection.execute(before).scalar(), connection.execute(after).scalar()


_PLACEMENTS_OF = Prepared(
    select(placement.c.reader_id, placement.c.from_ms, placement.c.to_ms, placement.c.room_id)
    .where(placement.c.reader_id.in_(bindparam("ids", expanding=True)))
    .order_by(placement.c.from_ms, placement.c.id)
)


def placements_of(connection: Connection, reader_ids: Iterable[int]) -> dict[int, list[tuple[int, int | None, int]]]:
    """reader id -> (from, to, room id), in order."""
    wanted = sorted(set(reader_ids))
    if not wanted:
        return {}
    found: dict[int, list[tuple[int, int | None, int]]] = {}
    for row in _PLACEMENTS_OF.all(connection, {"ids": wanted}):
        if row.to_ms is None or row.to_ms > row.from_ms:
            found.setdefault(row.reader_id, []).append((row.from_ms, row.to_ms, row.room_id))
    return found


def place_again(connection: Connection, reader_id: int, from_ms: int) -> None:
    """Say again at which room the reader's swipes since then were."""
    connection.execute(
        update(reading).where(reading.c.reader_id == reader_id, reading.c.at_ms >= from_ms).values(room_id=None)
    )
    for begins, ends, room_id in placements_of(connection, [reader_id]).get(reader_id, []):
        where = [reading.c.reader_id == reader_id, reading.c.at_ms >= max(begins, from_ms)]
        if ends is not None:
            where.append(reading.c.at_ms < ends)
        connection.execute(update(reading).where(*where).values(room_id=room_id))
    withheld.take_rooms(connection, reader_id)


_JUDGE = Prepared(
    update(reading)
    .where(reading.c.swipe_id == bindparam("swipe"))
    .values(
        verdict=bindparam("worth"),
        session_id=bindparam("session"),
        credits=bindparam("new"),
        differs=bindparam("other"),
    )
)


def judge(connection: Connection, judged: list[dict[str, Any]]) -> None:
    """Write what readings are worth: dicts of swipe, worth, session, new, other."""
    _JUDGE.each(connection, judged)


def unplaced(connection: Connection, institution_id: int) -> int:
    """How many swipes have no time yet, or one that is not believed: they wait for review."""
    return connection.execute(
        select(func.count())
        .select_from(reading)
        .where(reading.c.institution_id == institution_id, reading.c.at_ms.is_(None))
    ).scalar_one()


def differing(connection: Connection, institution_id: int) -> int:
    """How many swipes the store judges otherwise than the reader showed."""
    return connection.execute(
        select(func.count()).select_from(reading).where(reading.c.institution_id == institution_id, reading.c.differs)
    ).scalar_one()
