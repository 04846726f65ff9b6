"""How often the state body may be asked: late submissions and corrections (DDU-6, DDU-8), and footage (DDU-9). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from server.policy import moments
from server.policy.profile import Profile


@dataclass(frozen=True, kw_only=True)
class Quota:
    """How much of a quota is used."""

    used: int
    of: int
    rule: str
    cites: str
    text: str

    @property
    def left(self) -> bool:
        """Whether one more is allowed."""
        return self.used < self.of


@dataclass(frozen=True, kw_only=True)
class Correction:
    """One that was approved."""

    #: when that was
    at_ms: int
    #: late-submission (of a batch's day) or correction (of one candidate's mark)
    kind: str
    batch_id: int | None = None
    person_id: int | None = None


def late_submissions(
    profile: Profile, rows: Iterable[Correction], *, batch_id: int, now_ms: int, zone: ZoneInfo
) -> Quota:
    """A batch's late submissions in the last calendar months: at most twice in three (DDU-6)."""
    assert profile.programme is not None
    of, months = profile.programme.late_submissions, profile.programme.late_submission_months
    since_ms = moments.plus_months(now_ms, zone, -months)
    used = sum(
        one.kind == "late-submission" and one.batch_id == batch_id and since_ms < one.at_ms <= now_ms for one in rows
    )
    return Quota(
        used=used,
        of=of,
        rule=f"{profile.name}.late-submission",
        cites=profile.cites("programme.late_submissions"),
        text=f"{used} of {of} late submissions of this batch in {months} months are used.",
    )


def corrections(profile: Profile, rows: Iterable[Correction], *, person_id: int, now_ms: int, zone: ZoneInfo) -> Quota:
    """A candidate's corrections in this calendar month: at most twice (DDU-8)."""
    assert profile.programme is not None
    of, months = profile.programme.corrections, profile.programme.correction_months
    begins = moments.month_later(moments.day_of(now_ms, zone).replace(day=1), 1 - months)
    used = sum(
        one.kind == "correction"
        and one.person_id == person_id
        and one.at_ms <= now_ms
        and moments.day_of(one.at_ms, zone) >= begins
        for one in rows
    )
    return Quota(
        used=used,
        of=of,
        rule=f"{profile.name}.correction",
        cites=profile.cites("programme.corrections"),
        text=f"{used} of {of} corrections of this candidate in {months} calendar month(s) are used.",
    )


def footage_until(profile: Profile, *, completed_ms: int, closed_early_ms: int | None, zone: ZoneInfo) -> int:
    """Until when the reference to footage is kept: completion and 3 months, or early closure, whichever is earlier
    (DDU-9)."""
    assert profile.programme is not None
    until_ms = moments.plus_months(completed_ms, zone, profile.programme.footage_months)
    return until_ms if closed_early_ms is None else min(until_ms, closed_early_ms)
