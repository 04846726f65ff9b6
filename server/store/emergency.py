"""Who was last seen where in the last hours (LOUGH-38), and everything that makes that uncertain.

A card at a door says that somebody came to that door, and nothing about leaving it. What the store does not know yet
stands beside what it knows: doors that are not known up to now, readers that are not heard, cards of nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Connection, and_, func, or_, select

from server.policy.profile import Profiles
from server.scope import Scope
from server.store import campus_people, withheld
from server.store.schema import (
    card_assignment,
    mark,
    mark_current,
    person,
    person_name,
    placement,
    reader,
    reader_state,
    reading,
    room,
    session,
    session_room,
    site,
    swipe,
)
from server.store.schema_residence import house as residence

CHUNK = 500


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Somebody, and where they were last seen. at_ms: when, by their card; by a mark: when its session began."""

    person_id: int
    full_name: str
    number: str
    site: str
    room: str
    at_ms: int
    #: card: by their card at the door; hand: marked present by a person, in a session of that room
    by: str


@dataclass(frozen=True, kw_only=True)
class DoorKnown:
    """What is known of a door with a reader."""

    reader: str
    site: str
    room: str
    #: everything that was tapped there up to then is here; None: nothing is known
    known_until_ms: int | None
    seen_ms: int | None
    #: ok, or what it cannot do
    able: str | None


@dataclass(frozen=True, kw_only=True)
class House:
    """The house as it is known now."""

    seen: tuple[Seen, ...]
    doors: tuple[DoorKnown, ...]
    #: (site, room) -> different cards that nobody has, tapped there
    strangers: dict[tuple[str, str], int]
    #: swipes that arrived in these hours and are not placed in time
    unplaced: int
    #: rooms at whose door no reader stands, of all that have not ended
    rooms_without: int
    rooms: int
    #: people who have a card; and those of the institution who have none, and cannot be seen
    with_card: int
    without_card: int
    #: residences, whose check-ins stand on their own roll calls
    residences: int


def house(connection: Connection, scope: Scope, profiles: Profiles, since_ms: int, now_ms: int) -> House:
    """Everybody seen since then, and what is not known. Raises NotAllowed."""
    scope.need("emergency.read")
    here = scope.institution_id
    seen = _by_card(connection, here, since_ms, now_ms)
    for one in _by_hand(connection, here, profiles, since_ms, now_ms):
        before = seen.get(one.person_id)
        if before is None or before.at_ms < one.at_ms:
            seen[one.person_id] = one
    named = _named(connection, seen)
    doors = _doors(connection, here, now_ms)
    rooms = connection.execute(
        select(func.count()).select_from(room).where(room.c.institution_id == here, room.c.ended_ms.is_(None))
    ).scalar_one()
    served = connection.execute(
        select(func.count(room.c.id.distinct()))
        .join(placement, placement.c.room_id == room.c.id)
        .where(room.c.institution_id == here, room.c.ended_ms.is_(None), _holds(placement, now_ms))
    ).scalar_one()
    people = connection.execute(
        select(func.count()).select_from(person).where(person.c.institution_id == here, person.c.ended_ms.is_(None))
    ).scalar_one()
    carded = connection.execute(
        select(func.count(person.c.id.distinct()))
        .join(card_assignment, card_assignment.c.person_id == person.c.id)
        .where(person.c.institution_id == here, person.c.ended_ms.is_(None), _holds(card_assignment, now_ms))
    ).scalar_one()
    unplaced = connection.execute(
        select(func.count())
        .select_from(reading)
        .join(swipe, swipe.c.id == reading.c.swipe_id)
        .where(reading.c.institution_id == here, reading.c.at_ms.is_(None), swipe.c.received_ms >= since_ms)
    ).scalar_one()
    return House(
        seen=tuple(named),
        doors=doors,
        strangers=_strangers(connection, here, since_ms, now_ms),
        unplaced=unplaced,
        rooms_without=rooms - served,
        rooms=rooms,
        with_card=carded,
        without_card=people - carded,
        residences=connection.execute(
            select(func.count())
            .select_from(residence)
            .where(residence.c.institution_id == here, residence.c.ended_ms.is_(None))
        ).scalar_one(),
    )


def _holds(table, at_ms: int):  # noqa: ANN001  a dated table; a condition
    return and_(table.c.from_ms <= at_ms, or_(table.c.to_ms.is_(None), table.c.to_ms > at_ms))


def _by_card(connection: Connection, here: int, since_ms: int, now_ms: int) -> dict[int, Seen]:
    """person id -> their last card at a door. Whatever the door said to it: they were there."""
    last = (
        select(reading.c.person_id, func.max(reading.c.at_ms).label("at_ms"))
        .where(
            reading.c.institution_id == here,
            reading.c.person_id.is_not(None),
            reading.c.at_ms >= since_ms,
            reading.c.at_ms <= now_ms,
            withheld.is_believed(),
        )
        .group_by(reading.c.person_id)
        .subquery()
    )
    query = (
        select(reading.c.person_id, reading.c.at_ms, room.c.code, reader.c.name, site.c.name.label("site"))
        .join(last, and_(last.c.person_id == reading.c.person_id, last.c.at_ms == reading.c.at_ms))
        .join(reader, reader.c.id == reading.c.reader_id)
        .outerjoin(room, room.c.id == reading.c.room_id)
        .join(site, site.c.id == func.coalesce(room.c.site_id, reader.c.site_id))
        .order_by(reading.c.swipe_id)
    )
    return {
        row.person_id: Seen(
            person_id=row.person_id,
            full_name="",
            number="",
            site=row.site,
            room=row.code or f"reader {row.name}",
            at_ms=row.at_ms,
            by="card",
        )
        for row in connection.execute(query)
    }


