"""The institution's audit as it is read: who did what to what, and when; with the names of what it is about, as far as
whoever reads may know them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, and_, or_, select

from server.scope import Scope
from server.store import chunks, page_requests, people
from server.store.campus import Step
from server.store.schema import (
    account,
    audit,
    batch,
    class_group,
    course,
    course_run,
    gateway,
    programme,
    reader,
    room,
    session,
)
from server.store.schema_residence import house
from server.store.schema_rights import department
from server.store.schema_work import term, trip

ACT = "audit.read"
#: lines of a page, and of a file at most
PAGE, MOST = 100, 10_000
#: nobody was signed in: Muster's own jobs, and its command line
NOBODY = 0

#: kind of subject -> the column that says what one is called
_NAMES: Mapping[str, Column[Any]] = {
    "room": room.c.code,
    "term": term.c.title,
    "department": department.c.code,
    "programme": programme.c.code,
    "course": course.c.code,
    "class": class_group.c.code,
    "batch": batch.c.code,
    "course-run": course_run.c.code,
    "session": session.c.title,
    "trip": trip.c.title,
    "account": account.c.shown_name,
    "reader": reader.c.name,
    "gateway": gateway.c.name,
    "house": house.c.name,
}
_PART = re.compile(r"([a-z-]+)[/:](\d+)")


@dataclass(frozen=True, kw_only=True)
class Line(Step):
    """One line of the audit."""

    id: int
    #: None: nobody was signed in
    account_id: int | None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which lines: of [from, to); of one account (NOBODY: of none that was signed in); of these actions.

    actions: each an action, or what stands before its dot. () : all of them.
    """

    from_ms: int
    to_ms: int
    account_id: int | None = None
    actions: Collection[str] = ()


def lines(
    connection: Connection, scope: Scope, wanted: Wanted, *, after: int | None = None, limit: int = PAGE
) -> tuple[list[Line], bool]:
    """So many lines, the newest first, and whether there are more. after: the id of the last one that was read.

    Raises NotAllowed.
    """
    scope.need(ACT)
    query = (
        select(audit, account.c.shown_name)
        .outerjoin(account, account.c.id == audit.c.account_id)
        .where(*_wanted(scope, wanted))
        .order_by(audit.c.at_ms.desc(), audit.c.id.desc())
        .limit(limit + 1)
    )
    if after is not None:
        last = select(audit.c.at_ms).where(audit.c.id == after, audit.c.institution_id == scope.institution_id)
        at_ms = connection.execute(last).scalar()
        if at_ms is not None:
            query = query.where(or_(audit.c.at_ms < at_ms, and_(audit.c.at_ms == at_ms, audit.c.id < after)))
    rows = connection.execute(query).all()
    return [_line(row) for row in rows[:limit]], len(rows) > limit


def who(connection: Connection, scope: Scope, from_ms: int, to_ms: int) -> list[tuple[int, str]]:
    """(account, its name) of everybody who did something in this time, by name. Raises NotAllowed."""
    scope.need(ACT)
    query = (
        select(account.c.id, account.c.shown_name)
        .join(audit, audit.c.account_id == account.c.id)
        .where(*_wanted(scope, Wanted(from_ms=from_ms, to_ms=to_ms)))
        .distinct()
        .order_by(account.c.shown_name, account.c.id)
    )
    return [(row.id, row.shown_name) for row in connection.execute(query)]


def _wanted(scope: Scope, wanted: Wanted) -> list[ColumnElement[bool]]:
    found = [
        audit.c.institution_id == scope.institution_id,
        audit.c.at_ms >= wanted.from_ms,
        audit.c.at_ms < wanted.to_ms,
    ]
    if wanted.account_id == NOBODY:
        found.append(audit.c.account_id.is_(None))
    elif wanted.account_id is not None:
        found.append(audit.c.account_id == wanted.account_id)
    if wanted.actions:
        exact = [one for one in wanted.actions if "." in one]
        begins = [audit.c.action.startswith(f"{one}.", autoescape=True) for one in wanted.actions if "." not in one]
        found.append(or_(audit.c.action.in_(exact), *begins))
    return found


def _line(row: Any) -> Line:
    detail = json.loads(row.detail)
    return Line(
        id=row.id,
        at_ms=row.at_ms,
        account_id=row.account_id,
        by=row.shown_name,
        action=row.action,
        subject=row.subject,
        detail=detail if isinstance(detail, dict) else {},
    )


def parts(subject: str) -> list[tuple[str, int]]:
    """(kind, id) of everything that a subject names: `session/4/person/12`, `house:3`."""
    return [(kind, int(key)) for kind, key in _PART.findall(subject)]


def named(connection: Connection, scope: Scope, found: Iterable[Line]) -> dict[tuple[str, int], str]:
    """(kind, id) -> what it is called, of what these lines are about. Of persons only those whom the scope reaches, by the
    act by which it looks them up."""
    scope.need(ACT)
    about: dict[str, set[int]] = {}
    for one in found:
        for kind, key in parts(one.subject):
            about.setdefault(kind, set()).add(key)
    names: dict[tuple[str, int], str] = {}
    for kind, keys in about.items():
        if kind in _NAMES:
            names |= {(kind, key): name for key, name in _names(connection, scope, kind, keys)}
    reached = people.reached(connection, scope, about.get("person", ()), "campus.read")
    return names | {("person", key): name for key, name in page_requests.person_names(connection, reached).items()}


def _names(connection: Connection, scope: Scope, kind: str, keys: set[int]) -> Iterable[tuple[int, str]]:
    name = _NAMES[kind]
    table = name.table
    for ids in chunks.of(keys):
        query = select(table.c.id, name.label("name")).where(
            table.c.id.in_(ids), table.c.institution_id == scope.institution_id
        )
        yield from ((row.id, row.name) for row in connection.execute(query))
