"""One resident, for staff: evenings and the 75 % explained, leave, consent and enrolment, PIN (DDU-12, DDU-14)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from server import residence_texts
from server.declared import act
from server.errors import NotAllowed, StoreError
from server.pages import residence_evenings, residence_words, words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, id_in, number, same
from server.pages.local import parse_day
from server.pages.rendering import page
from server.store import (
    residence_admin,
    residence_board,
    residence_leaves,
    residence_pins,
    residence_reach,
    residence_templates,
)
from server.store.campus import FieldRefused
from server.store.engine import Connection, reading, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]
READ, TEND = "residence.read", "residence.tend"


@router.get("/residence/residents/{resident}")
@act(READ)
def resident(
    signed: Signed, resident: str, day: str = "", since: str = "", until: str = "", said: str = ""
) -> Response:
    """Their evenings, what counts and why, and what can be done tonight. day: the evening one came from."""
    person_id = number(resident, "resident")
    return _page(signed, person_id, day=day, since=since, until=until, said=residence_words.SAID.get(said))


def _page(
    signed: Visit,
    person_id: int,
    *,
    day: str = "",
    since: str = "",
    until: str = "",
    said: str | None = None,
    problem: StoreError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    """typed: the leave that was not taken."""
    with reading(signed.engine) as connection:
        residence_reach.need_person(connection, signed.scope, person_id, READ)
        local = signed.local(connection)
        name, _, known_as = residence_board.people(connection, [person_id]).get(person_id, ("", "", ""))
        evenings = residence_evenings.shown(signed, connection, person_id, since, until)
        about = residence_evenings.about(signed, connection, person_id, local)
        tonight = residence_board.tonight(connection, signed.scope, signed.desk.profiles, local.now_ms)
        kiosks, house = _kiosks(signed, connection, person_id, local.now_ms)
    return page(
        signed.request,
        "residence_resident.html",
        status=200 if problem is None else problem.status,
        login=signed.login,
        csrf=signed.login.csrf,
        person_id=person_id,
        full_name=name or "Name erased",
        number=known_as,
        house=house,
        day=(parse_day(day) or tonight).isoformat(),
        tonight=tonight.isoformat(),
        kiosks=kiosks,
        may_tend=signed.scope.may(TEND),
        own=person_id == signed.scope.person_id,
        reasons=residence_words.REASONS,
        calls=residence_words.CALLS,
        typed=typed or {},
        said=said,
        problem=words.sentence(problem) if problem is not None else None,
        **evenings,
        **about,
    )


def _kiosks(signed: Visit, connection: Connection, person_id: int, now_ms: int) -> tuple[list[dict], dict | None]:
    """The kiosks of the house in which they live, if it is in care; and the house."""
    house_id = residence_reach.house_of(connection, person_id, now_ms)
    here = next((one for one in residence_board.houses(connection, signed.scope) if one.id == house_id), None)
    if here is None:
        return [], None
    found = residence_admin.kiosks(connection, signed.scope, here.id, now_ms)
    kiosks = [{"id": one.reader_id, "name": one.reader, "left": max(0, one.capacity - one.taken)} for one in found]
    return kiosks, {"id": here.id, "name": here.name}


def _again(signed: Visit, person_id: int, error: StoreError, typed: dict[str, str] | None = None) -> Response:
    if not error.mendable:
        raise error
    return _page(signed, person_id, problem=error, typed=typed)


def _needed(signed: Visit, resident: str, fields: dict[str, str]) -> int:
    """Who it is, if they may be tended: before anything of the form is looked at."""
    check_csrf(fields, signed.login)
    person_id = number(resident, "resident")
    with reading(signed.engine) as connection:
        residence_reach.need_person(connection, signed.scope, person_id, TEND, now_ms=signed.now_ms())
    return person_id


def _to(person_id: int, said: str) -> Response:
    return RedirectResponse(f"/residence/residents/{person_id}?said={said}", status_code=303)


@router.get("/residence/residents/{resident}/enrol")
@act(TEND)
def ask_enrol(signed: Signed, resident: str, language: str = "") -> Response:
    """The consent's words, to be read by the resident, in their language, before staff let a finger be enrolled."""
    return _enrol_page(signed, number(resident, "resident"), language)


def _enrol_page(signed: Visit, person_id: int, language: str, problem: StoreError | None = None) -> Response:
    with reading(signed.engine) as connection:
        now_ms = signed.now_ms()
        residence_reach.need_person(connection, signed.scope, person_id, TEND, now_ms=now_ms)
        name = residence_board.people(connection, [person_id]).get(person_id, ("", "", ""))[0]
        kiosks, house = _kiosks(signed, connection, person_id, now_ms)
    return page(
        signed.request,
        "residence_enrol.html",
        status=200 if problem is None else problem.status,
        login=signed.login,
        csrf=signed.login.csrf,
        person_id=person_id,
        full_name=name or "Name erased",
        house=house,
        kiosks=kiosks,
        text=residence_texts.newest(language),
        languages=list(residence_texts.NAMES.items()),
        problem=words.sentence(problem) if problem is not None else None,
    )


