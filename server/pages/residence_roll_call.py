"""The fire roll-call: everybody who lives in a house, on a phone without a network, from what was last known.

The page keeps a copy of itself (static/roll-call.js) and a worker answers with it when nothing else does
(static/residence-worker.js). The copy has its time in large letters, goes at sign-out and is a day old at most. Ticks
stay on the phone.
"""

from __future__ import annotations

from fastapi import APIRouter, Response

from server.declared import act, public
from server.pages import residence_words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, number
from server.pages.local import words as day_words
from server.pages.rendering import STATIC, page
from server.store import residence_board
from server.store.engine import reading

router = APIRouter(route_class=PageRoute, include_in_schema=False)

#: says that a browser keeps a list, so that signing out lets go of it
KEPT = "muster_kept"
KEPT_S = 2 * 86_400
#: the time of the list, for the page to know the copy again
AS_KNOWN = "x-as-known-ms"
_WORKER = (STATIC / "residence-worker.js").read_bytes()


@router.get("/residence/worker.js")
@public("our own script, without any data: it must lie in the folder that it serves")
def worker() -> Response:
    """The script that answers without a network."""
    return Response(_WORKER, media_type="text/javascript; charset=utf-8")


@router.get("/residence/houses/{house}/roll-call")
@act("residence.read")
def roll_call(signed: Signed, house: str) -> Response:
    """Everybody to tick off, by floor and room, with what is known of the last evening that opened and what is not."""
    return _page(signed, number(house, "house"))


@router.get("/residence/houses/{house}/roll-call/live")
@act("residence.read")
def to_keep(signed: Signed, house: str) -> Response:
    """The same, fetched by the page itself to be kept: nobody is at the desk for it."""
    answer = _page(signed, number(house, "house"))
    answer.set_cookie(
        KEPT, "1", max_age=KEPT_S, path="/", httponly=True, samesite="lax", secure=signed.request.url.scheme == "https"
    )
    return answer


def _page(signed: Visit, house_id: int) -> Response:
    with reading(signed.engine) as connection:
        local, scope, profiles = signed.local(connection), signed.scope, signed.desk.profiles
        found = residence_board.roll_call(connection, scope, profiles, house_id, local.now_ms)
    rows = [residence_words.row(one, found.date, local) for one in found.people]
    answer = page(
        signed.request,
        "residence_roll_call.html",
        login=signed.login,
        house=found.house,
        at=local.seconds(local.now_ms),
        at_day=day_words(local.today()),
        at_ms=local.now_ms,
        evening=day_words(found.date),
        known=residence_words.known(found, local).text,
        people=len(rows),
        floors=residence_words.floors(rows),
    )
    answer.headers[AS_KNOWN] = str(local.now_ms)
    return answer


def let_go(request_cookies: dict[str, str], answer: Response) -> None:
    """Signing out: the browser forgets the lists that it kept."""
    if KEPT in request_cookies:
        answer.headers["clear-site-data"] = '"storage"'
        answer.delete_cookie(KEPT, path="/")
