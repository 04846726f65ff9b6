"""Every resident's state on every evening, from what the store holds: what the board, reports and the 75 % stand on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

from sqlalchemy import Connection, or_, select

from server.policy import downtime, evenings
from server.policy.evenings import Evening
from server.policy.profile import Profiles
from server.store import notes, residence_kiosks, residence_reach, residence_uncounted, untimed_check_ins
from server.store.residence_kiosks import Doubt, Known
from server.store.residence_rules import Calendar
from server.store.residence_uncounted import Uncounted
from server.store.schema import account, note
from server.store.schema_residence import (
    check_in,
    check_in_reading,
    evening_act,
    residence_leave,
    residency,
)
from server.store.untimed_check_ins import Span

ENTRY, EXCUSE, CALL, NOTE = "entry", "excuse", "call", "note"
#: staff say that a check-in of which it is not known when it was was not of this evening: of those that had come by then
NOT_THEN = "not-then"
KINDS = (ENTRY, EXCUSE, CALL, NOTE, NOT_THEN)
APPROVED = "approved"


@dataclass(frozen=True, kw_only=True)
class Act:
    """What staff did about somebody on an evening."""

    id: int
    kind: str
    reason: str
    text: str
    by: str
    at_ms: int


@dataclass(frozen=True, kw_only=True)
class State:
    """What a resident is on an evening, and by what."""

    person_id: int
    day: date
    house_id: int
    floor: str
    room: str
    state: str
    #: of the check-in that counts
    at_ms: int | None = None
    method: str | None = None
    place: str | None = None
    #: what was odd about it though it counts
    why: str = ""
    #: who stood by, entered or excused
    by: str = ""
    acts: tuple[Act, ...] = field(default=())
    #: what they did at a kiosk, where no check-in counts
    uncounted: tuple[Uncounted, ...] = field(default=())
    #: where it is not known: why
    doubt: Doubt | None = None


def states(
    connection: Connection,
    institution_id: int,
    profiles: Profiles,
    first: date,
    last: date,
    now_ms: int,
    *,
    house_id: int | None = None,
    person_id: int | None = None,
) -> list[State]:
    """The state of everybody who lived in the house (or of the person, wherever) on each evening of these dates, both
    included, in order of date. Somebody lives where they do when the evening closes."""
    calendar = Calendar(connection, institution_id, profiles)
    days = [calendar.of_day(first + timedelta(days=n)) for n in range((last - first).days + 1)]
    wanted = [
        evening
        for n, rules in enumerate(days)
        for evening in evenings.evenings(rules.rule, first + timedelta(days=n), first + timedelta(days=n), rules.zone)
    ]
    if not wanted:
        return []
    begins_ms, ends_ms = wanted[0].opens_ms, wanted[-1].closes_ms
    who = [residency.c.institution_id == institution_id]
    who += [] if house_id is None else [residency.c.house_id == house_id]
    who += [] if person_id is None else [residency.c.person_id == person_id]
    living = connection.execute(
        select(residency)
        .where(
            *who,
            residency.c.from_ms < ends_ms,
            or_(residency.c.to_ms.is_(None), residency.c.to_ms >= begins_ms),
        )
        .order_by(residency.c.from_ms, residency.c.id)
    ).all()
    people = sorted({row.person_id for row in living})
    came = _came(connection, people, first, last)
    acts = acts_of(connection, people, first, last)
    away = _leaves(connection, people, first, last)
    uncounted = residence_uncounted.of(connection, calendar, people, first, last)
    untimed = untimed_check_ins.of(connection, people, begins_ms, ends_ms)
    elsewhen = _elsewhen(connection, people, begins_ms, ends_ms)
    noted = residence_kiosks.noted(connection, people, begins_ms, ends_ms)
    nowhere = residence_kiosks.nowhere(connection, noted, begins_ms, ends_ms)
    houses = sorted({row.house_id for row in living})
    at_house = {one: residence_kiosks.placed(connection, one, begins_ms, ends_ms) for one in houses}
    waits = {one: residence_kiosks.waiting(connection, one) for one in houses}
    rules_of = {first + timedelta(days=n): rules.rule for n, rules in enumerate(days)}
    found = []
    for evening in wanted:
        known: dict[int, Known] = {}
        here = {
            row.person_id: row
            for row in living
            if row.from_ms < evening.closes_ms and (row.to_ms is None or row.to_ms >= evening.closes_ms)
        }
        day = evening.day.isoformat()
        for row in here.values():
            by_staff = acts.get((row.person_id, day), ())
            seen = came.get((row.person_id, day))
            entry = next((one for one in by_staff if one.kind == ENTRY), None)
            excuse = next((one for one in by_staff if one.kind == EXCUSE), None)
            settled_ms = max((one.at_ms for one in by_staff if one.kind == NOT_THEN), default=None)
            unplaced, astride, held = (
                _within(evening, each.get(row.person_id, ()), settled_ms) for each in (untimed, elsewhen, noted)
            )
            if row.house_id not in known:
                least_ms = rules_of[evening.day].outage_min * 60_000
                at, waits_ms = at_house[row.house_id], waits[row.house_id]
                known[row.house_id] = residence_kiosks.known(connection, at, evening, least_ms, waits_ms, now_ms)
            of_house = known[row.house_id]
            theirs = (downtime.UNPLACED, unplaced) if unplaced else (downtime.ELSEWHEN, astride)
            own = of_house.doubt or Doubt(why=theirs[0], spans=theirs[1])
            # That they were there says more than that the house's kiosks could check nobody in.
            nobodys = nowhere.get(row.person_id, ())
            own = Doubt(why=downtime.NOTED, spans=held, kiosks=nobodys) if held else own
            state = evenings.state(
                method=seen.method if seen else None,
                entry=entry is not None,
                leave=any(one <= evening.day <= until for one, until in away.get(row.person_id, ())),
                excused=excuse is not None,
                unplaced=bool(unplaced or astride or held),
                doubted=of_house.doubt is not None,
                closes_ms=evening.closes_ms,
                known_up_to_ms=of_house.up_to_ms,
                now_ms=now_ms,
            )
            said = {
                evenings.BY_STAFF: entry.by if entry else "",
                evenings.EXCUSED: excuse.by if excuse else "",
                evenings.BY_ALTERNATIVE: seen.by if seen else "",
            }
            found.append(
                State(
                    person_id=row.person_id,
                    day=evening.day,
                    house_id=row.house_id,
                    floor=row.floor,
                    room=row.room,
                    state=state,
                    at_ms=seen.at_ms if seen else entry.at_ms if entry and state == evenings.BY_STAFF else None,
                    method=seen.method if seen else None,
                    place=seen.place if seen else None,
                    why=seen.why if seen else "",
                    by=said.get(state, ""),
                    acts=by_staff,
                    uncounted=uncounted.get((row.person_id, day), ()) if seen is None else (),
                    doubt=None if state != evenings.UNKNOWN else own,
                )
            )
    return found


def _within(evening: Evening, spans: Iterable[Span], settled_ms: int | None) -> tuple[tuple[int, int], ...]:
    """(from, to) of those that touch the evening, and came only after staff had said of what was there that it was not
    this evening's (None: nobody has)."""
    return tuple(
        (one.from_ms, one.to_ms)
        for one in spans
        if one.from_ms < evening.closes_ms
        and one.to_ms >= evening.opens_ms
        and (settled_ms is None or one.received_ms > settled_ms)
    )


