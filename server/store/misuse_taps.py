"""Taps as misuse is looked for in them: whose card was where and when, at doors and at kiosks of the residence (PORT-9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, func, literal_column, or_, select

from server.policy.misuse import Tap
from server.store import cards, withheld
from server.store.prepared import Prepared
from server.store.schema import card_assignment, card_token, person, reader, reading, record, swipe
from server.store.schema_residence import check_in, check_in_reading

#: why a card's time with somebody ended, where nobody should have it in the hand any more
GONE = ("lost", "blocked")
CHUNK = 400
#: what lies further from each other than the days around two taps is looked at apart
APART_MS = 3 * 24 * 3_600_000
_GONE = or_(*(card_assignment.c.ended_why == one for one in GONE))


@dataclass(frozen=True, kw_only=True)
class Span:
    """Taps of days that lie near each other. people: who tapped then, or had the card that was lost."""

    people: tuple[int, ...]
    from_ms: int
    to_ms: int


@dataclass(frozen=True, kw_only=True)
class News:
    """What came since a record. up_to: that was looked at."""

    spans: tuple[Span, ...]
    up_to: int
    #: there is more
    more: bool


def newest(connection: Connection) -> int:
    """The number of the newest record; 0: there is none."""
    return connection.execute(select(func.max(record.c.id))).scalar() or 0


def news(connection: Connection, institution_id: int, after: int, most: int) -> News:
    """Whose taps came after that record, at most so many of them.

    Numbers are given before a transaction commits: what is passed over so is found by the day's look at everybody.
    """
    values = {"institution": institution_id, "after": after, "most": most}
    up_to, rows = newest(connection), _NEW.all(connection, values)
    more = len(rows) == most
    if more:
        up_to = rows[-1].id
    values |= {"up_to": up_to}
    rows += _NEW_CHECK_INS.all(connection, values)
    rows += _NEW_LOST.all(connection, values)
    taps = {(row.at_ms, row.person_id) for row in rows if row.at_ms is not None and row.person_id is not None}
    return News(spans=tuple(_spans(taps)), up_to=max(up_to, after), more=more)


def _spans(taps: Iterable[tuple[int, int]]) -> Iterator[Span]:
    """The same by time. A reader that was dark for months gives its taps with today's: what lies between is not read."""
    near: list[tuple[int, int]] = []
    for one in sorted(taps):
        if near and one[0] - near[-1][0] > APART_MS:
            yield _span(near)
            near = []
        near.append(one)
    if near:
        yield _span(near)


def _span(near: list[tuple[int, int]]) -> Span:
    return Span(people=tuple(sorted({person for _, person in near})), from_ms=near[0][0], to_ms=near[-1][0])


_NEW = Prepared(
    select(reading.c.swipe_id.label("id"), reading.c.person_id, reading.c.at_ms)
    .where(reading.c.institution_id == bindparam("institution"), reading.c.swipe_id > bindparam("after"))
    .order_by(reading.c.swipe_id)
    .limit(bindparam("most"))
)
_NEW_CHECK_INS = Prepared(
    select(check_in_reading.c.check_in_id.label("id"), check_in_reading.c.person_id, check_in_reading.c.at_ms).where(
        check_in_reading.c.institution_id == bindparam("institution"),
        check_in_reading.c.check_in_id > bindparam("after"),
        check_in_reading.c.check_in_id <= bindparam("up_to"),
    )
)


def _of_token(table: Any) -> Any:
    """The condition under which a tap or a check-in was made with the card of a token."""
    first = and_(table.c.key_id == card_token.c.key_id, table.c.token == card_token.c.token)
    second = and_(table.c.key2_id == card_token.c.key_id, table.c.token2 == card_token.c.token)
    return or_(first, second)


_NEW_LOST = Prepared(
    select(swipe.c.id, card_assignment.c.person_id, reading.c.at_ms)
    .select_from(swipe)
    .join(reading, and_(reading.c.swipe_id == swipe.c.id, reading.c.person_id.is_(None)))
    .join(card_token, and_(card_token.c.institution_id == swipe.c.institution_id, _of_token(swipe)))
    .join(card_assignment, card_assignment.c.card_id == card_token.c.card_id)
    .where(
        swipe.c.institution_id == bindparam("institution"),
        swipe.c.id > bindparam("after"),
        swipe.c.id <= bindparam("up_to"),
        _GONE,
    )
    .distinct()
)


def people_after(connection: Connection, institution_id: int, after: int, most: int) -> list[int]:
    """The next so many persons of an institution, by their number."""
    query = select(person.c.id).where(person.c.institution_id == institution_id, person.c.id > after)
    return list(connection.execute(query.order_by(person.c.id).limit(most)).scalars())


def of_people(
    connection: Connection, people: Iterable[int], from_ms: int, to_ms: int, *, check_ins: bool = True
) -> list[Tap]:
    """What these persons tapped in [from, to], with a time; with their check-ins in the residence."""
    wanted, found = sorted(set(people)), list[Tap]()
    for start in range(0, len(wanted), CHUNK):
        values = {"ids": wanted[start : start + CHUNK], "from_ms": from_ms, "to_ms": to_ms}
        found += [_tap(row, False) for row in _TAPS.all(connection, values)]
        if check_ins:
            found += [_tap(row, True) for row in _CHECK_INS.all(connection, values)]
    return found