def _by_hand(connection: Connection, here: int, profiles: Profiles, since_ms: int, now_ms: int) -> list[Seen]:
    """Whoever a person marked as being there, in a session that has begun, is on or ended in these hours, and has a room:
    as of its start, since a mark says no more."""
    query = (
        select(
            mark.c.person_id,
            mark.c.code,
            session.c.starts_ms,
            session.c.profile,
            room.c.code.label("room"),
            site.c.name.label("site"),
        )
        .join(mark_current, mark_current.c.mark_id == mark.c.id)
        .join(session, session.c.id == mark.c.session_id)
        .join(session_room, and_(session_room.c.session_id == session.c.id, session_room.c.to_ms.is_(None)))
        .join(room, room.c.id == session_room.c.room_id)
        .outerjoin(site, site.c.id == room.c.site_id)
        .where(
            session.c.institution_id == here,
            session.c.ends_ms >= since_ms,
            session.c.starts_ms <= now_ms,
            session.c.cancelled_ms.is_(None),
            mark.c.source == "person",
            mark.c.code.is_not(None),
        )
        .order_by(session.c.starts_ms, room.c.code.desc())
    )
    return [
        Seen(
            person_id=row.person_id,
            full_name="",
            number="",
            site=row.site or "",
            room=row.room,
            at_ms=row.starts_ms,
            by="hand",
        )
        for row in connection.execute(query)
        if _there(profiles, row.profile, row.starts_ms, row.code)
    ]


def _there(profiles: Profiles, name: str, starts_ms: int, code: str) -> bool:
    """Whether the mark says that they were in the room: who is ill at home or on a trip (B, V) is not on site."""
    return name in profiles and profiles.at(name, starts_ms).was_there(code)


def _named(connection: Connection, seen: dict[int, Seen]) -> list[Seen]:
    """With names and numbers, by site, room and name."""
    names: dict[int, tuple[str, str]] = {}
    numbers: dict[int, str] = {}
    ids = sorted(seen)
    for start in range(0, len(ids), CHUNK):
        some = ids[start : start + CHUNK]
        query = select(person_name).where(person_name.c.person_id.in_(some))
        names |= {row.person_id: (row.full_name, row.sort_name) for row in connection.execute(query)}
        numbers |= campus_people.numbers_of(connection, some)
    made = [
        (
            names.get(key, ("(name erased)", ""))[1],
            replace(one, full_name=names.get(key, ("(name erased)", ""))[0], number=numbers.get(key, "")),
        )
        for key, one in seen.items()
    ]
    return [one for _, one in sorted(made, key=lambda pair: (pair[1].site, pair[1].room, pair[0], pair[1].person_id))]


def _doors(connection: Connection, here: int, now_ms: int) -> tuple[DoorKnown, ...]:
    query = (
        select(
            reader.c.name,
            site.c.name.label("site"),
            room.c.code,
            reader_state.c.known_until_ms,
            reader_state.c.seen_ms,
            reader_state.c.able,
        )
        .join(placement, placement.c.reader_id == reader.c.id)
        .join(room, room.c.id == placement.c.room_id)
        .join(site, site.c.id == func.coalesce(room.c.site_id, reader.c.site_id))
        .outerjoin(reader_state, reader_state.c.reader_id == reader.c.id)
        .where(reader.c.institution_id == here, reader.c.ended_ms.is_(None), _holds(placement, now_ms))
        .order_by(site.c.name, room.c.code, reader.c.name)
    )
    return tuple(
        DoorKnown(
            reader=row.name,
            site=row.site,
            room=row.code,
            known_until_ms=row.known_until_ms,
            seen_ms=row.seen_ms,
            able=row.able,
        )
        for row in connection.execute(query)
    )


def _strangers(connection: Connection, here: int, since_ms: int, now_ms: int) -> dict[tuple[str, str], int]:
    query = (
        select(
            site.c.name.label("site"), room.c.code, reader.c.name, func.count(swipe.c.token.distinct()).label("many")
        )
        .select_from(reading)
        .join(swipe, swipe.c.id == reading.c.swipe_id)
        .join(reader, reader.c.id == reading.c.reader_id)
        .outerjoin(room, room.c.id == reading.c.room_id)
        .join(site, site.c.id == func.coalesce(room.c.site_id, reader.c.site_id))
        .where(
            reading.c.institution_id == here,
            reading.c.person_id.is_(None),
            reading.c.at_ms >= since_ms,
            reading.c.at_ms <= now_ms,
            withheld.is_believed(),
        )
        .group_by(site.c.name, room.c.code, reader.c.name)
    )
    found: dict[tuple[str, str], int] = {}
    for row in connection.execute(query):
        key = (row.site, row.code or f"reader {row.name}")
        found[key] = found.get(key, 0) + row.many
    return found
