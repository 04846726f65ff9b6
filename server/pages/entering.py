"""What every way of signing in ends with: the cookies, the login before ended, and the page one wanted."""

from __future__ import annotations

import re
import secrets
from typing import Any

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from server.api.signed_in import COOKIE
from server.pages import device
from server.pages.guard import safe_next
from server.store import logins, passwords
from server.store.engine import writing
from server.store.logins import SignedIn

#: before there is a login, a form's token is compared with this cookie
FORM_COOKIE = "muster_form"
FORM_COOKIE_S = 3600
_BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("CrOS", "Chromebook"),
    ("Linux", "Linux"),
)


def flags(request: Request, path: str = "/") -> dict[str, Any]:
    """How our cookies are set: hidden from scripts, for this site only."""
    return {"httponly": True, "samesite": "lax", "secure": request.app.state.settings.secure_cookies, "path": path}


def form_token(request: Request) -> str:
    """The token of forms of somebody who is not signed in: the cookie's, or a new one."""
    token = request.cookies.get(FORM_COOKIE, "")
    return token if re.fullmatch(r"[A-Za-z0-9_-]{32}", token) else secrets.token_urlsafe(24)


def address_of(request: Request) -> str:
    """Whence it comes: the client's address, as the proxy in front says it (docs/settings.md)."""
    return request.client.host if request.client else ""


def browser_of(request: Request) -> str:
    """The browser as its owner would say it, such as 'Firefox on Linux'; '' where it does not say."""
    said = request.headers.get("user-agent", "")[:500]
    name = next((name for mark, name in _BROWSERS if mark in said), "")
    system = next((name for mark, name in _SYSTEMS if mark in said), "")
    return f"{name} on {system}" if name and system else name or system


def enter(request: Request, made: SignedIn, goes_on: str) -> Response:
    """Somebody has shown who they are: on to their page with a new token; what the browser brought ends."""
    state = request.app.state
    now_ms = state.clock.now_ms()
    with writing(state.engine) as connection:
        if old := request.cookies.get(COOKIE):
            logins.sign_out(connection, old, now_ms)
        stamp = passwords.stamp(connection, made.login.account_id)
    answer = RedirectResponse(safe_next(goes_on), status_code=303)
    set_login(request, answer, made)
    answer.delete_cookie(FORM_COOKIE, path="/")
    answer.set_cookie(
        device.COOKIE,
        device.make(state.vault, made.login.account_id, stamp, now_ms),
        max_age=device.DAYS * 86_400,
        **flags(request, device.PATH),
    )
    return answer


def set_login(request: Request, answer: Response, made: SignedIn) -> None:
    """The login's cookie."""
    answer.set_cookie(COOKIE, made.token, max_age=request.app.state.settings.login_hours * 3600, **flags(request))


def forget(answer: Response) -> None:
    """The login's cookie goes."""
    answer.delete_cookie(COOKIE, path="/")
