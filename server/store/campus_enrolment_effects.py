"""What a place on a class list would mean: the sessions that it reaches, past and coming, and what they clash with."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, or_, select

from server.store import campus_session_effects
from server.store.schema import enrolment, session, session_class


@dataclass(frozen=True, kw_only=True)
class Touched:
    """What a place on a class list would reach: its sessions from a time on."""

    #: over already, and so shown on registers of the past
    past: int
    coming: int
    #: readers that take this person's card for sessions of the next days
    doors: tuple[str, ...]
    #: coming sessions at the same time as another one of theirs (PORT-21)
    clashes: int


def touched(connection: Connection, class_id: int, person_id: int, from_ms: int, now_ms: int, ahead_ms: int) -> Touched:
    """What this person on that list from then on would mean. ahead_ms: how far doors are told ahead."""
    mine = (
        select(session.c.id, session.c.starts_ms, session.c.ends_ms, session.c.opens_ms)
        .join(session_class, session_class.c.session_id == session.c.id)
        .where(session_class.c.class_id == class_id, session_class.c.to_ms.is_(None))
        .where(session.c.cancelled_ms.is_(None), session.c.starts_ms >= from_ms)
    ).subquery()
    past = connection.execute(select(func.count()).select_from(mine).where(mine.c.ends_ms <= now_ms)).scalar_one()
    coming = connection.execute(select(func.count()).select_from(mine).where(mine.c.ends_ms > now_ms)).scalar_one()
    other = session.alias("other")
    clashes = connection.execute(
        select(func.count(mine.c.id.distinct()))
        .select_from(mine)
        .join(other, and_(other.c.starts_ms < mine.c.ends_ms, other.c.ends_ms > mine.c.starts_ms))
        .join(session_class, session_class.c.session_id == other.c.id)
        .join(enrolment, enrolment.c.class_id == session_class.c.class_id)
        .where(
            mine.c.ends_ms > now_ms,
            other.c.id != mine.c.id,
            other.c.cancelled_ms.is_(None),
            session_class.c.to_ms.is_(None),
            enrolment.c.person_id == person_id,
            enrolment.c.class_id != class_id,
            enrolment.c.from_ms <= other.c.starts_ms,
            or_(enrolment.c.to_ms.is_(None), enrolment.c.to_ms > other.c.starts_ms),
        )
    ).scalar_one()
    ids = list(
        connection.execute(
            select(mine.c.id).where(mine.c.ends_ms > now_ms, mine.c.opens_ms < now_ms + ahead_ms)
        ).scalars()
    )
    return Touched(
        past=past, coming=coming, doors=campus_session_effects.doors_of(connection, ids, now_ms), clashes=clashes
    )
