"""Registers on paper, and those taught off site: what is due when, transferred, destroyed (LOUGH-3, LOUGH-4)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from server.declared import act
from server.errors import StoreError
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, number
from server.pages.local import Local
from server.pages.rendering import page
from server.pages.words import Said
from server.policy import deadlines, moments
from server.policy.sections import OFF_SITE, PAPER
from server.store import page_today, paper, sessions, standing
from server.store.engine import Connection, reading, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]

#: days of which off-site sessions, and paper that is done with, are listed
BACK_DAYS = 14
_STEPS = {"said": paper.say, "transferred": paper.transferred, "destroyed": paper.destroyed}
_SAID = {
    "said": "It is noted that this register is on paper.",
    "transferred": "It is noted that its marks are transferred. Destroy the paper, and say so here.",
    "destroyed": "It is noted that the paper is destroyed.",
}


@router.get("/paper")
@act("register.mark")
def listed(signed: Signed, said: str = "") -> Response:
    """The registers on paper or off site that are one's own or in one's care, with their deadlines."""
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        zone = standing.zone_of(connection, signed.scope.institution_id)
        rows = paper.listed(connection, signed.scope, local.now_ms - BACK_DAYS * 86_400_000, local.now_ms)
        marked = _marked(connection, signed, rows)
    return page(
        signed.request,
        "paper.html",
        login=signed.login,
        csrf=signed.login.csrf,
        said=_SAID.get(said),
        lines=[_line(signed, one, marked.get(one.session_id), local, zone) for one in rows],
        days=BACK_DAYS,
    )


def _marked(connection: Connection, signed: Visit, rows: list[paper.Paper]) -> dict[int, int]:
    """session id -> when the last student on its list was marked or, where the profile needs it, verified."""
    found: dict[int, int] = {}
    for needs in (False, True):
        these = [
            one.session_id
            for one in rows
            if signed.desk.profile(one.profile, one.starts_ms).verification_needed == needs
        ]
        found |= page_today.marked(connection, these, verified=needs)
    return found


def _line(signed: Visit, one: paper.Paper, marked_ms: int | None, local: Local, zone: Any) -> dict[str, Any]:
    profile = signed.desk.profile(one.profile, one.starts_ms)
    mode = PAPER if one.said_ms is not None else OFF_SITE
    done_ms = one.transferred_ms if one.said_ms is not None else marked_ms
    due = deadlines.marking(profile, starts_ms=one.starts_ms, ends_ms=one.ends_ms, mode=mode, zone=zone)
    return {
        "id": one.session_id,
        "title": one.title,
        "when": f"{local.dated(one.starts_ms)}, {local.time(one.starts_ms)} – {local.time(one.ends_ms)}",
        "what": "on paper" if one.said_ms is not None else "off site",
        "said": f"said by {one.said_by}, {local.moment(one.said_ms)}" if one.said_ms is not None else None,
        "state": _state(one, due, done_ms, local, zone),
        "steps": _steps(one, local),
    }


def _state(one: paper.Paper, due: deadlines.Deadlines, done_ms: int | None, local: Local, zone: Any) -> Said:
    if one.destroyed_ms is not None:
        return Said("good", "transferred, paper destroyed")
    if done_ms is not None:
        late = due.breach_ms is not None and done_ms > due.breach_ms
        said = "transferred" if one.said_ms is not None else "marked"
        return Said("late" if late else "good", f"{said} {local.moment(done_ms)}{', too late' if late else ''}")
    if due.breach_ms is not None and local.now_ms >= due.breach_ms:
        return Said("bad", f"was due by {moments.said(due.breach_ms, zone)}")
    if due.warn_ms is not None and due.breach_ms is not None and local.now_ms >= due.warn_ms:
        return Said(
            "late", f"was due by {moments.said(due.warn_ms, zone)}, at latest by {moments.said(due.breach_ms, zone)}"
        )
    return Said("calm", f"due by {moments.said(due.warn_ms, zone)}" if due.warn_ms is not None else "no deadline")


def _steps(one: paper.Paper, local: Local) -> list[dict[str, str]]:
    if one.said_ms is None:
        return [{"do": "said", "name": "It is on paper"}]
    if one.transferred_ms is None:
        return [{"do": "transferred", "name": "Tick off: marks transferred"}] if local.now_ms >= one.starts_ms else []
    return [] if one.destroyed_ms is not None else [{"do": "destroyed", "name": "Tick off: paper destroyed"}]


@router.post("/sessions/{session}/paper")
@act("register.mark")
def step(signed: Signed, session: str, fields: Form) -> Response:
    """Say the next thing of a paper register: on paper, transferred, destroyed. Sent twice it is said once."""
    check_csrf(fields, signed.login)
    session_id = number(session, "session")
    with writing(signed.engine) as connection:
        sessions.need(connection, signed.scope, session_id, "register.mark")
        what = fields.get("do", "")
        if what not in _STEPS:
            raise StoreError("paper-step", "choose what is to be noted: load the page again")
        _STEPS[what](connection, signed.scope, session_id, now_ms=signed.now_ms())
    return RedirectResponse(f"/paper?said={what}", status_code=303)
