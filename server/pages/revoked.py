"""Readers that are believed no more: one form to revoke one that was stolen, and what the others still deliver."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from server.declared import act
from server.errors import NotAllowed, StoreError
from server.pages import words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form
from server.pages.local import Local, parse_day
from server.pages.rendering import page
from server.store import agents, readers, revocations
from server.store.engine import reading, writing
from server.store.revocations import WHYS, Revocation

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]
HERE = "/doors/revoked"
#: the agent beside the broker asks each second, which is written down every 10
AGENT_QUIET_MS = 30_000
_SAID = {
    "revoked": "It is believed no more: its password at the broker has ended, and what it gave since then counts for "
    "nothing. Give the door another reader.",
    "released": "What it had recorded before the theft counts from now on.",
}


@router.get(HERE)
@act("doors.tend")
def revoked(signed: Signed, reader: str = "", said: str = "") -> Response:
    """The readers that are believed no more, and a form for one more. reader: it is filled in already."""
    return _show(signed, {"reader": reader}, said=_SAID.get(said, ""))


@router.post(HERE)
@act("doors.tend")
def revoke(signed: Signed, fields: Form) -> Response:
    """Believe a reader no more. Asked for twice it is done once."""
    check_csrf(fields, signed.login)
    try:
        with writing(signed.engine) as connection:
            since_ms = _since(fields, signed.local(connection))
            revocations.revoke(
                connection,
                signed.scope,
                fields.get("reader", ""),
                since_ms=since_ms,
                why=fields.get("why", ""),
                now_ms=signed.now_ms(),
            )
    except StoreError as error:
        if isinstance(error, NotAllowed) or error.status >= 500:
            raise
        if error.code != "reader-revoked":
            return _show(signed, fields, problem=error)
    signed.request.app.state.wake()
    return RedirectResponse(f"{HERE}?said=revoked", status_code=303)


@router.post(HERE + "/release")
@act("doors.tend")
def release(signed: Signed, fields: Form) -> Response:
    """Let count what a revoked reader had recorded before the theft. Asked for twice it is done once."""
    check_csrf(fields, signed.login)
    try:
        with writing(signed.engine) as connection:
            revocations.release(connection, signed.scope, fields.get("reader", ""), now_ms=signed.now_ms())
    except StoreError as error:
        if isinstance(error, NotAllowed) or error.status >= 500:
            raise
        if error.code != "reader-released":
            return _show(signed, {}, problem=error)
    signed.request.app.state.wake()
    return RedirectResponse(f"{HERE}?said=released", status_code=303)


def _since(fields: dict[str, str], local: Local) -> int:
    """The moment in a form. Raises StoreError(`revoke-since`)."""
    at_ms = local.typed(parse_day(fields.get("day", "")), fields.get("time", ""))
    if at_ms is None:
        raise StoreError("revoke-since", "say when it went missing: a day, and a time such as 09:30")
    return at_ms


def _show(signed: Visit, typed: dict[str, str], *, said: str = "", problem: StoreError | None = None) -> Response:
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        found = revocations.listed(connection, signed.scope)
        every = readers.listed(connection, signed.scope.institution_id, local.now_ms)
        seen = agents.seen_ms(connection, signed.scope.institution_id)
    day, clock = local.iso(local.now_ms)
    return page(
        signed.request,
        "revoked.html",
        status=200 if problem is None else problem.status,
        login=signed.login,
        csrf=signed.login.csrf,
        said=said,
        problem=None if problem is None else words.sentence(problem),
        lines=[_line(one, local) for one in found],
        readers=[(row.name, f"{row.name}, {row.room_code or 'no room'}") for row in every],
        whys=WHYS,
        typed={"reader": "", "why": "stolen", "day": day, "time": clock} | typed,
        agents=[
            f"{name}: " + ("never asked: start muster broker keep" if at is None else f"last asked {local.moment(at)}")
            for name, at in seen.items()
            if at is None or local.now_ms - at > AGENT_QUIET_MS
        ],
        no_agent=not seen,
    )


def _line(one: Revocation, local: Local) -> dict[str, Any]:
    late = one.withheld - one.older
    if one.released_ms is not None:
        counts = f"{one.older} from before then were let count {local.moment(one.released_ms)}; {late} never do"
    elif one.withheld:
        counts = f"{one.withheld} came since: {one.older} say that they are from before then, {late} never count"
    else:
        counts = "nothing came since"
    return {
        "reader": one.reader,
        "why": WHYS.get(one.why, one.why),
        "since": local.moment(one.since_ms),
        "called": local.moment(one.called_ms) + (f", by {one.by}" if one.by else ", by a command"),
        "counts": counts,
        "may_release": one.released_ms is None,
        "older": one.older,
    }
