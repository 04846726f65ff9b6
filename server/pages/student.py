"""A student's own page, and a lost card; and what staff see of a student in their care. A student sees only themselves."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from server.declared import act
from server.errors import NotFound
from server.pages import absence_words, attended, withheld_words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, number
from server.pages.local import Local
from server.pages.rendering import page
from server.policy.leave import LEAVE, REPORTED
from server.store import absence_kinds, absences, attendance, lost_cards, messages, residence_reach, withheld_taps
from server.store.absences import Absence
from server.store.attendance import Coming, Term
from server.store.engine import Connection, reading, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]

#: days that are shown: of sessions to come, and of attendance where no term is kept
AHEAD_DAYS, BACK_DAYS = 7, 365
_SAID = {
    "reported": "Your report has arrived. Staff of the class, or the registry, decide on it; you see it below.",
    "stopped": "Your card is stopped.",
    "none": "No card of yours was working: there was nothing to stop.",
}


def own(signed: Visit) -> int:
    """Who the login is among the persons. Raises NotFound(`person`)."""
    if signed.scope.person_id is None:
        raise NotFound("person", "your account is not connected to a person yet: ask an administrator")
    return signed.scope.person_id


@router.get("/me")
@act("attendance.own")
def me(signed: Signed, term: str = "", said: str = "") -> Response:
    """Own attendance by module, what is to come, absences, card and messages."""
    person_id = own(signed)
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        who = attendance.student(connection, signed.scope, person_id)
        chosen = _period(connection, signed, local, term)
        rows, _ = attendance.of_person(connection, signed.scope, person_id, *chosen["bounds"])
        ahead_ms = local.bounds(local.today() + timedelta(days=AHEAD_DAYS))[0]
        coming = attendance.between(connection, person_id, local.now_ms, ahead_ms)
        mine = absences.of_person(connection, signed.scope, person_id, 20)
        cards = lost_cards.of_person(connection, signed.scope, person_id)
        kept = withheld_taps.of_person(connection, person_id, *chosen["bounds"])
        told = messages.to_person(connection, person_id)
        lives = residence_reach.house_of(connection, person_id, local.now_ms) is not None
    working = [one for one in cards if one.to_ms is None or one.to_ms > local.now_ms]
    return page(
        signed.request,
        "me.html",
        login=signed.login,
        who=who,
        said=_SAID.get(said),
        lives=lives,
        modules=attended.modules(signed.desk, rows, local),
        withheld=withheld_words.lines(kept, rows, local),
        coming=[_coming(signed, one, local, mine) for one in coming],
        ahead_days=AHEAD_DAYS,
        absences=[absence_words.line(one, local) for one in mine],
        card_since=local.dated(working[0].from_ms) if working else None,
        card_ended=_ended(cards, local) if not working else None,
        messages=[{"when": local.moment(one.created_ms), "subject": one.subject, "text": one.text} for one in told],
        **chosen,
    )


def _period(connection: Connection, signed: Visit, local: Local, wanted: str) -> dict[str, Any]:
    """Which time is shown: the term asked for, else the one that holds now, else the last year. Up to now."""
    terms = attendance.terms(connection, signed.scope.institution_id)
    asked = next((one for one in terms if str(one.id) == wanted), None)
    now = next((one for one in terms if one.from_ms <= local.now_ms < one.to_ms), None)
    found: Term | None = asked or (None if wanted == "year" else now)
    year_ms = local.bounds(local.today() - timedelta(days=BACK_DAYS))[0]
    begins, ends = (found.from_ms, found.to_ms) if found is not None else (year_ms, local.now_ms)
    return {
        "bounds": (begins, min(ends, local.now_ms)),
        "terms": [{"id": str(one.id), "title": one.title} for one in terms],
        "term": str(found.id) if found is not None else "year",
        "period": found.title if found is not None else "the last twelve months",
    }


def _ended(cards: list[lost_cards.Held], local: Local) -> str | None:
    if not cards or cards[0].to_ms is None:
        return None
    why = {"lost": "reported lost", "replaced": "replaced", "returned": "given back"}.get(
        cards[0].ended_why or "", "ended"
    )
    return f"{why} {local.moment(cards[0].to_ms)}"


def _coming(signed: Visit, one: Coming, local: Local, mine: list[Absence]) -> dict[str, Any]:
    profile = signed.desk.profile(one.profile, one.starts_ms)
    state, kind = f"{local.time(one.opens_ms)} – {local.time(one.closes_ms)}", ""
    if one.cancelled_ms is not None:
        state, kind = "cancelled", ""
    elif one.mode == "online":
        state = "online: no door"
    elif one.opens_ms <= local.now_ms <= one.closes_ms:
        state, kind = f"now, until {local.time(one.closes_ms)}", "good"
    known = profile.codes.get(one.code) if one.code is not None else None
    return {
        "id": one.session_id,
        "day": local.dated(one.starts_ms),
        "time": f"{local.time(one.starts_ms)} – {local.time(one.ends_ms)}",
        "title": one.title,
        "rooms": ", ".join(one.rooms),
        "door": state,
        "door_kind": kind,
        "cancelled": one.cancelled_ms is not None,
        "mark": f"{one.code} – {known.meaning}" if known is not None else one.code,
        "told": _is_told(one, mine),
        # Where the rules want no report of one class the form would only say so (PORT-12).
        "reportable": one.cancelled_ms is None
        and one.code is None
        and not _is_told(one, mine)
        and any(kind in profile.absences for kind in (REPORTED, LEAVE)),
    }


def _is_told(one: Coming, mine: list[Absence]) -> bool:
    """Whether an absence from it waits for a decision already."""
    return any(
        found.state == absence_kinds.OPEN
        and (
            one.session_id in found.session_ids
            if found.session_ids
            else found.from_ms < one.ends_ms and one.starts_ms < found.to_ms
        )
        for found in mine
    )


@router.get("/people/{person}/attendance")
@act("attendance.read")
def of_student(signed: Signed, person: str, term: str = "") -> Response:
    """What staff see of a student in their care: the sessions that are theirs to see, and no reasons (LOUGH-16)."""
    person_id = number(person, "person")
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        who = attendance.student(connection, signed.scope, person_id)
        chosen = _period(connection, signed, local, term)
        rows, whole = attendance.of_person(connection, signed.scope, person_id, *chosen["bounds"])
        kept = withheld_taps.of_person(connection, person_id, *chosen["bounds"])
        mine = absences.of_person(connection, signed.scope, person_id, 20) if signed.scope.may("absence.read") else []
    return page(
        signed.request,
        "student.html",
        login=signed.login,
        who=who,
        whole=whole,
        modules=attended.modules(signed.desk, rows, local),
        withheld=withheld_words.lines(kept, rows, local, all_=whole),
        absences=[absence_words.line(one, local) for one in mine],
        may_erase=signed.scope.may("notes.erase"),
        may_report=signed.scope.may("absence.list") and person_id != signed.scope.person_id,
        **chosen,
    )


@router.get("/me/card")
@act("attendance.own")
def ask_card(signed: Signed) -> Response:
    """What follows when the card is stopped, before it is."""
    person_id = own(signed)
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        cards = lost_cards.of_person(connection, signed.scope, person_id)
        doors = lost_cards.doors(connection, signed.scope.institution_id, local.now_ms)
    working = [one for one in cards if one.to_ms is None or one.to_ms > local.now_ms]
    return page(
        signed.request,
        "card.html",
        login=signed.login,
        csrf=signed.login.csrf,
        working=len(working),
        ended=_ended(cards, local) if not working else None,
        doors=_doors(*doors),
    )


def _doors(every: int, quiet: int) -> str:
    """How long doors may take, honestly."""
    said = (
        "From this moment no swipe with it counts for anybody: a card is judged at the time of the swipe. "
        "Doors that are connected get their new list within about a minute; until then one may still show green."
    )
    if quiet:
        are = "door is" if quiet == 1 else "doors are"
        said += (
            f" {quiet} of {every} {are} not connected now, and may show green until heard again "
            "(after 24 hours only the double flash). What such a door records does not count either."
        )
    return said


@router.post("/me/card/lost")
@act("attendance.own")
def stop_card(signed: Signed, fields: Form) -> Response:
    """Stop the card on every door, now. Sent twice it is stopped once."""
    check_csrf(fields, signed.login)
    person_id = own(signed)
    with writing(signed.engine) as connection:
        stopped = lost_cards.stop(connection, signed.scope, person_id, now_ms=signed.now_ms())
    signed.request.app.state.wake()
    return RedirectResponse(f"/me?said={'stopped' if stopped else 'none'}", status_code=303)
