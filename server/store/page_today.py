"""What the list of sessions shows beside the sessions: marks by code, and what part somebody has in each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Connection, Select, and_, bindparam, func, or_, select

from server.store import chunks, paper, sessions
from server.store.parts import AWAY
from server.store.schema import (
    enrolment,
    mark,
    mark_current,
    placement,
    session,
    session_class,
    session_room,
    session_staff,
)
from server.store.schema_work import paper_register

_IDS = bindparam("ids", expanding=True)
_CODES = (
    select(mark.c.session_id, mark.c.code, mark.c.verified, func.count().label("many"))
    .join(mark_current, mark_current.c.mark_id == mark.c.id)
    .where(mark_current.c.session_id.in_(_IDS), mark.c.code.is_not(None))
    .group_by(mark.c.session_id, mark.c.code, mark.c.verified)
)


def codes(connection: Connection, session_ids: Iterable[int]) -> dict[int, dict[str, tuple[int, int]]]:
    """session id -> code -> (marks that hold, of them verified)."""
    found: dict[int, dict[str, tuple[int, int]]] = {}
    for ids in chunks.of(session_ids):
        for row in connection.execute(_CODES, {"ids": ids}):
            mine = found.setdefault(row.session_id, {})
            all_, verified = mine.get(row.code, (0, 0))
            mine[row.code] = (all_ + row.many, verified + (row.many if row.verified else 0))
    return found


def marked(connection: Connection, session_ids: Iterable[int], *, verified: bool) -> dict[int, int]:
    """session id -> when the last student on its list got a first mark; a session where somebody has none is left out.

    verified: a mark counts only once it is verified. A correction later on does not make a register late.
    """
    found: dict[int, int] = {}
    for ids in chunks.of(session_ids):
        for row in connection.execute(_marked(verified), {"ids": ids}):
            if row.done == row.listed and row.at_ms is not None:
                found[row.session_id] = row.at_ms
    return found


@cache
def _marked(verified: bool) -> Select:
    on_list = (
        select(session.c.id.label("session_id"), enrolment.c.person_id)
        .join(session_class, session_class.c.session_id == session.c.id)
        .join(enrolment, enrolment.c.class_id == session_class.c.class_id)
        .where(session.c.id.in_(_IDS), sessions.listed())
        .distinct()
        .subquery()
    )
    good = (mark.c.code.is_not(None), mark.c.verified.is_(True)) if verified else (mark.c.code.is_not(None),)
    first = (
        select(mark.c.session_id, mark.c.person_id, func.min(mark.c.created_ms).label("at_ms"))
        .where(mark.c.session_id.in_(_IDS), *good)
        .group_by(mark.c.session_id, mark.c.person_id)
        .subquery()
    )
    holds = (
        select(mark_current.c.session_id, mark_current.c.person_id)
        .join(mark, mark.c.id == mark_current.c.mark_id)
        .where(mark_current.c.session_id.in_(_IDS), *good)
        .subquery()
    )
    return (
        select(
            on_list.c.session_id,
            func.max(first.c.at_ms).label("at_ms"),
            func.count().label("listed"),
            func.count(holds.c.person_id).label("done"),
        )
        .outerjoin(first, and_(first.c.session_id == on_list.c.session_id, first.c.person_id == on_list.c.person_id))
        .outerjoin(holds, and_(holds.c.session_id == on_list.c.session_id, holds.c.person_id == on_list.c.person_id))
        .group_by(on_list.c.session_id)
    )


@dataclass(frozen=True, kw_only=True)
class Part:
    """What part somebody has in a session."""

    #: lecturer, cover, away: handed over; None: none
    role: str | None
    #: how many deliver it
    staff: int


def parts(connection: Connection, person_id: int | None, session_ids: Iterable[int]) -> dict[int, Part]:
    """session id -> the person's part in it now (LOUGH-9, LOUGH-10)."""
    found: dict[int, Part] = {}
    for ids in chunks.of(session_ids):
        query = select(session_staff.c.session_id, session_staff.c.person_id, session_staff.c.role).where(
            session_staff.c.session_id.in_(ids), session_staff.c.to_ms.is_(None)
        )
        for row in connection.execute(query):
            there = found.get(row.session_id, Part(role=None, staff=0))
            mine = row.role if person_id is not None and row.person_id == person_id else there.role
            found[row.session_id] = Part(role=mine, staff=there.staff + (row.role != AWAY))
    return found


def modes(connection: Connection, session_ids: Iterable[int]) -> dict[int, str]:
    """session id -> how it is held: classroom, school-link, off-site, online ...; paper: its register is on paper."""
    found: dict[int, str] = {}
    for ids in chunks.of(session_ids):
        query = (
            select(session.c.id, paper.mode())
            .outerjoin(paper_register, paper_register.c.session_id == session.c.id)
            .where(session.c.id.in_(ids))
        )
        found |= dict(connection.execute(query).all())
    return found


def with_reader(connection: Connection, session_ids: Iterable[int]) -> set[int]:
    """Those of the sessions that had a reader at a door of theirs in their window."""
    found: set[int] = set()
    for ids in chunks.of(session_ids):
        query = (
            select(session.c.id)
            .join(session_room, session_room.c.session_id == session.c.id)
            .join(placement, placement.c.room_id == session_room.c.room_id)
            .where(
                session.c.id.in_(ids),
                placement.c.from_ms <= session.c.closes_ms,
                or_(placement.c.to_ms.is_(None), placement.c.to_ms > session.c.opens_ms),
            )
            .distinct()
        )
        found.update(connection.execute(query).scalars())
    return found
