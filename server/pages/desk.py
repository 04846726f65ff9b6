"""What the pages keep for the life of the server, and how they are put into it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from server.pages.attempts import Attempts
from server.pages.begun import Begun
from server.pages.fleet_memory import FleetMemory
from server.pages.guard import who
from server.pages.local import Local
from server.pages.snapshots import Snapshots
from server.pages.turns import Turns
from server.policy.profile import DEFAULT, Profile, Profiles
from server.scope import Scope
from server.store import institutions
from server.store.engine import Connection, Engine
from server.store.logins import Login


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Bounded memory beside the store; all of it may be lost at any time."""

    attempts: Attempts = field(default_factory=Attempts)
    #: tries at other accounts, from browsers that we know, by the account that each signed in with last
    guests: Attempts = field(default_factory=Attempts)
    turns: Turns = field(default_factory=Turns)
    begun: Begun = field(default_factory=Begun)
    snapshots: Snapshots = field(default_factory=Snapshots)
    fleet: FleetMemory = field(default_factory=FleetMemory)
    #: the institution's own too
    profiles: Profiles

    def profile(self, name: str, starts_ms: int | None = None) -> Profile:
        """The profile of this name as it holds for a session that starts then, or its newest version; a session of one
        that is gone is shown by the default one."""
        known = name if name in self.profiles else DEFAULT
        return self.profiles[known] if starts_ms is None else self.profiles.at(known, starts_ms)


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One request of somebody who is signed in."""

    request: Request
    login: Login
    scope: Scope
    desk: Desk

    @property
    def engine(self) -> Engine:
        """The database."""
        return self.request.app.state.engine

    def now_ms(self) -> int:
        """The store's time."""
        return self.request.app.state.clock.now_ms()

    def local(self, connection: Connection) -> Local:
        """Local time of the login's institution."""
        zone = institutions.one(connection, self.login.institution_id).time_zone
        return Local(time_zone=zone, now_ms=self.now_ms())


def desk_of(request: Request) -> Desk:
    """Dependency: the pages' own things."""
    return request.app.state.desk


async def visit(request: Request, login: Annotated[Login, Depends(who)]) -> Visit:
    """Dependency: somebody signed in. A coroutine: it waits for nothing, and needs no thread."""
    return Visit(request=request, login=login, scope=login.scope, desk=desk_of(request))


Signed = Annotated[Visit, Depends(visit)]
