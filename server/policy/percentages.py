"""Attendance and bursary as exact fractions, explained row by row. Pure; nothing is rounded before it is compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from server.policy import verification
from server.policy.profile import Profile
from server.policy.sections import ATTENDED, BURSARY, DID_NOT, HALF, LEAVE, NOT_REQUIRED, LedgerRule


@dataclass(frozen=True, kw_only=True)
class Counted:
    """One session, or day, of one student."""

    #: the caller's own: comes back with the row
    key: object
    #: None: not marked
    code: str | None
    verified: bool = False
    #: bursary was granted without a change of the mark (LOUGH-35)
    granted: bool = False
    #: corrected after its fortnight had closed (DDU-8, DDU-10)
    corrected: bool = False
    #: the class was cancelled: what stood on its register before, or by a hand, is worth nothing
    cancelled: bool = False
    #: of a day: a shift of two counts half (programmes)
    weight: Fraction = Fraction(1)


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one session did to the percentage, and why."""

    key: object
    code: str | None
    #: attended, half, did-not-attend, not-required (it leaves the denominator)
    effect: str
    #: what it adds above and below the line
    attended: Fraction
    counted: Fraction
    why: str


@dataclass(frozen=True, kw_only=True)
class Percentage:
    """A ledger's percentage: attended / counted, and each row's part in it."""

    ledger: str
    attended: Fraction
    counted: Fraction
    #: None: nothing counts yet
    fraction: Fraction | None
    rows: tuple[Row, ...]
    #: in percent; None: nothing depends on it
    threshold: int | None = None
    rule: str

    @property
    def reached(self) -> bool | None:
        """Whether the threshold is reached: exactly on it is. None: there is none, or nothing counts yet."""
        if self.threshold is None or self.fraction is None:
            return None
        return self.fraction * 100 >= self.threshold

    @property
    def text(self) -> str:
        """`94.4 %`, cut off and not rounded, so that 95.0 % is never shown of what does not reach it."""
        if self.fraction is None:
            return "nothing counts yet"
        tenths = self.fraction * 1000 // 1
        return f"{tenths // 10}.{tenths % 10} %"

    @property
    def sum(self) -> str:
        """`17/18 = 94.4 %`, as counted and not reduced."""
        return self.text if self.fraction is None else f"{_plain(self.attended)}/{_plain(self.counted)} = {self.text}"


def percentage(profile: Profile, ledger: str, rows: Iterable[Counted]) -> Percentage:
    """The percentage of a ledger of the profile. Raises KeyError where it has no such ledger."""
    rule = profile.ledger_rules[ledger]
    return _counted(profile, rule, rows)


def otherwise(profile: Profile, rows: Iterable[Counted]) -> Percentage:
    """The bursary percentage under the other reading of reported absence: counted where it is discounted, and the other
    way round. Both are shown, since the sources disagree."""
    rule = profile.ledger_rules[BURSARY]
    reported = tuple(one.code for kind, one in profile.absences.items() if kind == "reported")
    return _counted(profile, replace(rule, discounted=() if rule.discounted else reported), rows)


def _counted(profile: Profile, rule: LedgerRule, rows: Iterable[Counted]) -> Percentage:
    made = tuple(_row(profile, rule, one) for one in rows)
    attended = sum((one.attended for one in made), Fraction(0))
    counted = sum((one.counted for one in made), Fraction(0))
    return Percentage(
        ledger=rule.ledger,
        attended=attended,
        counted=counted,
        fraction=attended / counted if counted else None,
        rows=made,
        threshold=rule.threshold,
        rule=f"{profile.name}.percentage.{rule.ledger}",
    )


#: effect -> part of the weight above the line, below it
PARTS: Mapping[str, tuple[Fraction, Fraction]] = {
    ATTENDED: (Fraction(1), Fraction(1)),
    HALF: (Fraction(1, 2), Fraction(1)),
    DID_NOT: (Fraction(0), Fraction(1)),
    NOT_REQUIRED: (Fraction(0), Fraction(0)),
}


def _row(profile: Profile, rule: LedgerRule, one: Counted) -> Row:
    effect, why = _effect(profile, rule, one)
    above, below = PARTS[effect]
    return Row(
        key=one.key, code=one.code, effect=effect, attended=above * one.weight, counted=below * one.weight, why=why
    )


def _effect(profile: Profile, rule: LedgerRule, one: Counted) -> tuple[str, str]:
    ledger = rule.ledger
    if one.cancelled and one.code != profile.cancels_to:
        return NOT_REQUIRED, f"{one.code or 'not marked'}: the class was cancelled, does not count"
    if one.code is None:
        return NOT_REQUIRED, "not marked: does not count yet"
    if not verification.counts(profile, verified=one.verified):
        return NOT_REQUIRED, f"{one.code}, not verified: does not count yet (STEP-18)"
    about = profile.codes.get(one.code)
    if about is None or ledger not in about.effects:
        return NOT_REQUIRED, f"{one.code}: not a mark of the {ledger} ledger"
    said = f"{one.code}, {about.meaning}"
    if ledger == BURSARY and one.granted:
        return ATTENDED, f"{said}: granted without a change of the mark (LOUGH-35)"
    if one.code in rule.discounted:
        return NOT_REQUIRED, f"{said}: discounted, leaves the denominator"
    if one.corrected and not rule.corrected_counts:
        return DID_NOT, f"{said}: corrected after the fortnight, does not count here (DDU-10)"
    effect = about.effects[ledger]
    if effect == LEAVE:
        return (
            (NOT_REQUIRED, f"{said}: leaves the denominator")
            if rule.leave_leaves
            else (DID_NOT, f"{said}: counts against")
        )
    if effect == NOT_REQUIRED:
        if rule.not_required_leaves:
            return NOT_REQUIRED, f"{said}: not required, leaves the denominator"
        return DID_NOT, f"{said}: no attendance, counts against"
    return effect, f"{said}: {_EFFECT_WORDS[effect]}"


_EFFECT_WORDS = {ATTENDED: "attended", HALF: "counts half", DID_NOT: "did not attend, counts against"}


def _plain(value: Fraction) -> str:
    """`17`, `17.5`, `17.25`: weights are quarters of a day."""
    return f"{float(value):g}"
