"""What may be misuse of cards, for a person to judge: the machine decides nothing by it, and no mark changes (PORT-9). Pure.

One case for a cause: whose card it is and on which day, or which two persons. A case says what it rests on, tap by tap.
How sure both times are counts for the card's owner, so that an unsure clock accuses nobody. Friends who come together
are no pair as soon as one tap of either's was on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from server.policy.misuse_rule import MisuseRule
from server.policy.moments import day_of
from server.policy.profile import Profiles

TWO_DOORS, PAIR, LOST, ELSEWHERE = KINDS = ("two-doors", "pair", "lost-card", "elsewhere")
WORDS = {
    TWO_DOORS: "The same person's cards at two doors too far apart for the time",
    PAIR: "Two cards always within seconds of each other, of which one is otherwise never seen",
    LOST: "A card was used after it was reported lost, or stopped",
    ELSEWHERE: "A card at a door while its owner checked in elsewhere",
}
#: whose rule holds where an institution's profile says nothing of misuse: the one source that speaks of it
SOURCE = "port"
#: whoever taps again at the same reader within this time is there once
ONCE_MS = 120_000
DAY_MS = 24 * 3_600_000


@dataclass(frozen=True, kw_only=True)
class Tap:
    """A card at a reader, as the store reads it. record: its journal record, wherever it is seen again."""

    record: int
    person_id: int
    reader_id: int
    site_id: int
    #: None: the reader stands in no room
    room_id: int | None
    at_ms: int
    #: how wrong at_ms may be, either way
    unsure_ms: int
    #: a check-in in the residence, and no tap at a door
    check_in: bool = False


@dataclass(frozen=True, kw_only=True)
class Case:
    """Something for a person to judge. subject: the cause, the same each time it is seen."""

    kind: str
    subject: str
    person_id: int
    #: of a pair: the other one, and how often that one was at a door without them in that time
    other_person_id: int | None = None
    apart: int | None = None
    #: how often: pairs of taps, taps, or occasions
    count: int
    #: what it rests on, in order of time
    taps: tuple[Tap, ...]
    #: closed by a person, it is open again when it rests on so many new taps of theirs
    again: int = 1

    @property
    def at_ms(self) -> int:
        """The first of it."""
        return self.taps[0].at_ms

    @property
    def last_ms(self) -> int:
        """The last of it."""
        return self.taps[-1].at_ms


def rule_of(profiles: Profiles, name: str, at_ms: int) -> MisuseRule:
    """What this profile says of misuse at that time; where it says nothing, what the source of PORT-9 says."""
    found = profiles.at(name, at_ms).misuse if name in profiles else None
    found = found or profiles.at(SOURCE, at_ms).misuse
    assert found is not None, "the shipped profile has its table"
    return found


def looked_from(rule: MisuseRule, now_ms: int) -> int:
    """From when on taps are looked at for who always comes in twos. ms, UTC."""
    return now_ms - rule.pair_in_days * DAY_MS


def _order(tap: Tap) -> tuple[int, int]:
    return tap.at_ms, tap.record


def too_far(rule: MisuseRule, one: Tap, other: Tap) -> bool:
    """Whether nobody can have been at both, however wrong the two clocks are within what they say."""
    apart_ms = abs(other.at_ms - one.at_ms) + one.unsure_ms + other.unsure_ms
    if one.site_id != other.site_id:
        return apart_ms <= rule.far_within_min * 60_000
    if one.reader_id == other.reader_id or (one.room_id is not None and one.room_id == other.room_id):
        return False
    return apart_ms <= rule.same_within_s * 1000


def two_places(rule_at: Callable[[int], MisuseRule], taps: Iterable[Tap], zone: ZoneInfo) -> list[Case]:
    """Cases of two doors, and of a door and a kiosk of the residence, in everybody's taps; one for a person and a day.
    rule_at: what holds at a time.

    A check-in and a tap on two sites are flagged to the residence's staff (policy/oddities.py), and not twice.
    """
    mine: dict[int, list[Tap]] = {}
    for tap in taps:
        mine.setdefault(tap.person_id, []).append(tap)
    found: dict[tuple[str, int, date], tuple[set[Tap], int]] = {}
    for person_id, theirs in mine.items():
        theirs.sort(key=_order)
        for n, one in enumerate(theirs):
            rule = rule_at(one.at_ms)
            most_ms = max(rule.far_within_min * 60_000, rule.same_within_s * 1000)
            for other in theirs[n + 1 :]:
                if other.at_ms - one.at_ms > most_ms:
                    break
                kind = TWO_DOORS if not one.check_in and not other.check_in else ELSEWHERE
                told = kind == ELSEWHERE and ((one.check_in and other.check_in) or one.site_id != other.site_id)
                if not told and too_far(rule, one, other):
                    key = kind, person_id, day_of(one.at_ms, zone)
                    rests_on, times = found.get(key, (set(), 0))
                    found[key] = rests_on | {one, other}, times + 1
    return [
        Case(
            kind=kind,
            subject=_of_day(person_id, day),
            person_id=person_id,
            count=times,
            taps=tuple(sorted(rests_on, key=_order)),
        )
        for (kind, person_id, day), (rests_on, times) in sorted(found.items())
    ]


def lost(taps: Iterable[tuple[Tap, int]], zone: ZoneInfo) -> list[Case]:
    """Cases of cards used after they were reported lost: (tap, when that was reported). A tap that may have been before is
    none. person_id of a tap: who had the card."""
    found: dict[tuple[int, date], set[Tap]] = {}
    for tap, lost_ms in taps:
        if tap.at_ms - tap.unsure_ms >= lost_ms:
            found.setdefault((tap.person_id, day_of(tap.at_ms, zone)), set()).add(tap)
    return [
        Case(
            kind=LOST,
            subject=_of_day(person_id, day),
            person_id=person_id,
            count=len(rests_on),
            taps=tuple(sorted(rests_on, key=_order)),
        )
        for (person_id, day), rests_on in sorted(found.items())
    ]


def _of_day(person_id: int, day: date) -> str:
    return f"person:{person_id}:{day.isoformat()}"


def occasions(taps: Iterable[Tap]) -> list[list[Tap]]:
    """One person's taps, those at one reader within two minutes together: they are there once."""
    at_reader: dict[int, list[list[Tap]]] = {}
    for tap in sorted(taps, key=_order):
        mine = at_reader.setdefault(tap.reader_id, [])
        if mine and tap.at_ms - mine[-1][-1].at_ms <= ONCE_MS:
            mine[-1].append(tap)
        else:
            mine.append([tap])
    return sorted((one for each in at_reader.values() for one in each), key=lambda one: _order(one[0]))


