"""Change requests as pages read them: which ones somebody may see, one with its lines and what happened to it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from server.errors import NotFound
from server.scope import FINANCE, LECTURER, Scope
from server.store import (
    absence_decisions,
    absences,
    attachments,
    mark_evidence,
    notes,
    request_terms,
    sessions,
    standing,
)
from server.store.schema import account, class_group, mark, mark_current, note, person_name, register, session
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
                change_request.c.kind == request_terms.BURSARY,
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


def may_read_files(connection: Connection, scope: Scope, row: Any) -> bool:
    """Whether this scope may open a request's files. They may be about health: whoever asked, and whoever reads it by
    more than teaching the session."""
    if row.asked_by_account_id == scope.account_id:
        return True
    held = standing.of(connection, scope, row.session_id, "request.read").roles - {LECTURER}
    return bool(held if row.kind == request_terms.BURSARY else held - {FINANCE})


def need_file(connection: Connection, scope: Scope, found: attachments.Attached) -> None:
    """Raises NotFound(`file`) unless this scope may open the file: by the request, the absence or the mark that it belongs to, or
    because it attached it itself."""
    if found.by_account_id == scope.account_id:
        return
    if found.subject == attachments.REQUEST:
        try:
            row = need(connection, scope, found.subject_id)
        except NotFound:
            raise attachments.nothing() from None
        if may_read_files(connection, scope, row):
            return
    elif found.subject == attachments.ABSENCE:
        try:
            about = absences.need(connection, scope, found.subject_id)
        except NotFound:
            raise attachments.nothing() from None
        oneself = scope.person_id is not None and about.person_id == scope.person_id
        # Whoever decides on it, not everybody who teaches the student.
        if oneself or absence_decisions.may_decide(connection, scope, about) is None:
            return
    elif found.subject == attachments.MARK:
        session_id = mark_evidence.session_of(connection, scope.institution_id, found.subject_id)
        if session_id is not None and mark_evidence.may_read(connection, scope, session_id):
            return
    raise attachments.nothing()


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
    return sessions.visible(alone, request_terms.deciding_act(role))


@dataclass(frozen=True, kw_only=True)
class LineShown:
    """One student of a request, with the mark that held when it was asked, and the one that holds now."""

    person_id: int
    full_name: str
    from_mark_id: int | None
    from_code: str | None
    from_late_min: int | None
    from_early_min: int | None
    code: str | None
    late_min: int | None
    early_min: int | None
    now_mark_id: int | None
    now_code: str | None
    now_late_min: int | None
    now_early_min: int | None


def lines_shown(connection: Connection, row: Any) -> list[LineShown]:
    """The lines of a request, in the order of names."""
    before, holds = mark.alias("before"), mark.alias("holds")
    line = change_request_line
    query = (
        select(
            line.c.person_id,
            func.coalesce(person_name.c.full_name, ERASED).label("full_name"),
            line.c.from_mark_id,
            before.c.code.label("from_code"),
            before.c.late_min.label("from_late_min"),
            before.c.early_min.label("from_early_min"),
            line.c.code,
            line.c.late_min,
            line.c.early_min,
            mark_current.c.mark_id.label("now_mark_id"),
            holds.c.code.label("now_code"),
            holds.c.late_min.label("now_late_min"),
            holds.c.early_min.label("now_early_min"),
        )
        .outerjoin(person_name, person_name.c.person_id == line.c.person_id)
        .outerjoin(before, before.c.id == line.c.from_mark_id)
        .outerjoin(
            mark_current,
            and_(mark_current.c.session_id == row.session_id, mark_current.c.person_id == line.c.person_id),
        )
        .outerjoin(holds, holds.c.id == mark_current.c.mark_id)
        .where(line.c.request_id == row.id)
        .order_by(person_name.c.sort_name, line.c.person_id)
    )
    return [LineShown(**found._mapping) for found in connection.execute(query)]


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


def open_of_session(connection: Connection, session_id: int) -> dict[int, list[int]]:
    """person id -> the open requests that are about their mark in this session."""
    query = (
        select(change_request_line.c.person_id, change_request.c.id)
        .join(change_request, change_request.c.id == change_request_line.c.request_id)
        .where(change_request.c.session_id == session_id, change_request.c.state == "open")
        .order_by(change_request.c.id)
    )
    found: dict[int, list[int]] = {}
    for person_id, request_id in connection.execute(query):
        found.setdefault(person_id, []).append(request_id)
    return found


def lines(connection: Connection, request_id: int) -> list[Any]:
    """The rows of a request's lines."""
    return list(
        connection.execute(
            select(change_request_line)
            .where(change_request_line.c.request_id == request_id)
            .order_by(change_request_line.c.id)
        )
    )


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


def class_by_code(connection: Connection, institution_id: int, code: str) -> int:
    """The one class with this code that is not at an end. Raises NotFound(`class`)."""
    found = (
        connection.execute(
            select(class_group.c.id).where(
                class_group.c.institution_id == institution_id,
                class_group.c.code == code,
                class_group.c.ended_ms.is_(None),
            )
        )
        .scalars()
        .all()
    )
    if len(found) != 1:
        many = "no class has" if not found else "several classes have"
        raise NotFound("class", f"{many} the code {code[:40]}: write it as the timetable does")
    return found[0]


def classes_beside(connection: Connection, session_id: int) -> list[tuple[str, str]]:
    """(code, title) of the other classes of this session's courses: where a learner may be transferred to."""
    mine = request_terms.classes_of(connection, session_id)
    courses = select(class_group.c.course_id).where(class_group.c.id.in_(mine), class_group.c.course_id.is_not(None))
    query = (
        select(class_group.c.code, class_group.c.title)
        .where(class_group.c.course_id.in_(courses), class_group.c.id.not_in(mine), class_group.c.ended_ms.is_(None))
        .order_by(class_group.c.code)
        .limit(50)
    )
    return [(row.code, row.title) for row in connection.execute(query)]


def class_code(connection: Connection, class_id: int | None) -> str:
    """A class's code."""
    if class_id is None:
        return ""
    return connection.execute(select(class_group.c.code).where(class_group.c.id == class_id)).scalar() or ""


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
