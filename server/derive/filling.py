"""What the jobs do for approved absences and confirmed trips when the campus changed: which of them have work, and the work."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from server.derive import leave, trips
from server.policy.profile import Profiles
from server.store import covered
from server.store.engine import Connection

#: brings one absence's or trip's marks up to date, in a transaction of its own
Work = Callable[[Connection], int]


def waiting(connection: Connection, profiles: Profiles, institution_id: int, now_ms: int) -> list[tuple[str, Work]]:
    """(such as `absence/7`, its work) of every approved absence and confirmed trip whose registers are not as it says:
    sessions were made, moved or taken away since. A look that locks nothing."""
    found: list[tuple[str, Work]] = []
    for one in covered.absences_at(connection, institution_id, now_ms):
        if leave.pending(connection, profiles, one, now_ms=now_ms):
            work = partial(leave.fill, profiles=profiles, absence_id=one, now_ms=now_ms)
            found.append((leave.authority_of(one), work))
    for one in covered.trips_at(connection, institution_id, now_ms):
        if trips.pending(connection, profiles, one, now_ms=now_ms):
            found.append((f"trip/{one}", partial(trips.fill, profiles=profiles, trip_id=one, now_ms=now_ms)))
    return found
