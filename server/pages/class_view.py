"""What a class may see of its register, on a projector: who is here. No mark, no time, no reason (LOUGH-16)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from server.declared import act
from server.pages import about, words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, number
from server.pages.register import look
from server.pages.rendering import page, piece
from server.store.engine import reading

router = APIRouter(route_class=PageRoute, include_in_schema=False)

REFRESH_S = 2


def _shown(signed: Visit, session_id: int) -> dict[str, Any]:
    with reading(signed.engine) as connection:
        shown = look(signed, connection, session_id, fresh=False)
    row = shown.snapshot.register.session
    profile = signed.desk.profile(row.profile, row.starts_ms)
    # The door never tells late from on time, and neither does this.
    here = [one["full_name"] for one in shown.snapshot.rows.values() if profile.was_there(one["code"])]
    open_now = row.cancelled_ms is None and row.opens_ms <= shown.local.now_ms <= row.closes_ms
    return {
        "session": about.heading(row, shown.local),
        "session_id": session_id,
        "here": here,
        "expected": shown.snapshot.numbers["expected"],
        "open_until": shown.local.time(row.closes_ms) if open_now else None,
        "cancelled": row.cancelled_ms is not None,
    }


def _poll(session_id: int, shown: dict[str, Any]) -> Markup:
    address = f"/sessions/{session_id}/class/live"
    return piece("_poll.html", address=address, version=words.digest(shown), seconds=REFRESH_S)


@router.get("/sessions/{session}/class")
@act("register.read")
def class_view(signed: Signed, session: str) -> Response:
    """The page for the wall."""
    session_id = number(session, "session")
    shown = _shown(signed, session_id)
    return page(
        signed.request,
        "class.html",
        live=True,
        login=signed.login,
        here=piece("_class.html", oob=False, **shown),
        poll=_poll(session_id, shown),
        session=shown["session"],
        session_id=session_id,
    )


@router.get("/sessions/{session}/class/live")
@act("register.read")
def live(signed: Signed, session: str, v: str = "") -> Response:
    """Who is here now, if that changed since version v; else 204."""
    session_id = number(session, "session")
    shown = _shown(signed, session_id)
    if v == words.digest(shown):
        return Response(status_code=204)
    return HTMLResponse(Markup("\n").join([_poll(session_id, shown), piece("_class.html", oob=True, **shown)]))
