"""How a session stands to somebody who asks for a change: its tier, its list, and what the rules ask about it.

Facts are gathered here and the profile judges them (server/policy/). Nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from server.policy import allowed, tiers
from server.policy.profile import Profile, Profiles
from server.scope import Scope
from server.store import derivations, sessions, standing, walk_ins


@dataclass(frozen=True, kw_only=True)
class Situation:
    """A session as somebody who asks for a change stands to it now."""

    session: Any
    profile: Profile
    zone: ZoneInfo
    times: standing.CourseTimes
    stands: standing.Standing
    now_ms: int
    #: of marks
    tier: tiers.Tier
    #: of bursary alone (LOUGH-35); None: not at this age, or not in this profile
    bursary: tiers.Tier | None
    #: on the list at its start, or walked in
    members: tuple[int, ...]
    #: the day was submitted (DDU-5); False too where the profile asks for no such thing
    submitted: bool = False

    @property
    def final(self) -> bool:
        """Nothing changes any more (STEP-3)."""
        return not self.tier.roles


def of(connection: Connection, scope: Scope, profiles: Profiles, session_id: int, now_ms: int) -> Situation:
    """How things stand. Raises NotFound(`session`) where this scope may not ask for anything there."""
    found = sessions.need(connection, scope, session_id, "request.make")
    stands = standing.of(connection, scope, session_id, "request.make")
    return at(connection, profiles, found, stands, now_ms)


def at(
    connection: Connection,
    profiles: Profiles,
    found: Any,
    stands: standing.Standing,
    now_ms: int,
) -> Situation:
    """The same for a session's row, whoever asks."""
    profile = standing.profile_of(profiles, found)
    zone = standing.zone_of(connection, found.institution_id)
    times = standing.times_of(connection, profile, found)
    return Situation(
        session=found,
        profile=profile,
        zone=zone,
        times=times,
        stands=stands,
        now_ms=now_ms,
        tier=tiers.tier(
            profile,
            ends_ms=found.ends_ms,
            now_ms=now_ms,
            zone=zone,
            marking_deadline_ms=times.marking_deadline_ms,
            lock_ms=times.lock_ms,
            batch_starts_ms=times.batch_starts_ms,
        ),
        bursary=tiers.bursary(profile, ends_ms=found.ends_ms, now_ms=now_ms, zone=zone),
        members=tuple(sorted({*standing.members(connection, found.id), *walk_ins.persons(connection, found.id)})),
        submitted=standing.submitted(connection, profile, found.id),
    )


def facts(
    connection: Connection, now: Situation, wanted: Mapping[int, str | None], *, reason: bool, evidence: bool
) -> dict[int, tuple[str | None, allowed.Facts]]:
    """person -> (mark, what the rules ask about it)."""
    found = now.session
    rows = derivations.marks_of(connection, [found.id], {*now.members, *wanted})
    there = {person: row.code for (_, person), row in rows.items()}
    after = there | dict(wanted)
    came = standing.came_along(connection, found, wanted)
    told = standing.told(connection, found, wanted)
    about = about_register(now, reason=reason, evidence=evidence)
    return {
        person_id: (
            code,
            replace(
                about,
                current=there.get(person_id),
                students_set=sum(after.get(one) == code for one in now.members),
                trip_confirmed=person_id in came,
                **_told(about, told.get(person_id)),
            ),
        )
        for person_id, code in wanted.items()
    }


def _told(about: allowed.Facts, told: standing.Told | None) -> dict[str, Any]:
    """What was reported of the absence goes before asking: R told in advance is set on the register (LOUGH-21)."""
    if told is None:
        return {}
    return {
        "reported_ms": told.reported_ms,
        "has_reason": about.has_reason or told.has_reason,
        "has_evidence": about.has_evidence or told.has_evidence,
    }


def about_register(now: Situation, *, reason: bool, evidence: bool) -> allowed.Facts:
    """What the rules ask about the register; what is to be known of one student is left open."""
    found = now.session
    return allowed.Facts(
        roles=now.stands.roles,
        staffs=now.stands.staffs,
        starts_ms=found.starts_ms,
        ends_ms=found.ends_ms,
        now_ms=now.now_ms,
        zone=now.zone,
        current=None,
        cancelled=found.cancelled_ms is not None,
        students_set=0,
        students_all=len(now.members),
        marking_deadline_ms=now.times.marking_deadline_ms,
        lock_ms=now.times.lock_ms,
        batch_starts_ms=now.times.batch_starts_ms,
        mode=found.mode,
        submitted=now.submitted,
        has_reason=reason,
        has_evidence=evidence,
    )
