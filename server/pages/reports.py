"""What the registers team is told with one click - not my register, cannot mark it (LOUGH-12, LOUGH-5) - and remarks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from server.declared import act
from server.errors import StoreError
from server.pages import beside
from server.pages.desk import Signed
from server.pages.guard import PageRoute, check_csrf, form, number
from server.store import notes, reports
from server.store.engine import writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]

NOTE_LIMIT, REMARK_LIMIT = 500, 1000


@router.post("/sessions/{session}/report")
@act("register.report")
def report(signed: Signed, session: str, fields: Form) -> Response:
    """The registers team knows, with a word about it where there is one. Pressed twice it is told once."""
    check_csrf(fields, signed.login)
    session_id = number(session, "session")
    with writing(signed.engine) as connection:
        beside.find(signed, connection, session_id, "register.report")
        text = notes.within(fields.get("note", ""), NOTE_LIMIT)
        kind = fields.get("kind", "")
        if kind == reports.PROBLEM and not text:
            raise StoreError("report-text", "say what is wrong")
        reports.report(connection, signed.scope, session_id, kind, text=text, now_ms=signed.now_ms())
    return beside.back(session_id, "told")


@router.post("/sessions/{session}/remarks")
@act("register.mark")
def remark(signed: Signed, session: str, fields: Form) -> Response:
    """Keep a remark on the session (STEP-12). Sent twice it is kept once."""
    check_csrf(fields, signed.login)
    session_id = number(session, "session")
    with writing(signed.engine) as connection:
        beside.find(signed, connection, session_id, "register.mark")
        text = notes.within(fields.get("text", ""), REMARK_LIMIT)
        reports.add_remark(connection, signed.scope, session_id, text, signed.now_ms())
    return beside.back(session_id, "remark")
