"""Late, left early, and often: LOUGH-14 and LOUGH-15. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from server.policy import moments
from server.policy.profile import Profile


def wrong(
    profile: Profile, code: str | None, *, late_min: int | None, early_min: int | None, length_min: int
) -> str | None:
    """What is wrong with the minutes that somebody typed beside a mark; None: nothing.

    length_min: the session's own, since nobody misses more than all of it.
    """
    given = [one for one in (late_min, early_min) if one is not None]
    about = profile.codes.get(code) if code is not None else None
    if about is None or not profile.takes_minutes(code):
        return (
            f"Minutes belong to {profile.late} only."
            if given and profile.late
            else "No minutes here."
            if given
            else None
        )
    if not given:
        return f"{code} needs the minutes missed: late, early, or both." if about.minutes else None
    if min(given) < 0 or sum(given) > length_min:
        return f"The minutes missed are between 1 and the session's {length_min}."
    if not about.minutes:
        # Of a shift: what they make of it policy/days.py says.
        return None
    late_from, early_over = profile.late_from_min, profile.early_over_min
    is_late = late_min is not None and late_from is not None and late_min >= late_from
    is_early = early_min is not None and early_over is not None and early_min > early_over
    if not is_late and not is_early:
        return (
            f"{code} is from {late_from} minutes late on, or more than {early_over} minutes early; "
            f"below that it is {profile.present}."
        )
    return None


def is_late(profile: Profile, *, late_min: int | None, early_min: int | None) -> bool:
    """Whether a mark for somebody late, with these minutes, is lateness (LOUGH-15): who left early, and came fewer minutes
    late than it takes to be late (LOUGH-14), was not late. Without minutes it is what the mark says."""
    if late_min is None:
        return early_min is None
    return profile.late_from_min is None or late_min >= profile.late_from_min


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
