"""Swipes as an administrator lists them: what was shown, what the store makes of it, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from server.scope import Scope
from server.store import people
from server.store.schema import journal, person_external_id, reader, reading, session, swipe

PAGE_MAX = 1000


@dataclass(frozen=True, kw_only=True)
class Swipe:
    """One swipe. Times in UTC epoch milliseconds."""

    id: int
    reader: str
    journal: str
    seq: int
    received_ms: int
    #: None: not placed in time
    at_ms: int | None
    uncertainty_ms: int
    placed_by: str
    #: the person's identifier, else any external id; None: nobody's card
    person: str | None
    person_id: int | None
    #: what the reader showed, and for which session (the store's number)
    shown: str
    session_shown: int | None
    #: what the store says: green, red, shut, unsure, withheld, unknown_card, unplaced; None: not derived yet
    verdict: str | None
    #: the session that it belongs to: the store's number, and the UID and RECURRENCE-ID of its source
    session_id: int | None
    session_uid: str | None
    session_recurrence_id: str | None
    #: it is the one that credits the session
    credits: bool
    differs: bool


def swipes(
    connection: Connection,
    scope: Scope,
    *,
    after: int = 0,
    limit: int = 200,
    reader_name: str | None = None,
    from_ms: int | None = None,
    to_ms: int | None = None,
    person_id: int | None = None,
    session_id: int | None = None,
    verdict: str | None = None,
    differs: bool | None = None,
) -> list[Swipe]:
    """Swipes by their number above `after`, at most `limit` (1,000). Raises NotAllowed."""
    scope.need_all()
    identifier = people.known_by(scope.institution_id)
    query = (
        select(
            swipe.c.id,
            reader.c.name.label("reader"),
            journal.c.journal,
            swipe.c.seq,
            swipe.c.received_ms,
            reading.c.at_ms,
            reading.c.uncertainty_ms,
            reading.c.placed_by,
            reading.c.person_id,
            swipe.c.verdict.label("shown"),
            swipe.c.session_shown,
            reading.c.verdict,
            reading.c.session_id,
            session.c.uid.label("session_uid"),
            session.c.recurrence_id.label("session_recurrence_id"),
            reading.c.credits,
            reading.c.differs,
        )
        .join(reading, reading.c.swipe_id == swipe.c.id)
        .join(reader, reader.c.id == swipe.c.reader_id)
        .join(journal, journal.c.id == swipe.c.journal_id)
        .outerjoin(session, session.c.id == reading.c.session_id)
        .where(swipe.c.institution_id == scope.institution_id, swipe.c.id > after)
        .order_by(swipe.c.id)
        .limit(min(max(limit, 1), PAGE_MAX))
    )
    if reader_name is not None:
        query = query.where(reader.c.name == reader_name)
    if from_ms is not None:
        query = query.where(reading.c.at_ms >= from_ms)
    if to_ms is not None:
        query = query.where(reading.c.at_ms < to_ms)
    if session_id is not None:
        query = query.where(reading.c.session_id == session_id)
    if verdict is not None:
        query = query.where(reading.c.verdict == verdict)
    if differs is not None:
        query = query.where(reading.c.differs.is_(differs))
    if person_id is not None:
        query = query.where(reading.c.person_id == person_id)
    rows = connection.execute(query).all()
    persons = {row.person_id for row in rows if row.person_id is not None}
    names = dict(
        connection.execute(identifier.where(person_external_id.c.person_id.in_(persons))).all() if persons else []
    )
    return [Swipe(**row._mapping, person=names.get(row.person_id)) for row in rows]


def total(connection: Connection, institution_id: int) -> int:
    """How many swipes the store holds."""
    return connection.execute(
        select(func.count()).select_from(swipe).where(swipe.c.institution_id == institution_id)
    ).scalar_one()
