"""What looked odd at a kiosk, with its evidence; closed by a person, in words. The machine decides nothing by it (DDU-12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from server.declared import act
from server.errors import StoreError
from server.pages import residence_words, words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, number
from server.pages.local import Local
from server.pages.rendering import page
from server.store import residence_board, residence_flags
from server.store.engine import reading, writing
from server.store.residence_flags import Flag

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]
#: closed flags stay on the page for so long
CLOSED_MS = 30 * 86_400_000


@router.get("/residence/flags")
@act("residence.read")
def flags(signed: Signed, house: str = "", closed: str = "", said: str = "") -> Response:
    """What nobody has looked at yet, newest first; closed=yes: of the last 30 days, with what was found."""
    return _page(signed, house, closed == "yes", said=residence_words.SAID.get(said))


def _page(
    signed: Visit,
    house: str,
    closed: bool,
    *,
    said: str | None = None,
    problem: StoreError | None = None,
    typed: dict[str, str | int] | None = None,
) -> Response:
    """typed: the `text` that was not taken as what was found of `flag`."""
    house_id = number(house, "house") if house else None
    with reading(signed.engine) as connection:
        local, scope = signed.local(connection), signed.scope
        names = {one.id: one.name for one in residence_board.houses(connection, scope)}
        if closed:
            since_ms = local.now_ms - CLOSED_MS
            found = residence_flags.every(connection, scope, house_id, since_ms, local.now_ms)
            found = [one for one in found if one.closed_ms is not None]
        else:
            found = residence_flags.waiting(connection, scope, house_id)
    return page(
        signed.request,
        "residence_flags.html",
        status=200 if problem is None else problem.status,
        login=signed.login,
        csrf=signed.login.csrf,
        flags=[_line(one, names, local) | {"own": one.person_id == signed.scope.person_id and one.person_id is not None}
               for one in found],
        closed=closed,
        house=house_id,
        house_name=names.get(house_id or 0),
        may_tend=signed.scope.may("residence.tend"),
        said=said,
        typed=typed or {},
        problem=words.sentence(problem) if problem is not None else None,
    )  # fmt: skip


def _line(one: Flag, names: Mapping[int, str], local: Local) -> dict[str, Any]:
    when = local.moment(one.at_ms)
    if one.count > 1:
        when = f"{one.count} times, {when} to {local.moment(one.last_ms)}"
    return {
        "id": one.id,
        "text": f"{one.text} (told by a kiosk that was stolen: not believed)" if one.doubted else one.text,
        "house": names.get(one.house_id, ""),
        "person_id": one.person_id,
        "name": one.name or ("name erased" if one.person_id is not None else ""),
        "reader": one.reader,
        "when": when,
        "evidence": [
            (key.replace("_ms", "").replace("_", " "), _fact(key, value, local))
            for key, value in sorted(one.detail.items())
        ],
        "note": one.note,
        "closed": f"{one.closed_by}, {local.moment(one.closed_ms)}" if one.closed_ms is not None else "",
    }


def _fact(key: str, value: Any, local: Local) -> str:
    if key.endswith("_ms") and isinstance(value, int):
        return local.moment(value)
    if key == "times" and isinstance(value, list):
        return ", ".join(local.moment(one) for one in value if isinstance(one, int))
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    return str(value)


@router.post("/residence/flags/{flag}/close")
@act("residence.tend")
def close(signed: Signed, flag: str, fields: Form) -> Response:
    """Somebody has looked, and says what they found. Seen again, it opens again."""
    check_csrf(fields, signed.login)
    flag_id, text = number(flag, "flag"), fields.get("text", "")
    try:
        with writing(signed.engine) as connection:
            residence_flags.close(connection, signed.scope, flag_id, text, signed.now_ms())
    except StoreError as error:
        if not error.mendable:
            raise
        return _page(signed, "", False, problem=error, typed={"flag": flag_id, "text": text})
    return RedirectResponse("/residence/flags?said=closed", status_code=303)
