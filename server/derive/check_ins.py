"""Says whose each check-in is, which evening it belongs to and whether it counts; and what a kiosk's events bring about.

From facts and rules only, so that it is the same in whatever order they came and how often it is done. Whatever changes
(a clock, a card, where somebody lives, who is on duty) makes check-ins due again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from server.policy import evenings, oddities
from server.policy.profile import Profiles
from server.policy.revoking import Revoked
from server.store import cards, check_ins, residence_flags, residence_pins, residence_templates, withheld
from server.store.engine import Connection
from server.store.residence_rules import Calendar

Spans = Sequence[tuple[int, int | None, int]]  #: (from, to, id)

#: in one step
BATCH = 200
#: a kiosk holds who is on duty so long ahead: a witness counts from then on
DUTY_AHEAD_MS = 12 * 3_600_000
#: how far back cards on other sites are looked for; and for how long what has come is new to staff
FAR_MS = 14 * 24 * 3_600_000


def judge_due(connection: Connection, profiles: Profiles, institution_id: int, now_ms: int) -> int:
    """Judge a batch of what is due in an institution. Returns how many check-ins and events that were."""
    rows = check_ins.due(connection, institution_id, BATCH)
    events = check_ins.events_due(connection, institution_id, BATCH)
    if not rows and not events:
        return 0
    calendar = Calendar(connection, institution_id, profiles)
    tokens = {one for row in rows for one in (*_tokens(row), *_witness(row))}
    tokens |= {one for row in events for one in (*_subject(row), *_by(row))}
    owners = cards.owners(connection, institution_id, tokens)
    at_houses = check_ins.houses_of_kiosks(connection, {row.reader_id for row in (*rows, *events)})
    revoked = withheld.of_readers(connection, {row.reader_id for row in rows})

    def whose(tokens: Iterable[tuple[int, bytes]], when_ms: int) -> int | None:
        found = (cards.owner_at(owners.get(one, ()), when_ms) for one in tokens)
        return next((one for one in found if one is not None), None)

    # (person, date): whose evenings are to be judged anew
    touched: set[tuple[int, date]] = set()
    # (reader, date) and (person, date): for the houses of these it is looked again what is odd.
    kiosk_days: set[tuple[int, date]] = set()
    people: set[int] = set()
    read = []
    for row in rows:
        when_ms = row.received_ms if row.at is None else row.at
        # A token that was taken out since (store/emptying.py) changes nothing: whose it was stays.
        person_id = row.whose if row.token is None else whose(_tokens(row), when_ms)
        house_id = cards.owner_at(at_houses.get(row.reader_id, ()), when_ms)
        day = _evening(calendar, when_ms)
        days = {day} | ({date.fromisoformat(row.day)} if row.day else set())
        people |= {one for one in (row.whose, person_id) if one is not None}
        touched |= {(one, each) for one in (row.whose, person_id) if one is not None for each in days}
        kiosk_days |= {(row.reader_id, each) for each in days}
        witness = row.witness if row.witness_token is None else whose(_witness(row), when_ms)
        read.append({"check_in": row.id, "person": person_id, "witness": witness, "house": house_id})
        if person_id is None or row.at is None:
            judged = evenings.judge(
                calendar.at(when_ms).rule,
                [_one(row, person_id, at_houses.get(row.reader_id, ()), (), (), revoked)],
                calendar.zone,
            )
            _write(connection, [(row, one) for one in judged.values()])
    check_ins.read_again(connection, read)
    _judge_people(connection, calendar, touched)
    told = []
    for row in events:
        when_ms = row.received_ms if row.at_ms is None else row.at_ms
        person_id = row.person_id if row.token is None else whose(_subject(row), when_ms)
        by_id = row.by_person_id if row.by_token is None else whose(_by(row), when_ms)
        told.append({"event_id": row.id, "person": person_id, "by": by_id})
        day = _evening(calendar, when_ms)
        kiosk_days.add((row.reader_id, day))
        if row.event in (residence_pins.REFUSED, residence_pins.LOCKED):
            people |= {one for one in (row.person_id, person_id) if one is not None}
    check_ins.read_events(connection, told)
    for reader_id in sorted({row.reader_id for row in events}):
        residence_templates.settle(connection, institution_id, reader_id)
    locks = {one: residence_pins.count(connection, institution_id, one, now_ms) for one in sorted(people)}
    _look(
        connection, institution_id, calendar, kiosk_days, touched, {one: at for one, at in locks.items() if at}, now_ms
    )
    return len(rows) + len(events)


def odd_elsewhere(connection: Connection, profiles: Profiles, institution_id: int, now_ms: int) -> list[oddities.Odd]:
    """The check-ins of the last weeks whose card was on another site within minutes."""
    found: list[oddities.Odd] = []
    if not check_ins.any_since(connection, institution_id, now_ms - FAR_MS):
        return found
    calendar = Calendar(connection, institution_id, profiles)
    near_ms = calendar.at(now_ms).rule.odd.elsewhere_within_min * 60_000
    far = residence_flags.far_taps(connection, institution_id, now_ms - FAR_MS, near_ms)
    homes = check_ins.homes_of(connection, {row.person_id for row, _ in far})
    for row, taps in far:
        # Where somebody's card was is for the staff of the house in which they live; of whoever lives in none, it is
        # said where they checked in, and not who that was.
        lives_in = _lives(homes.get(row.person_id, ()), row.at_ms)
        seen = oddities.Seen(
            key=row.check_in_id,
            what="check-in",
            at_ms=row.at_ms,
            day=date.fromisoformat(row.evening),
            house_id=row.house_id if lives_in is None else lives_in,
            reader_id=row.reader_id,
            person_id=None if lives_in is None else row.person_id,
        )
        odd = oddities.elsewhere(calendar.at(row.at_ms).rule.odd, seen, row.site, taps)
        found += [] if odd is None else [odd]
    return oddities.together(found)


def look_elsewhere(connection: Connection, profiles: Profiles, institution_id: int, now_ms: int) -> int:
    """Flag them. Returns how many are new."""
    found = odd_elsewhere(connection, profiles, institution_id, now_ms)
    return residence_flags.raise_all(connection, institution_id, found)


def _judge_people(connection: Connection, calendar: Calendar, touched: set[tuple[int, date]]) -> None:
    """Judge every check-in of these persons' evenings: which of several is the first is said of all of them."""
    people = sorted({person_id for person_id, _ in touched})
    homes = check_ins.homes_of(connection, people)
    for person_id, day in sorted(touched):
        rules = calendar.of_day(day)
        rows = check_ins.of_person(connection, person_id, *calendar.near(day, day))
        near = [row for row in rows if evenings.around(rules.rule, row.at, calendar.zone).day == day]
        duties = check_ins.duties_of(connection, {row.witness for row in near if row.witness is not None})
        at_houses = check_ins.houses_of_kiosks(connection, {row.reader_id for row in near})
        revoked = withheld.of_readers(connection, {row.reader_id for row in near})
        lived = homes.get(person_id, ())
        given = [
            _one(row, person_id, at_houses.get(row.reader_id, ()), lived, duties.get(row.witness, ()), revoked)
            for row in near
        ]
        judged = evenings.judge(rules.rule, given, calendar.zone)
        _write(connection, [(row, judged[one.key]) for row, one in zip(near, given, strict=True)])


