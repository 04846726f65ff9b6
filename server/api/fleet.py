"""Figures of each reader for Prometheus. Which doors are deaf is nothing for anybody: it takes a token that reads doors."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from server.api import errors
from server.api.signed_in import Signed
from server.declared import act
from server.fleet import figures
from server.store.engine import reading

router = APIRouter(prefix="/api/v1", tags=["v1"], responses=errors.documented_beside_text(401, 403, 503))


@router.get("/fleet/metrics", response_class=PlainTextResponse)
@act("doors.read")
def metrics(request: Request, scope: Signed) -> PlainTextResponse:
    """Prometheus text format: every reader with what is known of it."""
    scope.need_doors()
    with reading(request.app.state.engine) as connection:
        lines = figures.each(connection, scope.institution_id, request.app.state.clock.now_ms())
    return PlainTextResponse(figures.text(lines), media_type="text/plain; version=0.0.4")
