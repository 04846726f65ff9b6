"""Whether somebody may set a mark, and if not, what to do instead. Pure.

In this order: the mark is the profile's; cancelled classes; what the mark itself asks for (who, when, a confirmed trip,
never the whole class); the transitions that go before the tiers (LOUGH-21, LOUGH-22); the tier of the session's age; and
what a transition asks (PORT-8), asked of a way round it too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from server.policy import moments
from server.policy.deadlines import submission
from server.policy.profile import Code, Profile
from server.policy.sections import EVIDENCE, MINUTES, REASON, Transition
from server.policy.tiers import Tier, people, tier

LECTURER = "lecturer"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of the act: who, which session, which student, and what comes with it."""

    #: words of server/scope.py's ROLES that reach this session
    roles: frozenset[str]
    #: they deliver it, also as cover or co-teacher: what makes a lecturer this session's lecturer
    staffs: bool
    starts_ms: int
    ends_ms: int
    now_ms: int
    zone: ZoneInfo
    #: the mark that holds now; None: not marked
    current: str | None
    cancelled: bool
    #: of the students on the list, how many would hold this mark after the act
    students_set: int
    students_all: int
    #: the course's own (STEP-1, STEP-3)
    marking_deadline_ms: int | None = None
    lock_ms: int | None = None
    batch_starts_ms: int | None = None
    mode: str = "classroom"
    #: when the absence was reported; None: it was not
    reported_ms: int | None = None
    has_reason: bool = False
    has_evidence: bool = False
    #: staff on the trip have confirmed that this student came
    trip_confirmed: bool = False
    #: the register was saved or submitted before (DDU-5)
    submitted: bool = False
    #: roles of others who have approved this mark for this student
    approvals: frozenset[str] = frozenset()

    @property
    def acting(self) -> frozenset[str]:
        """The roles that count here: a lecturer only where they staff the session (STEP-1, LOUGH-9)."""
        return self.roles if self.staffs else self.roles - {LECTURER}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Whether an act is allowed, and why; where not, the way that is left."""

    #: they may do it now, by themselves
    allowed: bool
    #: such as `lough.tier.24h`
    rule: str
    #: the requirement, such as `LOUGH-31`
    cites: str = ""
    #: what to do instead; where allowed, what follows
    text: str = ""
    #: the tier that applies at this age
    tier: Tier | None = None
    #: they may not do it by themselves, and may ask for it by a change request
    by_request: bool = False
    #: what comes with the act or the request: reason, evidence, minutes
    needs: frozenset[str] = frozenset()
    #: whose approval is missing
    approvals: frozenset[str] = frozenset()


def tier_of(profile: Profile, facts: Facts) -> Tier:
    """By which tier marks are changed now."""
    return tier(
        profile,
        ends_ms=facts.ends_ms,
        now_ms=facts.now_ms,
        zone=facts.zone,
        marking_deadline_ms=facts.marking_deadline_ms,
        lock_ms=facts.lock_ms,
        batch_starts_ms=facts.batch_starts_ms,
    )


def may_set(profile: Profile, code: str | None, facts: Facts) -> Answer:
    """Whether this mark may be set for this student now. code None: the mark is taken away, as by the tier."""
    answer = _may_set(profile, code, facts)
    asked = _round(profile, code, facts) if answer.allowed else None
    if asked is None:
        return answer
    return replace(answer, needs=answer.needs | asked.needs) if asked.allowed else asked


def _may_set(profile: Profile, code: str | None, facts: Facts) -> Answer:
    about = profile.codes.get(code) if code is not None else None
    name = profile.name
    found = tier_of(profile, facts)
    if code is not None and about is None:
        return Answer(
            allowed=False, rule=f"{name}.mark.unknown", text=f"The marks are: {', '.join(profile.codes)}.", tier=found
        )
    if not found.roles:
        # After the lock date nothing goes before anything (STEP-3).
        return Answer(allowed=False, rule=found.rule, cites=found.cites, text=found.text, tier=found)
    if facts.cancelled or (code is not None and code == profile.cancels_to):
        return _cancelled(profile, code, facts, found)
    if about is not None and (refused := _of_itself(profile, about, facts, found)) is not None:
        return refused
    if (late := _late_submission(profile, facts, found)) is not None:
        return late
    if code is not None and (judged := _transitions(profile, code, facts, found)) is not None:
        return judged
    return _by_tier(profile, about, facts, found)


def _late_submission(profile: Profile, facts: Facts, found: Tier) -> Answer | None:
    """A programme's day that was not submitted in time is not marked by hand either (DDU-6)."""
    late = submission(
        profile,
        starts_ms=facts.starts_ms,
        ends_ms=facts.ends_ms,
        mode=facts.mode,
        zone=facts.zone,
        now_ms=facts.now_ms,
    )
    if late is None or late.breach_ms is None or facts.submitted or not found.direct:
        return None
    text = (
        f"It was to be submitted by {moments.said(late.breach_ms, facts.zone)}. Later the state body must approve it: "
        "ask for the late submission with a reason and proofs; its marks can be corrected after that."
    )
    cites = profile.cites("programme.late_submissions")
    return Answer(allowed=False, rule=f"{profile.name}.late-submission", cites=cites, text=text, tier=found)