def _one(
    row: Any,
    person_id: int | None,
    houses: Spans,
    homes: Spans,
    duties: Spans,
    revoked: Mapping[int, Revoked],
) -> evenings.CheckIn:
    """The check-in as it was at its time, or at whatever other moment within the doubt of it speaks for the person."""
    at_ms = row.at
    moments_ms = [row.received_ms] if at_ms is None else _within(at_ms, row.unsure, (houses, homes, duties))
    each = [_at(row, person_id, one, houses, homes, duties) for one in moments_ms]
    held = revoked.get(row.reader_id)
    house_id, lives_in, witnessed = best = max(
        each, key=lambda one: (one[1] is not None and one[0] == one[1], row.method == evenings.FINGER or one[2])
    )
    return evenings.CheckIn(
        key=(row.reader_id, row.seq, row.id),
        at_ms=at_ms,
        uncertainty_ms=row.unsure,
        method=row.method,
        place=row.place,
        person_id=person_id,
        house_id=house_id,
        lives_in=None if at_ms is None else lives_in,
        witnessed=at_ms is not None and witnessed,
        surely=best == each[0],
        believed=held is None or held.counts(at_ms=at_ms, unsure_ms=row.unsure, received_ms=row.received_ms),
    )


def _within(at_ms: int, unsure_ms: int, spans: Iterable[Spans]) -> list[int]:
    """The time itself, and then a moment for each way in which these spans may have held within the doubt of it."""
    first_ms, last_ms = at_ms - unsure_ms, at_ms + unsure_ms
    edges = {edge for some in spans for from_ms, to_ms, _ in some for edge in (from_ms - DUTY_AHEAD_MS, from_ms, to_ms)}
    return [at_ms, *sorted({first_ms, *(one for one in edges if one is not None and first_ms < one <= last_ms)})]


