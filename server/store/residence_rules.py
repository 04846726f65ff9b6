"""Which rule and which clock an institution's residence goes by: its profile's, from the day on which that holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from server.errors import StoreError
from server.policy import evenings, moments
from server.policy import profile as profiles_
from server.policy.profile import Profiles
from server.policy.residence_rule import ResidenceRule
from server.store import check_ins, institutions
from server.store.schema import profile_assignment
from server.store.schema_residence import residency


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The rule that holds at a time, and the institution's zone."""

    rule: ResidenceRule
    zone: ZoneInfo

    def evening(self, day: date) -> evenings.Evening:
        """The evening of a date."""
        return evenings.evening(self.rule, day, self.zone)

    def tonight(self, now_ms: int) -> date:
        """The date of the evening that is on, or of the next one: from midnight on it is today's."""
        found = evenings.around(self.rule, now_ms, self.zone)
        return max(found.day, moments.day_of(now_ms, self.zone)) if now_ms >= found.closes_ms else found.day

    def begun(self, now_ms: int) -> date:
        """The date of the last evening that has opened: at night and until the next one opens it is yesterday's."""
        day = self.tonight(now_ms)
        while self.evening(day).opens_ms > now_ms:
            day -= timedelta(days=1)
        return day


class Calendar:
    """An institution's rules for its residence at any time: of the profile that the whole of it is assigned then."""

    def __init__(self, connection: Connection, institution_id: int, profiles: Profiles) -> None:
        self.zone = ZoneInfo(institutions.one(connection, institution_id).time_zone)
        self._profiles = profiles
        query = (
            select(profile_assignment.c.profile, profile_assignment.c.from_ms, profile_assignment.c.to_ms)
            .where(profile_assignment.c.institution_id == institution_id, profile_assignment.c.scope == "institution")
            .order_by(profile_assignment.c.from_ms, profile_assignment.c.id)
        )
        self._assigned = connection.execute(query).all()

    def at(self, at_ms: int) -> Rules:
        """The rules that hold at a time."""
        return Rules(rule=evenings.rule_of(self._profiles, self.assigned(at_ms), at_ms), zone=self.zone)

    def profile(self, at_ms: int) -> str:
        """The profile whose rules these are."""
        return evenings.source_of(self._profiles, self.assigned(at_ms), at_ms)

    def assigned(self, at_ms: int) -> str:
        """The profile that the whole institution is assigned at a time."""
        name = profiles_.DEFAULT
        for one in self._assigned:
            if one.from_ms <= at_ms and (one.to_ms is None or one.to_ms > at_ms):
                name = one.profile
        return name

    def of_day(self, day: date) -> Rules:
        """The rules of an evening: those that hold as it opens, by the rules of its date's noon. So a profile that is given
        in the afternoon holds for that evening, and one that is given while it is on does not."""
        noon = self.at(moments.instant(day, time(12), self.zone))
        return self.at(noon.evening(day).opens_ms)

    def near(self, first: date, last: date) -> tuple[int, int]:
        """A time, epoch ms, that holds everything whose nearest evening may be one of these dates."""
        begins = moments.instant(first - timedelta(days=1), time.min, self.zone)
        return begins, moments.instant(last + timedelta(days=3), time.min, self.zone)


def begun_by(
    connection: Connection, institution_id: int, profiles: Profiles, name: str, from_ms: int, now_ms: int
) -> int:
    """On how many evenings since then that have begun somebody lived in the residence, and what this profile says of it
    held."""
    query = select(
        func.min(residency.c.from_ms), func.count() - func.count(residency.c.to_ms), func.max(residency.c.to_ms)
    )
    lived_ms, staying, left_ms = connection.execute(query.where(residency.c.institution_id == institution_id)).one()
    if lived_ms is None:
        return 0
    calendar = Calendar(connection, institution_id, profiles)
    since_ms, until_ms = max(from_ms, lived_ms), now_ms if staying else min(now_ms, left_ms)
    day, found = moments.day_of(since_ms, calendar.zone), 0
    while (opens_ms := calendar.of_day(day).evening(day).opens_ms) <= until_ms:
        found += opens_ms >= since_ms and calendar.profile(opens_ms) == name
        day += timedelta(days=1)
    return found


def changed(connection: Connection, institution_id: int, from_ms: int, now_ms: int) -> None:
    """Other rules hold from then on: what came for the evening that is on, or for one to come, is judged again. The
    evenings before today's stay as they were judged."""
    zone = ZoneInfo(institutions.one(connection, institution_id).time_zone)
    day = moments.day_of(max(from_ms, now_ms), zone)
    check_ins.due_by_rules(connection, institution_id, moments.instant(day, time.min, zone))


def day_in(text: str) -> date:
    """The date in an ISO text; the calendar's first and last days have no evening. Raises StoreError(`date`)."""
    try:
        found = date.fromisoformat(text)
    except ValueError as error:
        raise StoreError("date", "a date is written 2026-10-12") from error
    if not date.min.year < found.year < date.max.year:
        raise StoreError("date", "a date is written 2026-10-12")
    return found
