"""The swipes at a session's doors in its window that credited nobody there, and what a person made of each (PORT-4)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, select

from server.errors import NotFound, StoreError
from server.scope import Scope
from server.store import derivations, history, notes, page_register, sessions
from server.store.schema import (
    account,
    enrolment,
    note,
    person_name,
    reader,
    reading,
    room,
    session,
    session_class,
)
from server.store.schema_work import swipe_resolution
from server.store.session_rows import SessionRow

#: what a person may make of one
ADDED, OTHER_CLASS, UNKNOWN_CARD, DISMISSED = OUTCOMES = ("added", "other-class", "unknown-card", "dismissed")
#: as many are listed
LISTED = 200


@dataclass(frozen=True, kw_only=True)
class Swipe:
    """One swipe that marked nobody in this session."""

    swipe_id: int
    at_ms: int
    uncertainty_ms: int
    room_code: str
    verdict: str
    #: whose card it is; None: a card that is not known
    person_id: int | None
    full_name: str | None
    #: the session that they are on the list of at that time, if there is one
    expected_in: str | None
    #: what was made of it; None: nothing yet
    outcome: str | None
    resolved_by: str | None
    resolved_name: str | None
    note: str | None


def _at(reader_ids: list[int], from_ms: int, to_ms: int):
    return and_(
        reading.c.reader_id.in_(reader_ids),
        reading.c.at_ms >= from_ms,
        reading.c.at_ms <= to_ms,
        reading.c.verdict.in_(page_register.UNMATCHED),
    )


def of(connection: Connection, scope: Scope, row: SessionRow) -> list[Swipe]:
    """They, in order of time. For whoever may mark the register: raises NotFound(`session`)."""
    sessions.need(connection, scope, row.id, "register.mark")
    reader_ids = [door.reader_id for door in page_register.doors_of(connection, row.id)]
    if not reader_ids:
        return []
    whose, own = person_name.alias("whose"), person_name.alias("own")
    query = (
        select(
            reading.c.swipe_id,
            reading.c.at_ms,
            func.coalesce(reading.c.uncertainty_ms, 0).label("uncertainty_ms"),
            func.coalesce(room.c.code, reader.c.name).label("room_code"),
            reading.c.verdict,
            reading.c.person_id,
            own.c.full_name,
            swipe_resolution.c.outcome,
            account.c.shown_name.label("resolved_by"),
            whose.c.full_name.label("resolved_name"),
            notes.shown().label("note"),
        )
        .join(reader, reader.c.id == reading.c.reader_id)
        .outerjoin(room, room.c.id == reading.c.room_id)
        .outerjoin(own, own.c.person_id == reading.c.person_id)
        .outerjoin(
            swipe_resolution,
            and_(swipe_resolution.c.swipe_id == reading.c.swipe_id, swipe_resolution.c.session_id == row.id),
        )
        .outerjoin(account, account.c.id == swipe_resolution.c.by_account_id)
        .outerjoin(whose, whose.c.person_id == swipe_resolution.c.person_id)
        .outerjoin(note, note.c.id == swipe_resolution.c.note_id)
        .where(_at(reader_ids, row.opens_ms, row.closes_ms))
        .order_by(reading.c.at_ms, reading.c.swipe_id)
        .limit(LISTED)
    )
    found = connection.execute(query).all()
    elsewhere = _elsewhere(connection, row, {one.person_id for one in found if one.person_id is not None})
    return [Swipe(**one._mapping, expected_in=elsewhere.get(one.person_id)) for one in found]


def _elsewhere(connection: Connection, row: SessionRow, person_ids: set[int]) -> dict[int, str]:
    """person -> the title of another session at the same time whose list they are on."""
    if not person_ids:
        return {}
    query = (
        select(enrolment.c.person_id, session.c.title)
        .join(session_class, session_class.c.class_id == enrolment.c.class_id)
        .join(session, session.c.id == session_class.c.session_id)
        .where(
            enrolment.c.person_id.in_(sorted(person_ids)),
            sessions.listed(),
            session.c.id != row.id,
            session.c.cancelled_ms.is_(None),
            session.c.opens_ms <= row.ends_ms,
            session.c.closes_ms >= row.opens_ms,
        )
        .order_by(session.c.starts_ms.desc())
    )
    return dict(connection.execute(query).all())


def resolve(
    connection: Connection,
    scope: Scope,
    row: SessionRow,
    swipe_id: int,
    outcome: str,
    *,
    person_id: int | None = None,
    reason: str = "",
    now_ms: int,
) -> bool:
    """Write down what a swipe was. Returns False where that was done already: twice is once.

    Raises NotFound(`session`, `swipe`), StoreError(`swipe-outcome`).
    """
    if outcome not in OUTCOMES:
        raise StoreError("swipe-outcome", f"choose one of: {', '.join(OUTCOMES)}")
    found = sessions.need(connection, scope, row.id, "register.mark")
    derivations.lock_registers(connection, found.institution_id, [row.id])
    known = {one.swipe_id: one for one in of(connection, scope, row)}
    if swipe_id not in known:
        raise NotFound("swipe", "there is no such tap at this session's doors")
    if known[swipe_id].outcome is not None:
        return False
    note_id = notes.add(connection, found.institution_id, reason, scope.account_id, now_ms) if reason else None
    body = {"swipe": swipe_id, "outcome": outcome} | ({"person": person_id} if person_id is not None else {})
    history.append(
        connection,
        institution_id=found.institution_id,
        session_id=row.id,
        kind="swipe",
        body=body,
        by_account_id=scope.account_id,
        now_ms=now_ms,
    )
    connection.execute(
        swipe_resolution.insert().values(
            institution_id=found.institution_id,
            swipe_id=swipe_id,
            session_id=row.id,
            person_id=person_id,
            outcome=outcome,
            note_id=note_id,
            by_account_id=scope.account_id,
            created_ms=now_ms,
        )
    )
    derivations.touch(connection, [row.id])
    return True