def is_regular(rule: MisuseRule, taps: Sequence[Tap], zone: ZoneInfo) -> bool:
    """Whether somebody was at doors often enough to say with whom they come."""
    mine = occasions(taps)
    return len(mine) >= rule.pair_times and len({day_of(one[0].at_ms, zone) for one in mine}) >= rule.pair_on_days


def beside(rule: MisuseRule, one: Tap, other: Tap) -> bool:
    """Whether these two taps, of two persons, are within seconds of each other at one reader."""
    return one.reader_id == other.reader_id and abs(one.at_ms - other.at_ms) <= rule.pair_within_s * 1000


def pair(rule: MisuseRule, person: Sequence[Tap], other: Sequence[Tap], zone: ZoneInfo) -> Case | None:
    """The case that this person is never at a door but with that other one beside them. person, other: all that each of
    them has tapped at doors in the time that is looked at.

    The same whichever of the two is asked about first, where neither is ever seen alone.
    """
    if not is_regular(rule, person, zone):
        return None
    mine, rests_on = occasions(person), set[Tap]()
    for occasion in mine:
        near = {each for each in other if any(beside(rule, tap, each) for tap in occasion)}
        if not near:
            return None
        rests_on |= near | set(occasion)
    theirs = occasions(other)
    apart = sum(1 for occasion in theirs if not rests_on & set(occasion))
    first, second = person[0].person_id, other[0].person_id
    if apart == 0 and second < first:
        first, second = second, first
    return Case(
        kind=PAIR,
        subject=f"pair:{min(first, second)}:{max(first, second)}",
        person_id=first,
        other_person_id=second,
        apart=apart,
        count=len(mine),
        taps=tuple(sorted(rests_on, key=_order)),
        again=rule.pair_times,
    )


def together(found: Iterable[Case]) -> list[Case]:
    """The same, those of one cause once."""
    causes = {(one.kind, one.subject): one for one in found}
    return [causes[key] for key in sorted(causes)]
