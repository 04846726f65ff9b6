"""What an agent beside a broker asks (`muster broker keep`): who may speak there now (docs/trust.md)."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from server import broker_files, declared
from server.api import errors
from server.api.signed_in import bearer
from server.errors import NotSignedIn, Unwritable
from server.store import agents, credentials
from server.store.engine import reading, writing

router = APIRouter(prefix="/api/broker/v1", tags=["broker"], responses=errors.documented(400, 401, 413, 422, 503))


def agent(request: Request) -> Any:
    """The agent that calls. Raises NotSignedIn(`agent-token`)."""
    token = bearer(request)
    if token is not None:
        with reading(request.app.state.engine) as connection:
            found = agents.find(connection, token)
        if found is not None:
            return found
    raise NotSignedIn("agent-token", "this is no token of a broker's agent: `muster broker config DIR` makes one")


@router.get("/credentials", response_model=None)
@declared.gateway("an agent beside a broker, with its own token")
def held(request: Request, caller: Annotated[Any, Depends(agent)], known: str = "") -> dict[str, Any] | Response:
    """Who may speak at the broker now; 204 where that is what the agent knows. known: the digest it was told last."""
    state = request.app.state
    now_ms = state.clock.now_ms()
    with reading(state.engine) as connection:
        found = credentials.held(connection, caller.institution_id)
    if caller.seen_ms is None or not 0 <= now_ms - caller.seen_ms < agents.SEEN_EVERY_MS:
        # For people only.
        with contextlib.suppress(Unwritable), writing(state.engine) as connection:
            agents.seen(connection, caller.id, now_ms)
    digest = broker_files.digest(found)
    if digest == known:
        return Response(status_code=204)
    return {
        "digest": digest,
        "credentials": [
            {"user": one.user, "hash": one.hash, "mutual": one.mutual, "gateway": one.is_gateway} for one in found
        ],
    }
