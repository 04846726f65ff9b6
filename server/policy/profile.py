"""Profiles: an institution's or programme's set of rules, read from `profiles/*.toml`, checked, frozen, dated.

A file is a profile, or a *version* of one: with `from` (a local date) it holds for sessions that start on that day or
later, and says only what differs from the version before. So a change never rewrites the past. An institution's own
files stand in the folder that the settings name; with `like` they start a profile of their own from a shipped one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType

from server.policy import misuse_rule, programme_rule, residence_rule, sections
from server.policy.moments import WEEKDAYS, Span
from server.policy.parameters import Parameter, Table

FOLDER = Path(__file__).parent / "profiles"
#: the profile where none is assigned
DEFAULT = "port"
Code = sections.Code


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A profile's parameters, as they hold for sessions from `from_ms` on. Minutes are whole."""

    name: str
    #: as people call it
    title: str
    #: holds for sessions that start from here on; None: ever since
    from_ms: int | None = None
    #: the window: from the start less this to the end plus that (PORT-2)
    opens_before_min: int
    closes_after_min: int
    #: late from this many minutes after the start on (LOUGH-14); None: never late (PORT-5)
    late_from_min: int | None = None
    #: left early from more than this many minutes before the end on
    early_over_min: int | None = None
    persistent: sections.Persistent | None = None
    present: str
    late: str | None = None
    absent: str
    #: half of a day (DDU-3)
    half: str | None = None
    #: whoever has no mark is shown with this one, and has it once the register is verified (STEP-18); None: with none
    shown: str | None = None
    #: what cancelling sets for the whole class (LOUGH-11)
    cancels_to: str | None = None
    #: who may cancel a class; a lecturer only their own
    cancelled_by: tuple[str, ...] = ()
    #: no tap is absence (PORT-7); otherwise staff mark it
    absent_by_itself: bool
    #: marks count only once a lecturer has verified them (STEP-18)
    verification_needed: bool
    #: who may verify; a lecturer only their own
    verified_by: tuple[str, ...] = ()
    #: when a register is released without complete evidence
    evidence_deadline: Span
    codes: Mapping[str, Code] = field(repr=False)
    tiers: tuple[sections.TierRule, ...] = field(repr=False)
    #: a bursary without evidence, when no tier changes the mark any more (LOUGH-35)
    bursary_tier: sections.TierRule | None = field(default=None, repr=False)
    #: by which learners are asked off a list, or onto another (LOUGH-18)
    list_tier: sections.TierRule = field(repr=False)
    #: by which a programme's day is submitted late (DDU-6)
    late_tier: sections.TierRule | None = field(default=None, repr=False)
    transitions: tuple[sections.Transition, ...] = field(default=(), repr=False)
    #: mode -> deadline; none: nothing is due
    marking: Mapping[str, sections.MarkingRule] = field(default_factory=dict, repr=False)
    working_days: tuple[str, ...] = ()
    #: a course's marking deadline is at most this long after its end, as a guide (STEP-20); its lock (STEP-21)
    course_deadline_days: int | None = None
    course_lock_days: int | None = None
    #: the lecturer is reminded so long before the marking deadline
    course_remind_days: int | None = None
    ledger_rules: Mapping[str, sections.LedgerRule] = field(default_factory=dict, repr=False)
    absences: Mapping[str, sections.AbsenceRule] = field(default_factory=dict, repr=False)
    guidance: tuple[sections.Guidance, ...] = field(default=(), repr=False)
    #: one, double
    shifts: Mapping[str, programme_rule.ShiftRule] = field(default_factory=dict, repr=False)
    programme: programme_rule.Programme | None = field(default=None, repr=False)
    #: None: this profile says nothing of a residence
    residence: residence_rule.ResidenceRule | None = field(default=None, repr=False)
    #: None: this profile says nothing of misuse of cards (PORT-9)
    misuse: misuse_rule.MisuseRule | None = field(default=None, repr=False)
    #: every parameter with its unit and where it comes from
    parameters: tuple[Parameter, ...] = field(default=(), repr=False)

    def window(self, starts_ms: int, ends_ms: int) -> tuple[int, int]:
        """When the door takes swipes for a session: opens, closes."""
        return starts_ms - self.opens_before_min * 60_000, ends_ms + self.closes_after_min * 60_000

    def takes_minutes(self, code: str | None) -> bool:
        """Whether minutes missed, late or early, may stand with a mark: they belong to it, or make it full or half of a
        shift (DDU-3)."""
        if code is None or code not in self.codes:
            return False
        return self.codes[code].minutes or (self.programme is not None and code in (self.present, self.half))

    def was_there(self, code: str | None) -> bool:
        """Whether a mark says that somebody was in the room: not so one that only counts as attended, such as a trip or
        a supported absence (V and B)."""
        return code is not None and code in (self.present, self.late, self.half)

    def ledgers(self, code: str | None) -> str:
        """The ledgers that a mark counts for, joined by commas."""
        return ",".join(self.codes[code].effects) if code else ""

    def cites(self, path: str) -> str:
        """The requirement that a parameter comes from."""
        return next((one.rule for one in self.parameters if one.path == path), "")


