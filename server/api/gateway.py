"""What gateways call (docs/wire.md): deliveries in, rosters out."""

from __future__ import annotations

import base64
import contextlib
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from server import declared, deliveries
from server.api import errors
from server.api.signed_in import bearer
from server.errors import NotSignedIn, TooMuch, Unwritable
from server.store import gateways, releases, rosters
from server.store.engine import reading, writing

router = APIRouter(prefix="/api/gateway/v1", tags=["gateway"], responses=errors.documented(400, 401, 413, 422, 503))

#: how often it is written down that a gateway is there
SEEN_EVERY_MS = 10_000


class Item(BaseModel):
    """One thing that the gateway received."""

    model_config = ConfigDict(extra="ignore")
    id: str = Field(max_length=128)
    site: str = ""
    reader: str = ""
    kind: str
    line: str = ""
    #: by the gateway's clock: for people who look, nothing is decided by it
    received_ms: int = 0
    judged: str | None = None
    topic: str = ""
    raw_b64: str = ""


class Delivery(BaseModel):
    """At most 500 items."""

    items: list[Item]


def gateway(request: Request) -> Any:
    """The gateway that calls. Raises NotSignedIn(`gateway-token`)."""
    token = bearer(request)
    if token is not None:
        with reading(request.app.state.engine) as connection:
            found = gateways.find(connection, token)
        if found is not None:
            return found
    raise NotSignedIn("gateway-token", "this is no gateway's token: `muster gateway add NAME` makes one")


@router.post("/deliveries")
@declared.gateway("what a gateway brings and fetches")
def deliver(request: Request, delivery: Delivery, caller: Annotated[Any, Depends(gateway)]) -> dict[str, Any]:
    """Take a batch. The answer comes after the commit: what it names in `done` is held, or in quarantine."""
    if len(delivery.items) > deliveries.ITEMS_MAX:
        raise TooMuch("too-many-items", f"at most {deliveries.ITEMS_MAX} items at once")
    state = request.app.state
    items = [
        deliveries.Item(
            id=item.id,
            site=item.site,
            reader=item.reader,
            kind=item.kind,
            line=item.line,
            received_ms=item.received_ms,
            topic=item.topic,
            raw_b64=item.raw_b64,
        )
        for item in delivery.items
    ]
    now_ms = state.clock.now_ms()
    with writing(state.engine) as connection:
        answer = deliveries.deliver(
            connection,
            state.ring,
            items,
            institution_id=caller.institution_id,
            gateway_id=caller.id,
            now_ms=now_ms,
        )
    state.counters.delivered(answer)
    state.wake()
    told: dict[str, Any] = {"done": answer.done, "down": answer.down, "replay": answer.replay}
    if answer.offers:
        told["offers"] = answer.offers
    if (restored := state.restores.told(caller.institution_id, now_ms)) is not None:
        told["restored"] = restored
    return told


@router.get("/rosters")
@declared.gateway("what a gateway brings and fetches")
def changed(request: Request, caller: Annotated[Any, Depends(gateway)], after: str = "") -> dict[str, Any]:
    """The rosters that changed since the cursor; all without one, or with one that is not ours."""
    state = request.app.state
    now_ms = state.clock.now_ms()
    if caller.seen_ms is None or not 0 <= now_ms - caller.seen_ms < SEEN_EVERY_MS:
        # For the doors page only: rosters are handed out even where the store cannot write.
        with contextlib.suppress(Unwritable), writing(state.engine) as connection:
            gateways.seen(connection, caller.id, now_ms)
    # 18 digits: a number that a database holds.
    since = int(after) if after.isascii() and after.isdigit() and len(after) <= 18 else 0
    with reading(state.engine) as connection:
        rows = rosters.after(connection, caller.institution_id, since)
    return {
        "cursor": str(max((row.change_no for row in rows), default=since)),
        "rosters": [
            {
                "site": row.site,
                "reader": row.name,
                "version_ms": row.version_ms,
                "payload_b64": base64.b64encode(row.payload).decode(),
            }
            for row in rows
        ],
    }


@router.get("/releases/{tag}", response_class=Response, responses=errors.documented(404))
@declared.gateway("what a gateway brings and fetches")
def pack(request: Request, tag: str, caller: Annotated[Any, Depends(gateway)]) -> Response:
    """A signed release, whole: its institution's gateways send it to readers piece by piece."""
    with reading(request.app.state.engine) as connection:
        found = releases.pack(connection, caller.institution_id, tag)
    return Response(found, media_type="application/octet-stream")
