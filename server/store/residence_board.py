"""Tonight's board: who is in, who is missing, on leave, excused (DDU-12, 13). Residence staff see their houses only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy import Connection, func, select

from server.policy.profile import Profiles
from server.scope import Scope
from server.store import residence_evenings, residence_kiosks, residence_reach
from server.store.residence_evenings import Act
from server.store.residence_kiosks import Doubt, KioskKnown
from server.store.residence_rules import Calendar
from server.store.residence_uncounted import Uncounted
from server.store.schema import person, person_name
from server.store.schema_residence import house

READ = "residence.read"


@dataclass(frozen=True, kw_only=True)
class House:
    """A house of the residence."""

    id: int
    code: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """A resident, and what they are on this evening: a state of server/policy/evenings.py."""

    person_id: int
    #: '' where it was erased
    name: str
    number: str
    room: str
    floor: str
    state: str
    #: when they checked in, or were entered
    at_ms: int | None
    #: finger, pin, witness; None: no check-in counts
    method: str | None
    #: in, out, fixed, none
    place: str | None
    #: what was odd about the check-in though it counts: outside, no-fix, unsure, witness-only
    why: str
    #: who stood by, entered or excused
    by: str
    #: the newest thing that staff wrote about them for this evening
    note: str
    #: all that staff did about them, oldest first
    acts: tuple[Act, ...]
    #: what they did at a kiosk, where no check-in counts
    uncounted: tuple[Uncounted, ...]
    #: where it is not known: why
    doubt: Doubt | None


@dataclass(frozen=True, kw_only=True)
class Board:
    """A house on an evening. known_up_to_ms: *missing* holds only up to there; None: nothing is known."""

    house: House
    date: date
    opens_ms: int
    closes_ms: int
    known_up_to_ms: int | None
    #: what else keeps *missing* from being said
    doubt: Doubt | None
    kiosks: tuple[KioskKnown, ...]
    people: tuple[Row, ...]

    def of(self, *states: str) -> tuple[Row, ...]:
        """Those who are one of these."""
        return tuple(one for one in self.people if one.state in states)


def houses(connection: Connection, scope: Scope, act: str = READ, *, ended: bool = False) -> list[House]:
    """The houses that this scope reaches and that have not ended, by code; ended: those that have. Raises NotAllowed."""
    scope.need(act)
    over = house.c.ended_ms.is_not(None) if ended else house.c.ended_ms.is_(None)
    query = select(house).where(residence_reach.visible(scope, act), over)
    return [House(id=row.id, code=row.code, name=row.name) for row in connection.execute(query.order_by(house.c.code))]


def tonight(connection: Connection, scope: Scope, profiles: Profiles, now_ms: int) -> date:
    """The date of the evening that is on, or is the next one."""
    return Calendar(connection, scope.institution_id, profiles).at(now_ms).tonight(now_ms)


def board(connection: Connection, scope: Scope, profiles: Profiles, house_id: int, day: date, now_ms: int) -> Board:
    """The house on that evening, by floor, room and name. Raises NotAllowed, NotFound(`house`)."""
    scope.need(READ)
    residence_reach.need_house(connection, scope, house_id, READ)
    row = connection.execute(select(house).where(house.c.id == house_id)).one()
    rules = Calendar(connection, scope.institution_id, profiles).of_day(day)
    evening = rules.evening(day)
    placed = residence_kiosks.placed(connection, house_id, evening.opens_ms, evening.closes_ms)
    waits_ms = residence_kiosks.waiting(connection, house_id)
    least_ms = rules.rule.outage_min * 60_000
    known = residence_kiosks.known(connection, placed, evening, least_ms, waits_ms, now_ms)
    found = residence_evenings.states(connection, scope.institution_id, profiles, day, day, now_ms, house_id=house_id)
    named = people(connection, [one.person_id for one in found])
    rows = []
    for one in found:
        name, sort, number = named.get(one.person_id, ("", "", ""))
        made = Row(
            person_id=one.person_id,
            name=name,
            number=number or "",
            room=one.room,
            floor=one.floor,
            state=one.state,
            at_ms=one.at_ms,
            method=one.method,
            place=one.place,
            why=one.why,
            by=one.by,
            note=next((act.text for act in reversed(one.acts) if act.text), ""),
            acts=one.acts,
            uncounted=one.uncounted,
            doubt=one.doubt,
        )
        rows.append(((one.floor, one.room, sort, one.person_id), made))
    return Board(
        house=House(id=row.id, code=row.code, name=row.name),
        date=day,
        opens_ms=evening.opens_ms,
        closes_ms=evening.closes_ms,
        known_up_to_ms=known.up_to_ms,
        doubt=known.doubt,
        kiosks=residence_kiosks.shown(placed),
        people=tuple(one for _, one in sorted(rows, key=lambda pair: pair[0])),
    )


def roll_call(connection: Connection, scope: Scope, profiles: Profiles, house_id: int, now_ms: int) -> Board:
    """Everybody who may be in the house now, by the last evening that has opened: whoever sleeps there is in by that one
    at night too; and whoever lives there since. Raises NotAllowed, NotFound(`house`)."""
    rules = Calendar(connection, scope.institution_id, profiles).at(now_ms)
    found = board(connection, scope, profiles, house_id, rules.begun(now_ms), now_ms)
    if found.date == rules.tonight(now_ms):
        return found
    coming = board(connection, scope, profiles, house_id, rules.tonight(now_ms), now_ms)
    there = {one.person_id for one in found.people}
    since = [
        one
        for one in coming.people
        if one.person_id not in there and residence_reach.house_of(connection, one.person_id, now_ms) == house_id
    ]
    return replace(found, people=(*found.people, *since))


def people(connection: Connection, ids: list[int]) -> dict[int, tuple[str, str, str]]:
    """person id -> full name, sort name, number; '' for what there is not."""
    found: dict[int, tuple[str, str, str]] = {}
    for start in range(0, len(ids), 500):
        query = (
            select(
                person.c.id,
                func.coalesce(person_name.c.full_name, "").label("full_name"),
                func.coalesce(person_name.c.sort_name, "").label("sort_name"),
                func.coalesce(residence_reach.number(), "").label("number"),
            )
            .outerjoin(person_name, person_name.c.person_id == person.c.id)
            .where(person.c.id.in_(ids[start : start + 500]))
        )
        found |= {row.id: (row.full_name, row.sort_name, row.number) for row in connection.execute(query)}
    return found
