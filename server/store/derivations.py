"""What derivation reads and writes, for a batch of persons at a time: few statements, whatever the batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import Connection, and_, bindparam, or_, select, update

from server.store import history, swipes, upsert
from server.store.prepared import Prepared
from server.store.schema import (
    credit,
    enrolment,
    journal,
    mark,
    mark_current,
    proposal,
    reading,
    register,
    session,
    session_class,
    session_room,
    swipe,
)
from server.store.schema_trust import reader_revocation

# Statements are made once: to build one takes SQLAlchemy longer than SQLite needs to answer it.
_PERSONS, _IDS = bindparam("persons", expanding=True), bindparam("ids", expanding=True)
_FROM, _TO = bindparam("from_ms"), bindparam("to_ms")

_SESSIONS_OF = Prepared(
    select(
        enrolment.c.person_id,
        session.c.id,
        session.c.opens_ms,
        session.c.starts_ms,
        session.c.ends_ms,
        session.c.closes_ms,
        session.c.profile,
        enrolment.c.from_ms,
        enrolment.c.to_ms,
        session_class.c.from_ms.label("class_from_ms"),
        session_class.c.to_ms.label("class_to_ms"),
    )
    .join(session_class, session_class.c.class_id == enrolment.c.class_id)
    .join(session, session.c.id == session_class.c.session_id)
    .where(
        enrolment.c.person_id.in_(_PERSONS),
        enrolment.c.role == "student",
        session.c.closes_ms >= _FROM,
        session.c.opens_ms <= _TO,
        session.c.cancelled_ms.is_(None),
    )
)


def sessions_of(connection: Connection, person_ids: list[int], from_ms: int, to_ms: int) -> list[tuple]:
    """Tuples (person, session, opens, starts, ends, closes, profile, from, to, class's from, to): every time in which one
    of them was on the list of a session whose window touches [from, to]. Cancelled sessions are left out."""
    return _SESSIONS_OF.tuples(connection, {"persons": person_ids, "from_ms": from_ms, "to_ms": to_ms})


_ROOMS_OF = Prepared(
    select(session_room.c.session_id, session_room.c.room_id)
    .join(session, session.c.id == session_room.c.session_id)
    .where(
        session_room.c.session_id.in_(_IDS),
        session_room.c.from_ms <= session.c.closes_ms,
        or_(
            session_room.c.to_ms.is_(None),
            and_(session_room.c.to_ms > session.c.opens_ms, session_room.c.to_ms > session_room.c.from_ms),
        ),
    )
)


def rooms_of(connection: Connection, session_ids: Iterable[int]) -> dict[int, set[int]]:
    """session id -> every room that it had at any time in its window."""
    found: dict[int, set[int]] = {}
    for ids in _chunks(session_ids):
        for row in _ROOMS_OF.all(connection, {"ids": ids}):
            found.setdefault(row.session_id, set()).add(row.room_id)
    return found


_AT_ROOMS = Prepared(
    select(
        session_room.c.room_id,
        session.c.id,
        session.c.opens_ms,
        session.c.starts_ms,
        session.c.ends_ms,
        session.c.closes_ms,
    )
    .join(session, session.c.id == session_room.c.session_id)
    .where(
        session_room.c.room_id.in_(_IDS),
        session.c.closes_ms >= _FROM,
        session.c.opens_ms <= _TO,
        session.c.cancelled_ms.is_(None),
        session_room.c.from_ms <= session.c.closes_ms,
        or_(session_room.c.to_ms.is_(None), session_room.c.to_ms > session.c.opens_ms),
    )
)


def at_rooms(connection: Connection, room_ids: Iterable[int], from_ms: int, to_ms: int) -> list[Any]:
    """Rows (room, session's window) of every session at these rooms whose window touches [from, to], anybody's."""
    wanted = sorted(set(room_ids))
    if not wanted:
        return []
    return _AT_ROOMS.all(connection, {"ids": wanted, "from_ms": from_ms, "to_ms": to_ms})


_TAP = (
    reading,
    swipe.c.verdict.label("shown"),
    swipe.c.session_shown,
    swipe.c.seq,
    swipe.c.boot_ms,
    swipe.c.received_ms,
    journal.c.journal,
    # Of a reader that is believed no more.
    reader_revocation.c.since_ms.label("gone_ms"),
    reader_revocation.c.released_ms,
)

_TAPS_OF = Prepared(
    select(*_TAP)
    .join(swipe, swipe.c.id == reading.c.swipe_id)
    .join(journal, journal.c.id == swipe.c.journal_id)
    .outerjoin(reader_revocation, reader_revocation.c.reader_id == reading.c.reader_id)
    .where(reading.c.person_id.in_(_PERSONS), reading.c.at_ms >= _FROM, reading.c.at_ms <= _TO)
)


def taps_of(connection: Connection, person_ids: list[int], from_ms: int, to_ms: int) -> list[Any]:
    """The readings of these persons with a time in [from, to], with what was shown, in order of time; and since when
    their reader is believed no more, if so.

    The order is total and rests on facts only: time, then reader, journal, seq. So it is the same however the records
    arrived.
    """
    rows = _TAPS_OF.all(connection, {"persons": person_ids, "from_ms": from_ms, "to_ms": to_ms})
    return sorted(rows, key=lambda row: (row.at_ms, row.reader_id, row.journal, row.seq))


_WIDE_TAPS_OF = Prepared(
    select(*_TAP)
    .join(swipe, swipe.c.id == reading.c.swipe_id)
    .join(journal, journal.c.id == swipe.c.journal_id)
    .outerjoin(reader_revocation, reader_revocation.c.reader_id == reading.c.reader_id)
    .where(
        reading.c.person_id.in_(_PERSONS),
        reading.c.at_ms >= _FROM,
        reading.c.at_ms <= _TO,
        reading.c.uncertainty_ms > bindparam("over_ms"),
    )
)


def wide_taps_of(connection: Connection, person_ids: list[int], from_ms: int, to_ms: int, over_ms: int) -> list[Any]:
    """As `taps_of`, only those more unsure than over_ms, which may lie in [from, to] wherever they were placed."""
    reach = {"from_ms": from_ms - swipes.UNSURE_MAX_MS, "to_ms": to_ms + swipes.UNSURE_MAX_MS}
    rows = _WIDE_TAPS_OF.all(connection, {"persons": person_ids, "over_ms": over_ms, **reach})
    return sorted(rows, key=lambda row: (row.at_ms, row.reader_id, row.journal, row.seq))


_CREDITS_OF = Prepared(
    select(credit, session.c.opens_ms, session.c.closes_ms)
    .join(session, session.c.id == credit.c.session_id)
    .where(
        credit.c.person_id.in_(_PERSONS),
        credit.c.superseded_ms.is_(None),
        or_(
            and_(session.c.closes_ms >= _FROM, session.c.opens_ms <= _TO),
            and_(credit.c.at_ms >= _FROM, credit.c.at_ms <= _TO),
        ),
    )
)


def credits_of(connection: Connection, person_ids: list[int], from_ms: int, to_ms: int) -> list[Any]:
    """The credits of these persons that hold, of sessions whose window touches [from, to] or of swipes in it."""
    return _CREDITS_OF.all(connection, {"persons": person_ids, "from_ms": from_ms, "to_ms": to_ms})


def lock_registers(connection: Connection, institution_id: int, session_ids: Iterable[int]) -> dict[int, Any]:
    """session id -> its register row (made if there is none), locked until the transaction ends.

    Whoever changes a mark holds this lock: so derivation never overtakes a person's hand.
    """
    wanted = sorted(set(session_ids))
    if not wanted:
        return {}
    found = _lock(connection, wanted)
    missing = [one for one in wanted if one not in found]
    if missing:
        _ENSURE.each(connection, [{"session_id": one, "institution_id": institution_id} for one in missing])
        found |= _lock(connection, missing)
    return found


_ENSURE = Prepared(lambda dialect: upsert.unless_there_of(dialect, register), ("session_id", "institution_id"))
_LOCK = Prepared(
    select(register).where(register.c.session_id.in_(_IDS)).order_by(register.c.session_id).with_for_update()
)


def _lock(connection: Connection, session_ids: list[int]) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for ids in _chunks(session_ids):
        found.update({row.session_id: row for row in _LOCK.all(connection, {"ids": ids})})
    return found


_MARKS_OF = Prepared(
    select(mark)
    .join(mark_current, mark_current.c.mark_id == mark.c.id)
    .where(mark_current.c.session_id.in_(_IDS), mark_current.c.person_id.in_(_PERSONS))
)


def marks_of(
    connection: Connection, session_ids: Iterable[int], person_ids: Iterable[int]
) -> dict[tuple[int, int], Any]:
    """(session, person) -> the mark row that holds."""
    wanted = sorted(set(person_ids))
    found: dict[tuple[int, int], Any] = {}
    for ids in _chunks(session_ids):
        for persons in _chunks(wanted):
            rows = _MARKS_OF.all(connection, {"ids": ids, "persons": persons})
            found.update({(row.session_id, row.person_id): row for row in rows})
    return found


def held_marks(connection: Connection, session_id: int) -> dict[int, Any]:
    """person -> the mark row that holds, of everybody who has one in this session."""
    query = (
        select(mark)
        .join(mark_current, mark_current.c.mark_id == mark.c.id)
        .where(mark_current.c.session_id == session_id)
    )
    return {row.person_id: row for row in connection.execute(query)}


_SUPERSEDE = Prepared(update(credit).where(credit.c.id.in_(_IDS)).values(superseded_ms=bindparam("now_ms")))


def supersede(connection: Connection, credit_ids: Iterable[int], now_ms: int) -> None:
    """These credits do not hold any more."""
    for ids in _chunks(credit_ids):
        _SUPERSEDE.run(connection, {"ids": ids, "now_ms": now_ms})


_ADD_CREDITS = Prepared(
    credit.insert().returning(credit.c.id, credit.c.session_id, credit.c.person_id),
    ("institution_id", "person_id", "session_id", "swipe_id", "at_ms", "uncertainty_ms", "created_ms"),
)


def add_credits(connection: Connection, rows: list[dict[str, Any]]) -> dict[tuple[int, int], int]:
    """Insert credits. Returns (session, person) -> id."""
    return {(row.session_id, row.person_id): row.id for row in _ADD_CREDITS.added(connection, rows)}


_HOLDS = Prepared(
    lambda dialect: upsert.over_of(dialect, mark_current, ("session_id", "person_id"), ("mark_id",)),
    ("session_id", "person_id", "institution_id", "mark_id"),
)


@cache
def _add_marks(columns: tuple[str, ...]) -> Prepared:
    return Prepared(mark.insert().returning(mark.c.id, mark.c.session_id, mark.c.person_id), columns)


def add_marks(
    connection: Connection,
    rows: list[dict[str, Any]],
    kind: str = history.MARK,
    about: Mapping[str, Any] | None = None,
) -> dict[tuple[int, int], int]:
    """Append marks, one for each (session, person), make them the ones that hold, and tell the history. All are of one
    institution, and their registers are locked by the caller. Returns their ids.

    kind, about: the history entry's, where the marks are part of something else.
    """
    if not rows:
        return {}
    first = rows[0]
    heads = history.opened(
        connection, first["institution_id"], {row["session_id"] for row in rows}, first["created_ms"]
    )
    made = {(row.session_id, row.person_id): row.id for row in _add_marks(tuple(first)).added(connection, rows)}
    _HOLDS.each(
        connection,
        [
            {
                "session_id": row["session_id"],
                "person_id": row["person_id"],
                "institution_id": row["institution_id"],
                "mark_id": made[row["session_id"], row["person_id"]],
            }
            for row in sorted(rows, key=lambda row: (row["session_id"], row["person_id"]))
        ],
    )
    history.add_marks(connection, rows, made, heads, kind, about)
    return made


_OPEN_PROPOSALS = Prepared(select(proposal).where(proposal.c.session_id.in_(_IDS), proposal.c.closed_ms.is_(None)))


def open_proposals(connection: Connection, session_ids: Iterable[int]) -> dict[tuple[int, int], Any]:
    """(session, person) -> the open proposal."""
    found = {}
    for ids in _chunks(session_ids):
        rows = _OPEN_PROPOSALS.all(connection, {"ids": ids})
        found.update({(row.session_id, row.person_id): row for row in rows})
    return found


_ADD_PROPOSALS = proposal.insert()


def add_proposals(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Insert proposals."""
    if rows:
        connection.execute(_ADD_PROPOSALS, rows)


def close_proposals(connection: Connection, ids: Iterable[int], outcome: str, now_ms: int) -> None:
    """Close proposals: accepted, refused, overtaken."""
    for some in _chunks(ids):
        connection.execute(update(proposal).where(proposal.c.id.in_(some)).values(closed_ms=now_ms, outcome=outcome))


_TOUCH = Prepared(
    update(register).where(register.c.session_id == bindparam("one")).values(version=register.c.version + 1)
)


def touch(connection: Connection, session_ids: Iterable[int]) -> None:
    """Something that these registers show has changed."""
    wanted = sorted(set(session_ids))
    _TOUCH.each(connection, [{"one": one} for one in wanted])


def _chunks(ids: Iterable[int], size: int = 500) -> Iterable[list[int]]:
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), size):
        yield wanted[start : start + size]
