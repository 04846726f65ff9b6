"""Where a report of absence goes: by the rules of the classes that it is about (PORT-12, PORT-13, STEP-23)."""

from __future__ import annotations

from collections.abc import Iterable
from zoneinfo import ZoneInfo

from server.errors import StoreError
from server.policy import leave
from server.policy.profile import DEFAULT, Profile, Profiles
from server.scope import ACTS, NONE
from server.store import absence_decisions, covered, standing
from server.store.absences import Absence
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


def approvers(connection: Connection, profiles: Profiles, found: Absence, now_ms: int) -> frozenset[str] | None:
    """The roles that decide on this absence by the rules of the classes that it is about, of several whichever names them
    (STEP-22). None: the rules leave it to whoever has the act."""
    may = {role for role, how_far in ACTS[absence_decisions.act_to_decide(found)].items() if how_far != NONE}
    ruled = (one.absences.get(found.kind) for name in profiles for one in profiles.versions(name))
    if all(one is None or may <= set(one.approvers) for one in ruled):
        # As in every profile that ships: nothing is looked up.
        return None
    mine = _profiles(connection, profiles, found.person_id, found.from_ms, found.to_ms, found.session_ids, now_ms)
    named = {role for one in mine if found.kind in one.absences for role in one.absences[found.kind].approvers}
    return frozenset(named) if named else None


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
