"""Leave from the residence: what waits, approved or refused by staff with an answer; nobody answers their own (DDU-12)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from server.declared import act
from server.errors import StoreError
from server.pages import residence_words, words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, number
from server.pages.rendering import page
from server.store import residence_leaves
from server.store.campus import FieldRefused
from server.store.engine import reading, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]
_NOTED = "The leave is written down. It waits for an answer, as any other."


@router.get("/residence/leaves")
@act("residence.read")
def leaves(signed: Signed, said: str = "") -> Response:
    """What waits for an answer in the houses in one's care, by the first evening."""
    return _page(signed, said=_NOTED if said == "leave-noted" else residence_words.SAID.get(said))


def _page(
    signed: Visit,
    *,
    said: str | None = None,
    problem: StoreError | None = None,
    typed: dict[str, str | int] | None = None,
) -> Response:
    """typed: the `text` that was not taken as the answer to `leave`."""
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        found = residence_leaves.waiting(connection, signed.scope, local.now_ms)
    return page(
        signed.request,
        "residence_leaves.html",
        status=200 if problem is None else problem.status,
        login=signed.login,
        csrf=signed.login.csrf,
        leaves=[residence_words.leave(one, local) | {"own": one.person_id == signed.scope.person_id} for one in found],
        may_tend=signed.scope.may("residence.tend"),
        said=said,
        typed=typed or {},
        problem=words.sentence(problem) if problem is not None else None,
    )


@router.post("/residence/leaves/{leave}/decide")
@act("residence.tend")
def decide(signed: Signed, leave: str, fields: Form) -> Response:
    """Approve, or refuse with an answer that the resident reads."""
    check_csrf(fields, signed.login)
    leave_id, wanted, text = number(leave, "leave"), fields.get("do", ""), fields.get("text", "")
    try:
        with writing(signed.engine) as connection:
            # Whether one may is asked first; what the form lacks takes it all back.
            residence_leaves.decide(connection, signed.scope, leave_id, wanted == "approve", text, signed.now_ms())
            if wanted not in ("approve", "refuse"):
                raise FieldRefused("do", "do", "choose: approve, or refuse")
            if wanted == "refuse" and not text.strip():
                raise FieldRefused("text", "text", "say why it is refused: the resident reads it")
    except StoreError as error:
        if not error.mendable:
            raise
        return _page(signed, problem=error, typed={"leave": leave_id, "text": text})
    signed.request.app.state.wake()
    return RedirectResponse(f"/residence/leaves?said={wanted}d", status_code=303)


@router.post("/residence/leaves/{leave}/withdraw")
@act("residence.own", "residence.tend")
def withdraw(signed: Signed, leave: str, fields: Form) -> Response:
    """Take a leave back: the resident, or staff. Evenings that are past keep what was decided of them."""
    check_csrf(fields, signed.login)
    leave_id = number(leave, "leave")
    with writing(signed.engine) as connection:
        residence_leaves.withdraw(connection, signed.scope, leave_id, signed.now_ms())
    signed.request.app.state.wake()
    to = "/residence/leaves" if signed.scope.may("residence.read") else "/me/residence"
    return RedirectResponse(f"{to}?said=leave-withdrawn", status_code=303)