class Profiles(Mapping[str, Profile]):
    """Every profile by its name: the newest version, or by `at` the one that holds for a session."""

    def __init__(self, versions: Iterable[Profile]) -> None:
        found: dict[str, list[Profile]] = {}
        for one in sorted(versions, key=lambda one: (one.name, one.from_ms is not None, one.from_ms or 0)):
            found.setdefault(one.name, []).append(one)
        self._versions = MappingProxyType(found)

    def at(self, name: str, starts_ms: int) -> Profile:
        """The version that holds for a session that starts then. Raises KeyError where there is no such profile."""
        versions = self._versions[name]
        held = [one for one in versions if one.from_ms is None or one.from_ms <= starts_ms]
        # A profile that begins later than the session: its first version is the nearest there is.
        return held[-1] if held else versions[0]

    def versions(self, name: str) -> tuple[Profile, ...]:
        """Every version, the oldest first."""
        return tuple(self._versions[name])

    def __getitem__(self, name: str) -> Profile:
        return self._versions[name][-1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._versions)

    def __len__(self) -> int:
        return len(self._versions)


def build(file: str, table: Mapping[str, object], *, name: str, from_ms: int | None = None) -> Profile:
    """The profile that a file's whole table describes. Raises BadSetting(`profile`) saying which field is wrong."""
    found: list[Parameter] = []
    top = Table(file, "", dict(table), "", found)
    title = top.text("title")
    codes = {code: sections.read_code(code, inner) for code, inner in top.tables("marks")}
    known = tuple(codes)
    window, derive, late = top.table("window"), top.table("derive"), top.table("lateness")
    deadline = derive.span("evidence_deadline", "min from end", "day ends")
    cancel, course, bursary = top.table("cancel"), top.table("course"), top.table("bursary_tier")
    listed, submitted = top.table("list_tier"), top.table("late_tier")
    programme, days, residence = top.table("programme"), top.table("calendar"), top.table("residence")
    misuse = top.table("misuse")
    made = Profile(
        name=name,
        title=title,
        from_ms=from_ms,
        opens_before_min=window.number("opens_before", "min"),
        closes_after_min=window.number("closes_after", "min"),
        late_from_min=late.number("late_from", "min") if "late_from" in late else None,
        early_over_min=late.number("early_over", "min") if "early_over" in late else None,
        persistent=sections.Persistent(
            times=late.number("persistent_times", "times"),
            days=late.number("persistent_within", "days"),
            rule=late.rule,
        )
        if "persistent_times" in late
        else None,
        present=derive.word("present", "mark", known),
        late=derive.word("late", "mark", known) if "late" in derive else None,
        absent=derive.word("absent", "mark", known),
        half=derive.word("half", "mark", known) if "half" in derive else None,
        shown=derive.word("shown", "mark", known) if "shown" in derive else None,
        cancels_to=cancel.word("mark", "mark", known) if "mark" in cancel else None,
        cancelled_by=cancel.words("roles", "roles", sections.ROLES),
        absent_by_itself=derive.switch("absent_by_itself"),
        verification_needed=derive.switch("verification_needed"),
        verified_by=derive.words("verified_by", "roles", sections.ROLES),
        evidence_deadline=Span(number=deadline[0], unit=deadline[1]),
        codes=MappingProxyType(codes),
        tiers=tuple(sections.read_tier(one, inner) for one, inner in top.tables("tiers")),
        bursary_tier=sections.read_tier("bursary", bursary) if "roles" in bursary else None,
        list_tier=sections.read_tier("list", listed),
        late_tier=sections.read_tier("late-submission", submitted) if "roles" in submitted else None,
        transitions=tuple(sections.read_transition(one, inner, known) for one, inner in top.tables("transitions")),
        marking=MappingProxyType({mode: sections.read_marking(mode, inner) for mode, inner in top.tables("marking")}),
        working_days=days.words("working_days", "weekdays", WEEKDAYS) if "working_days" in days else (),
        course_deadline_days=course.number("deadline_guide", "days after the course's end")
        if "deadline_guide" in course
        else None,
        course_lock_days=course.number("lock", "days after the course's end") if "lock" in course else None,
        course_remind_days=course.number("remind", "days before the deadline") if "remind" in course else None,
        ledger_rules=MappingProxyType(
            {ledger: sections.read_ledger(ledger, inner, known) for ledger, inner in top.tables("ledgers")}
        ),
        absences=MappingProxyType(
            {kind: sections.read_absence(kind, inner, known) for kind, inner in top.tables("absence")}
        ),
        guidance=tuple(sections.read_guidance(inner, known) for _, inner in top.tables("guidance")),
        shifts=MappingProxyType({one: programme_rule.read_shift(one, inner) for one, inner in top.tables("shifts")}),
        programme=programme_rule.read_programme(programme, known) if "pays" in programme else None,
        residence=residence_rule.read(residence) if "opens" in residence else None,
        misuse=misuse_rule.read(misuse) if "far_within" in misuse else None,
        parameters=tuple(found),
    )
    top.done()
    _whole(top, made)
    return made


