"""A lost card stops working everywhere at once (PORT-8): its assignments end, and the doors' lists are made again."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, or_, select

from server.scope import Scope
from server.store import campus, cards, messages, people
from server.store.schema import card_assignment, person, placement, reader, reader_state

#: a reader says something each minute; after this it counts as not heard
QUIET_MS = 150_000


@dataclass(frozen=True, kw_only=True)
class Held:
    """A card of a person: since when, until when, and why it ended."""

    card_id: int
    from_ms: int
    to_ms: int | None
    ended_why: str | None


def of_person(connection: Connection, scope: Scope, person_id: int, limit: int = 10) -> list[Held]:
    """The cards that a person has and had, newest first. Raises NotFound(`person`)."""
    people.need(connection, scope, person_id, "card.lost")
    query = (
        select(
            card_assignment.c.card_id, card_assignment.c.from_ms, card_assignment.c.to_ms, card_assignment.c.ended_why
        )
        .where(card_assignment.c.person_id == person_id)
        .order_by(card_assignment.c.from_ms.desc(), card_assignment.c.id.desc())
        .limit(limit)
    )
    return [Held(**row._mapping) for row in connection.execute(query)]


def stop(connection: Connection, scope: Scope, person_id: int, *, now_ms: int) -> int:
    """Every card that works for this person stops working now. Returns how many: 0 where none did.

    A swipe with one of them from now on credits nobody, whatever a door that has not heard of it yet shows: a card is
    judged at the time of the swipe. Raises NotFound(`person`).
    """
    people.need(connection, scope, person_id, "card.lost")
    # Of two at once, the second one finds no card that works.
    connection.execute(select(person.c.id).where(person.c.id == person_id).with_for_update(key_share=True))
    working = cards.of_person(connection, person_id, now_ms)
    for card_id in working:
        cards.end(connection, scope.institution_id, card_id, now_ms, "lost")
    if working:
        campus.write_down(connection, scope, "card.lost", f"person/{person_id}", now_ms)
        messages.write(
            connection,
            scope,
            person_id,
            "lost-card",
            "Your card was stopped",
            "It was reported lost and works at no door any more. The registry gives you a new one.",
            now_ms,
        )
    return len(working)


def doors(connection: Connection, institution_id: int, now_ms: int) -> tuple[int, int]:
    """How many readers stand at a door, and how many of them are not heard now: they hear of a change later."""
    heard = reader_state.c.seen_ms >= now_ms - QUIET_MS
    query = (
        select(func.count(reader.c.id.distinct()), func.count(reader.c.id.distinct()).filter(heard))
        .select_from(placement)
        .join(reader, reader.c.id == placement.c.reader_id)
        .outerjoin(reader_state, reader_state.c.reader_id == reader.c.id)
        .where(
            placement.c.institution_id == institution_id,
            reader.c.ended_ms.is_(None),
            placement.c.from_ms <= now_ms,
            or_(placement.c.to_ms.is_(None), placement.c.to_ms > now_ms),
        )
    )
    every, heard_now = connection.execute(query).one()
    return every, every - heard_now
