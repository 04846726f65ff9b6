"""The card desk: hold a card to the reader on the desk, and the page says whose it is; from there it is given, replaced or
blocked (PORT-8). It is told by the card's token; the number stays in the reader (PORT-1)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from server.declared import act
from server.pages import campus_words, card_words, sought
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, id_in
from server.pages.live import Live
from server.pages.local import Local
from server.pages.rendering import page
from server.pages.words import QUIET_MS, Said
from server.policy import card_counters
from server.store import card_desk
from server.store.card_desk import AtDesk, DeskReader, Ended
from server.store.engine import reading

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]
GIVE = "/registry/card-desk/give"
_LIVE = Live(template="_card_desk.html", address="/registry/card-desk/live", seconds=2)


@router.get("/registry/card-desk")
@act("campus.change")
def desk(signed: Signed) -> Response:
    """The cards that were just held to a desk reader."""
    return page(signed.request, "card_desk.html", live=True, login=signed.login, **_LIVE.first(_shown(signed)))


@router.get("/registry/card-desk/live")
@act("campus.change")
def live(signed: Signed, v: str = "") -> Response:
    """They again, if anything about them changed since version v; else 204."""
    return _LIVE.again(v, _shown(signed))


@router.get(GIVE)
@act("campus.change")
def ask_whom(signed: Signed, tap: str = "", found: str = "") -> Response:
    """Who is to have the card that was tapped. found: what was looked for (`find`)."""
    wanted, tapped = sought.opened(signed, found), id_in(tap)
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        at_desk = card_desk.at_desk(connection, signed.scope, local.now_ms)
        mine = next((one for one in at_desk if one.swipe_id == tapped and _is_givable(one)), None)
        people = card_desk.givable(connection, signed.scope, wanted, local.now_ms) if wanted and mine else []
    return page(
        signed.request,
        "card_give.html",
        login=signed.login,
        csrf=signed.login.csrf,
        q=wanted,
        tap=None if mine is None else _line(mine, local),
        people=[{"id": one.id, "name": one.full_name, "number": one.number, "classes": one.classes} for one in people],
    )


@router.post("/registry/card-desk/find")
@act("campus.change")
def find(signed: Signed, fields: Form) -> Response:
    """Look for them: the number or the words never stand in an address."""
    check_csrf(fields, signed.login)
    return sought.to(signed, GIVE, fields.get("q", ""), tap=str(id_in(fields.get("tap", "")) or ""))


def _shown(signed: Visit) -> dict[str, Any]:
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        found = card_desk.at_desk(connection, signed.scope, local.now_ms)
        readers = card_desk.readers(connection, signed.scope, local.now_ms)
    return {
        "cards": [_line(one, local) for one in found],
        "readers": [{"name": one.name, "state": _state(one, local)} for one in readers],
    }


def _line(one: AtDesk, local: Local) -> dict[str, Any]:
    return {
        "tap": one.swipe_id,
        "at": local.seconds(one.at_ms),
        "reader": one.reader,
        "person_id": one.person_id if one.full_name else None,
        "card_id": one.card_id,
        "whose": _whose(one),
        "free": _is_givable(one),
        "ended": None if one.ended is None else ended(one.ended, local),
        "rests": card_words.rests_on(one.kind) if one.kind and one.kind != card_counters.NUMBER else None,
    }


def _is_givable(one: AtDesk) -> bool:
    return one.kind is not None and one.person_id is None


def ended(one: Ended, local: Local) -> str:
    """How a card that nobody has stopped being somebody's: whoever gives it out is to know."""
    whose = f"{one.full_name}’s" if one.full_name else "somebody’s who is not in your care"
    return f"It was {whose} until {local.dated(one.at_ms)}: {campus_words.card_ended(one.why)}"


def _whose(one: AtDesk) -> str:
    if one.kind is None:
        return "A card or telephone that shows another number each time: it cannot be given to anybody"
    if one.person_id is None:
        return "Nobody has this card"
    return one.full_name or "Somebody who is not in your care: ask the institution's registry"


def _state(one: DeskReader, local: Local) -> Said:
    if one.seen_ms is None:
        return Said("late", "never heard: is it on, and does it reach the network?")
    if local.now_ms - one.seen_ms > QUIET_MS:
        return Said("bad", f"last heard {local.moment(one.seen_ms)}: what is held to it shows when it is heard again")
    if one.able not in (None, "ok"):
        return Said("bad", f"cannot take cards now ({one.able}): call a technician")
    return Said("good", "takes cards")
