"""A day's sessions for whoever reaches more than their own: a page at a time, found in the database and not in memory.

A college has some thousand sessions a day; what a line shows is read for those of the page only.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from server import names
from server.scope import Scope
from server.store import parts, session_rows, sessions
from server.store.schema import (
    class_group,
    course,
    person_name,
    room,
    session,
    session_class,
    session_room,
    session_staff,
)
from server.store.session_rows import SessionRow

#: sessions on one page
PAGE = 100
#: words that are looked for
_WORDS = 8
#: which: those of whoever looks, those whose door is open now, all
MINE, NOW, ALL = "mine", "now", "all"


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many there are of each kind."""

    mine: int
    now: int
    all: int

    def of(self, which: str) -> int:
        """Of MINE, NOW or ALL."""
        return {MINE: self.mine, NOW: self.now, ALL: self.all}[which]


def counts(connection: Connection, scope: Scope, from_ms: int, to_ms: int, words: str, now_ms: int) -> Counts:
    """How many sessions that start in [from, to) have all these words in title, course, class, room or staff."""
    inside = _inside(scope, from_ms, to_ms, words)

    def many(*also: ColumnElement[bool]) -> int:
        return connection.execute(select(func.count()).select_from(session).where(inside, *also)).scalar_one()

    return Counts(mine=many(_mine(scope)) if scope.person_id is not None else 0, now=many(_now(now_ms)), all=many())


def listed(
    connection: Connection, scope: Scope, from_ms: int, to_ms: int, words: str, now_ms: int, *, which: str, nth: int
) -> list[SessionRow]:
    """The nth page (from 0) of those sessions, by start. which: MINE, NOW or ALL."""
    also = {MINE: (_mine(scope),), NOW: (_now(now_ms),), ALL: ()}[which]
    query = (
        select(session)
        .where(_inside(scope, from_ms, to_ms, words), *also)
        .order_by(session.c.starts_ms, session.c.title, session.c.id)
        .limit(PAGE)
        .offset(nth * PAGE)
    )
    return session_rows.shown(connection, connection.execute(query).all())


def _inside(scope: Scope, from_ms: int, to_ms: int, words: str) -> ColumnElement[bool]:
    day = (session.c.starts_ms >= from_ms, session.c.starts_ms < to_ms)
    return and_(sessions.visible(scope), *day, *(_has(word) for word in words.split()[:_WORDS]))


def _has(typed: str) -> ColumnElement[bool]:
    """Names of persons are compared as they are sorted: by their plain letters, whatever the database's own idea of
    letters. A title is found as it was typed too: SQLite lowers no letter beyond ASCII."""
    word, letters = typed.casefold(), names.plain(typed)
    of_class = (
        select(session_class.c.session_id)
        .join(class_group, class_group.c.id == session_class.c.class_id)
        .outerjoin(course, course.c.id == class_group.c.course_id)
        .where(
            session_class.c.to_ms.is_(None),
            or_(
                func.lower(class_group.c.code).contains(word, autoescape=True),
                func.lower(course.c.code).contains(word, autoescape=True),
            ),
        )
    )
    of_room = (
        select(session_room.c.session_id)
        .join(room, room.c.id == session_room.c.room_id)
        .where(session_room.c.to_ms.is_(None), func.lower(room.c.code).contains(word, autoescape=True))
    )
    of_staff = (
        select(session_staff.c.session_id)
        .join(person_name, person_name.c.person_id == session_staff.c.person_id)
        .where(session_staff.c.to_ms.is_(None), person_name.c.sort_name.contains(letters, autoescape=True))
    )
    return or_(
        func.lower(session.c.title).contains(word, autoescape=True),
        session.c.title.contains(typed, autoescape=True),
        *(session.c.id.in_(found) for found in (of_class, of_room, *([of_staff] if letters else []))),
    )


def _mine(scope: Scope) -> ColumnElement[bool]:
    return exists().where(
        session_staff.c.session_id == session.c.id,
        session_staff.c.person_id == scope.person_id,
        parts.part_of("register.read"),
    )


def _now(now_ms: int) -> ColumnElement[bool]:
    """The door is open, or the session is on; and it was not cancelled."""
    return and_(
        session.c.cancelled_ms.is_(None),
        session.c.opens_ms <= now_ms,
        or_(session.c.closes_ms > now_ms, session.c.ends_ms > now_ms),
    )
