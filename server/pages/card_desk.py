"""The card desk: hold a card to the reader on the desk, and the page says whose it is; from there it is given, replaced or
blocked (PORT-8). It is told by the card's token; the number stays in the reader (PORT-1)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from server.declared import act
from server.pages import card_words, words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute
from server.pages.rendering import page, piece
from server.policy import card_counters
from server.store import card_desk
from server.store.card_desk import AtDesk
from server.store.engine import reading

router = APIRouter(route_class=PageRoute, include_in_schema=False)
REFRESH_S = 2


@router.get("/registry/card-desk")
@act("campus.change")
def desk(signed: Signed) -> Response:
    """The cards that were just held to a desk reader."""
    shown = _cards(signed)
    return page(
        signed.request,
        "card_desk.html",
        live=True,
        login=signed.login,
        cards=piece("_card_desk.html", oob=False, cards=shown),
        poll=_poll(words.digest(shown)),
    )


@router.get("/registry/card-desk/live")
@act("campus.change")
def live(signed: Signed, v: str = "") -> Response:
    """They again, if anything about them changed since version v; else 204."""
    shown = _cards(signed)
    version = words.digest(shown)
    if v == version:
        return Response(status_code=204)
    return HTMLResponse(Markup("\n").join([_poll(version), piece("_card_desk.html", oob=True, cards=shown)]))


def _poll(version: str) -> Markup:
    return piece("_poll.html", address="/registry/card-desk/live", version=version, seconds=REFRESH_S)


def _cards(signed: Visit) -> list[dict[str, Any]]:
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        found = card_desk.at_desk(connection, signed.scope, local.now_ms)
    return [
        {
            "at": local.seconds(one.at_ms),
            "reader": one.reader,
            "person_id": one.person_id if one.full_name else None,
            "card_id": one.card_id,
            "whose": _whose(one),
            "rests": card_words.rests_on(one.kind) if one.kind and one.kind != card_counters.NUMBER else None,
        }
        for one in found
    ]


def _whose(one: AtDesk) -> str:
    if one.kind is None:
        return "A card or telephone that shows another number each time: it cannot be given to anybody"
    if one.person_id is None:
        return "Nobody has this card"
    return one.full_name or "Somebody who is not in your care: ask the institution's registry"
