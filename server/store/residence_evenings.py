"""Every resident's state on every evening, from what the store holds: what the board, reports and the 75 % stand on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from server.policy import evenings
from server.policy.profile import Profiles
from server.store import notes, residence_reach
from server.store.residence_rules import Calendar
from server.store.schema import account, note, reader, reader_state
from server.store.schema_residence import (
    check_in,
    check_in_reading,
    evening_act,
    kiosk,
    residence_leave,
    residency,
)

ENTRY, EXCUSE, CALL, NOTE = KINDS = ("entry", "excuse", "call", "note")
APPROVED = "approved"
#: a check-in without a time yet may be of any evening of the week before it came
UNPLACED_MS = 7 * 24 * 3_600_000


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
class KioskKnown:
    """A kiosk of a house, and up to when it has told everything."""

    reader_id: int
    name: str
    known_until_ms: int | None
    seen_ms: int | None
    clock: str | None
    able: str | None


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


def kiosks(connection: Connection, house_id: int, from_ms: int, to_ms: int) -> list[Any]:
    """Rows of the placements of kiosks in a house that overlap [from, to), with what is known of each."""
    query = (
        select(
            kiosk.c.reader_id,
            reader.c.name,
            kiosk.c.from_ms,
            kiosk.c.to_ms,
            reader_state.c.known_until_ms,
            reader_state.c.seen_ms,
            reader_state.c.clock,
            reader_state.c.able,
        )
        .join(reader, reader.c.id == kiosk.c.reader_id)
        .outerjoin(reader_state, reader_state.c.reader_id == kiosk.c.reader_id)
        .where(
            kiosk.c.house_id == house_id,
            kiosk.c.from_ms < to_ms,
            or_(kiosk.c.to_ms.is_(None), and_(kiosk.c.to_ms > from_ms, kiosk.c.to_ms > kiosk.c.from_ms)),
        )
        .order_by(reader.c.name, kiosk.c.id)
    )
    return list(connection.execute(query))


def known_up_to(rows: Iterable[Any], opens_ms: int, closes_ms: int) -> int | None:
    """Up to when everything is known of an evening at these kiosks (rows of `kiosks`); None: nothing is.

    One that stood there for a part of it need only be known to that part's end.
    """
    found: list[int | None] = []
    for row in rows:
        if row.from_ms >= closes_ms or (row.to_ms is not None and row.to_ms <= opens_ms):
            continue
        until_ms = row.known_until_ms
        if until_ms is not None and row.to_ms is not None and until_ms >= row.to_ms:
            until_ms = max(until_ms, closes_ms)
        found.append(until_ms)
    whole = [one for one in found if one is not None]
    return min(whole) if found and len(whole) == len(found) else None


def not_past(known_ms: int | None, waits_ms: int | None) -> int | None:
    """Up to when is known what was told and judged: no further than the first check-in that is still to be judged."""
    return known_ms if known_ms is None or waits_ms is None else min(known_ms, waits_ms)


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
    lost = _unplaced(connection, people, begins_ms)
    houses = sorted({row.house_id for row in living})
    at_house = {one: kiosks(connection, one, begins_ms, ends_ms) for one in houses}
    waits = {one: waiting(connection, one) for one in houses}
    found = []
    for evening in wanted:
        known = {
            one: not_past(known_up_to(rows, evening.opens_ms, evening.closes_ms), waits[one])
            for one, rows in at_house.items()
        }
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
            state = evenings.state(
                method=seen.method if seen else None,
                entry=entry is not None,
                leave=any(one <= evening.day <= until for one, until in away.get(row.person_id, ())),
                excused=excuse is not None,
                unplaced=any(
                    evening.opens_ms <= received_ms < evening.closes_ms + UNPLACED_MS
                    for received_ms in lost.get(row.person_id, ())
                ),
                closes_ms=evening.closes_ms,
                known_up_to_ms=known[row.house_id],
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
                )
            )
    return found


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


def _unplaced(connection: Connection, people: list[int], begins_ms: int) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for ids in _parts(people):
        query = (
            select(check_in_reading.c.person_id, check_in.c.received_ms)
            .join(check_in, check_in.c.id == check_in_reading.c.check_in_id)
            .where(
                check_in_reading.c.person_id.in_(ids),
                check_in_reading.c.at_ms.is_(None),
                check_in.c.received_ms >= begins_ms,
            )
        )
        for row in connection.execute(query):
            found.setdefault(row.person_id, []).append(row.received_ms)
    return found


def waiting(connection: Connection, house_id: int) -> int | None:
    """When the earliest check-in was that has arrived at a house's kiosks and is not judged yet; None: none waits."""
    query = (
        select(func.min(func.coalesce(check_in_reading.c.at_ms, check_in.c.received_ms)))
        .join(check_in, check_in.c.id == check_in_reading.c.check_in_id)
        .join(kiosk, kiosk.c.reader_id == check_in_reading.c.reader_id)
        .where(check_in_reading.c.due, kiosk.c.house_id == house_id)
    )
    return connection.execute(query).scalar()


def _parts(people: list[int]) -> Iterable[list[int]]:
    for start in range(0, len(people), 500):
        yield people[start : start + 500]
