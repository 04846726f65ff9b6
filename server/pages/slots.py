"""Slots for boards that are to be readers, with the one-time token as text and QR; and readers that move."""

from __future__ import annotations

from typing import Annotated, Any

import segno
from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup

from server import reader_settings
from server.declared import act
from server.errors import NotAllowed, StoreError
from server.pages import words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, number
from server.pages.local import Local, parse_day
from server.pages.rendering import page
from server.store import moves, readers, room_list, site_list, slots
from server.store.engine import reading, writing
from server.store.slots import Slot

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]
HERE = "/doors/slots"
_SAID = {
    "withdrawn": "The slot is taken back: its token is good for nothing.",
    "late": "That slot was claimed, taken back or too old before: nothing was changed.",
    "moved": "The reader serves that door from then on; what it recorded before counts where it was.",
}
_STATES = {
    slots.OPEN: ("late", "waits for a board"),
    slots.CLAIMED: ("good", "claimed"),
    slots.WITHDRAWN: ("", "taken back"),
    slots.EXPIRED: ("", "too old"),
}


@router.get(HERE)
@act("doors.tend")
def every(signed: Signed, reader: str = "", said: str = "") -> Response:
    """The slots, and forms to make one and to move a reader. reader: it is filled in already."""
    return _show(signed, {"replaces": reader, "reader": reader}, said=_SAID.get(said, ""))


@router.post(HERE)
@act("doors.tend")
def make(signed: Signed, fields: Form) -> Response:
    """Make a slot, and show its token: on this answer, and nowhere else."""
    check_csrf(fields, signed.login)
    try:
        reader_settings.of_slots(signed.request.app.state.settings.reader_broker)
        with writing(signed.engine) as connection:
            made = slots.make(
                connection,
                signed.scope,
                name=fields.get("name", "").lower(),
                room_code=fields.get("room", ""),
                site_name=fields.get("site") or None,
                replaces=fields.get("replaces") or None,
                now_ms=signed.now_ms(),
            )
            local = signed.local(connection)
            sites = site_list.names(connection, signed.scope)
    except StoreError as error:
        if isinstance(error, NotAllowed) or error.status >= 500:
            raise
        return _show(signed, fields, problem=error)
    settings = signed.request.app.state.settings
    store = settings.public_url or str(signed.request.base_url).rstrip("/")
    return page(
        signed.request,
        "slot.html",
        login=signed.login,
        made=made,
        store=store,
        until=local.time(made.expires_ms),
        site=made.site if len(sites) > 1 else "",
        code=_code(store, made.token),
    )


@router.post(HERE + "/{slot}/withdraw")
@act("doors.tend")
def withdraw(signed: Signed, slot: str, fields: Form) -> Response:
    """Its token is good for nothing any more."""
    check_csrf(fields, signed.login)
    with writing(signed.engine) as connection:
        done = slots.withdraw(connection, signed.scope, number(slot, "slot"), signed.now_ms())
    return RedirectResponse(f"{HERE}?said={'withdrawn' if done else 'late'}", status_code=303)


@router.post("/doors/move")
@act("doors.tend")
def move(signed: Signed, fields: Form) -> Response:
    """A reader serves another door from a time on."""
    check_csrf(fields, signed.login)
    try:
        with writing(signed.engine) as connection:
            moves.move(
                connection,
                signed.scope,
                fields.get("reader", ""),
                fields.get("to") or None,
                from_ms=_since(fields, signed.local(connection)),
                now_ms=signed.now_ms(),
            )
    except StoreError as error:
        if isinstance(error, NotAllowed) or error.status >= 500:
            raise
        return _show(signed, fields, problem=error)
    signed.request.app.state.wake()
    return RedirectResponse(f"{HERE}?said=moved", status_code=303)


def _since(fields: dict[str, str], local: Local) -> int:
    """The moment in a form. Raises StoreError(`move-time`)."""
    at_ms = local.typed(parse_day(fields.get("day", "")), fields.get("time", ""))
    if at_ms is None:
        raise StoreError("move-time", "say from when on: a day, and a time such as 09:30")
    return at_ms


def _code(store: str, token: str) -> Markup:
    """The QR, drawn into the page: no address has the token in it but behind a #, which no browser sends."""
    drawn = segno.make_qr(f"{store}{HERE}#{token}", error="m").svg_inline(
        omitsize=True, border=4, dark="#000", light="#fff", svgclass=None, lineclass=None
    )
    # Made of digits by segno alone.
    return Markup(drawn)


def _show(signed: Visit, typed: dict[str, str], *, said: str = "", problem: StoreError | None = None) -> Response:
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        found = slots.listed(connection, signed.scope, local.now_ms)
        every = readers.listed(connection, signed.scope.institution_id, local.now_ms)
        rooms = room_list.codes(connection, signed.scope)
        sites = site_list.names(connection, signed.scope)
        sited = site_list.of_rooms(connection, signed.scope) if len(sites) > 1 else {}
    day, clock = local.iso(local.now_ms)
    return page(
        signed.request,
        "slots.html",
        status=200 if problem is None else problem.status,
        login=signed.login,
        csrf=signed.login.csrf,
        said=said,
        problem=None if problem is None else words.sentence(problem),
        slots=[_line(one, local, many=len(sites) > 1) for one in found],
        readers=[(row.name, _told(row, many=len(sites) > 1)) for row in every],
        placed=[(row.name, _told(row, many=len(sites) > 1)) for row in every if row.room_code],
        rooms=[(code, sited.get(code, "")) for code in rooms],
        sites=sites if len(sites) > 1 else [],
        typed={"name": "", "room": "", "site": "", "replaces": "", "reader": "", "to": "", "day": day, "time": clock}
        | typed,
    )


def _told(row: Any, *, many: bool) -> str:
    """A reader in a list to choose from. many: there are several sites, and the same may be called alike at each."""
    return f"{row.name}, {row.room_code or 'no room'}" + (f", {row.site}" if many else "")


def _line(one: Slot, local: Local, *, many: bool) -> dict[str, Any]:
    kind, state = _STATES[one.state]
    told = f"made {local.moment(one.made_ms)}"
    if one.state == slots.OPEN:
        told = f"until {local.time(one.expires_ms)}"
    elif one.claimed_ms is not None:
        told = f"{local.moment(one.claimed_ms)}, by board {one.board or 'without a number'}"
        if one.seen_ms is None:
            kind, state = "late", "claimed, never heard"
    return {
        "id": one.id,
        "reader": one.reader,
        "room": one.room_code,
        "site": one.site if many else "",
        "replaces": one.replaces,
        "kind": kind,
        "state": state,
        "told": told,
        "open": one.state == slots.OPEN,
    }
