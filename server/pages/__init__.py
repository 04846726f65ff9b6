"""The pages: Jinja2 and htmx, no build step. `install(app)` puts them into the server; the app serves `static/`."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts

from server import oidc
from server.pages import (
    account,
    accounts,
    attachment,
    campus_routes,
    care_routes,
    fleet_routes,
    lecturer_routes,
    passkeys,
    provider,
    request,
    request_form,
    requests,
    residence_routes,
    revoked,
    sign_in,
)
from server.pages.desk import Desk

router = APIRouter()
for _part in (
    sign_in,
    provider,
    passkeys,
    account,
    accounts,
    lecturer_routes,
    fleet_routes,
    care_routes,
    campus_routes,
    request_form,
    requests,
    request,
    attachment,
    residence_routes,
    revoked,
):
    router.include_router(_part.router)


def install(app: FastAPI) -> None:
    """The pages and their memory. app.state has engine, clock, settings, hasher and profiles."""
    app.state.desk = Desk(profiles=app.state.profiles)
    # Its routes as they are: included, each of them would be built anew for each app, at its first request.
    app.router.routes.extend(router.routes)
    app.state.provider = oidc.of(app.state.settings)
    app.state.addresses = frozenset(one.path for one in iter_route_contexts(router.routes))


__all__ = ["Desk", "install", "router"]
