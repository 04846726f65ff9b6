"""The parts of a profile, each a frozen record with how it is read from its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from server.policy.moments import SPAN_UNITS, Span
from server.policy.parameters import Table
from server.scope import ROLES

ATTENDED, HALF, DID_NOT, NOT_REQUIRED, LEAVE = EFFECTS = (
    "attended",
    #: half of a day
    "half",
    "did-not-attend",
    "not-required",
    #: authorised absence or leave: whether it leaves the denominator is the ledger's switch
    "leave",
)
ATTENDANCE, BURSARY, ENTITLEMENT = LEDGERS = ("attendance", "bursary", "entitlement")
REASON, EVIDENCE, MINUTES = NEEDS = ("reason", "evidence", "minutes")
CLASSROOM, SCHOOL_LINK, OFF_SITE, PAPER = MODES = ("classroom", "school-link", "off-site", "paper")
ABSENCES = ("reported", "authorised", "leave")
#: ends of tiers that are not counted from the session
COURSE_DEADLINE, LOCK, FORTNIGHT = MOMENTS = ("course deadline", "course lock", "fortnight's end")
FROM_END = ("h from end", "days from end", "months from end", "day ends")


@dataclass(frozen=True, kw_only=True)
class Code:
    """One mark of a profile."""

    code: str
    #: as people say it
    meaning: str
    #: ledger -> one of EFFECTS
    effects: Mapping[str, str]
    #: who may set it; empty: whoever the tier lets act
    by: tuple[str, ...] = ()
    #: whose approval it needs besides, somebody else's than the one who sets it
    approval: tuple[str, ...] = ()
    #: never for everybody on the list
    never_whole_class: bool = False
    #: only where staff on the trip have confirmed that the student came
    confirmed_trip: bool = False
    #: minutes missed, late or early, belong to it
    minutes: bool = False
    #: what the student was, not what is known beforehand: not before the door opens
    from_opening: bool = False
    #: until the student is off the list: removal is to be asked for
    until_removed: bool = False
    #: removal comes with the transfer form or the withdrawal form (T, W)
    with_form: bool = False
    #: the exams team is told of it (C)
    exams_told: bool = False
    rule: str


def read_code(code: str, table: Table) -> Code:
    """A mark: its meaning, its effect in each ledger, and what is special about it."""
    effects = table.table("effects")
    return Code(
        code=code,
        meaning=table.text("meaning"),
        effects={ledger: effects.word(ledger, "effect", EFFECTS) for ledger in LEDGERS if ledger in effects},
        by=table.words("by", "roles", ROLES) if "by" in table else (),
        approval=table.words("approval", "roles", ROLES) if "approval" in table else (),
        never_whole_class="never_whole_class" in table and table.switch("never_whole_class"),
        confirmed_trip="confirmed_trip" in table and table.switch("confirmed_trip"),
        minutes="minutes" in table and table.switch("minutes"),
        from_opening="from_opening" in table and table.switch("from_opening"),
        until_removed="until_removed" in table and table.switch("until_removed"),
        with_form="with_form" in table and table.switch("with_form"),
        exams_told="exams_told" in table and table.switch("exams_told"),
        rule=table.rule,
    )


@dataclass(frozen=True, kw_only=True)
class TierRule:
    """How a register may be changed at one age of its session."""

    name: str
    #: ends here, exclusive; None: no end. A word of MOMENTS where it does not count from the session
    until: Span | str | None
    #: who acts; a lecturer only where they staff the session
    roles: tuple[str, ...]
    #: they ask, and approvers check and apply; otherwise they change the mark themselves
    by_request: bool
    needs: tuple[str, ...]
    #: who gets a copy of the request
    copies: tuple[str, ...]
    approvers: tuple[str, ...]
    #: approvers may ask for evidence later
    evidence_later: bool
    rule: str


def read_tier(name: str, table: Table) -> TierRule:
    """A tier."""
    until: Span | str | None = None
    if "until" in table:
        number, unit = table.span("until", *FROM_END)
        until = Span(number=number, unit=unit)
    elif "until_moment" in table:
        until = table.word("until_moment", "moment", MOMENTS)
    by_request = table.switch("by_request")
    return TierRule(
        name=name,
        until=until,
        roles=table.words("roles", "roles", ROLES),
        by_request=by_request,
        needs=table.words("needs", "needs", NEEDS[:2]) if by_request else (),
        copies=table.words("copies", "roles", ROLES) if by_request else (),
        approvers=table.words("approvers", "roles", ROLES) if by_request else (),
        evidence_later=by_request and table.switch("evidence_later"),
        rule=table.rule,
    )


@dataclass(frozen=True, kw_only=True)
class Transition:
    """A change of one mark that goes before the tiers."""

    name: str
    to: str
    #: from these marks; empty: from any, also from none
    origin: tuple[str, ...]
    roles: tuple[str, ...]
    needs: tuple[str, ...]
    #: the absence was reported before the start
    told_before: bool
    #: open until here; None: always
    until: Span | None
    rule: str


def read_transition(name: str, table: Table, codes: tuple[str, ...]) -> Transition:
    """A transition."""
    until = table.span("until", *FROM_END) if "until" in table else None
    return Transition(
        name=name,
        to=table.word("to", "mark", codes),
        origin=table.words("from", "marks", codes) if "from" in table else (),
        roles=table.words("roles", "roles", ROLES),
        needs=table.words("needs", "needs", NEEDS[:2]),
        told_before=table.switch("told_before"),
        until=Span(number=until[0], unit=until[1]) if until else None,
        rule=table.rule,
    )


@dataclass(frozen=True, kw_only=True)
class MarkingRule:
    """When a register of one mode is to be marked."""

    mode: str
    #: None: the course's own deadline
    warn: Span | None
    breach: Span | None
    #: a register marked by then is not unmarked, though it may be late
    unmarked: Span | None
    rule: str


def read_marking(mode: str, table: Table) -> MarkingRule:
    """A deadline. `course` in place of the spans: the course's own."""

    def span(name: str) -> Span:
        number, unit = table.span(name, *SPAN_UNITS)
        return Span(number=number, unit=unit)

    if "course" in table and table.switch("course"):
        return MarkingRule(mode=mode, warn=None, breach=None, unmarked=None, rule=table.rule)
    return MarkingRule(mode=mode, warn=span("warn"), breach=span("breach"), unmarked=span("unmarked"), rule=table.rule)