@dataclass(frozen=True, kw_only=True)
class _Came:
    at_ms: int
    method: str
    place: str
    why: str
    by: str


def _came(connection: Connection, people: list[int], first: date, last: date) -> dict[tuple[int, str], _Came]:
    found: dict[tuple[int, str], _Came] = {}
    for ids in _parts(people):
        rows = connection.execute(
            select(
                check_in_reading.c.person_id,
                check_in_reading.c.evening,
                check_in_reading.c.at_ms,
                check_in_reading.c.why,
                check_in_reading.c.witness_person_id,
                check_in.c.method,
                check_in.c.place,
            )
            .join(check_in, check_in.c.id == check_in_reading.c.check_in_id)
            .where(
                check_in_reading.c.person_id.in_(ids),
                check_in_reading.c.counts,
                check_in_reading.c.evening >= first.isoformat(),
                check_in_reading.c.evening <= last.isoformat(),
            )
        ).all()
        named = residence_reach.named(connection, {row.witness_person_id for row in rows if row.witness_person_id})
        for row in rows:
            found[row.person_id, row.evening] = _Came(
                at_ms=row.at_ms,
                method=row.method,
                place=row.place,
                why=row.why,
                by=named.get(row.witness_person_id, ""),
            )
    return found


def acts_of(
    connection: Connection, people: list[int], first: date, last: date
) -> dict[tuple[int, str], tuple[Act, ...]]:
    """(person id, ISO date) -> what staff did about them then and have not withdrawn, oldest first."""
    found: dict[tuple[int, str], tuple[Act, ...]] = {}
    for ids in _parts(people):
        query = (
            select(evening_act, account.c.shown_name, notes.shown().label("text"))
            .outerjoin(account, account.c.id == evening_act.c.by_account_id)
            .outerjoin(note, note.c.id == evening_act.c.note_id)
            .where(
                evening_act.c.person_id.in_(ids),
                evening_act.c.evening >= first.isoformat(),
                evening_act.c.evening <= last.isoformat(),
                evening_act.c.withdrawn_ms.is_(None),
            )
            .order_by(evening_act.c.id)
        )
        for row in connection.execute(query):
            made = Act(
                id=row.id,
                kind=row.kind,
                reason=row.reason,
                text=row.text or "",
                by=row.shown_name or "",
                at_ms=row.at_ms,
            )
            key = (row.person_id, row.evening)
            found[key] = (*found.get(key, ()), made)
    return found


