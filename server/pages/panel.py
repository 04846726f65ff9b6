"""The panel of one student beside the register: their mark, how it came about, and the form that sets it (LOUGH-7)."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from server.errors import NotFound
from server.pages import about, card_words, choices, words
from server.pages.desk import Visit
from server.pages.guard import is_htmx
from server.pages.register import Shown, look
from server.pages.rendering import page, piece
from server.pages.upload import FILES_MOST
from server.policy.profile import Profile
from server.policy.sections import EVIDENCE
from server.store import attachments, card_doubts, mark_evidence, page_register, people, session_rows
from server.store.engine import Connection


def answer(
    signed: Visit,
    connection: Connection,
    session_id: int,
    person_id: int,
    *,
    problem: str | None = None,
    fields: dict[str, str] | None = None,
) -> Response:
    """The panel, beside the register for htmx and else on a page of its own. problem: what to correct; fields: what was
    sent. Raises NotFound(`session`, `student`)."""
    shown = look(signed, connection, session_id, fresh=True)
    row = shown.snapshot.rows.get(person_id)
    if row is None:
        raise NotFound("student", "there is no such student on this register")
    steps = page_register.history(connection, session_id, person_id)
    session = shown.snapshot.register.session
    profile = signed.desk.profile(session.profile, session.starts_ms)
    fields = fields or {}
    now = steps[0] if steps else None
    minutes = missed(session, row["at_ms"], shown.local.now_ms)
    late_min = now.late_min if now and now.late_min is not None else minutes if minutes is not None else ""
    offered = choices.of(signed, connection, shown, person_id) if "register.mark" in shown.acts else None
    content = piece(
        "_panel.html",
        row=row,
        session_id=session_id,
        csrf=signed.login.csrf,
        seen=now.id if now else 0,
        choices=offered,
        attendance=bool(people.reached(connection, signed.scope, [person_id], "attendance.read")),
        # A file field stands only where a mark that may be set now asks for evidence (LOUGH-22).
        proof=any(one.allowed and EVIDENCE in one.needs for one in offered or ()),
        files_most=FILES_MOST,
        megabytes=attachments.SIZE_MOST >> 20,
        chosen=fields.get("code", (row["code"] or profile.present)),
        minutes=any(profile.takes_minutes(code) for code in profile.codes),
        late_min=fields.get("late_min", late_min),
        early_min=fields.get("early_min", now.early_min if now and now.early_min is not None else ""),
        note=fields.get("note", ""),
        problem=problem,
        proposal=row["proposal"] if "register.mark" in shown.acts else None,
        guidance=profile.guidance,
        history=_steps(signed, connection, session_id, profile, shown, steps),
        flags=shown.flags.get(person_id, {}),
        taps=card_words.taps(card_doubts.taps(connection, session_id, person_id), shown.local),
    )
    status = 422 if problem else 200
    if is_htmx(signed.request):
        row_html = Markup('<tr id="panel"><td class="panelbox" colspan="4">{}</td></tr>').format(content)
        focus = f"n{person_id}" if fields.get("code") and fields["code"] == profile.late else f"t{person_id}"
        headers = {"HX-Trigger-After-Settle": json.dumps({"focus-on": focus})}
        if problem:
            return HTMLResponse(content, status_code=status, headers=headers)
        return HTMLResponse(row_html, status_code=status, headers=headers)
    return page(
        signed.request,
        "mark.html",
        status=status,
        login=signed.login,
        session=about.heading(shown.snapshot.register.session, shown.local),
        session_id=session_id,
        row=row,
        panel=content,
    )


def _steps(
    signed: Visit,
    connection: Connection,
    session_id: int,
    profile: Profile,
    shown: Shown,
    steps: list[page_register.Step],
) -> list[dict[str, Any]]:
    """What happened to the mark, each step with the files that came with it."""
    files = mark_evidence.of(connection, signed.scope.institution_id, [one.id for one in steps])
    opens = bool(files) and mark_evidence.may_read(connection, signed.scope, session_id)
    return [
        words.step(profile, one, shown.local)
        | {
            "files": [
                {
                    "id": file.id,
                    "name": file.file_name,
                    "erased": file.erased_ms is not None,
                    "opens": opens or file.by_account_id == signed.scope.account_id,
                }
                for file in files.get(one.id, ())
            ]
        }
        for one in steps
    ]


def missed(session: session_rows.SessionRow, at_ms: int | None, now_ms: int) -> int | None:
    """The whole minutes that somebody missed: until their tap, or until now while the session runs (LOUGH-14)."""
    if at_ms is None:
        at_ms = now_ms if session.starts_ms <= now_ms <= session.ends_ms else 0
    return (at_ms - session.starts_ms) // 60_000 if at_ms >= session.starts_ms + 60_000 else None
