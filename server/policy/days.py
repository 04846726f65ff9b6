"""A skills programme's day: full, half or absent by its shifts, and what it pays (DDU-1 to 4, 11). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from server.policy.decision import Decision
from server.policy.profile import Profile
from server.policy.programme_rule import ShiftRule

ONE, DOUBLE = "one", "double"


@dataclass(frozen=True, kw_only=True)
class Shift:
    """One shift of one candidate."""

    #: one: the day is one shift; double: it is one of two
    kind: str
    #: between its start and the first mark, and between the last mark and its end; None: no mark at all
    late_min: int | None
    early_min: int | None
    #: occasions used already in this block of days
    occasions: int = 0


def kind_of(profile: Profile, *, length_min: int) -> str:
    """Whether a session of that length is a day of one shift (over 4 h, DDU-3) or one of two (up to 4 h, DDU-4)."""
    assert profile.programme is not None
    return ONE if length_min > profile.programme.one_shift_over_min else DOUBLE


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a shift is, and whether it used up an occasion."""

    decision: Decision
    occasion: bool
    text: str


def judge(profile: Profile, shift: Shift) -> Judged:
    """Full, half or absent.

    A side of up to 15 minutes counts as nothing, a side over that in full, and the sides add up. What is exactly on a
    limit is the kinder class.
    """
    rule, name = profile.shifts[shift.kind], profile.name
    if shift.late_min is None or shift.early_min is None:
        return Judged(
            decision=Decision(code=profile.absent, rule=f"{name}.shift.no-mark"), occasion=False, text="No mark."
        )
    missed = missed_min(rule, late_min=shift.late_min, early_min=shift.early_min)

    def said(code: str | None, why: str, text: str, *, occasion: bool = False) -> Judged:
        decision = Decision(code=code, late_min=shift.late_min, early_min=shift.early_min, rule=f"{name}.shift.{why}")
        return Judged(decision=decision, occasion=occasion, text=text)

    if missed == 0:
        return said(profile.present, "full", f"Full: no side over {rule.free_min} minutes.")
    if missed > rule.absent_over_min:
        return said(profile.absent, "absent", f"Absent: {missed} minutes missed, more than {rule.absent_over_min}.")
    if missed > rule.full_min:
        return said(profile.half, "half", f"Half: {missed} minutes missed, more than {rule.full_min}.")
    if shift.occasions >= rule.occasions:
        return said(profile.half, "occasions", f"Half: {rule.occasions} occasions in these days are used up.")
    return said(
        profile.present,
        "occasion",
        f"Full: {missed} minutes missed, occasion {shift.occasions + 1} of {rule.occasions}.",
        occasion=True,
    )


def missed_min(rule: ShiftRule, *, late_min: int, early_min: int) -> int:
    """The minutes that count as missed."""
    return sum(side for side in (late_min, early_min) if side > rule.free_min)


def spends_occasion(
    profile: Profile, kind: str, code: str | None, *, late_min: int | None, early_min: int | None
) -> bool:
    """Whether a mark that stands has used up an occasion: it is full, though more was missed than counts as nothing."""
    missed = missed_min(profile.shifts[kind], late_min=late_min or 0, early_min=early_min or 0)
    return code == profile.present and missed > 0


def otherwise(profile: Profile, shift: Shift, code: str | None) -> Judged | None:
    """What the rules make of a shift that stands with this mark, where that is another; None: they agree, or it is not
    theirs to say (another mark than full, half, absent; no minutes known)."""
    if shift.late_min is None or shift.early_min is None:
        return None
    found = judge(profile, shift)
    own = (profile.present, profile.half, profile.absent)
    return found if code in own and found.decision.code != code else None


def block(profile: Profile, day: date, batch_starts: date) -> tuple[int, int]:
    """Which block of days a day lies in, counted from the batch's start: 0 the first; and the day's place in it, from 0."""
    assert profile.programme is not None
    return divmod((day - batch_starts).days, profile.programme.block_days)


def weight(profile: Profile, kind: str) -> Fraction:
    """How much of a day a shift is: half of one where it is one of two (then half a shift is a quarter of a day)."""
    assert profile.programme is not None
    return Fraction(1, 2) if kind == DOUBLE and profile.programme.shift_is_half_a_day else Fraction(1)


@dataclass(frozen=True, kw_only=True)
class Pay:
    """Whether a day pays the to-and-fro incentive."""

    paid: bool
    rule: str
    text: str


def pays(profile: Profile, codes: Iterable[str | None], *, swiped: bool = False) -> Pay:
    """Any mark that day pays the whole day, none pays nothing (DDU-11).

    codes: of every shift of the day. swiped: a swipe was credited, also where so little was attended that it is absent.
    """
    assert profile.programme is not None
    found = [code for code in codes if code in profile.programme.pays]
    paid = bool(found) or swiped
    text = f"Pays the whole day: {', '.join(found) or 'a swipe'}." if paid else "Pays nothing: no mark that day."
    return Pay(paid=paid, rule=f"{profile.name}.incentive", text=text)
