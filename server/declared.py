"""What each route is for, said on the route itself: the act (server/scope.py) that it needs, or why it needs none.

    @router.get("/requests/{request_id}")
    @act("request.read")
    def show(...)

Whoever holds no grant for the act is refused before the route's own code runs (`enforce`, called where somebody is
found to be signed in). Which objects the act reaches stays the store's condition. A test walks every route with every
role and fails where a route says nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from server.scope import ACTS, Scope

_NAME = "_muster_declared"
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a route says of itself. No acts: open to `who`, for the reason `why`."""

    acts: tuple[str, ...] = ()
    #: act, public, signed-in, gateway, slot
    who: str = "act"
    why: str = ""


def act(*names: str) -> Callable[[Endpoint], Endpoint]:
    """The route needs one of these acts. An act that ACTS does not name is a mistake of ours: KeyError."""
    for name in names:
        ACTS[name]
    return _say(Declared(acts=names))


def public(why: str) -> Callable[[Endpoint], Endpoint]:
    """Anybody may ask, signed in or not."""
    return _say(Declared(who="public", why=why))


def signed_in(why: str) -> Callable[[Endpoint], Endpoint]:
    """Whoever is signed in, whatever their role: it is about their own account."""
    return _say(Declared(who="signed-in", why=why))


def gateway(why: str) -> Callable[[Endpoint], Endpoint]:
    """Only with the token of a machine of ours: a gateway's, a broker's agent's; or with a reader's own key."""
    return _say(Declared(who="gateway", why=why))


def slot(why: str) -> Callable[[Endpoint], Endpoint]:
    """Only with a slot's one-time token."""
    return _say(Declared(who="slot", why=why))


def _say(what: Declared) -> Callable[[Endpoint], Endpoint]:
    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _NAME, what)
        return endpoint

    return mark


def of(endpoint: Any) -> Declared | None:
    """What this endpoint's route says; None: nothing."""
    return getattr(endpoint, _NAME, None)


def enforce(endpoint: Any, scope: Scope) -> None:
    """Raises NotAllowed(`not-allowed`) where none of the route's acts reaches anything."""
    said = of(endpoint)
    if said is not None and said.acts:
        scope.need(*said.acts)
