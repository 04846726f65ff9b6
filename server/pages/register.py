"""A session's live register (LOUGH-6): the page, and the pieces that replace what changed while it is open.

Each second the page asks with the version it shows. If nothing changed the answer is 204, after three small queries.
If something did, only the rows concerned and what stands above them are sent; each takes the place of the element with
its id, so that nothing flickers and the focus stays.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from markupsafe import Markup

from server.pages import words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, clean, form, number
from server.pages.local import Local
from server.pages.local import words as day_words
from server.pages.rendering import TEMPLATES, page, piece
from server.pages.snapshots import LASTS_MS, Snapshot
from server.store import page_register, registers
from server.store.engine import Connection, reading, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]

#: how often an open register asks: while cards may come, and afterwards
LIVE_S, CALM_S, CALM_AFTER_MS = 1, 5, 15 * 60_000
_SAID = {"mark": "The mark is set.", "verified": "The marks are verified and count now."}
_ROWS = TEMPLATES["_rows.html"].module
_line, _body = _ROWS.line, _ROWS.body  # type: ignore[attr-defined]  the template's macros


class Shown(NamedTuple):
    """A register as a page shows it now."""

    digest: str
    snapshot: Snapshot
    summary: dict[str, Any]
    local: Local

    @property
    def version(self) -> str:
        """Stands for everything that the page shows."""
        return f"{self.digest}-{words.digest(self.summary)}"


def look(signed: Visit, connection: Connection, session_id: int, *, fresh: bool) -> Shown:
    """The register now. fresh: read even if its version says that nothing changed. Raises NotFound(`session`)."""
    desk, local = signed.desk, signed.local(connection)
    version = registers.version(connection, signed.scope, session_id)
    found = None if fresh else desk.snapshots.newest(session_id, version, local.now_ms)
    if found is None:
        made = _read(signed, connection, session_id, local)
        found = desk.snapshots.put(session_id, made), made
    snapshot = found[1]
    session = snapshot.register.session
    doors = page_register.doors_of(connection, session_id)
    taps = page_register.unmatched(connection, [one.reader_id for one in doors], session.opens_ms, session.closes_ms)
    profile = desk.profile(session.profile)
    summary = {
        "counts": snapshot.numbers,
        "notes": [
            *words.evidence(snapshot.register, doors, local),
            *words.outages(snapshot.register.outages, local),
            *words.unmatched(taps),
        ],
        "verify": words.verification(profile, snapshot.register, snapshot.numbers, local),
    }
    return Shown(found[0], snapshot, summary, local)


def _read(signed: Visit, connection: Connection, session_id: int, local: Local) -> Snapshot:
    desk = signed.desk
    register = registers.register_of(connection, signed.scope, session_id, dict(desk.profiles))
    profile = desk.profile(register.session.profile)
    ended = local.now_ms > register.session.closes_ms
    return Snapshot(
        version=register.version,
        until_ms=local.now_ms + LASTS_MS,
        register=dataclasses.replace(register, rows=()),
        rows={row.person_id: words.row_of(profile, row, local, ended=ended) for row in register.rows},
        numbers=words.counts(profile, register.rows),
    )


def _summary(signed: Visit, session_id: int, shown: Shown, *, oob: bool) -> Markup:
    return piece("_summary.html", session_id=session_id, csrf=signed.login.csrf, oob=oob, **shown.summary)


def _poll(session_id: int, shown: Shown) -> Markup:
    calm = shown.local.now_ms > shown.snapshot.register.session.closes_ms + CALM_AFTER_MS
    address = f"/sessions/{session_id}/live"
    return piece("_poll.html", address=address, version=shown.version, seconds=CALM_S if calm else LIVE_S)


def _rows(session_id: int, shown: Shown, *, oob: bool) -> Markup:
    return _body(list(shown.snapshot.rows.values()), session_id, oob)


@router.get("/sessions/{session}")
def register(signed: Signed, session: str, said: str = "") -> Response:
    """The register's page."""
    session_id = number(session, "session")
    with reading(signed.engine) as connection:
        shown = look(signed, connection, session_id, fresh=True)
    return page(
        signed.request,
        "register.html",
        live=True,
        login=signed.login,
        session=heading(shown.snapshot, shown.local),
        said=_SAID.get(said),
        summary=_summary(signed, session_id, shown, oob=False),
        rows=_rows(session_id, shown, oob=False),
        poll=_poll(session_id, shown),
    )


def heading(snapshot: Snapshot, local: Local) -> dict[str, Any]:
    """Course code, title, start and end (LOUGH-6), rooms and staff."""
    row = snapshot.register.session
    day = local.day(row.starts_ms)
    return {
        "title": row.title,
        "course_code": row.course_code,
        "course_title": row.course_title,
        "starts": local.time(row.starts_ms),
        "ends": local.time(row.ends_ms),
        "day": day.isoformat(),
        "day_words": day_words(day),
        "rooms": ", ".join(row.rooms),
        "staff": ", ".join(row.staff),
    }


@router.get("/sessions/{session}/live")
def live(signed: Signed, session: str, v: str = "") -> Response:
    """What changed since the page showed version v: 204 if nothing did."""
    session_id = number(session, "session")
    with reading(signed.engine) as connection:
        shown = look(signed, connection, session_id, fresh=False)
    if v == shown.version:
        return Response(status_code=204)
    rows, summary = clean(v, 64).partition("-")[::2]
    pieces = [_poll(session_id, shown)]
    if summary != words.digest(shown.summary):
        pieces.append(_summary(signed, session_id, shown, oob=True))
    if rows != shown.digest:
        before = signed.desk.snapshots.by_digest(session_id, rows)
        changed = shown.snapshot.changed_since(before) if before is not None else None
        if changed is None:
            pieces.append(Markup("<template>{}</template>").format(_rows(session_id, shown, oob=True)))
        else:
            pieces += [
                Markup("<template>{}</template>").format(_line(row, session_id, row["fresh"], True)) for row in changed
            ]
            arrived = [row["full_name"] for row in changed if row["fresh"]]
            if arrived:
                pieces.append(
                    Markup('<p id="said" class="hidden" role="status" hx-swap-oob="innerHTML">{}</p>').format(
                        f"{', '.join(arrived[:3])}{' and others' if len(arrived) > 3 else ''}: card tapped"
                    )
                )
    return HTMLResponse(Markup("\n").join(pieces))


@router.post("/sessions/{session}/verify")
def verify(signed: Signed, session: str, fields: Form) -> Response:
    """The lecturer has looked through the marks: they count from now on (STEP-18). Twice is once."""
    check_csrf(fields, signed.login)
    session_id = number(session, "session")
    with writing(signed.engine) as connection:
        now_ms = signed.now_ms()
        found = registers.register_of(connection, signed.scope, session_id)
        if any(row.code is not None and not row.verified for row in found.rows):
            registers.verify(connection, signed.scope, session_id, now_ms)
    return RedirectResponse(f"/sessions/{session_id}?said=verified", status_code=303)
