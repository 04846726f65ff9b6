"""The taps at a session's doors that marked nobody: what each was, said by whoever marks the register.

Names stand here, so it is no page for a class to see; the register itself shows their number only.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from server.declared import act
from server.errors import NotFound, StoreError
from server.pages import beside, words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, number
from server.pages.walk_ins import NOTE_LIMIT, place
from server.policy import marking
from server.store import notes, page_register, registers, unmatched
from server.store.engine import Connection, reading, writing
from server.store.registers import Wanted

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]

#: what a swipe was that marked nobody
_WHAT = {
    "unknown_card": "a card that Muster does not know",
    "red": "not on this list",
    "unsure": "time unsure",
    "withheld": "its reader is believed no more: ask them",
}
#: why it is nobody's here; its own words may stand beside it
REASONS = ("a visitor, or staff", "came by mistake", "marked by hand already", "the same card again")
_OUTCOMES = {
    unmatched.ADDED: "added to this register",
    unmatched.OTHER_CLASS: "belongs to another class",
    unmatched.UNKNOWN_CARD: "the card of",
    unmatched.DISMISSED: "nobody's here",
}


@router.get("/sessions/{session}/taps")
@act("register.mark")
def taps(signed: Signed, session: str) -> Response:
    """They, each with what may be made of it."""
    with reading(signed.engine) as connection:
        return _show(signed, connection, number(session, "session"))


def _show(signed: Visit, connection: Connection, session_id: int, problem: str | None = None) -> Response:
    found = beside.find(signed, connection, session_id, "register.mark")
    register = registers.register_of(connection, signed.scope, session_id, signed.desk.profiles)
    return found.show(
        "taps.html",
        problem=problem,
        taps=[_tap(one, found) for one in unmatched.of(connection, signed.scope, found.row)],
        # Of whom nobody has said anything: without a mark, or absent because no card of theirs was tapped.
        waiting=[
            {"id": row.person_id, "name": row.full_name}
            for row in register.rows
            if row.code is None or row.source == registers.NO_TAP
        ],
        reasons=REASONS,
    )


def _tap(one: unmatched.Swipe, found: beside.Beside) -> dict[str, Any]:
    done = None
    if one.outcome is not None:
        done = _OUTCOMES[one.outcome]
        if one.outcome == unmatched.UNKNOWN_CARD:
            done = f"{done} {one.resolved_name or 'somebody'}"
    return {
        "id": one.swipe_id,
        "at": found.local.seconds(one.at_ms),
        "room": one.room_code,
        "what": _WHAT[one.verdict],
        "name": one.full_name,
        "person_id": one.person_id,
        "expected_in": one.expected_in,
        "done": done,
        "by": one.resolved_by,
        "note": one.note,
    }


@router.post("/sessions/{session}/taps/{swipe}")
@act("register.mark")
def resolve(signed: Signed, session: str, swipe: str, fields: Form) -> Response:
    """Say what it was. Adding a walk-in and marking the holder of an unknown card set a mark as well."""
    check_csrf(fields, signed.login)
    session_id, swipe_id = number(session, "session"), number(swipe, "swipe")
    with writing(signed.engine) as connection:
        found = beside.find(signed, connection, session_id, "register.mark")
        try:
            _resolve(signed, connection, found, swipe_id, fields)
        except StoreError as error:
            if not error.mendable:
                raise
            connection.rollback()
            return _show(signed, connection, session_id, words.sentence(error))
    return RedirectResponse(f"/sessions/{session_id}/taps", status_code=303)


def _resolve(
    signed: Visit, connection: Connection, found: beside.Beside, swipe_id: int, fields: dict[str, str]
) -> None:
    outcome = fields.get("outcome", "")
    swipes = {one.swipe_id: one for one in unmatched.of(connection, signed.scope, found.row)}
    if swipe_id not in swipes:
        raise NotFound("swipe", "there is no such tap at this session's doors")
    one = swipes[swipe_id]
    note = notes.within(fields.get("note", ""), NOTE_LIMIT)
    reason = ", ".join(part for part in (fields.get("reason", ""), note) if part)
    person_id = None
    if outcome == unmatched.DISMISSED and not reason:
        raise StoreError("swipe-reason", "say why it is nobody's here")
    if outcome == unmatched.ADDED:
        if one.person_id is None:
            raise StoreError("swipe-outcome", "this card is nobody's that Muster knows: say whose it is")
        person_id = one.person_id
    if outcome == unmatched.UNKNOWN_CARD:
        if not fields.get("person"):
            raise StoreError("swipe-person", "choose whose card it is")
        person_id = number(fields["person"], "student")
    done = unmatched.resolve(
        connection, signed.scope, found.row, swipe_id, outcome, person_id=person_id, reason=reason,
        now_ms=signed.now_ms(),
    )  # fmt: skip
    if not done or person_id is None:
        return
    # As if it had credited them: whoever tapped late is late by it (LOUGH-14).
    row = found.row
    says = marking.from_tap(
        signed.desk.profile(row.profile, row.starts_ms),
        starts_ms=row.starts_ms,
        ends_ms=row.ends_ms,
        at_ms=one.at_ms,
        uncertainty_ms=one.uncertainty_ms,
    )
    if outcome == unmatched.ADDED:
        place(signed, connection, found, person_id, reason, tap=says)
    if outcome == unmatched.UNKNOWN_CARD:
        held = page_register.held(connection, row.id, [person_id]).get(person_id)
        if held is not None and held.code is not None and held.source != registers.NO_TAP:
            raise StoreError(
                "swipe-marked",
                f"this student is marked {held.code} by now: leave that, and say that this tap is nobody's here",
            )
        note = f"tapped at {found.local.seconds(one.at_ms)} with a card that is not known"
        wanted = Wanted(person_id=person_id, code=says.code, late_min=says.late_min, remark=note)
        registers.set_marks(
            connection, signed.scope, signed.desk.profiles, found.row.id, [wanted], now_ms=signed.now_ms()
        )
