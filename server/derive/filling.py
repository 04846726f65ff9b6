"""What the jobs do for approved absences, confirmed trips and cancelled classes when the campus changed: which of them
have work, and the work."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from server.derive import cancelled, leave, trips
from server.policy.profile import Profiles
from server.store import covered
from server.store.engine import Connection

#: brings one absence's, trip's or cancelled class's marks up to date, in a transaction of its own
Work = Callable[[Connection], int]


def waiting(connection: Connection, profiles: Profiles, institution_id: int, now_ms: int) -> list[tuple[str, Work]]:
    """(such as `absence/7`, its work) of every approved absence, confirmed trip and cancelled class whose registers are not
    as it says: sessions were made, moved or taken away since, or lists changed. A look that locks nothing."""
    found: list[tuple[str, Work]] = []
    for one in covered.absences_at(connection, institution_id, now_ms):
        if leave.pending(connection, profiles, one, now_ms=now_ms):
            work = partial(leave.fill, profiles=profiles, absence_id=one, now_ms=now_ms)
            found.append((leave.authority_of(one), work))
    for one in covered.trips_at(connection, institution_id, now_ms):
        if trips.pending(connection, profiles, one, now_ms=now_ms):
            found.append((f"trip/{one}", partial(trips.fill, profiles=profiles, trip_id=one, now_ms=now_ms)))
    for one in cancelled.waiting(connection, profiles, institution_id, now_ms):
        work = partial(cancelled.fill, profiles=profiles, session_id=one, now_ms=now_ms)
        found.append((f"cancelled/{one}", work))
    return found
