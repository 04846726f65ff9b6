"""What residents did at a kiosk that does not count: for whoever decides what they are, and for themselves (DDU-12, 13).

It is shown where no check-in counts for the evening: somebody who came two minutes early, or to another house, is not
*missing* without a word of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, select

from server.policy import evenings
from server.store import cards, check_ins, chunks, residence_reach, withheld
from server.store.residence_rules import Calendar
from server.store.schema_residence import check_in, check_in_reading, house, kiosk_event

#: kiosk events by which somebody tried to check in and did not come to: an owner's card that the list did not name,
#: a finger or a PIN that was not theirs
UNKNOWN_THERE, FINGER_REFUSED, PIN_REFUSED = TRIED = ("card-unknown", "finger-refused", "pin-refused")
#: without a list nobody can be judged: then it is the evening that is not known (residence_kiosks.py)
NO_LIST = "no-list"


@dataclass(frozen=True, kw_only=True)
class Uncounted:
    """Something that somebody did at a kiosk, and why it does not count. Times in UTC epoch milliseconds."""

    #: the first and the last time that it was so; how often
    at_ms: int
    last_ms: int
    many: int
    #: why a check-in does not count (server/policy/evenings.py), or an event of TRIED
    why: str
    #: finger, pin, witness; None: it did not come to a check-in
    method: str | None
    #: the house whose kiosk that was, where it is not the one in which they live
    house: str
    #: who stood by
    by: str


def of(
    connection: Connection, calendar: Calendar, people: Iterable[int], first: date, last: date
) -> dict[tuple[int, str], tuple[Uncounted, ...]]:
    """(person id, ISO date) -> what they did for these evenings that does not count, in order of time."""
    wanted = sorted(set(people))
    homes = check_ins.homes_of(connection, wanted)
    came = _checked_in(connection, wanted, first, last)
    # A card that the list does not name is asked for a witness: where one stood by, it is said of the check-in.
    told = {(row["person"], row["day"], row["reader"]) for row in came}
    tried = _tried(connection, calendar, wanted, first, last)
    rows = came + [
        row for row in tried if row["why"] != UNKNOWN_THERE or (row["person"], row["day"], row["reader"]) not in told
    ]
    here = check_ins.houses_of_kiosks(connection, {row["reader"] for row in rows})
    names = _named(connection, here)
    found: dict[tuple[Any, ...], list[int]] = {}
    for row in sorted(rows, key=lambda row: (row["at_ms"], row["id"])):
        at = cards.owner_at(here.get(row["reader"], ()), row["at_ms"])
        away = at is not None and at != cards.owner_at(homes.get(row["person"], ()), row["at_ms"])
        key = row["person"], row["day"], row["why"], row["method"], names.get(at, "") if away else "", row["by"]
        found.setdefault(key, []).append(row["at_ms"])
    said: dict[tuple[int, str], tuple[Uncounted, ...]] = {}
    for (person_id, day, why, method, where, by), times in found.items():
        one = Uncounted(at_ms=times[0], last_ms=times[-1], many=len(times), why=why, method=method, house=where, by=by)
        said[person_id, day] = (*said.get((person_id, day), ()), one)
    return said


def _checked_in(connection: Connection, people: list[int], first: date, last: date) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for ids in chunks.of(people):
        query = (
            select(check_in_reading, check_in.c.method)
            .join(check_in, check_in.c.id == check_in_reading.c.check_in_id)
            .where(
                check_in_reading.c.person_id.in_(ids),
                check_in_reading.c.evening >= first.isoformat(),
                check_in_reading.c.evening <= last.isoformat(),
                ~check_in_reading.c.counts,
                check_in_reading.c.why.not_in(("", evenings.REPEAT)),
                check_in_reading.c.at_ms.is_not(None),
            )
        )
        rows = connection.execute(query).all()
        named = residence_reach.named(connection, {row.witness_person_id for row in rows if row.witness_person_id})
        found += [
            {
                "id": row.check_in_id,
                "person": row.person_id,
                "day": row.evening,
                "at_ms": row.at_ms,
                "why": row.why,
                "method": row.method,
                "reader": row.reader_id,
                "by": named.get(row.witness_person_id, ""),
            }
            for row in rows
        ]
    return found


def _tried(
    connection: Connection, calendar: Calendar, people: list[int], first: date, last: date
) -> list[dict[str, Any]]:
    """What they tried, of the evening to which it is nearest; without a time nothing is said of it."""
    from_ms, to_ms = calendar.near(first, last)
    found: list[dict[str, Any]] = []
    for ids in chunks.of(people):
        query = select(kiosk_event).where(
            kiosk_event.c.person_id.in_(ids),
            kiosk_event.c.event.in_(TRIED),
            withheld.event_is_believed(),
            kiosk_event.c.at_ms >= from_ms,
            kiosk_event.c.at_ms < to_ms,
        )
        for row in connection.execute(query):
            day = evenings.around(calendar.at(row.at_ms).rule, row.at_ms, calendar.zone).day
            if not first <= day <= last or row.detail == NO_LIST:
                continue
            found.append(
                {
                    "id": row.id,
                    "person": row.person_id,
                    "day": day.isoformat(),
                    "at_ms": row.at_ms,
                    "why": row.event,
                    "method": None,
                    "reader": row.reader_id,
                    "by": "",
                }
            )
    return found


def _named(connection: Connection, spans: dict[int, check_ins.Spans]) -> dict[int | None, str]:
    """house id -> name of every house where these kiosks stood."""
    ids = sorted({house_id for some in spans.values() for _, _, house_id in some})
    return {row.id: row.name for row in connection.execute(select(house.c.id, house.c.name).where(house.c.id.in_(ids)))}
