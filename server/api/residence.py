"""The residence over the API: houses, an evening's board, check-ins. Every answer is what the caller's scope may see."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from server.api import errors
from server.api.signed_in import Signed
from server.api.v1 import Number, Word
from server.declared import act
from server.store import residence_board, residence_listings, residence_rules
from server.store.engine import reading

router = APIRouter(
    prefix="/api/v1/residence", tags=["residence"], responses=errors.documented(400, 401, 403, 404, 409, 413, 422, 503)
)


@router.get("/houses")
@act("residence.read")
def houses(request: Request, scope: Signed) -> dict[str, Any]:
    """The houses in the caller's care."""
    with reading(request.app.state.engine) as connection:
        return {"houses": [asdict(one) for one in residence_board.houses(connection, scope)]}


@router.get("/houses/{house_id}/board")
@act("residence.read")
def board(request: Request, scope: Signed, house_id: Number, day: Word = "") -> dict[str, Any]:
    """A house on an evening (its local date, ISO; '' for tonight's): every resident's state, and up to when it is known."""
    state = request.app.state
    now_ms = state.clock.now_ms()
    with reading(state.engine) as connection:
        wanted: date = (
            residence_rules.day_in(day) if day else residence_board.tonight(connection, scope, state.profiles, now_ms)
        )
        found = residence_board.board(connection, scope, state.profiles, house_id, wanted, now_ms)
    return asdict(found) | {"date": found.date.isoformat()}


@router.get("/check-ins")
@act("everything.read")
def check_ins(
    request: Request,
    scope: Signed,
    after: Number = 0,
    limit: Annotated[int, Query(ge=1, le=residence_listings.PAGE_MAX)] = 200,
) -> dict[str, Any]:
    """Check-ins by number, a page at a time; for administrators. `next` is the next page's `after`; null at the end."""
    with reading(request.app.state.engine) as connection:
        found = residence_listings.check_ins(connection, scope, after=after, limit=limit)
    return {"check_ins": [asdict(one) for one in found], "next": found[-1].id if len(found) == limit else None}
