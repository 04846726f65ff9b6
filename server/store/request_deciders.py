"""Who decides a change request: by which tier, by which act, and which roles somebody holds for it (STEP-22)."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from server.policy import tiers
from server.policy.profile import Profile
from server.policy.sections import TierRule
from server.scope import ACTS, Scope
from server.store import standing
from server.store.request_kinds import REMOVAL, SUBMISSION, TRANSFER
from server.store.request_situations import Situation

#: the act by which a role decides, where it is not `request.decide`
_DECIDES = {"finance": "bursary.grant", "curriculum": "unknown.approve"}


def tier_of(now: Situation, kind: str, name: str) -> tiers.Tier:
    """The tier by which a request was asked, as the profile has it now: its approvers are configurable (STEP-22).

    One without approvers is decided by whoever gives the approvals that it needs.
    """
    return tiers.made(now.profile, rule_of(now.profile, kind, name), None, now.zone)


def rule_of(profile: Profile, kind: str, name: str) -> TierRule:
    """The same, as the profile says it."""
    # A tier that the profile has no more: whoever takes learners off lists decides.
    lists = profile.list_tier
    if kind in (REMOVAL, TRANSFER):
        return lists
    if kind == SUBMISSION:
        return profile.late_tier or lists
    known = [*profile.tiers, *([profile.bursary_tier] if profile.bursary_tier else [])]
    return next((one for one in known if one.name == name), lists)


def deciding_act(role: str) -> str:
    """The act by which a role decides a request. What ACTS gives nobody to decide, the profile may (STEP-22): then it
    reaches as far as what they read."""
    act = _DECIDES.get(role, "request.decide")
    return act if role in ACTS[act] else "request.read"


def deciding(connection: Connection, scope: Scope, session_id: int, roles: Iterable[str]) -> frozenset[str]:
    """Which of these roles this scope holds over the session, to decide."""
    wanted = scope.roles & set(roles)
    found: set[str] = set()
    for act in {deciding_act(role) for role in wanted}:
        held = standing.of(connection, scope, session_id, act).roles
        found |= {role for role in wanted & held if deciding_act(role) == act}
    return frozenset(found)
