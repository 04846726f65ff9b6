"""Looks for what may be misuse of cards (PORT-9): in what came since the last look, and once a day in everybody's weeks.

The day's look finds what another order, a clock or a card's other owner has changed, takes back what no longer holds,
and says who always comes in twos. Nothing here touches a swipe, a credit or a mark.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import time, timedelta

from server.policy import misuse, moments
from server.policy.misuse import Case, Tap
from server.policy.misuse_rule import MisuseRule
from server.policy.profile import Profiles
from server.store import misuse_flags, misuse_taps
from server.store.engine import Connection
from server.store.misuse_flags import Flagged
from server.store.residence_rules import Calendar

#: no local day is longer
WHOLE_MS = 26 * 3_600_000
#: taps, and persons of the day's look, in one step
NEWS, PEOPLE = 5_000, 500
#: a person's last taps that are asked for company before all of them are
TRIED = 3


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What one step has seen. record_id, day, reached: how far was looked then, as `misuse_look` holds it."""

    cases: tuple[Case, ...]
    #: flags of which nothing is left
    gone: tuple[int, ...]
    record_id: int
    day: str
    reached: int | None


class Looking:
    """One step's look at an institution. `step` answers None where there is nothing new."""

    def __init__(self, connection: Connection, profiles: Profiles, institution_id: int, now_ms: int) -> None:
        self._connection, self._institution_id, self._now_ms = connection, institution_id, now_ms
        self._profiles = profiles
        self._calendar = Calendar(connection, institution_id, profiles)

    def _rule(self, at_ms: int) -> MisuseRule:
        return misuse.rule_of(self._profiles, self._calendar.assigned(at_ms), at_ms)

    def step(self) -> Looked | None:
        """The next so many taps, and the next so many persons of the day's look."""
        today = moments.day_of(self._now_ms, self._calendar.zone).isoformat()
        held = misuse_flags.looked(self._connection, self._institution_id)
        if held is None:
            held = (misuse_taps.newest(self._connection), "", None)
        record_id, day, reached = held
        if day != today:
            day, reached = today, 0
        found = misuse_taps.news(self._connection, self._institution_id, record_id, NEWS)
        cases = [case for span in found.spans for case in self._of_news(span)]
        gone: list[int] = []
        if reached is not None:
            people = misuse_taps.people_after(self._connection, self._institution_id, reached, PEOPLE)
            more, gone = self._of_day(people) if people else ([], [])
            cases += more
            reached = people[-1] if len(people) == PEOPLE else None
        now = (found.up_to, day, reached)
        if now == held and not cases and not gone:
            return None
        return Looked(
            cases=tuple(misuse.together(cases)), gone=tuple(gone), record_id=now[0], day=now[1], reached=now[2]
        )

    def _of_news(self, span: misuse_taps.Span) -> list[Case]:
        # Of a day one flag is made: all of its taps are looked at, and not only those beside the new ones.
        return self._places(span.people, span.from_ms - WHOLE_MS, span.to_ms + WHOLE_MS)

    def _places(self, people: Iterable[int], from_ms: int, to_ms: int, taps: list[Tap] | None = None) -> list[Case]:
        """Cases of two places and of lost cards, on the days that are seen whole: a flag speaks of a day."""
        taps = misuse_taps.of_people(self._connection, people, from_ms, to_ms) if taps is None else taps
        lost = misuse_taps.with_lost_cards(self._connection, self._institution_id, people, from_ms, to_ms)
        zone = self._calendar.zone
        found = [*misuse.two_places(self._rule, taps, zone), *misuse.lost(lost, zone)]
        return [one for one in found if self._is_whole(one.at_ms, from_ms, to_ms)]

    def _is_whole(self, at_ms: int, from_ms: int, to_ms: int) -> bool:
        """Whether all of the local day of a moment, as far as it has gone, lies within these."""
        zone = self._calendar.zone
        day = moments.day_of(at_ms, zone)
        begins_ms = moments.instant(day, time.min, zone)
        ends_ms = moments.instant(day + timedelta(days=1), time.min, zone)
        return from_ms <= begins_ms and (ends_ms <= to_ms or self._now_ms <= to_ms)

    def _of_day(self, people: list[int]) -> tuple[list[Case], list[int]]:
        """Everything about these persons in the last weeks; and the flags that no longer hold."""
        rule = self._rule(self._now_ms)
        from_ms = misuse.looked_from(rule, self._now_ms)
        taps = misuse_taps.of_people(self._connection, people, from_ms, self._now_ms)
        cases = self._places(people, from_ms, self._now_ms, taps)
        cases += self._pairs(rule, [tap for tap in taps if not tap.check_in], from_ms)
        said = {(one.kind, one.subject) for one in cases}
        # A day that had begun before is seen in part only: what was flagged of it stays.
        open_ = misuse_flags.open_of(self._connection, self._institution_id, people, from_ms + WHOLE_MS)
        gone = [one.id for one in open_ if (one.kind, one.subject) not in said and not self._holds(one)]
        return cases, gone

    def _holds(self, flag: Flagged) -> bool:
        """Whether a pair's flag that is not seen again still holds for the time that it speaks of: who was warned, and
        comes alone now, came in twos then all the same."""
        if flag.kind != misuse.PAIR or flag.other_person_id is None:
            return False
        both = (flag.person_id, flag.other_person_id)
        # As far as the last tap of either, beside which the other one's may lie.
        taps = misuse_taps.of_people(self._connection, both, flag.at_ms, flag.last_ms, check_ins=False)
        one, other = ([tap for tap in taps if tap.person_id == whose] for whose in both)
        zone, rule = self._calendar.zone, self._rule(flag.last_ms)
        return bool(one and other) and misuse.pair(rule, one, other, zone) is not None

    def _pairs(self, rule: MisuseRule, taps: list[Tap], from_ms: int) -> list[Case]:
        """Who of these is never seen but beside the same other one. Nearly everybody is told apart by their last taps."""
        zone = self._calendar.zone
        by_person: dict[int, list[Tap]] = {}
        for tap in sorted(taps, key=lambda tap: (tap.at_ms, tap.record)):
            by_person.setdefault(tap.person_id, []).append(tap)
        mine = {one: rows for one, rows in by_person.items() if misuse.is_regular(rule, rows, zone)}
        with_whom: dict[int, set[int]] = {}
        for n in range(TRIED):
            # Whoever taps twice is there once: each of these is the first tap of an occasion.
            tried = {one: misuse.occasions(rows)[-1 - n] for one, rows in mine.items()}
            near = misuse_taps.beside(
                self._connection, (tap.record for each in tried.values() for tap in each), rule.pair_within_s * 1000
            )
            for one, each in tried.items():
                others = set[int]().union(*(near.get(tap.record, set()) for tap in each))
                with_whom[one] = with_whom[one] & others if one in with_whom else others
            mine = {one: rows for one, rows in mine.items() if with_whom[one]}
        found = []
        for one in mine:
            others = misuse_taps.of_people(self._connection, with_whom[one], from_ms, self._now_ms, check_ins=False)
            for other in sorted(with_whom[one]):
                theirs = [tap for tap in others if tap.person_id == other]
                case = misuse.pair(rule, mine[one], theirs, zone)
                found += [] if case is None else [case]
        return found


def look(connection: Connection, profiles: Profiles, institution_id: int, now_ms: int) -> Looked | None:
    """One step's look, which writes nothing; None: there is nothing new."""
    return Looking(connection, profiles, institution_id, now_ms).step()


def keep(connection: Connection, institution_id: int, found: Looked, now_ms: int) -> int:
    """Write what a step has seen. Returns how many flags are new, or open again."""
    raised = misuse_flags.raise_all(connection, institution_id, found.cases, now_ms)
    misuse_flags.lapse(connection, found.gone, now_ms)
    misuse_flags.look_to(connection, institution_id, found.record_id, found.day, found.reached)
    return raised