def _whole(top: Table, made: Profile) -> None:
    """Raises BadSetting for what each field allows and the whole does not."""
    if made.shown is not None and not made.verification_needed:
        raise top.wrong(
            "derive.shown", "wants derive.verification_needed: what is shown counts only once it is verified"
        )
    if made.late_from_min is not None and made.late is None:
        raise top.wrong(
            "derive.late", "is missing: lateness.late_from says when somebody is late, and not by which mark"
        )
    if not made.tiers:
        raise top.wrong("tiers", "are missing: nobody could ever change a mark")
    if made.tiers[-1].until is not None:
        raise top.wrong(f"tiers.{made.tiers[-1].name}", "must not end: the last tier holds for good")
    for tier in made.tiers[:-1]:
        if tier.until is None:
            raise top.wrong(f"tiers.{tier.name}", "has no end, so that no tier after it is ever reached")
    for field_, tier in (("list_tier", made.list_tier), ("late_tier", made.late_tier)):
        if tier is not None and (not tier.by_request or tier.until is not None):
            raise top.wrong(field_, "goes by request, at every age: by_request must be true, and it has no end")
    if made.programme is not None and made.late_tier is None:
        raise top.wrong("late_tier", "is missing: it says who asks for a programme's day to be submitted late")
    unknown = set(made.marking) - set(sections.MODES)
    if unknown:
        raise top.wrong(f"marking.{sorted(unknown)[0]}", f"must be one of: {', '.join(sections.MODES)}")
    if made.marking and sections.CLASSROOM not in made.marking:
        raise top.wrong("marking.classroom", "is missing: it holds where a mode has no deadline of its own")
    unknown = {ledger for code in made.codes.values() for ledger in code.effects} - set(made.ledger_rules)
    if unknown:
        raise top.wrong(f"ledgers.{sorted(unknown)[0]}", "is missing, and marks have effects in it")
    outside = set(made.verified_by) - set(made.tiers[0].roles)
    if outside:
        text = f"names {sorted(outside)[0]}, who may not change a mark in the first tier: verifying sets every mark"
        raise top.wrong("derive.verified_by", text)
    for code in made.codes.values():
        for ledger, effect in code.effects.items():
            if effect == sections.LEAVE and made.ledger_rules[ledger].leave_leaves is None:
                raise top.wrong(f"ledgers.{ledger}.leave_leaves", f"is missing, and {code.code} is a leave")
    unknown = set(made.absences) - set(sections.ABSENCES)
    if unknown:
        raise top.wrong(f"absence.{sorted(unknown)[0]}", f"must be one of: {', '.join(sections.ABSENCES)}")
    if made.programme is not None and sections.ENTITLEMENT not in made.ledger_rules:
        raise top.wrong(f"ledgers.{sections.ENTITLEMENT}", "is missing: a programme's days pay by it")
    if made.programme is not None and set(made.shifts) != {"one", "double"}:
        raise top.wrong("shifts", "must be one and double")


def of_settings(profiles_dir: Path, time_zone: str) -> Profiles:
    """Every profile, with the institution's own: profiles_dir as the settings say it, empty for none."""
    return read_all(own=None if profiles_dir == Path() else profiles_dir, time_zone=time_zone)


def read_all(folder: Path = FOLDER, own: Path | None = None, time_zone: str = "UTC") -> Profiles:
    """Every profile of the folder, and the institution's own on top. time_zone: IANA name, of the dates `from`."""
    from server.policy import versions  # it stands on `build`

    if folder == FOLDER and own is None:
        return Profiles(_shipped(time_zone))
    return Profiles(versions.read(folder, own, time_zone))


@cache
def _shipped(time_zone: str) -> tuple[Profile, ...]:
    # They come with the program and do not change while it runs.
    from server.policy import versions

    return tuple(versions.read(FOLDER, None, time_zone))
