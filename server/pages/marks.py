"""One student's mark in a session: how it came about, and setting it by hand. Marks are only ever appended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from markupsafe import Markup

from server.errors import NotFound, StoreError
from server.pages import words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, is_htmx, number
from server.pages.register import heading, look
from server.pages.rendering import page, piece
from server.policy.profile import Profile
from server.store import page_register, registers, sessions
from server.store.engine import Connection, reading, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]

NOTE_LIMIT = 500
#: what stands for "no mark" in the form: codes are never empty
NO_MARK = ""


@router.get("/sessions/{session}/people/{person}")
def ask(signed: Signed, session: str, person: str) -> Response:
    """The panel with a student's mark, its history and the form."""
    session_id, person_id = number(session, "session"), number(person, "student")
    with reading(signed.engine) as connection:
        return _answer(signed, connection, session_id, person_id)


def _answer(
    signed: Visit,
    connection: Connection,
    session_id: int,
    person_id: int,
    *,
    problem: str | None = None,
    fields: dict[str, str] | None = None,
) -> Response:
    shown = look(signed, connection, session_id, fresh=True)
    row = shown.snapshot.rows.get(person_id)
    if row is None:
        raise NotFound("student", "there is no such student on this register")
    steps = page_register.history(connection, session_id, person_id)
    profile = signed.desk.profile(shown.snapshot.register.session.profile)
    fields = fields or {}
    now = steps[0] if steps else None
    content = piece(
        "_panel.html",
        row=row,
        session_id=session_id,
        csrf=signed.login.csrf,
        seen=now.id if now else 0,
        codes=_codes(profile.codes.values()),
        chosen=fields.get("code", (row["code"] or profile.present)),
        minutes=profile.late is not None,
        late_min=fields.get("late_min", now.late_min if now and now.late_min is not None else ""),
        early_min=fields.get("early_min", now.early_min if now and now.early_min is not None else ""),
        late_code=profile.late,
        note=fields.get("note", ""),
        problem=problem,
        history=[words.step(profile, one, shown.local) for one in steps],
    )
    status = 422 if problem else 200
    if is_htmx(signed.request):
        # One panel is open at a time: the one before goes as this one comes.
        row_html = Markup('<tr id="panel"><td colspan="4">{}</td></tr>').format(content)
        gone = Markup('<template><tr id="panel" hx-swap-oob="delete"></tr></template>')
        headers = {"HX-Trigger-After-Settle": json.dumps({"focus-on": f"t{person_id}"})}
        if problem:
            return HTMLResponse(content, status_code=status, headers=headers)
        return HTMLResponse(gone + row_html, status_code=status, headers=headers)
    title = heading(shown.snapshot, shown.local)
    return page(
        signed.request,
        "mark.html",
        status=status,
        login=signed.login,
        session=title,
        session_id=session_id,
        row=row,
        panel=content,
    )


def _codes(known: Any) -> list[dict[str, str]]:
    return [*({"code": one.code, "meaning": one.meaning} for one in known), {"code": NO_MARK, "meaning": "no mark"}]


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What the form asks for."""

    code: str | None
    late_min: int | None
    early_min: int | None
    note: str

    def is_now(self, now: page_register.Step | None) -> bool:
        """Whether a person has set exactly this already: the form was sent twice."""
        if now is None or now.source != "person":
            return False
        mine = (self.code, self.late_min, self.early_min, self.note)
        return mine == (now.code, now.late_min, now.early_min, now.note or "")


@router.post("/sessions/{session}/people/{person}")
def set_mark(signed: Signed, session: str, person: str, fields: Form) -> Response:
    """Set a mark by hand. Sent twice it is set once; changed meanwhile it is asked again."""
    check_csrf(fields, signed.login)
    session_id, person_id = number(session, "session"), number(person, "student")
    with writing(signed.engine) as connection:
        found = sessions.need(connection, signed.scope, session_id)
        told = _set(signed, connection, session_id, person_id, signed.desk.profile(found.profile), fields)
        if told is not None:
            return _answer(signed, connection, session_id, person_id, problem=told, fields=fields)
    if is_htmx(signed.request):
        triggers = {"look-again": "", "focus-on": f"c{person_id}"}
        return HTMLResponse(
            "",
            headers={"HX-Retarget": "#panel", "HX-Reswap": "delete", "HX-Trigger-After-Swap": json.dumps(triggers)},
        )
    return RedirectResponse(f"/sessions/{session_id}?said=mark", status_code=303)


def _set(
    signed: Visit,
    connection: Connection,
    session_id: int,
    person_id: int,
    profile: Profile,
    fields: dict[str, str],
) -> str | None:
    """Set it, or say why not."""
    try:
        wanted = _read(profile, fields)
    except ValueError as error:
        return str(error)
    steps = page_register.history(connection, session_id, person_id)
    now = steps[0] if steps else None
    if wanted.is_now(now):
        return None
    if str(now.id if now else 0) != fields.get("seen", ""):
        return "This mark was changed while you looked. See below what it is now, then set it again if need be."
    try:
        registers.set_mark(
            connection,
            signed.scope,
            dict(signed.desk.profiles),
            session_id,
            person_id,
            code=wanted.code,
            late_min=wanted.late_min,
            early_min=wanted.early_min,
            remark=wanted.note,
            now_ms=signed.now_ms(),
        )
    except StoreError as error:
        if error.code == "mark-person":
            raise NotFound("student", "there is no such student on this register") from error
        raise
    return None


def _read(profile: Profile, fields: dict[str, str]) -> _Wanted:
    """What the form asks for. Raises ValueError with what to correct."""
    code = fields.get("code", NO_MARK) or None
    if code is not None and code not in profile.codes:
        raise ValueError("Choose one of the marks in the list.")
    # Minutes belong to late; the fields may still hold those of the mark before.
    late = code is not None and code == profile.late
    late_min, early_min = (_minutes(fields.get(name, "")) if late else None for name in ("late_min", "early_min"))
    if late and late_min is None and early_min is None:
        raise ValueError("Say how many minutes were missed: late, or left early.")
    return _Wanted(code=code, late_min=late_min, early_min=early_min, note=fields.get("note", "").strip()[:NOTE_LIMIT])


def _minutes(text: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and int(text) <= 1440):
        raise ValueError("Minutes are a whole number from 0 to 1440: correct them.")
    return int(text)