def _at(
    row: Any, person_id: int | None, at_ms: int, houses: Spans, homes: Spans, duties: Spans
) -> tuple[int | None, int | None, bool]:
    """(house of the kiosk, house in which the person lives, whether somebody on duty there stood by) at a moment."""
    house_id = cards.owner_at(houses, at_ms)
    witnessed = row.witness != person_id and any(
        house == house_id and from_ms - DUTY_AHEAD_MS <= at_ms and (to_ms is None or at_ms < to_ms)
        for from_ms, to_ms, house in duties
    )
    return house_id, _lives(homes, at_ms), witnessed


def _lives(homes: Spans, at_ms: int) -> int | None:
    held = [house for from_ms, to_ms, house in homes if from_ms <= at_ms and (to_ms is None or at_ms < to_ms)]
    return held[-1] if held else None


def _write(connection: Connection, judged: list[tuple[Any, evenings.Judged]]) -> None:
    changed = []
    for row, one in judged:
        day = None if one.day is None else one.day.isoformat()
        if (row.day, row.counts, row.why) != (day, one.counts, one.why):
            changed.append({"check_in": row.id, "day": day, "worth": one.counts, "reason": one.why})
    check_ins.judge(connection, changed)


def _look(
    connection: Connection,
    institution_id: int,
    calendar: Calendar,
    kiosk_days: set[tuple[int, date]],
    person_days: set[tuple[int, date]],
    locks: Mapping[int, residence_pins.Lock],
    now_ms: int,
) -> None:
    """Say what is odd on these evenings in the houses where these kiosks stood or these persons lived. locks: person id
    -> what locked their PIN over several kiosks."""
    at_houses = check_ins.houses_of_kiosks(connection, {one for one, _ in kiosk_days})
    homes = check_ins.homes_of(connection, {one for one, _ in person_days} | locks.keys())
    house_days = _houses(calendar, at_houses, kiosk_days) | _houses(calendar, homes, person_days)
    more: dict[tuple[int, date], list[oddities.Seen]] = {}
    for person_id, lock in locks.items():
        # Their own house's staff give them a new one.
        house_id = _lives(homes.get(person_id, ()), lock.at_ms)
        if house_id is not None:
            day = _evening(calendar, lock.at_ms)
            seen = oddities.Seen(
                key=lock.record_id, what=residence_pins.LOCKED, at_ms=lock.at_ms, day=day, house_id=house_id,
                reader_id=lock.reader_id, person_id=person_id, came_ms=now_ms,
            )  # fmt: skip
            more.setdefault((house_id, day), []).append(seen)
    for house_id, day in sorted(house_days | more.keys()):
        seen = [*_seen_at(connection, calendar, house_id, day), *more.get((house_id, day), ())]
        found = oddities.of_house(calendar.of_day(day).rule.odd, seen)
        # An evening of months ago that is judged again is no news; what a kiosk brings late is.
        news = [one for one in found if one.came_ms >= now_ms - FAR_MS]
        residence_flags.raise_all(connection, institution_id, news)