def _cancelled(profile: Profile, code: str | None, facts: Facts, found: Tier) -> Answer:
    name = profile.name
    cites = profile.cites("cancel.roles")
    if code is None or code != profile.cancels_to:
        text = "The class is cancelled: nobody is marked. Where it took place after all, take back the cancellation."
        return Answer(allowed=False, rule=f"{name}.cancelled", cites=cites, text=text, tier=found)
    if not facts.cancelled or facts.students_set < facts.students_all:
        text = f"{code} is for the whole class only: cancel the class."
        return Answer(allowed=False, rule=f"{name}.{code}.whole-class", cites=cites, text=text, tier=found)
    return Answer(allowed=True, rule=f"{name}.{code}.whole-class", cites=cites, tier=found)


def _of_itself(profile: Profile, about: Code, facts: Facts, found: Tier) -> Answer | None:
    name, code = profile.name, about.code
    opens_ms = profile.window(facts.starts_ms, facts.ends_ms)[0]

    def refuse(rule: str, text: str, cites: str = "") -> Answer:
        return Answer(allowed=False, rule=f"{name}.{code}.{rule}", cites=cites or about.rule, text=text, tier=found)

    if about.from_opening and facts.now_ms < opens_ms:
        text = f"{code} can be set from {moments.said(opens_ms, facts.zone)} on."
        return refuse("opening", text, profile.cites("window.opens_before"))
    if about.never_whole_class and facts.students_set >= facts.students_all:
        return refuse("whole-class", f"{code} is never for the whole class. Where there was no class, cancel it.")
    if about.confirmed_trip and not facts.trip_confirmed:
        return refuse(
            "confirmed", f"{code} comes from the trip: its staff confirm there who came, and it is set by itself."
        )
    if found.direct and about.by and not facts.acting & set(about.by):
        return refuse("by", f"{code} is set by {people(about.by)}.")
    missing = set(about.approval) - facts.approvals
    if found.direct and missing:
        answer = refuse("approval", f"{code} needs the approval of {people(sorted(missing), 'and')} first.")
        return replace(answer, approvals=frozenset(missing))
    return None


def _transitions(profile: Profile, code: str, facts: Facts, found: Tier) -> Answer | None:
    """A transition that is open decides, before the tiers do; None: none is."""
    refused = None
    for one in profile.transitions:
        if one.to != code or (one.origin and facts.current not in one.origin) or code == facts.current:
            continue
        if one.until is not None and facts.now_ms >= one.until.after(
            starts_ms=facts.starts_ms, ends_ms=facts.ends_ms, zone=facts.zone
        ):
            continue
        answer = _transition(profile, one, facts, found)
        if answer.allowed:
            return answer
        # Said of the way that is nearest: what lacks only papers before what cannot be helped any more.
        if refused is None or answer.needs:
            refused = answer
    # What is past its transitions, and what is not reached by them, goes by the tiers (LOUGH-22).
    return refused if found.direct else None


