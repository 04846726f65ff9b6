"""Tonight's board of a house, live: who is in, missing, on leave, excused, and up to when that holds (DDU-12, DDU-13)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from server.declared import act
from server.pages import residence_words, words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, number
from server.pages.local import Local, parse_day
from server.pages.local import words as day_words
from server.pages.rendering import page, piece
from server.policy import evenings
from server.store import residence_board, residence_flags, residence_leaves
from server.store.engine import Connection, reading
from server.store.residence_board import Board

router = APIRouter(route_class=PageRoute, include_in_schema=False)

REFRESH_S = 3
#: what a kiosk says of itself, where that is nothing for a technician alone
_ABLE = {"list": "it has no list of residents, and can check nobody in"}


def chosen_day(signed: Visit, connection: Connection, text: str) -> tuple[date, date]:
    """(the evening asked for, tonight)."""
    tonight = residence_board.tonight(connection, signed.scope, signed.desk.profiles, signed.now_ms())
    return parse_day(text) or tonight, tonight


@router.get("/residence")
@act("residence.read")
def houses(signed: Signed, every: str = "") -> Response:
    """The houses in one's care with tonight's counts; who has one only sees its board."""
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        found = residence_board.houses(connection, signed.scope)
        if len(found) == 1 and not every:
            return board(signed, str(found[0].id))
        tonight = residence_board.tonight(connection, signed.scope, signed.desk.profiles, local.now_ms)
        boards = [
            residence_board.board(connection, signed.scope, signed.desk.profiles, one.id, tonight, local.now_ms)
            for one in found
        ]
        waiting = len(residence_leaves.waiting(connection, signed.scope, signed.now_ms()))
        flags = len(residence_flags.waiting(connection, signed.scope))
    return page(
        signed.request,
        "residence.html",
        login=signed.login,
        tonight=day_words(tonight),
        houses=[
            {
                "id": one.house.id,
                "name": one.house.name,
                "code": one.house.code,
                "people": len(one.people),
                "counts": residence_words.counts(one),
                "known": residence_words.known(one, local),
            }
            for one in boards
        ],
        waiting=waiting,
        flags=flags,
        may_manage=signed.scope.may("residence.manage"),
    )


def _shown(signed: Visit, connection: Connection, house_id: int, day: date) -> tuple[Board, dict[str, Any]]:
    local = signed.local(connection)
    found = residence_board.board(connection, signed.scope, signed.desk.profiles, house_id, day, local.now_ms)
    rows = [residence_words.row(one, day, local) for one in found.people]
    return found, {
        "known": residence_words.known(found, local),
        "counts": residence_words.counts(found),
        "people": len(rows),
        "floors": residence_words.floors(rows),
        "kiosks": [_kiosk(one, local) for one in found.kiosks],
        "day": day.isoformat(),
    }


def _kiosk(one: Any, local: Local) -> dict[str, Any]:
    able = "" if one.able in (None, "ok") else _ABLE.get(one.able, "it says that it needs a technician")
    if one.twice:
        return {"name": one.name, "up_to": "there may be two of it, so nothing is known of it", "able": able}
    up_to = "never said how far its list goes" if one.known_until_ms is None else (
        f"complete up to {local.moment(one.known_until_ms)}")  # fmt: skip
    return {"name": one.name, "up_to": up_to, "able": able}


def _poll(house_id: int, shown: dict[str, Any]) -> Markup:
    return piece(
        "_poll.html",
        address=f"/residence/houses/{house_id}/live",
        version=words.digest(shown),
        more=f"&day={shown['day']}",
        seconds=REFRESH_S,
    )


@router.get("/residence/houses/{house}")
@act("residence.read")
def board(signed: Signed, house: str, day: str = "", said: str = "") -> Response:
    """The board of an evening: tonight's, or another one's by its date."""
    house_id = number(house, "house")
    with reading(signed.engine) as connection:
        wanted, tonight = chosen_day(signed, connection, day)
        found, shown = _shown(signed, connection, house_id, wanted)
        flags = len(residence_flags.waiting(connection, signed.scope, house_id))
    live = wanted == tonight
    return page(
        signed.request,
        "residence_board.html",
        live=live,
        login=signed.login,
        house=found.house,
        title=day_words(wanted),
        tonight=live,
        day=wanted.isoformat(),
        before=(wanted - timedelta(days=1)).isoformat(),
        after=(wanted + timedelta(days=1)).isoformat() if wanted < tonight else None,
        board=piece("_residence_board.html", oob=False, **shown),
        poll=_poll(house_id, shown) if live else "",
        looked_for=len(found.of(*residence_words.LOOKED_FOR)),
        over=found.closes_ms <= signed.now_ms(),
        flags=flags,
        said=residence_words.SAID.get(said),
        may_tend=signed.scope.may("residence.tend"),
        may_manage=signed.scope.may("residence.manage"),
        month=f"{wanted:%Y-%m}",
        missing=len(found.of(evenings.MISSING)),
    )


@router.get("/residence/houses/{house}/live")
@act("residence.read")
def live(signed: Signed, house: str, v: str = "", day: str = "") -> Response:
    """The board again, if anything in it changed since version v; else 204."""
    house_id = number(house, "house")
    with reading(signed.engine) as connection:
        wanted, _ = chosen_day(signed, connection, day)
        _, shown = _shown(signed, connection, house_id, wanted)
    if v == words.digest(shown):
        return Response(status_code=204)
    return HTMLResponse(Markup("\n").join([_poll(house_id, shown), piece("_residence_board.html", oob=True, **shown)]))