@router.post("/residence/residents/{resident}/enrol")
@act(TEND)
def enrol(signed: Signed, resident: str, fields: Form) -> Response:
    """They agreed to these words, before whoever is signed in: kept with version, digest and language. The kiosk is told."""
    person_id = _needed(signed, resident, fields)
    text = residence_texts.newest(fields.get("language", ""))
    try:
        if fields.get("agreed") != "yes":
            raise FieldRefused(
                "agreed", "agreed", "tick that the resident has read these words and agrees, or leave it"
            )
        if not same(fields.get("digest", ""), text.digest):
            raise FieldRefused("consent-text", "digest", "the words have changed meanwhile: let them be read again")
        kiosk_id = id_in(fields.get("kiosk", ""))
        if kiosk_id is None:
            raise FieldRefused("kiosk", "kiosk", "choose the kiosk")
        with writing(signed.engine) as connection:
            residence_templates.arm(
                connection, signed.scope, person_id, kiosk_id, text.version, signed.now_ms(),
                text_digest=text.digest, language=text.language,
            )  # fmt: skip
    except StoreError as error:
        if isinstance(error, NotAllowed) or error.status >= 500:
            raise
        return _enrol_page(signed, person_id, text.language, error)
    signed.request.app.state.wake()
    return _to(person_id, "armed")


@router.post("/residence/residents/{resident}/consent/withdraw")
@act(TEND)
def withdraw_consent(signed: Signed, resident: str, fields: Form) -> Response:
    """The resident takes the consent back, before staff: every kiosk is to forget the finger."""
    person_id = _needed(signed, resident, fields)
    with writing(signed.engine) as connection:
        residence_templates.withdraw(connection, signed.scope, person_id, signed.now_ms())
    signed.request.app.state.wake()
    return _to(person_id, "consent-withdrawn")


@router.post("/residence/templates/{template}/end")
@act(TEND)
def disarm(signed: Signed, template: str, fields: Form) -> Response:
    """One kiosk is to forget the finger; the consent stays."""
    check_csrf(fields, signed.login)
    with writing(signed.engine) as connection:
        residence_templates.disarm(connection, signed.scope, number(template, "template"), signed.now_ms())
    signed.request.app.state.wake()
    back = id_in(fields.get("resident", ""))
    if back is not None:
        return _to(back, "disarmed")
    return RedirectResponse("/residence", status_code=303)


@router.post("/residence/residents/{resident}/pin")
@act(TEND)
def set_pin(signed: Signed, resident: str, fields: Form) -> Response:
    """Set a PIN, typed twice. It is kept as keyed hashes and shown nowhere, also not in this form again."""
    person_id = _needed(signed, resident, fields)
    try:
        if not same(fields.get("pin", ""), fields.get("again", "")):
            raise FieldRefused("pin-twice", "again", "the two are not the same, or empty: type the PIN twice")
        with writing(signed.engine) as connection:
            residence_pins.set_pin(
                connection, signed.scope, signed.request.app.state.vault, person_id, fields["pin"], signed.now_ms()
            )
    except StoreError as error:
        return _again(signed, person_id, error)
    signed.request.app.state.wake()
    return _to(person_id, "pin")


@router.post("/residence/residents/{resident}/pin/end")
@act(TEND)
def end_pin(signed: Signed, resident: str, fields: Form) -> Response:
    """They have no PIN from now on."""
    person_id = _needed(signed, resident, fields)
    with writing(signed.engine) as connection:
        residence_pins.end(connection, signed.scope, person_id, signed.now_ms())
    signed.request.app.state.wake()
    return _to(person_id, "pin-ended")


@router.post("/residence/residents/{resident}/leave")
@act(TEND)
def ask_leave(signed: Signed, resident: str, fields: Form) -> Response:
    """Staff write down a leave that the resident asks for by word of mouth; it is then answered as any other."""
    person_id = _needed(signed, resident, fields)
    try:
        ask(signed, person_id, fields)
    except StoreError as error:
        return _again(signed, person_id, error, fields)
    return RedirectResponse("/residence/leaves?said=leave-noted", status_code=303)


def ask(signed: Visit, person_id: int, fields: dict[str, str]) -> None:
    """Ask for leave as a form says. Raises FieldRefused and what the store refuses."""
    first, last = parse_day(fields.get("first", "").strip()), parse_day(fields.get("last", "").strip())
    if first is None or last is None:
        raise FieldRefused("dates", "first", "fill in the first and the last evening, such as 2026-11-22")
    with writing(signed.engine) as connection:
        residence_leaves.ask(connection, signed.scope, person_id, first, last, fields.get("text", ""), signed.now_ms())
