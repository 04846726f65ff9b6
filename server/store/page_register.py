"""What the register's page shows beside the marks: its doors, the swipes that matched nobody, a mark's history."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, or_, select

from server.store.schema import (
    account,
    credit,
    mark,
    note,
    placement,
    reader,
    reader_state,
    reading,
    room,
    session,
    session_room,
)


@dataclass(frozen=True, kw_only=True)
class DoorSeen:
    """A reader that was placed at one of a session's rooms in its window, and the newest that is known of it."""

    reader_id: int
    reader: str
    room_code: str
    known_until_ms: int | None
    seen_ms: int | None
    #: ok, or what keeps it from taking swipes; None: never said
    able: str | None
    #: sync, hold, none; None: never said
    clock: str | None


def doors_of(connection: Connection, session_id: int) -> list[DoorSeen]:
    """The doors of a session, by room and reader."""
    query = (
        select(
            reader.c.id.label("reader_id"),
            reader.c.name.label("reader"),
            room.c.code.label("room_code"),
            reader_state.c.known_until_ms,
            reader_state.c.seen_ms,
            reader_state.c.able,
            reader_state.c.clock,
        )
        .select_from(session)
        .join(session_room, session_room.c.session_id == session.c.id)
        .join(room, room.c.id == session_room.c.room_id)
        .join(placement, placement.c.room_id == room.c.id)
        .join(reader, reader.c.id == placement.c.reader_id)
        .outerjoin(reader_state, reader_state.c.reader_id == reader.c.id)
        .where(
            session.c.id == session_id,
            session_room.c.from_ms <= session.c.closes_ms,
            or_(session_room.c.to_ms.is_(None), session_room.c.to_ms > session.c.opens_ms),
            placement.c.from_ms <= session.c.closes_ms,
            or_(placement.c.to_ms.is_(None), placement.c.to_ms > session.c.opens_ms),
        )
        .distinct()
        .order_by(room.c.code, reader.c.name)
    )
    return [DoorSeen(**row._mapping) for row in connection.execute(query)]


def unmatched(connection: Connection, reader_ids: list[int], from_ms: int, to_ms: int) -> dict[str, int]:
    """verdict -> how many swipes at these readers in [from, to] credited nobody. Counts only: they may be anybody's."""
    if not reader_ids:
        return {}
    query = (
        select(reading.c.verdict, func.count())
        .where(
            reading.c.reader_id.in_(reader_ids),
            reading.c.at_ms >= from_ms,
            reading.c.at_ms <= to_ms,
            reading.c.verdict.in_(("unknown_card", "red", "unsure")),
        )
        .group_by(reading.c.verdict)
    )
    return dict(connection.execute(query).tuples().all())


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a mark's history: what was decided, when, by whom or what, and why."""

    id: int
    code: str | None
    late_min: int | None
    early_min: int | None
    source: str
    #: shown name of the account; None: derived
    by: str | None
    verified: bool
    rule: str
    flag: str | None
    note: str | None
    #: when the swipe was that it rests on
    tapped_ms: int | None
    created_ms: int


def history(connection: Connection, session_id: int, person_id: int) -> list[Step]:
    """Every mark that a person ever had in a session, newest first (LOUGH-7)."""
    query = (
        select(
            mark.c.id,
            mark.c.code,
            mark.c.late_min,
            mark.c.early_min,
            mark.c.source,
            account.c.shown_name.label("by"),
            mark.c.verified,
            mark.c.rule,
            mark.c.flag,
            note.c.text.label("note"),
            credit.c.at_ms.label("tapped_ms"),
            mark.c.created_ms,
        )
        .outerjoin(account, account.c.id == mark.c.by_account_id)
        .outerjoin(note, and_(note.c.id == mark.c.note_id, note.c.erased_ms.is_(None)))
        .outerjoin(credit, credit.c.id == mark.c.credit_id)
        .where(mark.c.session_id == session_id, mark.c.person_id == person_id)
        .order_by(mark.c.id.desc())
        .limit(100)
    )
    return [Step(**row._mapping) for row in connection.execute(query)]
