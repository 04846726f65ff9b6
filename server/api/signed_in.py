"""Who makes a request: a login's cookie, or a bearer token of an account; and what that lets them see."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from server import declared
from server.csrf import is_from
from server.errors import NotAllowed, NotSignedIn
from server.scope import Scope
from server.store import logins
from server.store.engine import reading
from server.store.logins import Login

COOKIE = "muster_login"
CSRF_HEADER = "x-csrf-token"
_SAFE = ("GET", "HEAD", "OPTIONS")


def bearer(request: Request) -> str | None:
    """The token in the Authorization header."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def current(request: Request) -> Login:
    """Who is signed in, if the route is for them. Raises NotSignedIn(`not-signed-in`), NotAllowed(`not-allowed`)."""
    found = find(request)
    if found is None:
        raise NotSignedIn("not-signed-in", "sign in first, or send a token: Authorization: Bearer …")
    declared.enforce(request.scope.get("endpoint"), found.scope)
    return found


def find(request: Request) -> Login | None:
    """Who is signed in, or None."""
    now_ms = request.app.state.clock.now_ms()
    token = bearer(request)
    cookie = request.cookies.get(COOKIE)
    if token is None and cookie is None:
        return None
    with reading(request.app.state.engine) as connection:
        if token is not None:
            return logins.find_bearer(connection, token, now_ms)
        return logins.find(connection, cookie or "", now_ms, idle_ms=idle_ms(request))


def idle_ms(request: Request) -> int:
    """Without a request of its owner's own for so long a login ends."""
    return request.app.state.settings.login_idle_min * 60_000


def scope(request: Request, login: Annotated[Login, Depends(current)]) -> Scope:
    """What whoever is signed in may see. A change through the API with a cookie needs the login's CSRF value.

    Raises NotSignedIn, NotAllowed(`csrf`).
    """
    if request.method not in _SAFE and login.csrf and not is_from(request.headers.get(CSRF_HEADER, ""), login.csrf):
        raise NotAllowed("csrf", f"send the login's value in the header {CSRF_HEADER}")
    return login.scope


Signed = Annotated[Scope, Depends(scope)]
