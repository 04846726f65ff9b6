"""Change requests as pages read them: which ones somebody may see, one with its lines and what happened to it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from server.errors import NotFound
from server.scope import FINANCE, Scope
from server.store import notes, request_deciders, request_kinds, sessions
from server.store.schema import account, note, person_name, register, session
from server.store.schema_work import attachment, change_request, change_request_line, history, request_approval

#: of one list
LISTED_MOST = 200
ERASED = "(erased)"


def visible(scope: Scope) -> ColumnElement[bool]:
    """The condition on `change_request`, joined with `session`, under which this scope reads it: one's own, and those
    of one's scope; student finance those about bursary."""
    money = tuple(one for one in scope.grants if one.role == FINANCE)
    others = tuple(one for one in scope.grants if one.role != FINANCE)
    return and_(
        change_request.c.institution_id == scope.institution_id,
        or_(
            and_(
                change_request.c.asked_by_account_id == scope.account_id,
                sessions.visible(scope, "request.make"),
            ),
            sessions.visible(replace(scope, grants=others), "request.read"),
            and_(
                change_request.c.kind == request_kinds.BURSARY,
                sessions.visible(replace(scope, grants=money), "request.read"),
            ),
        ),
    )


def need(connection: Connection, scope: Scope, request_id: int) -> Any:
    """The request's own row. Raises NotFound(`request`) where there is none, or not for this scope."""
    row = connection.execute(
        select(change_request)
        .join(session, session.c.id == change_request.c.session_id)
        .where(change_request.c.id == request_id, visible(scope))
    ).first()
    if row is None:
        raise NotFound("request", "there is no such request, or it is not for you")
    return row


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A request in a list."""

    id: int
    session_id: int
    title: str
    starts_ms: int
    profile: str
    kind: str
    tier: str
    rule: str
    approvals: tuple[str, ...]
    approved: frozenset[str]
    state: str
    asked_by_account_id: int
    asked_by: str
    students: int
    files: int
    created_ms: int
    decided_ms: int | None
    evidence_asked_ms: int | None
    #: roles of the reader that reach its session, by the act that decides with each
    reach: frozenset[str]


def listed(connection: Connection, scope: Scope, *, closed: bool, limit: int = LISTED_MOST) -> list[Listed]:
    """The requests that this scope reads: the open ones, the oldest first, or those that are closed, the newest
    first."""
    deciding = sorted(scope.roles)
    reaches = [_reaches(scope, role).label(f"r{place}") for place, role in enumerate(deciding)]
    lines = (
        select(func.count())
        .where(change_request_line.c.request_id == change_request.c.id)
        .correlate(change_request)
        .scalar_subquery()
    )
    files = (
        select(func.count())
        .where(attachment.c.subject == "change_request", attachment.c.subject_id == change_request.c.id)
        .correlate(change_request)
        .scalar_subquery()
    )
    order = (
        (change_request.c.decided_ms.desc(), change_request.c.id.desc())
        if closed
        else (change_request.c.created_ms, change_request.c.id)
    )
    state = change_request.c.state
    query = (
        select(
            change_request,
            session.c.title,
            session.c.starts_ms,
            session.c.profile,
            account.c.shown_name,
            lines.label("students"),
            files.label("files"),
            *reaches,
        )
        .join(session, session.c.id == change_request.c.session_id)
        .join(account, account.c.id == change_request.c.asked_by_account_id)
        .where(visible(scope), state != "open" if closed else state == "open")
        .order_by(*order)
        .limit(limit)
    )
    rows = connection.execute(query).all()
    given: dict[int, set[str]] = {}
    approved = select(request_approval.c.request_id, request_approval.c.role).where(
        request_approval.c.request_id.in_([row.id for row in rows])
    )
    for request_id, role in connection.execute(approved):
        given.setdefault(request_id, set()).add(role)
    return [
        Listed(
            **{name: getattr(row, name) for name in _SAME},
            approvals=tuple(role for role in row.approvals.split(",") if role),
            approved=frozenset(given.get(row.id, ())),
            asked_by=row.shown_name,
            reach=frozenset(role for place, role in enumerate(deciding) if getattr(row, f"r{place}")),
        )
        for row in rows
    ]


_SAME = (
    "id", "session_id", "title", "starts_ms", "profile", "kind", "tier", "rule", "state", "asked_by_account_id",
    "students", "files", "created_ms", "decided_ms", "evidence_asked_ms",
)  # fmt: skip


def _reaches(scope: Scope, role: str) -> ColumnElement[bool]:
    alone = replace(scope, grants=tuple(one for one in scope.grants if one.role == role))
    return sessions.visible(alone, request_deciders.deciding_act(role))


@dataclass(frozen=True, kw_only=True)
class Happened:
    """A line of what happened to a request."""

    kind: str
    at_ms: int
    by: str
    state: str | None
    role: str | None
    files: int
    note: str | None
    copied: tuple[str, ...]


def happened(connection: Connection, row: Any) -> list[Happened]:
    """What happened to a request, the oldest first, from the register's history."""
    entries = [
        (one, body)
        for one in connection.execute(
            select(history.c.kind, history.c.at_ms, history.c.by_account_id, history.c.body)
            .where(history.c.session_id == row.session_id, history.c.kind.like("request%"))
            .order_by(history.c.seq)
        )
        if (body := json.loads(one.body)).get("request") == row.id
    ]
    hands = {one.by_account_id for one, _ in entries} | {who for _, body in entries for who in body.get("copied", ())}
    names = account_names(connection, [one for one in hands if one is not None])
    return [
        Happened(
            kind=one.kind,
            at_ms=one.at_ms,
            by=names.get(one.by_account_id, "somebody"),
            state=body.get("state"),
            role=body.get("role"),
            files=len(body.get("files", ())),
            note=note_text(connection, body["note"][0]) if "note" in body else None,
            copied=tuple(names.get(who, "somebody") for who in body.get("copied", ())),
        )
        for one, body in entries
    ]


def approvals(connection: Connection, request_id: int) -> list[str]:
    """The roles that have given their approval."""
    query = select(request_approval.c.role).where(request_approval.c.request_id == request_id)
    return sorted(connection.execute(query).scalars())


def note_text(connection: Connection, note_id: int | None) -> str:
    """A note's text, or that it was erased; '' without one."""
    if note_id is None:
        return ""
    return connection.execute(select(notes.shown()).where(note.c.id == note_id)).scalar() or ""


def session_of(connection: Connection, session_id: int) -> Any:
    """The session's own row, of a request that may be read."""
    return connection.execute(select(session).where(session.c.id == session_id)).one()


def version_of(connection: Connection, session_id: int) -> int:
    """The register's version."""
    return connection.execute(select(register.c.version).where(register.c.session_id == session_id)).scalar() or 0


def person_names(connection: Connection, person_ids: Iterable[int]) -> dict[int, str]:
    """person id -> full name, in the order of lists."""
    wanted = sorted(set(person_ids))
    query = (
        select(person_name.c.person_id, person_name.c.full_name)
        .where(person_name.c.person_id.in_(wanted))
        .order_by(person_name.c.sort_name, person_name.c.person_id)
    )
    found = {row.person_id: row.full_name for row in connection.execute(query)}
    return found | {one: ERASED for one in wanted if one not in found}


def account_names(connection: Connection, account_ids: Iterable[int | None]) -> dict[int, str]:
    """account id -> the name shown to other staff."""
    wanted = {one for one in account_ids if one is not None}
    query = select(account.c.id, account.c.shown_name).where(account.c.id.in_(wanted))
    return {row.id: row.shown_name for row in connection.execute(query)}
