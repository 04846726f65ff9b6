"""The pages: Jinja2 and htmx, no build step. `install(app)` puts them into the server; the app serves `static/`."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from server.pages import doors, marks, register, sign_in, today
from server.pages.desk import Desk

router = APIRouter()
for _part in (sign_in, today, register, marks, doors):
    router.include_router(_part.router)


def install(app: FastAPI) -> None:
    """The pages and their memory. app.state has engine, clock, settings, hasher and profiles."""
    app.state.desk = Desk(profiles=app.state.profiles)
    app.include_router(router)


__all__ = ["Desk", "install", "router"]
