"""Who may change a register, by the age of its session: LOUGH-31 to 35, STEP-1 to 3, DDU-7 and 8. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from server.policy import moments
from server.policy.moments import Span
from server.policy.profile import Profile
from server.policy.sections import COURSE_DEADLINE, LOCK, TierRule

ROLE_WORDS = {
    "lecturer": "the lecturer",
    "head": "the head of department",
    "curriculum": "the curriculum manager",
    "registry": "the registers team",
    "finance": "student finance",
    "admin": "an administrator",
    "residence": "residence staff",
}


def people(roles: Iterable[str], joined: str = "or") -> str:
    """`the lecturer or the head of department`. An administrator stands in for others and is not named beside them."""
    named = [ROLE_WORDS.get(role, role) for role in roles if role != "admin"] or [ROLE_WORDS["admin"]]
    return f" {joined} ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)


@dataclass(frozen=True, kw_only=True)
class Tier:
    """What holds at this age of a session, and until when."""

    #: as the profile calls it, such as `24h`
    name: str
    #: such as `lough.tier.24h`
    rule: str
    #: the requirement, such as `LOUGH-31`
    cites: str
    #: who acts; a lecturer only where they staff the session. Empty: nobody, nothing changes any more
    roles: tuple[str, ...]
    #: they ask and the approvers apply; otherwise they change the mark themselves
    by_request: bool
    #: reason, evidence
    needs: frozenset[str]
    copies: tuple[str, ...]
    approvers: tuple[str, ...]
    #: approvers may ask for evidence later
    evidence_later: bool
    #: None: no end
    until_ms: int | None
    #: who must act, and what is needed
    text: str

    @property
    def direct(self) -> bool:
        """Whether somebody changes marks themselves."""
        return bool(self.roles) and not self.by_request


def tier(
    profile: Profile,
    *,
    ends_ms: int,
    now_ms: int,
    zone: ZoneInfo,
    marking_deadline_ms: int | None = None,
    lock_ms: int | None = None,
    batch_starts_ms: int | None = None,
) -> Tier:
    """The tier that holds now; before the session's end it is the first.

    marking_deadline_ms, lock_ms: the course's own. batch_starts_ms: from where a programme counts its fortnights;
    None: from the session's end.
    """
    for rule in profile.tiers:
        until_ms = _until(profile, rule, ends_ms, zone, marking_deadline_ms, lock_ms, batch_starts_ms)
        # A course without a deadline or a lock has none: the tier goes on.
        if until_ms is None or now_ms < until_ms:
            found = made(profile, rule, until_ms, zone)
            if not found.roles and lock_ms is not None:
                text = f"The records are final since {moments.said(lock_ms, zone)}: nothing changes any more."
                return replace(found, text=text)
            return found
    raise AssertionError("the last tier has no end: the profile was checked")


def bursary(profile: Profile, *, ends_ms: int, now_ms: int, zone: ZoneInfo) -> Tier | None:
    """The tier by which bursary is granted and no mark changes (LOUGH-35): only when the last tier has begun."""
    if profile.bursary_tier is None or len(profile.tiers) < 2:
        return None
    begins = profile.tiers[-2].until
    if not isinstance(begins, Span) or now_ms < begins.after(starts_ms=ends_ms, ends_ms=ends_ms, zone=zone):
        return None
    return made(profile, profile.bursary_tier, None, zone)


def of_lists(profile: Profile, zone: ZoneInfo) -> Tier:
    """The tier by which learners are taken off a list, or put on another (LOUGH-18)."""
    return made(profile, profile.list_tier, None, zone)


def of_late_days(profile: Profile, zone: ZoneInfo) -> Tier | None:
    """The tier by which a programme's day is submitted late (DDU-6); None: the profile has no programme."""
    return made(profile, profile.late_tier, None, zone) if profile.late_tier is not None else None


def made(profile: Profile, rule: TierRule, until_ms: int | None, zone: ZoneInfo) -> Tier:
    """A profile's tier in words."""
    end = "" if until_ms is None else f" until {moments.said(until_ms, zone)}"
    if not rule.roles:
        text = "The records are final: nothing changes any more."
    elif not rule.by_request:
        text = f"{_capital(people(rule.roles))} may change marks{end}."
    else:
        needs = " and ".join(f"{'the ' if need == 'evidence' else 'a '}{need}" for need in rule.needs)
        copied = f"; {people(rule.copies, 'and')} is copied" if rule.copies else ""
        text = (
            f"{_capital(people(rule.roles))} asks by a change request{f' with {needs}' if needs else ''}{end}{copied}; "
            f"{people(rule.approvers)} checks and applies it."
        )
    return Tier(
        name=rule.name,
        rule=f"{profile.name}.tier.{rule.name}",
        cites=rule.rule,
        roles=rule.roles,
        by_request=rule.by_request,
        needs=frozenset(rule.needs),
        copies=rule.copies,
        approvers=rule.approvers,
        evidence_later=rule.evidence_later,
        until_ms=until_ms,
        text=text,
    )


def fortnight_ends(profile: Profile, *, at_ms: int, batch_starts_ms: int | None, zone: ZoneInfo) -> int:
    """The end of the block of days, counted from the batch's start, in which that moment lies (DDU-3, DDU-7)."""
    days = profile.programme.block_days if profile.programme else 15
    if batch_starts_ms is None:
        return moments.day_end(at_ms, zone, days)
    since = (moments.day_of(at_ms, zone) - moments.day_of(batch_starts_ms, zone)).days
    return moments.day_end(batch_starts_ms, zone, (since // days + 1) * days)


def _until(
    profile: Profile,
    rule: TierRule,
    ends_ms: int,
    zone: ZoneInfo,
    marking_deadline_ms: int | None,
    lock_ms: int | None,
    batch_starts_ms: int | None,
) -> int | None:
    if rule.until is None:
        return None
    if isinstance(rule.until, Span):
        return rule.until.after(starts_ms=ends_ms, ends_ms=ends_ms, zone=zone)
    if rule.until == COURSE_DEADLINE:
        # A deadline later than the lock keeps nothing open (STEP-3).
        return min((one for one in (marking_deadline_ms, lock_ms) if one is not None), default=None)
    if rule.until == LOCK:
        return lock_ms
    return fortnight_ends(profile, at_ms=ends_ms, batch_starts_ms=batch_starts_ms, zone=zone)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
