"""Late, left early, and often: LOUGH-14 and LOUGH-15. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from server.policy import moments
from server.policy.decision import Decision
from server.policy.profile import Profile


def judge(profile: Profile, *, late_min: int | None = None, early_min: int | None = None) -> Decision:
    """The mark of somebody who was there, from the minutes missed at the start and at the end: late, or present.

    Minutes below the profile's limits are dropped. Where the profile knows no late mark: present.
    """
    late, early = _over(profile, late_min, early_min)
    if profile.late is None or (late is None and early is None):
        return Decision(code=profile.present, rule=f"{profile.name}.present")
    rule = "late" if late is not None else "early"
    return Decision(code=profile.late, late_min=late, early_min=early, rule=f"{profile.name}.{rule}")


def wrong(
    profile: Profile, code: str | None, *, late_min: int | None, early_min: int | None, length_min: int
) -> str | None:
    """What is wrong with the minutes that somebody typed beside a mark; None: nothing.

    length_min: the session's own, since nobody misses more than all of it.
    """
    given = [one for one in (late_min, early_min) if one is not None]
    about = profile.codes.get(code) if code is not None else None
    if about is None or not about.minutes:
        return (
            f"Minutes belong to {profile.late} only."
            if given and profile.late
            else "No minutes here."
            if given
            else None
        )
    if not given:
        return f"{code} needs the minutes missed: late, early, or both."
    if min(given) < 0 or sum(given) > length_min:
        return f"The minutes missed are between 1 and the session's {length_min}."
    if _over(profile, late_min, early_min) == (None, None):
        return (
            f"{code} is from {profile.late_from_min} minutes late on, or more than {profile.early_over_min} minutes early; "
            f"below that it is {profile.present}."
        )
    return None


def _over(profile: Profile, late_min: int | None, early_min: int | None) -> tuple[int | None, int | None]:
    from_min, over_min = profile.late_from_min, profile.early_over_min
    late = late_min if late_min is not None and from_min is not None and late_min >= from_min else None
    early = early_min if early_min is not None and over_min is not None and early_min > over_min else None
    return late, early


@dataclass(frozen=True, kw_only=True)
class Lateness:
    """How often somebody was late, and whether that is persistent."""

    times: int
    persistent: bool
    rule: str
    text: str


def persistent(profile: Profile, late_ms: Iterable[int], *, now_ms: int, zone: ZoneInfo) -> Lateness | None:
    """Whether somebody is persistently late, from the starts of the sessions that they were late to; None: the profile
    has no such rule. The last days count, today's among them (LOUGH-15)."""
    rule = profile.persistent
    if rule is None:
        return None
    begins_ms = moments.day_end(now_ms, zone, 1 - rule.days)
    times = sum(begins_ms <= at_ms <= now_ms for at_ms in late_ms)
    return Lateness(
        times=times,
        persistent=times >= rule.times,
        rule=f"{profile.name}.lateness.persistent",
        text=f"Late {times} times in {rule.days} days; {rule.times} times or more is persistent.",
    )
