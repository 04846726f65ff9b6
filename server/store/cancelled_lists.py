"""The lists of classes that somebody cancelled, against the marks that the cancellation set: who came onto a list since,
and who is off it (LOUGH-D: the whole class)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, func, select

from server.store import chunks, sessions
from server.store.cancellations import CANCELLED
from server.store.schema import enrolment, mark, mark_current, session, session_class
from server.store.schema_work import walk_in

#: sessions of the last year are looked at, and all that are to come: what is older pays nobody any more
YEAR_MS = 366 * 24 * 3_600_000
#: `source` of a mark that somebody has because their class is cancelled: whoever came onto its list afterwards
SOURCE = "cancel"
#: a mark before the cancellation that a hand set holds on: whoever has one was on the register, and not by the list
_BY_HAND = ("person", "import", "request")


def cancelled(connection: Connection, institution_id: int, profiles: Iterable[str], now_ms: int) -> list[Any]:
    """The sessions (id, institution_id, profile, starts_ms, cancelled_by_account_id) of these profiles that a person
    cancelled."""
    query = select(*_OF).where(
        session.c.institution_id == institution_id,
        session.c.opens_ms >= now_ms - YEAR_MS,
        session.c.cancelled_by_account_id.is_not(None),
        session.c.cancelled_ms.is_not(None),
        session.c.profile.in_(sorted(set(profiles))),
    )
    return list(connection.execute(query))


_OF = (
    session.c.id,
    session.c.institution_id,
    session.c.profile,
    session.c.starts_ms,
    session.c.cancelled_by_account_id,
)


def one(connection: Connection, session_id: int) -> Any | None:
    """The same of one session; None: nobody has cancelled it, or it takes place again."""
    query = select(*_OF).where(
        session.c.id == session_id,
        session.c.cancelled_by_account_id.is_not(None),
        session.c.cancelled_ms.is_not(None),
    )
    return connection.execute(query).first()


def come(connection: Connection, session_ids: Iterable[int]) -> list[tuple[int, int]]:
    """(session, person) of whoever is on the list of one of these and has no mark of its cancellation."""
    has = exists().where(
        mark_current.c.session_id == session.c.id, mark_current.c.person_id == enrolment.c.person_id, _set_by_it()
    )
    found: list[tuple[int, int]] = []
    for ids in chunks.of(session_ids):
        query = (
            select(session.c.id, enrolment.c.person_id)
            .select_from(enrolment)
            .join(session_class, session_class.c.class_id == enrolment.c.class_id)
            .join(session, session.c.id == session_class.c.session_id)
            .where(session.c.id.in_(ids), sessions.listed(), ~has)
            .distinct()
        )
        found += [(row.id, row.person_id) for row in connection.execute(query)]
    return sorted(found)


def gone(connection: Connection, session_ids: Iterable[int]) -> list[tuple[int, int]]:
    """(session, person) of whoever has a mark of the cancellation of one of these, and is not on its list: neither a
    walk-in nor marked by hand before."""
    on_it = exists(
        select(enrolment.c.id)
        .join(session_class, session_class.c.class_id == enrolment.c.class_id)
        .where(
            session_class.c.session_id == session.c.id,
            enrolment.c.person_id == mark_current.c.person_id,
            sessions.listed(),
        )
        .correlate(session, mark_current)
    )
    walked_in = exists().where(
        walk_in.c.session_id == mark_current.c.session_id,
        walk_in.c.person_id == mark_current.c.person_id,
        walk_in.c.ended_ms.is_(None),
    )
    found: list[tuple[int, int]] = []
    for ids in chunks.of(session_ids):
        query = (
            select(mark_current.c.session_id, mark_current.c.person_id, mark_current.c.mark_id)
            .join(session, session.c.id == mark_current.c.session_id)
            .join(mark, _set_by_it())
            .where(mark_current.c.session_id.in_(ids), ~on_it, ~walked_in)
        )
        rows = connection.execute(query).all()
        found += [(row.session_id, row.person_id) for row in rows if not _by_hand_before(connection, row)]
    return sorted(found)


def _set_by_it() -> ColumnElement[bool]:
    """The condition on mark and mark_current that the mark that holds is the cancellation's."""
    return and_(mark.c.id == mark_current.c.mark_id, mark.c.code.is_not(None), mark.c.rule.endswith(f".{CANCELLED}"))


def _by_hand_before(connection: Connection, row: Any) -> bool:
    last = select(func.max(mark.c.id)).where(
        mark.c.session_id == row.session_id, mark.c.person_id == row.person_id, mark.c.id < row.mark_id
    )
    before = connection.execute(select(mark.c.code, mark.c.source).where(mark.c.id == last.scalar_subquery())).first()
    return before is not None and before.code is not None and before.source in _BY_HAND
