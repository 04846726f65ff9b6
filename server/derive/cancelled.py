"""What a cancelled class means for whoever comes onto its list afterwards, or leaves it: its mark is the whole class's
(LOUGH-D), and the bursary counts it as attended.

Only where the profile has a mark for it. Only what was derived changes here: what a hand set before the cancellation is
told by `cancellations`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from server.policy.profile import Profiles
from server.store import cancelled_lists, derivations, standing
from server.store.cancellations import CANCELLED
from server.store.engine import Connection

#: the rule of a mark that was taken away: its student is off the list
OFF_LIST = f"{CANCELLED}.off-list"


def waiting(connection: Connection, profiles: Profiles, institution_id: int, now_ms: int) -> list[int]:
    """The cancelled sessions whose marks are not as their lists say. A look that locks nothing."""
    named = {name for name in profiles if any(one.cancels_to for one in profiles.versions(name))}
    rows = cancelled_lists.cancelled(connection, institution_id, named, now_ms) if named else []
    ids = _open(connection, profiles, rows, now_ms)
    found = [*cancelled_lists.come(connection, ids), *cancelled_lists.gone(connection, ids)]
    return sorted({session_id for session_id, _ in found})


def fill(connection: Connection, profiles: Profiles, session_id: int, *, now_ms: int) -> int:
    """Bring a cancelled session's marks to what its list says. Idempotent. Returns how many were set or taken away."""
    first = cancelled_lists.one(connection, session_id)
    if first is None:
        return 0
    derivations.lock_registers(connection, first.institution_id, [session_id])
    # Looked at again under the lock: it may have been brought back just now.
    found = cancelled_lists.one(connection, session_id)
    if found is None or not _open(connection, profiles, [found], now_ms):
        return 0
    profile = standing.profile_of(profiles, found)
    come = cancelled_lists.come(connection, [session_id])
    gone = cancelled_lists.gone(connection, [session_id])

    def row(person_id: int, code: str | None) -> dict[str, Any]:
        return {
            "institution_id": found.institution_id,
            "session_id": session_id,
            "person_id": person_id,
            "code": code,
            # Whoever cancelled it did so for the whole class; what is taken away nobody's hand is on any more.
            "source": "absence" if code is None else cancelled_lists.SOURCE,
            "by_account_id": None if code is None else found.cancelled_by_account_id,
            "verified": code is not None,
            "rule": OFF_LIST if code is None else f"{profile.name}.{CANCELLED}",
            "ledgers": profile.ledgers(code),
            "created_ms": now_ms,
        }

    rows = [row(person, profile.cancels_to) for _, person in come] + [row(person, None) for _, person in gone]
    derivations.add_marks(connection, rows)
    if rows:
        derivations.touch(connection, [session_id])
    return len(rows)


def _open(connection: Connection, profiles: Profiles, rows: Iterable[Any], now_ms: int) -> list[int]:
    """Those of these sessions whose profile has such a mark, and whose lock date is not past (STEP-3)."""
    mine = [one for one in rows if standing.profile_of(profiles, one).cancels_to is not None]
    if not mine:
        return []
    zone = standing.zone_of(connection, mine[0].institution_id)
    final = standing.final(connection, profiles, zone, mine, now_ms)
    return [one.id for one in mine if one.id not in final]
