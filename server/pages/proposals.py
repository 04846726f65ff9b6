"""What the door says of somebody whom a person has marked otherwise: taken, or not. Derivation never overrules a hand."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from server.declared import act
from server.errors import Refused, StoreError
from server.pages import beside
from server.pages.desk import Signed
from server.pages.guard import PageRoute, check_csrf, form, number
from server.store import derivations, page_register, proposals, sessions
from server.store.engine import writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]


@router.post("/sessions/{session}/people/{person}/proposal")
@act("register.mark")
def answer(signed: Signed, session: str, person: str, fields: Form) -> Response:
    """accept: the mark becomes what the door says. refuse: it stays. Answered already: nothing more happens."""
    check_csrf(fields, signed.login)
    session_id, person_id = number(session, "session"), number(person, "student")
    with writing(signed.engine) as connection:
        sessions.need(connection, signed.scope, session_id, "register.mark")
        derivations.lock_registers(connection, signed.scope.institution_id, [session_id])
        waiting = derivations.open_proposals(connection, [session_id]).get((session_id, person_id))
        if waiting is None:
            return beside.back(session_id, "kept")
        if fields.get("answer") not in ("accept", "refuse"):
            raise StoreError("proposal-answer", "choose: take what the door says, or keep the mark")
        if fields.get("seen", "0") != str(page_register.newest_marks(connection, session_id).get(person_id, 0)):
            raise Refused("mark-changed", "the mark changed while you looked: open the student again")
        now_ms = signed.now_ms()
        if fields["answer"] == "refuse":
            proposals.refuse(connection, signed.scope, waiting.id, now_ms=now_ms)
            return beside.back(session_id, "kept")
        proposals.accept(connection, signed.scope, signed.desk.profiles, waiting.id, now_ms=now_ms)
    return beside.back(session_id, "accepted")
