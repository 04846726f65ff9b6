"""The lines of a change request: one student each, with the marks before, wanted and now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, select

from server.store.page_requests import ERASED
from server.store.schema import mark, mark_current, person_name
from server.store.schema_work import change_request, change_request_line


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


def shown(connection: Connection, row: Any) -> list[LineShown]:
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


def of(connection: Connection, request_id: int) -> list[Any]:
    """The rows of a request's lines."""
    return list(
        connection.execute(
            select(change_request_line)
            .where(change_request_line.c.request_id == request_id)
            .order_by(change_request_line.c.id)
        )
    )
