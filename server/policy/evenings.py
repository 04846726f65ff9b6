"""The residence's evenings: when they are, which check-in counts, who is missing, and the 75 % (DDU-12 to 14). Pure.

An evening is named by the local date on which it opens. A check-in belongs to the evening in which it lies, and one
outside every evening to the nearest; only the first that counts counts, once a day (DDU-13). A finger, a PIN with a
witness and an entry by staff are equal in status: each makes the evening availed of. The machine flags what looks odd
and decides nothing by it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from server.policy.moments import day_of, instant
from server.policy.percentages import PARTS, Percentage, Row
from server.policy.profile import Profiles
from server.policy.residence_rule import ResidenceRule
from server.policy.sections import ATTENDED, DID_NOT, NOT_REQUIRED

#: whose rule holds where an institution's profile says nothing of a residence: the one source that has one
SOURCE = "ddu"
#: a witness alone, where no PIN is set, it is locked or cannot be judged: the witness is the factor, so it counts as a
#: check-in without a fingerprint does unless the profile says otherwise, and is flagged in any case
FINGER, PIN, WITNESS = METHODS = ("finger", "pin", "witness")
#: where a kiosk says it was: in or out of its registered place, no receiver fitted, no fix
IN, OUT, FIXED, NONE = PLACES = ("in", "out", "fixed", "none")

# why a check-in does not count
UNPLACED, UNKNOWN_CARD, NOT_RESIDENT, OTHER_HOUSE = "unplaced", "unknown-card", "not-resident", "other-house"
NO_WITNESS, ALTERNATIVE, BEFORE, AFTER, REPEAT = "no-witness", "alternative", "before", "after", "repeat"
#: the kiosk was stolen, lost or opened: nothing that came from it since counts (server/policy/revoking.py)
REVOKED = "revoked"
# why it does not, or why it was flagged though it does
OUTSIDE, NO_FIX, WITNESS_ONLY, UNSURE = "outside", "no-fix", "witness-only", "unsure"

#: what somebody is on an evening
CHECKED_IN, BY_ALTERNATIVE, BY_STAFF = "in", "in-alternative", "in-staff"
MISSING, EXPECTED, UNKNOWN, LEAVE, EXCUSED = "missing", "expected", "unknown", "leave", "excused"
#: every state in which the residence was availed of: equal in status
AVAILED = (CHECKED_IN, BY_ALTERNATIVE, BY_STAFF)
STATES = (*AVAILED, MISSING, EXPECTED, UNKNOWN, LEAVE, EXCUSED)

WORDS = {
    CHECKED_IN: "checked in by finger: counts",
    BY_ALTERNATIVE: "checked in by card and witness: counts as by finger",
    BY_STAFF: "entered by staff with a reason: counts as by finger",
    MISSING: "no check-in: counts against",
    EXPECTED: "the evening is not over: does not count yet",
    UNKNOWN: "it is not known who came: does not count yet",
}


def rule_of(profiles: Profiles, name: str, at_ms: int) -> ResidenceRule:
    """What this profile says of the residence at that time; where it says nothing, what the programme's source says."""
    found = profiles.at(source_of(profiles, name, at_ms), at_ms).residence
    assert found is not None, "the shipped profile has its table"
    return found


def source_of(profiles: Profiles, name: str, at_ms: int) -> str:
    """The profile whose word on the residence that is: this one, or the programme's source where it says nothing."""
    return name if name in profiles and profiles.at(name, at_ms).residence is not None else SOURCE


@dataclass(frozen=True, kw_only=True)
class Evening:
    """One evening. closes_ms: the first moment at which a check-in does not count."""

    day: date
    opens_ms: int
    closes_ms: int


def evening(rule: ResidenceRule, day: date, zone: ZoneInfo) -> Evening:
    """The evening of a local date, in UTC epoch milliseconds: on days when the clocks change too."""
    ends = day if rule.closes > rule.opens else day + timedelta(days=1)
    return Evening(day=day, opens_ms=instant(day, rule.opens, zone), closes_ms=instant(ends, rule.closes, zone))


def evenings(rule: ResidenceRule, first: date, last: date, zone: ZoneInfo) -> list[Evening]:
    """Those of these dates, both included. A date that a place's calendar left out has none."""
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    found = [evening(rule, day, zone) for day in days]
    return [one for one in found if day_of(one.opens_ms, zone) == one.day]


def around(rule: ResidenceRule, at_ms: int, zone: ZoneInfo) -> Evening:
    """The evening that a moment lies in, or else the nearest one."""
    day = day_of(at_ms, zone)
    near = evenings(rule, day - timedelta(days=1), day + timedelta(days=1), zone)
    return min(near, key=lambda one: (_apart(one, at_ms), one.opens_ms))


def _apart(one: Evening, at_ms: int) -> int:
    return max(one.opens_ms - at_ms, at_ms - one.closes_ms + 1, 0)