def _tapped(fact: Any, table: Any, record_id: Any, room_id: Any) -> Select:
    return (
        select(
            record_id.label("record_id"),
            table.c.person_id,
            table.c.reader_id,
            reader.c.site_id,
            room_id,
            table.c.at_ms,
            table.c.uncertainty_ms,
        )
        .join(reader, reader.c.id == table.c.reader_id)
        .where(
            table.c.person_id.in_(bindparam("ids", expanding=True)),
            table.c.at_ms >= bindparam("from_ms"),
            table.c.at_ms <= bindparam("to_ms"),
            withheld.counts(fact, table, record_id),
        )
    )


_TAPS = Prepared(_tapped(swipe, reading, reading.c.swipe_id, reading.c.room_id))
# A kiosk stands in a house and in no room: its house is the place.
_CHECK_INS = Prepared(_tapped(check_in, check_in_reading, check_in_reading.c.check_in_id, check_in_reading.c.house_id))


def _tap(row: Any, check_in: bool) -> Tap:
    return Tap(
        record=row.record_id,
        person_id=row.person_id,
        reader_id=row.reader_id,
        site_id=row.site_id,
        room_id=None if check_in else row.room_id,
        at_ms=row.at_ms,
        unsure_ms=row.uncertainty_ms,
        check_in=check_in,
    )


def with_lost_cards(
    connection: Connection, institution_id: int, people: Iterable[int], from_ms: int, to_ms: int
) -> list[tuple[Tap, int]]:
    """(tap, when the card was reported lost) of cards that these persons had lost, and that nobody has been given since.
    person_id of a tap: who had it."""
    wanted, lost = sorted(set(people)), dict[tuple[int, bytes], list[tuple[int, int]]]()
    for start in range(0, len(wanted), CHUNK):
        for row in _LOST.all(connection, {"ids": wanted[start : start + CHUNK]}):
            lost.setdefault((row.key_id, bytes(row.token)), []).append((row.to_ms, row.person_id))
    owners = cards.owners(connection, institution_id, lost) if lost else {}
    found: dict[int, tuple[Tap, int]] = {}
    tokens = sorted({token for _, token in lost})
    for start in range(0, len(tokens), CHUNK):
        values = {"tokens": tokens[start : start + CHUNK], "from_ms": from_ms, "to_ms": to_ms}
        values["institution"] = institution_id
        for query, check_in_ in ((_WITH_TOKENS, False), (_CHECK_INS_WITH_TOKENS, True)):
            for row in query.all(connection, values):
                for key, token in ((row.key_id, row.token), (row.key2_id, row.token2)):
                    known = (key, bytes(token or b""))
                    since = [one for one in lost.get(known, ()) if one[0] <= row.at_ms]
                    if not since or cards.owner_at(owners.get(known, ()), row.at_ms) is not None:
                        continue
                    lost_ms, person_id = max(since)
                    found[row.record_id] = (replace(_tap(row, check_in_), person_id=person_id), lost_ms)
    return [found[one] for one in sorted(found)]


_LOST = Prepared(
    select(card_assignment.c.person_id, card_assignment.c.to_ms, card_token.c.key_id, card_token.c.token)
    .join(card_token, card_token.c.card_id == card_assignment.c.card_id)
    .where(
        card_assignment.c.person_id.in_(bindparam("ids", expanding=True)),
        _GONE,
        card_assignment.c.to_ms.is_not(None),
    )
)


def _with_tokens(table: Any, read: Any, record_id: Any, room_id: Any) -> Select:
    return (
        select(
            record_id.label("record_id"),
            # Nobody's; the caller says who had it.
            literal_column("0").label("person_id"),
            read.c.reader_id,
            reader.c.site_id,
            room_id.label("room_id"),
            read.c.at_ms,
            read.c.uncertainty_ms,
            table.c.key_id,
            table.c.token,
            table.c.key2_id,
            table.c.token2,
        )
        .select_from(table)
        .join(read, record_id == table.c.id)
        .join(reader, reader.c.id == read.c.reader_id)
        .where(
            table.c.institution_id == bindparam("institution"),
            or_(
                table.c.token.in_(bindparam("tokens", expanding=True)),
                table.c.token2.in_(bindparam("tokens", expanding=True)),
            ),
            read.c.at_ms >= bindparam("from_ms"),
            read.c.at_ms <= bindparam("to_ms"),
            withheld.counts(table, read, record_id),
        )
    )


_WITH_TOKENS = Prepared(_with_tokens(swipe, reading, reading.c.swipe_id, reading.c.room_id))
_CHECK_INS_WITH_TOKENS = Prepared(
    _with_tokens(check_in, check_in_reading, check_in_reading.c.check_in_id, check_in_reading.c.house_id)
)


def beside(connection: Connection, records: Iterable[int], within_ms: int) -> dict[int, set[int]]:
    """record -> whose other cards were at the same reader within so many milliseconds of that tap."""
    wanted, found = sorted(set(records)), dict[int, set[int]]()
    for start in range(0, len(wanted), CHUNK):
        values = {"ids": wanted[start : start + CHUNK], "within_ms": within_ms}
        for row in _BESIDE.all(connection, values):
            found.setdefault(row.swipe_id, set()).add(row.other_id)
    return found


_other = reading.alias("other")
_BESIDE = Prepared(
    select(reading.c.swipe_id, _other.c.person_id.label("other_id"))
    .join(
        _other,
        and_(
            _other.c.reader_id == reading.c.reader_id,
            _other.c.at_ms >= reading.c.at_ms - bindparam("within_ms"),
            _other.c.at_ms <= reading.c.at_ms + bindparam("within_ms"),
        ),
    )
    .where(
        reading.c.swipe_id.in_(bindparam("ids", expanding=True)),
        _other.c.person_id.is_not(None),
        _other.c.person_id != reading.c.person_id,
        withheld.counts(swipe, _other, _other.c.swipe_id),
    )
)
