"""Where a report of absence goes: by the rules of the classes that it is about (PORT-12, PORT-13, STEP-23)."""

from __future__ import annotations

from collections.abc import Iterable
from zoneinfo import ZoneInfo

from server.errors import StoreError
from server.policy import leave
from server.policy.profile import DEFAULT, Profile, Profiles
from server.store import covered, standing
from server.store.engine import Connection

#: the kind that asks for most is the report's
ORDER = (leave.AUTHORISED, leave.LEAVE, leave.REPORTED)
#: where no class lies in the time yet, those around it, or around now, say which rules are the student's
NEAR_MS = 60 * 24 * 3_600_000


def of(
    connection: Connection,
    profiles: Profiles,
    person_id: int,
    *,
    from_ms: int,
    to_ms: int,
    session_ids: Iterable[int],
    zone: ZoneInfo,
    wants_leave: bool,
    now_ms: int,
) -> leave.Route:
    """The route of a report. Raises StoreError(`absence-not-needed`) where the rules want none."""
    routes = [
        leave.route(one, from_ms=from_ms, to_ms=to_ms, zone=zone, leave=wants_leave)
        for one in _profiles(connection, profiles, person_id, from_ms, to_ms, session_ids, now_ms)
    ]
    for kind in ORDER:
        found = next((one for one in routes if one.kind == kind), None)
        if found is not None:
            return found
    raise StoreError("absence-not-needed", f"this is not reported here. {routes[0].text}")


def _profiles(
    connection: Connection,
    profiles: Profiles,
    person_id: int,
    from_ms: int,
    to_ms: int,
    session_ids: Iterable[int],
    now_ms: int,
) -> list[Profile]:
    rows = covered.between(connection, [person_id], from_ms, to_ms, session_ids)
    for around_ms in (from_ms, now_ms):
        rows = rows or covered.between(connection, [person_id], around_ms - NEAR_MS, around_ms + NEAR_MS)
    found = {(one.profile, at.from_ms): at for one in rows for at in [standing.profile_of(profiles, one)]}
    return list(found.values()) or [profiles[DEFAULT]]
