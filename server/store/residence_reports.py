"""Reports of the residence: a month by resident, and how much of their evenings somebody availed of it (DDU-14)."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from server.policy import evenings
from server.policy.percentages import Percentage
from server.policy.profile import Profiles
from server.scope import Scope
from server.store import residence_board, residence_evenings, residence_reach
from server.store.residence_evenings import State
from server.store.residence_kiosks import Doubt
from server.store.residence_rules import Calendar
from server.store.residence_uncounted import Uncounted


@dataclass(frozen=True, kw_only=True)
class MonthRow:
    """A resident's month."""

    person_id: int
    name: str
    number: str
    room: str
    floor: str
    #: date -> state, of the evenings on which they lived there
    states: dict[date, str]
    #: date -> why it is not known
    doubts: dict[date, Doubt]
    #: date -> what they did at a kiosk that does not count, where no check-in does
    uncounted: dict[date, tuple[Uncounted, ...]]
    percentage: Percentage

    def count(self, *wanted: str) -> int:
        """On how many evenings they were one of these."""
        return sum(one in wanted for one in self.states.values())


def month(
    connection: Connection, scope: Scope, profiles: Profiles, house_id: int, year: int, month: int, now_ms: int
) -> list[MonthRow]:
    """Everybody who lived in a house on an evening of this month that has begun, by name; on its first one before any
    has. Raises NotAllowed, NotFound(`house`)."""
    scope.need(residence_board.READ)
    residence_reach.need_house(connection, scope, house_id, residence_board.READ)
    calendar = Calendar(connection, scope.institution_id, profiles)
    first, last = date(year, month, 1), date(year, month, monthrange(year, month)[1])
    # What is to come is neither leave nor not known.
    last = max(first, min(last, calendar.at(now_ms).begun(now_ms)))
    found: dict[int, list[State]] = {}
    for one in residence_evenings.states(
        connection, scope.institution_id, profiles, first, last, now_ms, house_id=house_id
    ):
        found.setdefault(one.person_id, []).append(one)
    named = residence_board.people(connection, list(found))
    rule = calendar.of_day(last).rule
    rows = []
    for person_id, states in found.items():
        name, sort, number = named.get(person_id, ("", "", ""))
        made = MonthRow(
            person_id=person_id,
            name=name,
            number=number or "",
            room=states[-1].room,
            floor=states[-1].floor,
            states={one.day: one.state for one in states},
            doubts={one.day: one.doubt for one in states if one.doubt is not None},
            uncounted={one.day: one.uncounted for one in states if one.uncounted},
            percentage=evenings.availed(rule, [(one.day, one.state) for one in states]),
        )
        rows.append(((sort, person_id), made))
    return [one for _, one in sorted(rows, key=lambda pair: pair[0])]


def history(
    connection: Connection, scope: Scope, profiles: Profiles, person_id: int, first: date, last: date, now_ms: int
) -> list[State]:
    """Somebody's evenings, in order; residents their own, staff those in their houses. Raises NotFound(`resident`)."""
    residence_reach.need_own_or(connection, scope, person_id, residence_board.READ)
    found = residence_evenings.states(
        connection, scope.institution_id, profiles, first, last, now_ms, person_id=person_id
    )
    if residence_reach.is_own(scope, person_id):
        return found
    reach = scope.reach(residence_board.READ)
    return [one for one in found if reach.all or one.house_id in reach.residences]


def percentage(
    connection: Connection, scope: Scope, profiles: Profiles, person_id: int, first: date, last: date, now_ms: int
) -> Percentage:
    """How much of these evenings they availed of the residence, exactly, row by row (DDU-14). The rule is that of the
    last evening. Raises NotFound(`resident`)."""
    states = history(connection, scope, profiles, person_id, first, last, now_ms)
    rule = Calendar(connection, scope.institution_id, profiles).of_day(last).rule
    return evenings.availed(rule, [(one.day, one.state) for one in states])
