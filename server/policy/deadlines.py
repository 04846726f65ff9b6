"""When a register is to be marked, and what becomes of one that was not: LOUGH-1 to 4, 8 and 24, STEP-20 and 21, DDU-5, 6."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from server.policy import moments
from server.policy.moments import WEEKDAYS, Span
from server.policy.profile import Profile
from server.policy.sections import CLASSROOM, LOCK, PAPER

NOT_DUE, OPEN, WARNED, MARKED, LATE, OVERDUE, UNMARKED = STATES = (
    #: cancelled, or nobody is on the list
    "not-due",
    "open",
    "warned",
    #: in time
    "marked",
    #: marked, and later than it should have been
    "late",
    #: past its deadline; marked still today it is late, and not unmarked
    "overdue",
    "unmarked",
)


@dataclass(frozen=True, kw_only=True)
class Deadlines:
    """By when a register is to be marked. None: nothing is due."""

    warn_ms: int | None
    breach_ms: int | None
    #: not marked by then, it is unmarked (LOUGH-24)
    unmarked_ms: int | None
    rule: str
    cites: str = ""


def marking(
    profile: Profile,
    *,
    starts_ms: int,
    ends_ms: int,
    mode: str,
    zone: ZoneInfo,
    course_deadline_ms: int | None = None,
) -> Deadlines:
    """The deadlines of one session. mode: classroom, school-link, off-site, paper; another one is as classroom."""
    rule = profile.marking.get(mode) or profile.marking.get(CLASSROOM)
    if rule is None:
        return Deadlines(warn_ms=None, breach_ms=None, unmarked_ms=None, rule=f"{profile.name}.marking.none")
    name = f"{profile.name}.marking.{rule.mode}"

    def at(span: Span | None) -> int | None:
        if span is None:
            return course_deadline_ms
        days = profile.working_days or WEEKDAYS[:5]
        return span.after(starts_ms=starts_ms, ends_ms=ends_ms, zone=zone, working_days=days)

    return Deadlines(
        warn_ms=at(rule.warn), breach_ms=at(rule.breach), unmarked_ms=at(rule.unmarked), rule=name, cites=rule.rule
    )


@dataclass(frozen=True, kw_only=True)
class State:
    """Where a register stands, and why."""

    #: one of STATES
    name: str
    rule: str
    text: str


def state(
    profile: Profile,
    *,
    starts_ms: int,
    ends_ms: int,
    mode: str,
    zone: ZoneInfo,
    now_ms: int,
    marked_ms: int | None,
    cancelled: bool = False,
    members: int = 1,
    ended: bool = False,
    course_deadline_ms: int | None = None,
) -> State:
    """Where a register stands (LOUGH-8).

    marked_ms: when the last student on the list got a mark (or, where the profile needs verification, was verified);
    None: somebody has none yet. members: students on the list. ended: its course or class was ended before it.
    A register marked by the end of its day is not unmarked; cancelled, empty and ended ones never are.
    """
    due = marking(
        profile, starts_ms=starts_ms, ends_ms=ends_ms, mode=mode, zone=zone, course_deadline_ms=course_deadline_ms
    )
    if cancelled or ended or members == 0:
        why = "cancelled" if cancelled else "ended" if ended else "empty"
        return State(name=NOT_DUE, rule=f"{profile.name}.marking.{why}", text=f"It is {why}: nothing has to be marked.")

    def said(name: str, text: str) -> State:
        return State(name=name, rule=due.rule, text=text)

    if marked_ms is not None:
        if due.breach_ms is not None and marked_ms > due.breach_ms:
            return said(LATE, f"Marked at {moments.said(marked_ms, zone)}; due by {moments.said(due.breach_ms, zone)}.")
        return said(MARKED, f"Marked at {moments.said(marked_ms, zone)}, in time.")
    if due.unmarked_ms is not None and now_ms >= due.unmarked_ms:
        return said(UNMARKED, f"Not marked by {moments.said(due.unmarked_ms, zone)}.")
    if due.breach_ms is not None and now_ms > due.breach_ms:
        return said(OVERDUE, f"It was to be marked by {moments.said(due.breach_ms, zone)}: mark it now.")
    if due.warn_ms is not None and due.breach_ms is not None and due.warn_ms < due.breach_ms and now_ms > due.warn_ms:
        return said(WARNED, f"It was to be marked by {moments.said(due.warn_ms, zone)}, at latest by "
                            f"{moments.said(due.breach_ms, zone)}.")  # fmt: skip
    if due.warn_ms is None:
        return said(OPEN, "It has no marking deadline.")
    return said(OPEN, f"To be marked by {moments.said(due.warn_ms, zone)}.")


@dataclass(frozen=True, kw_only=True)
class CourseDates:
    """What a profile says of a course's dates, where it says anything."""

    #: as a guide the marking deadline is at most here (STEP-20)
    guide_ms: int | None
    #: where none is set: the records are final and are sent (STEP-3, STEP-21)
    lock_ms: int | None
    #: until when lecturers mark: as it was set, else the guide. None: no end is known
    deadline_ms: int | None
    #: from when on nothing changes any more: as it was set, else by the profile. None: never
    final_ms: int | None
    #: from here on the lecturer is reminded of the deadline
    remind_ms: int | None
    #: what to tell whoever set a later deadline; it is not refused
    warning: str | None
    rule: str