def _leaves(connection: Connection, people: list[int], first: date, last: date) -> dict[int, list[tuple[date, date]]]:
    found: dict[int, list[tuple[date, date]]] = {}
    for ids in _parts(people):
        query = select(residence_leave).where(
            residence_leave.c.person_id.in_(ids),
            residence_leave.c.state == APPROVED,
            residence_leave.c.first <= last.isoformat(),
            residence_leave.c.last >= first.isoformat(),
        )
        for row in connection.execute(query):
            spans = found.setdefault(row.person_id, [])
            spans.append((date.fromisoformat(row.first), date.fromisoformat(row.last)))
    return found


def _elsewhen(connection: Connection, people: list[int], begins_ms: int, ends_ms: int) -> dict[int, list[Span]]:
    """person id -> when their unsure check-ins may have been, of those that count, or would were they not the second of
    their evening. One counts for the nearest evening only; of another that it may be of it is no silence."""
    found: dict[int, list[Span]] = {}
    at_ms, unsure = check_in_reading.c.at_ms, check_in_reading.c.uncertainty_ms
    joined = select(
        check_in_reading.c.person_id,
        (at_ms - unsure).label("first_ms"),
        (at_ms + unsure).label("last_ms"),
        check_in.c.received_ms,
    ).join(check_in, check_in.c.id == check_in_reading.c.check_in_id)
    for ids in _parts(people):
        query = joined.where(
            check_in_reading.c.person_id.in_(ids),
            or_(check_in_reading.c.counts, check_in_reading.c.why == evenings.REPEAT),
            unsure > 0,
            at_ms - unsure < ends_ms,
            at_ms + unsure >= begins_ms,
        )
        for row in connection.execute(query):
            found.setdefault(row.person_id, []).append(Span(row.first_ms, row.last_ms, row.received_ms))
    return found


def _parts(people: list[int]) -> Iterable[list[int]]:
    for start in range(0, len(people), 500):
        yield people[start : start + 500]
