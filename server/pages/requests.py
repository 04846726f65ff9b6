"""Change requests: those that I decide, mine, and the others that I may read."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from server.declared import act
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute
from server.pages.local import Local
from server.pages.rendering import page
from server.pages.request_words import KIND_WORDS, STATE_KINDS
from server.scope import ROLE_NAMES
from server.store import page_requests, request_deciders
from server.store.engine import reading
from server.store.page_requests import Listed

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/requests")
@act("request.read")
def mine(signed: Signed, closed: str = "") -> Response:
    """The requests that wait for me, mine, and the others that I may read."""
    past = closed == "yes"
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        found = page_requests.listed(connection, signed.scope, closed=past)
    decide = [one for one in found if not past and _decides(signed, one)]
    own = [one for one in found if one.asked_by_account_id == signed.scope.account_id]
    rest = [one for one in found if one not in decide and one not in own]
    return page(
        signed.request,
        "requests.html",
        login=signed.login,
        closed=past,
        lists=[
            (name, text, [_line(one, local) for one in some])
            for name, text, some in (
                ("To decide", "Nothing waits for you.", decide),
                ("Asked by you", "You have asked for nothing.", own),
                ("Others", "There is no other.", rest),
            )
            if some or (name == "Asked by you") or (name == "To decide" and not past)
        ],
    )


def _decides(signed: Visit, one: Listed) -> bool:
    """Whether it waits for whoever looks: not their own, and theirs to approve or apply."""
    if one.asked_by_account_id == signed.scope.account_id:
        return False
    profile = signed.desk.profile(one.profile, one.starts_ms)
    approvers = request_deciders.rule_of(profile, one.kind, one.tier).approvers
    return bool(one.reach & {*approvers, *(set(one.approvals) - one.approved)})


def _line(one: Listed, local: Local) -> dict[str, Any]:
    return {
        "id": one.id,
        "title": one.title,
        "session": local.moment(one.starts_ms),
        "what": KIND_WORDS[one.kind],
        "students": one.students,
        "files": one.files,
        "rule": one.rule,
        "by": one.asked_by,
        "ago": local.ago(one.created_ms),
        "state": one.state,
        "state_kind": STATE_KINDS[one.state],
        "evidence": one.evidence_asked_ms is not None,
        "missing": sorted(ROLE_NAMES[role] for role in set(one.approvals) - one.approved)
        if one.state == "open"
        else [],
    }
