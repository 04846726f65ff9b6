"""What may be misuse of cards, with what it rests on; judged by a person, in words. The machine decides nothing (PORT-9)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from server.declared import act
from server.errors import StoreError
from server.pages import words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, number
from server.pages.local import Local
from server.pages.rendering import page
from server.policy import misuse as rules
from server.store import misuse_flags
from server.store.engine import reading, writing
from server.store.misuse_flags import Flag, Shown

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]
#: judged ones stay on the page for so long
DONE_MS = 30 * 86_400_000
#: two taps within so long are said to be so far apart; up to so long in seconds
CLOSE_S, SECONDS_TO_S = 900, 180
SAID = {"closed": "Closed, with what you found. Should enough of the same be seen again, it is open again."}
#: beside each kind: what may explain it
CARE = {
    rules.TWO_DOORS: "Sites may be nearer than the rule says; a card may be copied, or lent to a friend who was quick.",
    rules.PAIR: "Friends may always come together. Ask a lecturer whether both were there.",
    rules.LOST: "Whoever finds their card again may try it: it was found, and works at no door.",
    rules.ELSEWHERE: "One of the two was somebody else, or two clocks are wrong: see the doors.",
}


@router.get("/misuse")
@act("misuse.read")
def flags(signed: Signed, closed: str = "", said: str = "") -> Response:
    """What nobody has judged yet, newest first; closed=yes: what was judged or taken back in the last 30 days."""
    return _page(signed, closed == "yes", said=SAID.get(said))


def _page(
    signed: Visit,
    closed: bool,
    *,
    said: str | None = None,
    problem: StoreError | None = None,
    typed: dict[str, str | int] | None = None,
) -> Response:
    """typed: the `outcome` and `text` that were not taken as what was found of `flag`."""
    with reading(signed.engine) as connection:
        local, scope = signed.local(connection), signed.scope
        if closed:
            found = misuse_flags.done(connection, scope, local.now_ms - DONE_MS, local.now_ms)
        else:
            found = misuse_flags.waiting(connection, scope, local.now_ms)
    return page(
        signed.request,
        "misuse.html",
        status=200 if problem is None else problem.status,
        login=signed.login,
        csrf=signed.login.csrf,
        flags=[_line(one, signed, local) for one in found],
        many=len(found) == misuse_flags.MOST,
        most=misuse_flags.MOST,
        closed=closed,
        outcomes=misuse_flags.OUTCOMES,
        may_judge=scope.may("misuse.judge"),
        may_residence=scope.may("residence.read"),
        said=said,
        typed=typed or {},
        problem=words.sentence(problem) if problem is not None else None,
    )


def _line(one: Flag, signed: Visit, local: Local) -> dict[str, Any]:
    if one.lapsed_ms is not None and one.closed_ms is None:
        over = f"Taken back {local.moment(one.lapsed_ms)}: what it rested on reads otherwise now."
    elif one.closed_ms is not None:
        over = f"{misuse_flags.OUTCOMES.get(one.outcome or '', '')}. {one.closed_by}, {local.moment(one.closed_ms)}"
    else:
        over = ""
    return {
        "id": one.id,
        "text": one.text,
        "people": [_who(one, person_id) for person_id in (one.person_id, one.other_person_id) if person_id is not None],
        "when": " to ".join(dict.fromkeys((local.dated(one.at_ms), local.dated(one.last_ms)))),
        "counted": _counted(one),
        "taps": [
            _tap(one, tap, before, signed, local) for before, tap in zip((None, *one.taps), one.taps, strict=False)
        ],
        "care": CARE.get(one.kind, ""),
        "note": one.note,
        "over": over,
        "own": signed.scope.person_id is not None and signed.scope.person_id in (one.person_id, one.other_person_id),
    }


def _tap(one: Flag, tap: Shown, before: Shown | None, signed: Visit, local: Local) -> dict[str, Any]:
    who = _who(one, tap.person_id)
    gap_s = None if before is None else (tap.at_ms - before.at_ms) // 1000
    leads = tap.session_id is not None and who["id"] is not None and signed.scope.may("register.read")
    return {
        "who": who["name"],
        "where": tap.place or "no room",
        "reader": tap.reader,
        "what": "check-in" if tap.check_in else "tap",
        "at": f"{local.dated(tap.at_ms)}, {local.seconds(tap.at_ms)}",
        # What a person judges by is mostly the time between two taps.
        "after": ""
        if gap_s is None or gap_s > CLOSE_S
        else f"{gap_s} s later"
        if gap_s < SECONDS_TO_S
        else f"{gap_s // 60} min later",
        "unsure": f"±{max(1, round(tap.unsure_ms / 1000))} s" if tap.unsure_ms >= 500 else "",
        "session": tap.session if leads else "",
        "address": f"/sessions/{tap.session_id}/people/{who['id']}" if leads else "",
    }


def _who(one: Flag, person_id: int) -> dict[str, Any]:
    name = one.names.get(person_id)
    return {"id": person_id if name else None, "name": name or "a student of another department"}


def _counted(one: Flag) -> str:
    if one.kind != rules.PAIR:
        return f"{one.count} times" if one.count > 1 else "once"
    first, *rest = (_who(one, person_id)["name"] for person_id in (one.person_id, one.other_person_id) if person_id)
    other = rest[0] if rest else "the other one"
    alone = "never without them" if not one.apart else f"{one.apart} times without them"
    return f"{first} was at a door {one.count} times, each time beside {other}, who was there {alone}"


@router.post("/misuse/{misuse}/close")
@act("misuse.judge")
def close(signed: Signed, misuse: str, fields: Form) -> Response:
    """Somebody has looked, and says what they found. No mark changes by it."""
    check_csrf(fields, signed.login)
    flag_id, outcome, text = number(misuse, "flag"), fields.get("outcome", ""), fields.get("text", "")
    try:
        with writing(signed.engine) as connection:
            misuse_flags.close(connection, signed.scope, flag_id, outcome, text, signed.now_ms())
    except StoreError as error:
        if not error.mendable:
            raise
        return _page(signed, False, problem=error, typed={"flag": flag_id, "outcome": outcome, "text": text})
    return RedirectResponse("/misuse?said=closed", status_code=303)