@dataclass(frozen=True, kw_only=True)
class CheckIn:
    """One check-in of one person, as the store reads it."""

    #: the caller's own; of two at the same time the lesser is the first
    key: tuple[int, ...]
    #: None: not placed in time
    at_ms: int | None
    uncertainty_ms: int
    method: str
    place: str
    #: whose card; None: of nobody
    person_id: int | None
    house_id: int | None
    #: where the person lives then; None: in no house
    lives_in: int | None
    #: of the alternative: a card of somebody on duty in the house then stood by
    witnessed: bool = False
    #: all this holds at the very time that it has; else only within the doubt of that time
    surely: bool = True
    #: not so: it came from a kiosk that is believed no more
    believed: bool = True


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a check-in is worth. day: its evening; None: it has no time. why: what keeps it from counting, or is odd."""

    day: date | None
    counts: bool
    why: str = ""


def judge(rule: ResidenceRule, given: Iterable[CheckIn], zone: ZoneInfo) -> dict[tuple[int, ...], Judged]:
    """What each of a person's check-ins is worth: the same in whatever order they came."""
    taken: set[date] = set()
    found: dict[tuple[int, ...], Judged] = {}
    for one in sorted(given, key=lambda one: (one.at_ms is None, one.at_ms or 0, one.key)):
        if one.at_ms is None:
            found[one.key] = Judged(day=None, counts=False, why=UNPLACED)
            continue
        near = around(rule, one.at_ms, zone)
        counts, why = _worth(rule, one, near)
        if counts and near.day in taken:
            counts, why = False, REPEAT
        elif counts:
            taken.add(near.day)
        found[one.key] = Judged(day=near.day, counts=counts, why=why)
    return found


def _worth(rule: ResidenceRule, one: CheckIn, near: Evening) -> tuple[bool, str]:
    assert one.at_ms is not None
    if not one.believed:
        return False, REVOKED
    if one.person_id is None:
        return False, UNKNOWN_CARD
    if one.lives_in is None:
        return False, NOT_RESIDENT
    if one.lives_in != one.house_id:
        return False, OTHER_HOUSE
    # The kinder way: whose clock may have been in the evening was in it, and the doubt is said.
    if one.at_ms + one.uncertainty_ms < near.opens_ms:
        return False, BEFORE
    if one.at_ms - one.uncertainty_ms >= near.closes_ms:
        return False, AFTER
    if one.method != FINGER:
        if not one.witnessed:
            return False, NO_WITNESS
        if not rule.alternative_counts:
            return False, ALTERNATIVE
        if one.method == WITNESS and not rule.witness_alone_counts:
            return False, WITNESS_ONLY
    if one.place == OUT:
        return rule.outside_counts, OUTSIDE
    if one.place == NONE:
        return rule.no_fix_counts, NO_FIX
    if one.method == WITNESS:
        return True, WITNESS_ONLY
    return True, "" if one.surely and near.opens_ms <= one.at_ms < near.closes_ms else UNSURE


def state(
    *,
    method: str | None,
    entry: bool,
    leave: bool,
    excused: bool,
    unplaced: bool,
    doubted: bool,
    closes_ms: int,
    known_up_to_ms: int | None,
    now_ms: int,
) -> str:
    """What a resident is on an evening. method: of the check-in that counts. unplaced: one of theirs has no time yet, or
    may be this evening's. doubted: all kiosks were down for a while, or a check-in may be lost (policy/downtime.py).

    *Missing* is said only when the evening is over, its kiosks have stated everything up to its end, and nobody was
    kept from checking in: an outage is a fact, and never held against a person (DDU-13).
    """
    if method is not None:
        return CHECKED_IN if method == FINGER else BY_ALTERNATIVE
    if entry:
        return BY_STAFF
    if leave:
        return LEAVE
    if excused:
        return EXCUSED
    if now_ms < closes_ms:
        return EXPECTED
    if unplaced or doubted or known_up_to_ms is None or known_up_to_ms < closes_ms:
        return UNKNOWN
    return MISSING


def availed(rule: ResidenceRule, given: Iterable[tuple[date, str]]) -> Percentage:
    """How much of their evenings somebody availed of the residence, exactly, and each evening's part in it (DDU-14).

    given: (date, state) of every evening on which they lived there. The denominator: those evenings, without the ones
    on approved leave (unless they came all the same: then it counts above and below the line) and without those that
    are not over or not known yet. What staff excused stays in it, as the profile says.
    """
    rows = tuple(_row(rule, day, one) for day, one in given)
    attended = sum((one.attended for one in rows), Fraction(0))
    counted = sum((one.counted for one in rows), Fraction(0))
    return Percentage(
        ledger="residence",
        attended=attended,
        counted=counted,
        fraction=attended / counted if counted else None,
        rows=rows,
        threshold=rule.threshold,
        rule="DDU-14",
    )


def _row(rule: ResidenceRule, day: date, one: str) -> Row:
    if one in AVAILED:
        effect, why = ATTENDED, WORDS[one]
    elif one == LEAVE:
        leaves = rule.leave_leaves
        effect = NOT_REQUIRED if leaves else DID_NOT
        why = "on approved leave: " + ("leaves the denominator" if leaves else "counts against")
    elif one == EXCUSED:
        leaves = rule.excused_leaves
        effect = NOT_REQUIRED if leaves else DID_NOT
        why = "excused by staff: " + ("leaves the denominator" if leaves else "nobody looks for them, and it counts")
    else:
        effect, why = DID_NOT if one == MISSING else NOT_REQUIRED, WORDS[one]
    above, below = PARTS[effect]
    return Row(key=day, code=one, effect=effect, attended=above, counted=below, why=why)
