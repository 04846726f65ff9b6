"""Verifying a register by its page's key: what stood on the page counts from then on, and nothing else (STEP-18).

The form says what its page has shown. A page without scripts shows what was there when it was loaded. One with scripts
is at most a poll behind: what came in that time is verified with the rest, or a busy door would cost a second key.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from markupsafe import Markup

from server.declared import act
from server.pages import about
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, id_in, is_htmx, number
from server.pages.register import CALM_S, changes, look, order_of, told, whole
from server.pages.verify_words import shown_to
from server.policy.profile import Profile
from server.store import derivations, registers, sessions, verifying
from server.store.engine import Connection, reading, writing
from server.store.registers import Register, Row

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]

#: how long ago a mark was set that a live page may not show yet: between two polls, with the time that deriving takes
MEANWHILE_MS = (CALM_S + 5) * 1000


@router.post("/sessions/{session}/verify")
@act("register.verify")
def verify(signed: Signed, session: str, fields: Form) -> Response:
    """The lecturer has looked through the marks: they count from now on. Twice is once.

    What stood on no page is not verified: then nothing is, and the answer is the register as it is now.
    """
    check_csrf(fields, signed.login)
    session_id = number(session, "session")
    with writing(signed.engine) as connection:
        now_ms = signed.now_ms()
        here = sessions.need(connection, signed.scope, session_id, "register.verify")
        # What is compared is what is verified: no card comes in between.
        derivations.lock_registers(connection, here.institution_id, [session_id])
        found = registers.register_of(connection, signed.scope, session_id, signed.desk.profiles)
        profile = signed.desk.profile(found.session.profile, found.session.starts_ms)
        waiting = [row for row in found.rows if _waits(profile, row)]
        if (
            waiting
            and "seen" in fields
            and not _stood_there(signed, connection, profile, found, waiting, fields["seen"])
        ):
            connection.rollback()
            return _not_verified(signed, connection, session_id, len(waiting), fields)
        if found.verified_ms is None or waiting:
            registers.verify(connection, signed.scope, session_id, now_ms, signed.desk.profiles)
    if is_htmx(signed.request):
        with reading(signed.engine) as connection:
            return _pieces(signed, connection, session_id, fields, told(about.SAID["verified"]))
    return RedirectResponse(f"/sessions/{session_id}?said=verified", status_code=303)


def _waits(profile: Profile, row: Row) -> bool:
    """Whether verifying says something of this student."""
    if row.code is None and profile.shown:
        return row.listed
    return row.code is not None and not row.verified


def _stood_there(
    signed: Visit, connection: Connection, profile: Profile, found: Register, waiting: Iterable[Row], seen: str
) -> bool:
    """Whether all of these stood on the page that says what it has shown; of a live one, or came just now."""
    newest, dot, listed = seen.partition(".")
    now = shown_to(profile, ((row.person_id, row.mark_id, row.listed) for row in found.rows))
    if not dot or listed != now.partition(".")[2]:
        return False
    since = [row.mark_id for row in waiting if row.mark_id > (id_in(newest) or 0)]
    if not is_htmx(signed.request):
        return not since
    return not verifying.set_before(connection, since, signed.now_ms() - MEANWHILE_MS)


def _not_verified(
    signed: Visit, connection: Connection, session_id: int, many: int, fields: dict[str, str]
) -> Response:
    text = (
        f"Nothing is verified yet: the register has changed since you looked, and {many} "
        f"{'mark waits' if many == 1 else 'marks wait'} now. Look through them, then verify."
    )
    if is_htmx(signed.request):
        # As for marks that were changed meanwhile: what the page swaps in.
        return _pieces(signed, connection, session_id, fields, told(text, "bad"), status=422)
    return whole(signed, connection, session_id, problem=text, status=409)


def _pieces(
    signed: Visit, connection: Connection, session_id: int, fields: dict[str, str], said: Markup, *, status: int = 200
) -> HTMLResponse:
    """What has changed since the page that sent this form, with what is said about it."""
    shown = look(signed, connection, session_id, fresh=True)
    pieces = changes(signed, session_id, shown, fields.get("v", ""), order_of(fields.get("order", "")))
    return HTMLResponse(Markup("\n").join([*pieces, said]), status_code=status)