def _transition(profile: Profile, one: Transition, facts: Facts, found: Tier) -> Answer:
    rule = f"{profile.name}.{one.to}.{one.name}"
    if one.told_before and (facts.reported_ms is None or facts.reported_ms >= facts.starts_ms):
        text = (
            f"{one.to} is for what was reported before the class began. Mark it {profile.absent}; with a reason and "
            f"evidence it can become {one.to} afterwards."
        )
        return Answer(allowed=False, rule=rule, cites=one.rule, text=text, tier=found)
    if not facts.acting & set(one.roles):
        text = f"{one.to} is set here by {people(one.roles)}."
        return Answer(allowed=False, rule=rule, cites=one.rule, text=text, tier=found)
    there = {REASON: facts.has_reason, EVIDENCE: facts.has_evidence}
    missing = [need for need in one.needs if not there[need]]
    if missing:
        text = (
            f"{one.to} needs {' and '.join('evidence' if need == EVIDENCE else f'a {need}' for need in missing)} here."
        )
        return Answer(allowed=False, rule=rule, cites=one.rule, text=text, tier=found, needs=frozenset(one.needs))
    return Answer(allowed=True, rule=rule, cites=one.rule, tier=found, needs=frozenset(one.needs))


def _round(profile: Profile, code: str | None, facts: Facts) -> Answer | None:
    """What a transition asks of this step, where it would be the first of two that go round it: from A to no mark, and
    from no mark to P, for which A to P takes a reason (PORT-8). None: it goes round none."""
    for one in profile.transitions:
        if facts.current not in one.origin or code in (facts.current, one.to):
            continue
        bare = replace(facts, has_reason=False, has_evidence=False)
        after = replace(bare, current=code)
        if _may_set(profile, one.to, bare).allowed or not _may_set(profile, one.to, after).allowed:
            continue
        answer = _transition(profile, one, facts, tier_of(profile, facts))
        step = f"taking {facts.current} away" if code is None else f"{facts.current} to {code}"
        return replace(answer, text=f"{answer.text} The same holds for {step}: {one.to} could follow it without.")
    return None


def _by_tier(profile: Profile, about: Code | None, facts: Facts, found: Tier) -> Answer:
    minutes = frozenset({MINUTES}) if about is not None and about.minutes else frozenset[str]()
    if found.direct:
        roles = about.by if about is not None and about.by else found.roles
        if facts.acting & set(roles):
            text = _after(profile, about)
            return Answer(allowed=True, rule=found.rule, cites=found.cites, text=text, tier=found, needs=minutes)
        return Answer(allowed=False, rule=found.rule, cites=found.cites, text=found.text, tier=found)
    asks = bool(facts.acting & set(found.roles))
    missing = frozenset[str]()
    if about is not None and found.roles:
        chain = facts.acting | set(found.approvers)
        wanted = set(about.approval) | (set(about.by) if about.by and not chain & set(about.by) else set())
        missing = frozenset(wanted - facts.approvals)
    return Answer(
        allowed=False,
        rule=found.rule,
        cites=found.cites,
        text=found.text,
        tier=found,
        by_request=asks,
        needs=found.needs | minutes if asks else frozenset(),
        approvals=missing if asks else frozenset(),
    )


def _after(profile: Profile, about: Code | None) -> str:
    if about is None or not about.until_removed:
        return ""
    form = ", with the form" if about.with_form else ""
    told = " The exams team is told by the registers team's list." if about.exams_told else ""
    return f"{about.code} stands only until the student is off the list: ask for the removal{form}.{told}"
