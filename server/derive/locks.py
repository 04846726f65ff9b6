"""The sessions whose lock date is past: nothing changes there any more (STEP-3)."""

from __future__ import annotations

from collections.abc import Mapping

from server.policy import deadlines
from server.policy.profile import Profile
from server.store import course_times, standing
from server.store.engine import Connection


def past(
    connection: Connection, institution_id: int, known: Mapping[int, tuple[Profile, int]], now_ms: int
) -> set[int]:
    """Those of these sessions whose lock date is past. known: session id -> its profile, and when it ends."""
    ended = [one for one, (profile, ends_ms) in known.items() if ends_ms < now_ms and deadlines.locks(profile)]
    if not ended:
        return set()
    zone = standing.zone_of(connection, institution_id)
    held = course_times.of(connection, ended)
    times = {one: held[one].by(known[one][0], zone) for one in ended}
    return {one for one, at in times.items() if at.lock_ms is not None and at.lock_ms <= now_ms}
