"""Cards as an import finds them and leaves them: tokens only, never a UID (PORT-1). A replaced card ends (PORT-8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, insert, or_, select, update

from server.store import cards
from server.store.due import CHUNK
from server.store.schema import card, card_assignment, card_token, person_external_id, swipe

Token = tuple[int, bytes]


@dataclass(frozen=True, kw_only=True)
class HeldCards:
    """Every card known, and whose each is now."""

    #: (key id, token) -> card id
    cards: Mapping[Token, int] = field(repr=False)
    #: card id -> (assignment id, person id, sourcedId; '' for a person of another source)
    now: Mapping[int, tuple[int, int, str]]


@dataclass(frozen=True, kw_only=True)
class CardChanges:
    """What is to be done with cards."""

    #: (sourcedId of the user, tokens of the card, its id or None where it is new)
    begin: list[tuple[str, tuple[Token, ...], int | None]] = field(default_factory=list, repr=False)
    #: (assignment id, card id, why it ended)
    end: list[tuple[int, int, str]] = field(default_factory=list)
    #: (card id, token) that a known card has as well, since the card keys changed
    more_tokens: list[tuple[int, Token]] = field(default_factory=list, repr=False)

    def any(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.begin or self.end or self.more_tokens)


def held_cards(connection: Connection, institution_id: int, source: str) -> HeldCards:
    """The cards of the institution. source: whose ids name the persons."""
    tokens = select(card_token.c.key_id, card_token.c.token, card_token.c.card_id)
    known = {
        (row.key_id, row.token): row.card_id
        for row in connection.execute(tokens.where(card_token.c.institution_id == institution_id))
    }
    query = (
        select(card_assignment.c.id, card_assignment.c.card_id, card_assignment.c.person_id)
        .add_columns(person_external_id.c.external_id)
        .outerjoin(
            person_external_id,
            (person_external_id.c.person_id == card_assignment.c.person_id) & (person_external_id.c.source == source),
        )
        .where(card_assignment.c.institution_id == institution_id, card_assignment.c.to_ms.is_(None))
    )
    now = {row.card_id: (row.id, row.person_id, row.external_id or "") for row in connection.execute(query)}
    return HeldCards(cards=known, now=now)


def apply_cards(
    connection: Connection, institution_id: int, persons: Mapping[str, int], changes: CardChanges, now_ms: int
) -> None:
    """End and begin cards at `now_ms`. Swipes that were taken with them are looked at again."""
    own = {"institution_id": institution_id}
    if changes.end:
        statement = update(card_assignment).where(card_assignment.c.id == bindparam("the_id"))
        connection.execute(
            statement.values(to_ms=now_ms, ended_why=bindparam("why")),
            [{"the_id": assignment_id, "why": why} for assignment_id, _, why in changes.end],
        )
    new = [(user, tokens) for user, tokens, card_id in changes.begin if card_id is None]
    made: list[int] = []
    if new:
        statement = insert(card).returning(card.c.id, sort_by_parameter_order=True)
        made = list(connection.execute(statement, [{**own, "created_ms": now_ms} for _ in new]).scalars())
    tokens_of = [(card_id, token) for card_id, (_, tokens) in zip(made, new, strict=True) for token in tokens]
    if rows := [
        {**own, "card_id": card_id, "key_id": token[0], "token": token[1]}
        for card_id, token in (*tokens_of, *changes.more_tokens)
    ]:
        connection.execute(insert(card_token), rows)
    new_ids = iter(made)
    begun = [
        (next(new_ids) if card_id is None else card_id, persons[user], tokens)
        for user, tokens, card_id in changes.begin
    ]
    if begun:
        connection.execute(
            insert(card_assignment),
            [{**own, "card_id": card_id, "person_id": person_id, "from_ms": now_ms} for card_id, person_id, _ in begun],
        )
    concerned = {card_id for card_id, _, _ in begun} | {card_id for _, card_id, _ in changes.end}
    cards.resolve(connection, institution_id, _swiped(connection, institution_id, concerned), now_ms)


def _swiped(connection: Connection, institution_id: int, card_ids: Iterable[int]) -> list[int]:
    """Those of the cards that were ever held to a reader."""
    wanted = sorted(card_ids)
    found: set[int] = set()
    for start in range(0, len(wanted), CHUNK):
        query = (
            select(card_token.c.card_id)
            .join(swipe, or_(swipe.c.token == card_token.c.token, swipe.c.token2 == card_token.c.token))
            .where(card_token.c.card_id.in_(wanted[start : start + CHUNK]), swipe.c.institution_id == institution_id)
            .distinct()
        )
        found.update(connection.execute(query).scalars())
    return sorted(found)
