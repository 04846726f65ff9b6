"""Cards as the registry gives and blocks them (PORT-8). A UID becomes tokens at once and is kept nowhere (PORT-1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, or_, select

from server.scope import Scope
from server.store import campus, campus_people, card_desk, cards, people, signed_cards, withheld
from server.store.campus import FieldRefused
from server.store.schema import card_assignment, card_token, person_name, reading, room, swipe
from server.store.schema import reader as reader_table

#: cards that nobody has, tapped lately: to be given to whoever stands at the door
TAPPED_MS, TAPPED_MOST = 30 * 60_000, 10


@dataclass(frozen=True, kw_only=True)
class Tapped:
    """A card that nobody has, as it was tapped at a door."""

    swipe_id: int
    at_ms: int
    reader: str
    room: str
    #: how it stopped being somebody's; None: nobody ever had it
    ended: card_desk.Ended | None


def holder(connection: Connection, institution_id: int, tokens: Sequence[tuple[int, bytes]]) -> tuple[int, str] | None:
    """Who has the card with these tokens now, in whosever care: person id, name. None: nobody."""
    if not tokens:
        return None
    row = connection.execute(
        select(card_assignment.c.person_id, person_name.c.full_name)
        .join(card_token, card_token.c.card_id == card_assignment.c.card_id)
        .outerjoin(person_name, person_name.c.person_id == card_assignment.c.person_id)
        .where(
            card_token.c.institution_id == institution_id,
            card_assignment.c.to_ms.is_(None),
            or_(*(and_(card_token.c.key_id == key, card_token.c.token == token) for key, token in tokens)),
        )
    ).first()
    return None if row is None else (row.person_id, row.full_name or "(name erased)")


def tapped(connection: Connection, scope: Scope, now_ms: int) -> list[Tapped]:
    """The last swipe of each card that nobody has, of the last half hour, newest first; of readers that are believed."""
    newest = (
        select(func.max(swipe.c.id).label("id"))
        .join(reading, reading.c.swipe_id == swipe.c.id)
        .where(
            swipe.c.institution_id == scope.institution_id,
            reading.c.verdict == "unknown_card",
            reading.c.at_ms >= now_ms - TAPPED_MS,
            swipe.c.token.is_not(None),
            withheld.is_believed(),
        )
        .group_by(swipe.c.token)
        .subquery()
    )
    query = (
        select(swipe, reading.c.at_ms, reader_table.c.name, room.c.code)
        .join(newest, newest.c.id == swipe.c.id)
        .join(reading, reading.c.swipe_id == swipe.c.id)
        .join(reader_table, reader_table.c.id == swipe.c.reader_id)
        .outerjoin(room, room.c.id == reading.c.room_id)
        .order_by(reading.c.at_ms.desc(), swipe.c.id.desc())
        .limit(TAPPED_MOST)
    )
    found = []
    for row in connection.execute(query).all():
        card_id = cards.known(connection, scope.institution_id, signed_cards.tokens_of(row._mapping))
        found.append(
            Tapped(
                swipe_id=row.id,
                at_ms=row.at_ms,
                reader=row.name,
                room=row.code or "",
                ended=None if card_id is None else card_desk.ended(connection, scope, card_id, now_ms),
            )
        )
    return found


def tokens_of(connection: Connection, scope: Scope, swipe_id: int, now_ms: int) -> list[tuple[int, bytes]]:
    """The tokens of a card that was tapped lately, whoever has it: `give` refuses one that is somebody else's, and takes a
    form that came twice. Raises FieldRefused(`card-tapped`)."""
    query = (
        select(swipe)
        .join(reading, reading.c.swipe_id == swipe.c.id)
        .where(
            swipe.c.id == swipe_id,
            swipe.c.institution_id == scope.institution_id,
            reading.c.at_ms >= now_ms - TAPPED_MS,
            withheld.is_believed(),
        )
    )
    row = connection.execute(query).first()
    tokens = [] if row is None else signed_cards.tokens_of(row._mapping)
    if not tokens:
        raise FieldRefused("card-tapped", "tapped", "this tap is too long ago, or identifies no card: tap it again")
    return tokens


def give(
    connection: Connection,
    scope: Scope,
    person_id: int,
    tokens: Sequence[tuple[int, bytes]],
    *,
    seen: str,
    now_ms: int,
) -> int:
    """A new card for this person; every other one of theirs stops (PORT-8). Returns how many stopped.

    Raises NotFound(`person`), NotAllowed, ChangedMeanwhile, FieldRefused(`card-taken`, `person-ended`).
    """
    campus.begin(connection, scope)
    now = campus_people.theirs(connection, scope, person_id, now_ms=now_ms)
    has = holder(connection, scope.institution_id, tokens)
    before = cards.of_person(connection, person_id, now_ms)
    if has is not None and has[0] == person_id and len(before) == 1:
        return 0
    campus.need_seen(seen, now.seen)
    if now.ended_ms is not None:
        raise FieldRefused("person-ended", "uid", "they have left: say first that they are back")
    if has is not None and has[0] != person_id:
        if people.is_whole(connection, scope, has[0], "campus.change", now_ms):
            raise FieldRefused("card-taken", "uid", f"this is the card of {has[1]}: block it there first")
        told = "this is the card of somebody of another department, or of several"
        raise FieldRefused("card-taken", "uid", f"{told}: ask the institution's registry")
    cards.replace(connection, scope.institution_id, person_id, tokens, now_ms)
    action = "card.replace" if before else "card.hold"
    campus.write_down(connection, scope, action, f"person/{person_id}", now_ms, stopped=len(before))
    return len(before)


def block(
    connection: Connection, scope: Scope, person_id: int, card_id: int, why: str, *, seen: str, now_ms: int
) -> bool:
    """The card stops at every door at once (PORT-8). False: it had stopped. Raises NotFound(`person`), NotAllowed,
    FieldRefused."""
    campus.begin(connection, scope)
    now = campus_people.theirs(connection, scope, person_id, now_ms=now_ms)
    held = [one for one in now.cards if one.id == card_id]
    if not held:
        raise FieldRefused("card", "why", "this card is not theirs")
    if all(one.to_ms is not None and one.to_ms <= now_ms for one in held):
        return False
    campus.need_seen(seen, now.seen)
    cards.end(connection, scope.institution_id, card_id, now_ms, why)
    campus.write_down(connection, scope, "card.block", f"person/{person_id}", now_ms, card=card_id, why=why)
    return True
