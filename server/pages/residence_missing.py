"""Who is not in, and what staff do about it: one tap for a call, an excuse, an entry with its reason (DDU-12).

The list refreshes itself row by row: a row changes when the person comes in or somebody did something about them, and
no other row does, so that what is being filled in stays.
"""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from markupsafe import Markup

from server.declared import act
from server.errors import StoreError
from server.pages import residence_words, words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, id_in, number
from server.pages.local import parse_day
from server.pages.local import words as day_words
from server.pages.rendering import page, piece
from server.pages.residence_board import chosen_day
from server.store import residence_acts, residence_board, residence_reach
from server.store.engine import Connection, reading, writing
from server.store.residence_board import Board
from server.store.residence_evenings import CALL

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]

REFRESH_S = 5
TEND = "residence.tend"
CALLS = dict(residence_words.CALLS)
#: a hand-over note stands on the page for so many evenings
NOTE_DAYS = 7


def _shown(signed: Visit, connection: Connection, house_id: int, day: date) -> tuple[Board, dict[str, Any]]:
    residence_reach.need_house(connection, signed.scope, house_id, TEND)
    local = signed.local(connection)
    found = residence_board.board(connection, signed.scope, signed.desk.profiles, house_id, day, local.now_ms)
    rows = [residence_words.row(one, day, local) for one in sorted(found.people, key=lambda one: one.person_id)]
    order = {one.person_id: n for n, one in enumerate(found.people)}
    for one in rows:
        # Whoever looks for people looks at themselves no more than at others, and enters themselves never.
        one["own"] = one["id"] == signed.scope.person_id
    marks = "".join(hashlib.blake2b(repr(one).encode("utf-8", "replace"), digest_size=2).hexdigest() for one in rows)
    return found, {
        "rows": rows,
        "order": order,
        "marks": marks,
        "known": residence_words.known(found, local),
        "many": sum(one["looked_for"] for one in rows),
        "day": day.isoformat(),
        "house_id": house_id,
        "csrf": signed.login.csrf,
        "calls": residence_words.CALLS,
        "reasons": residence_words.REASONS,
    }


def _poll(shown: dict[str, Any]) -> Markup:
    return piece(
        "_poll.html",
        address=f"/residence/houses/{shown['house_id']}/missing/live",
        version=_version(shown),
        more=f"&day={shown['day']}&s={shown['marks']}",
        seconds=REFRESH_S,
    )


def _version(shown: dict[str, Any]) -> str:
    return words.digest((shown["marks"], shown["known"]))


@router.get("/residence/houses/{house}/missing")
@act(TEND)
def missing(signed: Signed, house: str, day: str = "", said: str = "") -> Response:
    """Everybody of whom it is not known where they are, with what can be done at one tap."""
    return _page(signed, number(house, "house"), day, said=residence_words.SAID.get(said))


def _page(
    signed: Visit,
    house_id: int,
    day: str,
    *,
    said: str | None = None,
    problem: StoreError | None = None,
    typed: dict[str, str | int] | None = None,
) -> Response:
    """typed: the `reason` and `text` that were not taken of `resident`."""
    with reading(signed.engine) as connection:
        wanted, tonight = chosen_day(signed, connection, day)
        found, shown = _shown(signed, connection, house_id, wanted)
    live = wanted == tonight
    return page(
        signed.request,
        "residence_missing.html",
        status=200 if problem is None else problem.status,
        live=live,
        login=signed.login,
        house=found.house,
        title=day_words(wanted),
        over=found.closes_ms <= signed.now_ms(),
        tonight=live,
        summary=piece("_residence_missing_sum.html", oob=False, **shown),
        lines=[
            piece("_residence_missing_row.html", oob=False, one=one, typed=typed or {}, **shown)
            for one in sorted(shown["rows"], key=lambda one: shown["order"][one["id"]])
        ],
        poll=_poll(shown) if live else "",
        day=wanted.isoformat(),
        said=said,
        problem=words.sentence(problem) if problem is not None else None,
    )


@router.get("/residence/houses/{house}/missing/live")
@act(TEND)
def live(signed: Signed, house: str, v: str = "", day: str = "", s: str = "") -> Response:
    """The rows that changed since version v, of which s are the marks; else 204."""
    house_id = number(house, "house")
    with reading(signed.engine) as connection:
        wanted, _ = chosen_day(signed, connection, day)
        _, shown = _shown(signed, connection, house_id, wanted)
    if v == _version(shown):
        return Response(status_code=204)
    if len(s) != len(shown["marks"]):
        # Somebody moved in or out meanwhile: the list is another one.
        return Response(status_code=200, headers={"hx-refresh": "true"})
    changed = [one for n, one in enumerate(shown["rows"]) if s[4 * n : 4 * n + 4] != shown["marks"][4 * n : 4 * n + 4]]
    return HTMLResponse(
        Markup("\n").join(
            [
                _poll(shown),
                piece("_residence_missing_sum.html", oob=True, **shown),
                *(piece("_residence_missing_row.html", oob=True, one=one, typed={}, **shown) for one in changed),
            ]
        )
    )