def locks(profile: Profile) -> bool:
    """Whether a course's lock date ends all changes in this profile (STEP-3); others follow their own tiers."""
    return any(tier.until == LOCK for tier in profile.tiers)


def course(
    profile: Profile,
    *,
    course_ends_ms: int | None,
    zone: ZoneInfo,
    deadline_ms: int | None = None,
    lock_ms: int | None = None,
) -> CourseDates:
    """A course's guide and lock, and whether the deadline set for it is later than the guide.

    course_ends_ms: None where nobody knows it: then only what was set holds. deadline_ms, lock_ms: as they were set for
    this course; None: by the profile, from the course's end on.
    """

    def after(days: int | None) -> int | None:
        return None if days is None or course_ends_ms is None else moments.plus_days(course_ends_ms, zone, days)

    guide, lock = after(profile.course_deadline_days), after(profile.course_lock_days)
    held = deadline_ms if deadline_ms is not None else guide
    final = (lock_ms if lock_ms is not None else lock) if locks(profile) else None
    lock = lock_ms if lock_ms is not None else lock
    warning = None
    if deadline_ms is not None and lock is not None and deadline_ms > lock:
        warning = f"The marking deadline is after the records are sent, {moments.said(lock, zone)}."
    elif deadline_ms is not None and guide is not None and deadline_ms > guide:
        warning = (
            f"The marking deadline is later than the guide: {profile.course_deadline_days} days after the course's end."
        )
    remind = None
    if held is not None and profile.course_remind_days is not None:
        remind = moments.plus_days(held, zone, -profile.course_remind_days)
    return CourseDates(
        guide_ms=guide,
        lock_ms=lock,
        deadline_ms=held,
        final_ms=final,
        remind_ms=remind,
        warning=warning,
        rule=f"{profile.name}.course.dates",
    )


def transferred_by(profile: Profile, *, starts_ms: int, ends_ms: int, zone: ZoneInfo) -> int | None:
    """Until when what stands on paper is entered (LOUGH-4), as the paper register of a trip is (the table of marks, V).
    None: the profile says nothing of paper."""
    rule = profile.marking.get(PAPER)
    if rule is None or rule.breach is None:
        return None
    days = profile.working_days or WEEKDAYS[:5]
    return rule.breach.after(starts_ms=starts_ms, ends_ms=ends_ms, zone=zone, working_days=days)


def submission(
    profile: Profile, *, starts_ms: int, ends_ms: int, mode: str, zone: ZoneInfo, now_ms: int
) -> Deadlines | None:
    """The deadline by which a programme's day was to be submitted, where that is past (DDU-5): then the state body must
    approve it (DDU-6). None: it may be submitted still, or the profile knows no such thing."""
    if profile.programme is None:
        return None
    due = marking(profile, starts_ms=starts_ms, ends_ms=ends_ms, mode=mode, zone=zone)
    return due if due.breach_ms is not None and now_ms > due.breach_ms else None
