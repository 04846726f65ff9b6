"""A resident's own page: evenings and percentage, leave asked for and answered, the consent and taking it back (DDU-12, 14)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from server.declared import act
from server.errors import StoreError
from server.pages import residence_evenings, residence_words, words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form
from server.pages.rendering import page
from server.pages.residence_resident import ask
from server.pages.student import own
from server.store import residence_templates
from server.store.engine import reading, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]
OWN = "residence.own"


@router.get("/me/residence")
@act(OWN)
def mine(signed: Signed, since: str = "", until: str = "", said: str = "") -> Response:
    """One's own evenings, and what is kept about them."""
    return _page(signed, since, until, said=residence_words.SAID.get(said))


def _page(
    signed: Visit,
    since: str = "",
    until: str = "",
    *,
    said: str | None = None,
    problem: StoreError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    """typed: the leave that was not taken."""
    person_id = own(signed)
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        evenings = residence_evenings.shown(signed, connection, person_id, since, until)
        about = residence_evenings.about(signed, connection, person_id, local)
    return page(
        signed.request,
        "residence_own.html",
        status=200 if problem is None else problem.status,
        login=signed.login,
        csrf=signed.login.csrf,
        said=said,
        typed=typed or {},
        problem=words.sentence(problem) if problem is not None else None,
        **evenings,
        **about,
    )


@router.post("/me/residence/leave")
@act(OWN)
def ask_leave(signed: Signed, fields: Form) -> Response:
    """Ask for leave on some evenings; staff answer."""
    check_csrf(fields, signed.login)
    person_id = own(signed)
    try:
        ask(signed, person_id, fields)
    except StoreError as error:
        if not error.mendable:
            raise
        return _page(signed, problem=error, typed=fields)
    return RedirectResponse("/me/residence?said=asked", status_code=303)


@router.post("/me/residence/consent/withdraw")
@act(OWN)
def withdraw_consent(signed: Signed, fields: Form) -> Response:
    """Take the consent back, at once and without a reason. From now on card, PIN and witness do."""
    check_csrf(fields, signed.login)
    person_id = own(signed)
    with writing(signed.engine) as connection:
        residence_templates.withdraw(connection, signed.scope, person_id, signed.now_ms())
    signed.request.app.state.wake()
    return RedirectResponse("/me/residence?said=consent-withdrawn", status_code=303)