@router.post("/residence/residents/{resident}/acts")
@act(TEND)
def do(signed: Signed, resident: str, fields: Form) -> Response:
    """Call, note, excuse or entry. Fields: day, do (a kind, or one of the calls), reason, text, house: where to go on."""
    check_csrf(fields, signed.login)
    person_id = number(resident, "resident")
    with reading(signed.engine) as connection:
        residence_reach.need_person(connection, signed.scope, person_id, TEND)
        wanted, _ = chosen_day(signed, connection, fields.get("day", ""))
    kind, text = fields.get("do", ""), fields.get("text", "")
    if kind in CALLS:
        kind, text = CALL, " ".join(part for part in (CALLS[kind], text.strip()) if part)
    reason = fields.get("reason", "") if kind != CALL else ""
    try:
        with writing(signed.engine) as connection:
            residence_acts.act(
                connection, signed.scope, signed.desk.profiles, person_id, wanted, kind, reason, text, signed.now_ms()
            )
    except StoreError as error:
        return _again(signed, person_id, fields, error)
    signed.request.app.state.wake()
    return _on(fields, person_id, "done")


def _on(fields: dict[str, str], person_id: int, said: str) -> Response:
    """Back to where the form was: the list of a house, or the resident's page."""
    house_id, day = id_in(fields.get("house", "")), parse_day(fields.get("day", ""))
    at = f"/residence/residents/{person_id}" if house_id is None else f"/residence/houses/{house_id}/missing"
    query = urlencode({"said": said} | ({"day": day.isoformat()} if day else {}))
    return RedirectResponse(f"{at}?{query}", status_code=303)


def _again(signed: Visit, person_id: int, fields: dict[str, str], error: StoreError) -> Response:
    """The list with what was wrong; whoever may not see it gets the problem alone."""
    house_id = id_in(fields.get("house", ""))
    if not error.mendable or house_id is None:
        raise error
    typed: dict[str, str | int] = {name: fields.get(name, "") for name in ("reason", "text")}
    return _page(signed, house_id, fields.get("day", ""), problem=error, typed=typed | {"resident": person_id})


@router.post("/residence/acts/{evening_act}/withdraw")
@act(TEND)
def withdraw(signed: Signed, evening_act: str, fields: Form) -> Response:
    """Take an entry, excuse, call or note back. Twice is once."""
    check_csrf(fields, signed.login)
    with writing(signed.engine) as connection:
        residence_acts.withdraw(connection, signed.scope, number(evening_act, "act"), signed.now_ms())
    signed.request.app.state.wake()
    back = id_in(fields.get("resident", ""))
    if back is None and id_in(fields.get("house", "")) is None:
        return RedirectResponse("/residence", status_code=303)
    return _on(fields, back or 0, "withdrawn")


@router.get("/residence/houses/{house}/notes")
@act("residence.read")
def notes(signed: Signed, house: str, said: str = "") -> Response:
    """What each shift told the next, and a form to leave a note."""
    return _notes(signed, number(house, "house"), said=residence_words.SAID.get(said))


def _notes(signed: Visit, house_id: int, *, said: str | None = None, problem: StoreError | None = None) -> Response:
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        _, tonight = chosen_day(signed, connection, "")
        first = date.fromordinal(tonight.toordinal() - NOTE_DAYS)
        found = residence_acts.hand_overs(connection, signed.scope, house_id, first, tonight)
        (name,) = [one.name for one in residence_board.houses(connection, signed.scope) if one.id == house_id] or [""]
        tends = residence_reach.need_house(connection, signed.scope, house_id, "residence.read")
    return page(
        signed.request,
        "residence_notes.html",
        status=200 if problem is None else problem.status,
        login=signed.login,
        csrf=signed.login.csrf,
        house_id=tends,
        house_name=name,
        notes=[
            {"day": day_words(one.day), "text": one.text, "by": one.by, "when": local.moment(one.at_ms)}
            for one in found
        ],
        days=NOTE_DAYS,
        said=said,
        problem=words.sentence(problem) if problem is not None else None,
        may_tend=signed.scope.may(TEND),
    )


@router.post("/residence/houses/{house}/notes")
@act(TEND)
def hand_over(signed: Signed, house: str, fields: Form) -> Response:
    """Leave a note for the next shift, on tonight's evening."""
    check_csrf(fields, signed.login)
    house_id = number(house, "house")
    with reading(signed.engine) as connection:
        residence_reach.need_house(connection, signed.scope, house_id, TEND)
    try:
        with writing(signed.engine) as connection:
            _, tonight = chosen_day(signed, connection, "")
            residence_acts.hand_over(
                connection, signed.scope, house_id, tonight, fields.get("text", ""), signed.now_ms()
            )
    except StoreError as error:
        if not error.mendable:
            raise
        return _notes(signed, house_id, problem=error)
    return RedirectResponse(f"/residence/houses/{house_id}/notes?said=noted", status_code=303)