def _houses(calendar: Calendar, spans: Mapping[int, Spans], days: Iterable[tuple[int, date]]) -> set[tuple[int, date]]:
    """(house, date): where these kiosks stood, or these persons lived, at a time that is nearest to these evenings."""
    found: set[tuple[int, date]] = set()
    for one, day in days:
        first_ms, last_ms = calendar.near(day, day)
        found |= {
            (house_id, day)
            for from_ms, to_ms, house_id in spans.get(one, ())
            if from_ms <= last_ms and (to_ms is None or to_ms > first_ms)
        }
    return found


def _seen_at(connection: Connection, calendar: Calendar, house_id: int, day: date) -> list[oddities.Seen]:
    """What a house's staff are to look at of an evening, and of the time to which no other evening is nearer: what was
    at their kiosks while these stood there, and their residents' check-ins at another house's."""
    from_ms, to_ms = calendar.near(day, day)
    spans = check_ins.kiosks_of_house(connection, house_id, from_ms, to_ms)
    seen = []
    for row in residence_flags.events_of(connection, spans, from_ms, to_ms):
        if cards.owner_at(spans[row.reader_id], row.when) == house_id and _evening(calendar, row.when) == day:
            seen.append(_seen(row.id, row.event, row.when, day, house_id, row))
    for row in residence_flags.check_ins_of(connection, house_id, day.isoformat()):
        if row.why and row.why != evenings.OTHER_HOUSE:
            # A kiosk says nothing of a fix where no receiver is fitted.
            nowhere = row.why == evenings.NO_FIX and row.fix is None
            seen.append(
                _seen(row.check_in_id, oddities.NO_PLACE if nowhere else row.why, row.at_ms, day, house_id, row)
            )
        if row.method == evenings.WITNESS and row.counts and row.why != evenings.WITNESS_ONLY:
            # Whatever else was odd about it: that it rests on somebody's word alone is said in any case.
            seen.append(_seen(row.check_in_id, evenings.WITNESS_ONLY, row.at_ms, day, house_id, row))
    for row in residence_flags.elsewhere_of(connection, house_id, day.isoformat()):
        seen.append(_seen(row.check_in_id, row.why, row.at_ms, day, house_id, row))
    return seen


def _evening(calendar: Calendar, at_ms: int) -> date:
    """The evening in which a moment lies, or else the nearest one."""
    return evenings.around(calendar.at(at_ms).rule, at_ms, calendar.zone).day


def _seen(key: int, what: str, at_ms: int, day: date, house_id: int, row: Any) -> oddities.Seen:
    return oddities.Seen(
        key=key, what=what, at_ms=at_ms, day=day, house_id=house_id, reader_id=row.reader_id, person_id=row.person_id,
        came_ms=row.received_ms,
    )  # fmt: skip


def _tokens(row: Any) -> list[tuple[int, bytes]]:
    return _pairs((row.key_id, row.token), (row.key2_id, row.token2))


def _witness(row: Any) -> list[tuple[int, bytes]]:
    return _pairs((row.witness_key_id, row.witness_token))


def _subject(row: Any) -> list[tuple[int, bytes]]:
    return _pairs((row.key_id, row.token))


def _by(row: Any) -> list[tuple[int, bytes]]:
    return _pairs((row.by_key_id, row.by_token))


def _pairs(*pairs: tuple[int | None, bytes | None]) -> list[tuple[int, bytes]]:
    return [(key, bytes(token)) for key, token in pairs if key is not None and token is not None]
