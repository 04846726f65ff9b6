"""Absence that was reported, asked for or granted: who decides, and what it fills in by itself. Pure.

PORT-12, PORT-13, LOUGH-19 to 22, STEP-23.
"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from server.policy import moments
from server.policy.decision import Decision
from server.policy.profile import Profile
from server.policy.sections import ABSENCES, EVIDENCE, AbsenceRule
from server.policy.tiers import people

REPORTED, AUTHORISED, LEAVE = ABSENCES
#: no report is needed (PORT-12)
NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Route:
    """Where an absence goes."""

    #: reported, authorised, leave; none: nothing has to be reported
    kind: str
    #: who decides; empty: nobody has to
    approvers: tuple[str, ...]
    #: routed to the student's faculty
    by_faculty: bool
    #: the mark that it becomes once approved
    code: str | None
    rule: str
    cites: str
    text: str


def route(profile: Profile, *, from_ms: int, to_ms: int, zone: ZoneInfo, leave: bool = False) -> Route:
    """Where a report of absence in [from, to) goes. leave: a leave of absence is asked for (STEP-23).

    A kind with a length holds from more than that many days on: seven days are a week, eight are longer.
    """
    wanted = LEAVE if leave and LEAVE in profile.absences else None
    if wanted is None:
        long = [
            one for one in profile.absences.values() if one.kind == AUTHORISED and _longer(one, from_ms, to_ms, zone)
        ]
        wanted = AUTHORISED if long else REPORTED if REPORTED in profile.absences else None
    if wanted is None and LEAVE in profile.absences:
        wanted = LEAVE
    if wanted is None:
        days = next((one.over_days for one in profile.absences.values() if one.kind == AUTHORISED), None)
        text = "Needs no report." if days is None else f"Up to {days} days need no report; no tap stays absent."
        cites = profile.cites("absence.authorised.over")
        return Route(
            kind=NONE,
            approvers=(),
            by_faculty=False,
            code=None,
            rule=f"{profile.name}.absence.none",
            cites=cites,
            text=text,
        )
    rule = profile.absences[wanted]
    whom = "the student's faculty" if rule.by_faculty else people(rule.approvers)
    return Route(
        kind=wanted,
        approvers=rule.approvers,
        by_faculty=rule.by_faculty,
        code=rule.code,
        rule=f"{profile.name}.absence.{wanted}",
        cites=rule.rule,
        text=f"Goes to {whom}. Once approved it becomes {rule.code} ({profile.codes[rule.code].meaning}).",
    )


def _longer(rule: AbsenceRule, from_ms: int, to_ms: int, zone: ZoneInfo) -> bool:
    return to_ms > moments.plus_days(from_ms, zone, rule.over_days)


@dataclass(frozen=True, kw_only=True)
class Absence:
    """One absence of one student."""

    #: reported, authorised, leave
    kind: str
    #: open, approved, rejected, withdrawn
    state: str
    from_ms: int
    to_ms: int
    reported_ms: int
    #: when it was approved; None: it was not
    decided_ms: int | None = None
    has_evidence: bool = False
    #: the sessions that it names; None: every session in its time
    sessions: frozenset[int] | None = None


@dataclass(frozen=True, kw_only=True)
class Session:
    """One session of that student."""

    id: int
    starts_ms: int
    ends_ms: int
    zone: ZoneInfo
    cancelled: bool
    #: the mark that holds; None: not marked
    current: str | None


def fills(profile: Profile, absence: Absence, session: Session) -> Decision | None:
    """The mark that the absence fills in on this session's register; None: it fills in nothing there.

    Who was there was there: a mark that counts as attended stays, also for a student on leave.
    """
    rule = profile.absences.get(absence.kind)
    if rule is None or absence.state != "approved" or session.cancelled:
        return None
    if absence.sessions is not None and session.id not in absence.sessions:
        return None
    # Half-open, and by the session's time: an absence until 10:00 does not touch a class that starts then.
    if absence.sessions is None and not (absence.from_ms < session.ends_ms and session.starts_ms < absence.to_ms):
        return None
    if session.current is not None and session.current != profile.absent:
        return None
    if absence.kind != REPORTED:
        return Decision(code=rule.code, rule=f"{profile.name}.absence.{absence.kind}")
    if absence.reported_ms < session.starts_ms:
        return Decision(code=rule.code, rule=f"{profile.name}.{rule.code}.told-before")
    return _afterwards(profile, rule, absence, session)


def _afterwards(profile: Profile, rule: AbsenceRule, absence: Absence, session: Session) -> Decision | None:
    """Reported after it began: by the transition from absent alone, with what that needs, while it is open."""
    for one in profile.transitions:
        if one.to != rule.code or one.told_before or profile.absent not in one.origin or absence.decided_ms is None:
            continue
        open_until = one.until and one.until.after(
            starts_ms=session.starts_ms, ends_ms=session.ends_ms, zone=session.zone
        )
        in_time = open_until is None or absence.decided_ms < open_until
        if in_time and session.current == profile.absent and (absence.has_evidence or EVIDENCE not in one.needs):
            return Decision(code=rule.code, rule=f"{profile.name}.{rule.code}.{one.name}")
    return None
