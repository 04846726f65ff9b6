"""Templates, compiled once, and how a page is made of one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

HERE = Path(__file__).parent
STATIC = HERE / "static"


def _version() -> str:
    digest = hashlib.sha256()
    for name in ("muster.css", "muster.js", "passkeys.js", "roll-call.js"):
        digest.update((STATIC / name).read_bytes())
    return digest.hexdigest()[:12]


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
    )
    made.globals["static_version"] = _version()
    return made


# Read-only once made: compiled templates are code, not state.
_ENVIRONMENT = _environment()
TEMPLATES: Mapping[str, Template] = {name: _ENVIRONMENT.get_template(name) for name in _ENVIRONMENT.list_templates()}


def piece(name: str, **values: Any) -> Markup:
    """A template's HTML; every value in it is escaped."""
    return Markup(TEMPLATES[name].render(**values))


def page(request: Request, name: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A whole page."""
    values = {"bare": False, "live": False, "login": None, "menu": menu(request, values.get("login"))} | values
    return HTMLResponse(piece(name, **values), status_code=status)


#: name, address, what else belongs to it, the acts of which one is enough
MENU: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("Today", "/today", ("/sessions",), ("register.read",)),
    ("Lateness", "/lateness", (), ("lateness.read",)),
    ("My attendance", "/me", ("/absences",), ("attendance.own",)),
    ("Absences", "/absences", (), ("absence.list",)),
    ("Trips", "/trips", ("/paper",), ("trip.plan",)),
    ("Requests", "/requests", (), ("request.read",)),
    ("Unmarked", "/compliance", (), ("compliance.read",)),
    ("Residence", "/residence", (), ("residence.read",)),
    ("Registry", "/registry", ("/misuse",), ("campus.read",)),
    ("Emergency", "/emergency", (), ("emergency.read",)),
    ("Doors", "/doors", (), ("doors.read",)),
    ("Accounts", "/accounts", (), ("accounts.change",)),
)


def menu(request: Request, login: Any) -> list[dict[str, Any]]:
    """The pages that this login has, and which one this is."""
    if login is None:
        return []
    path, scope = request.url.path, login.scope
    return [
        {"name": name, "href": href, "here": any(_is_in(path, one) for one in (href, *more))}
        for name, href, more, acts in MENU
        if any(scope.may(act) for act in acts)
    ]


def _is_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