@dataclass(frozen=True, kw_only=True)
class LedgerRule:
    """How a ledger's percentage is counted."""

    ledger: str
    #: reached from here on, in percent; None: nothing depends on it
    threshold: int | None
    #: leave and authorised absence leave the denominator; otherwise they count against. None: no mark is one
    leave_leaves: bool | None
    #: `not-required` leaves the denominator; otherwise it counts against
    not_required_leaves: bool
    #: marks that leave the denominator here, though they count as attended
    discounted: tuple[str, ...]
    #: a mark corrected after the fortnight counts
    corrected_counts: bool
    rule: str


def read_ledger(ledger: str, table: Table, codes: tuple[str, ...]) -> LedgerRule:
    """A ledger."""
    return LedgerRule(
        ledger=ledger,
        threshold=table.number("threshold", "%") if "threshold" in table else None,
        leave_leaves=table.switch("leave_leaves") if "leave_leaves" in table else None,
        not_required_leaves="not_required_leaves" not in table or table.switch("not_required_leaves"),
        discounted=table.words("discounted", "marks", codes) if "discounted" in table else (),
        corrected_counts="corrected_counts" not in table or table.switch("corrected_counts"),
        rule=table.rule,
    )


@dataclass(frozen=True, kw_only=True)
class AbsenceRule:
    """What becomes of one kind of absence."""

    kind: str
    #: the mark that it fills in
    code: str
    #: only longer than this; 0: always
    over_days: int
    #: who decides
    approvers: tuple[str, ...]
    #: routed to the student's faculty, not to the session's own staff
    by_faculty: bool
    rule: str


def read_absence(kind: str, table: Table, codes: tuple[str, ...]) -> AbsenceRule:
    """A kind of absence."""
    return AbsenceRule(
        kind=kind,
        code=table.word("mark", "mark", codes),
        over_days=table.number("over", "days") if "over" in table else 0,
        approvers=table.words("approvers", "roles", ROLES),
        by_faculty=table.switch("by_faculty"),
        rule=table.rule,
    )


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """What to mark in one situation (LOUGH-17)."""

    situation: str
    #: the marks that it is about
    marks: tuple[str, ...]
    text: str
    rule: str


def read_guidance(table: Table, codes: tuple[str, ...]) -> Guidance:
    """A line of guidance."""
    return Guidance(
        situation=table.text("situation"),
        marks=table.words("marks", "marks", codes),
        text=table.text("text"),
        rule=table.rule,
    )


@dataclass(frozen=True, kw_only=True)
class Persistent:
    """Persistent lateness: so many times in so many days (LOUGH-15)."""

    times: int
    days: int
    rule: str
