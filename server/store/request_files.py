"""Who may open a file that came with a request, an absence or a mark."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from server.errors import NotFound
from server.scope import FINANCE, LECTURER, Scope
from server.store import absence_decisions, absences, attachments, mark_evidence, page_requests, request_kinds, standing


def may_read(connection: Connection, scope: Scope, row: Any) -> bool:
    """Whether this scope may open a request's files. They may be about health: whoever asked, and whoever reads it by
    more than teaching the session."""
    if row.asked_by_account_id == scope.account_id:
        return True
    held = standing.of(connection, scope, row.session_id, "request.read").roles - {LECTURER}
    return bool(held if row.kind == request_kinds.BURSARY else held - {FINANCE})


def need(connection: Connection, scope: Scope, found: attachments.Attached) -> None:
    """Raises NotFound(`file`) unless this scope may open the file: by the request, the absence or the mark that it belongs to, or
    because it attached it itself."""
    if found.by_account_id == scope.account_id:
        return
    if found.subject == attachments.REQUEST:
        try:
            row = page_requests.need(connection, scope, found.subject_id)
        except NotFound:
            raise attachments.nothing() from None
        if may_read(connection, scope, row):
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
