"""Cards as they were just held to a desk reader: whose each is (PORT-8). A desk reader is one that serves no room."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, or_, select

from server.scope import Scope
from server.store import cards, people, signed_cards
from server.store.schema import card_assignment, person_name, placement, reading, swipe
from server.store.schema import reader as reader_table

#: taps of so long ago are shown, and so many
SHOWN_MS, SHOWN_MOST = 10 * 60_000, 8


@dataclass(frozen=True, kw_only=True)
class AtDesk:
    """One card that was held to a desk reader."""

    swipe_id: int
    at_ms: int
    reader: str
    #: whose it is now; None: nobody's
    person_id: int | None
    #: None: nobody's, or somebody's who is not in this account's care
    full_name: str | None
    card_id: int | None
    #: what the tap rests on: of `card_counters`; None: a card that identifies nobody
    kind: str | None


def at_desk(connection: Connection, scope: Scope, now_ms: int) -> list[AtDesk]:
    """The newest tap of each card at the institution's desk readers, newest first."""
    placed = select(placement.c.reader_id).where(
        placement.c.from_ms <= now_ms, or_(placement.c.to_ms.is_(None), placement.c.to_ms > now_ms)
    )
    query = (
        select(
            reading.c.swipe_id,
            reading.c.at_ms,
            reader_table.c.name,
            *(swipe.c[name] for name in ("institution_id", "key_id", "token", "key2_id", "token2")),
        )
        .join(swipe, swipe.c.id == reading.c.swipe_id)
        .join(reader_table, reader_table.c.id == reading.c.reader_id)
        .where(
            reading.c.institution_id == scope.institution_id,
            reading.c.at_ms >= now_ms - SHOWN_MS,
            reading.c.reader_id.not_in(placed),
        )
        .order_by(reading.c.at_ms.desc(), reading.c.swipe_id.desc())
        .limit(8 * SHOWN_MOST)
    )
    found: dict[object, AtDesk] = {}
    for row in connection.execute(query).all():
        tokens = signed_cards.tokens_of(row._mapping)
        card_id = cards.known(connection, scope.institution_id, tokens)
        key = card_id or (tokens[0] if tokens else row.swipe_id)
        if key in found or len(found) == SHOWN_MOST:
            continue
        holder = _holder(connection, card_id, now_ms)
        mine = holder is not None and people.is_whole(connection, scope, holder[0], "campus.change", now_ms)
        found[key] = AtDesk(
            swipe_id=row.swipe_id,
            at_ms=row.at_ms,
            reader=row.name,
            person_id=holder[0] if holder else None,
            full_name=holder[1] if holder and mine else None,
            card_id=card_id,
            kind=None if not tokens else signed_cards.kind_of(connection, card_id, row.swipe_id),
        )
    return list(found.values())


def _holder(connection: Connection, card_id: int | None, now_ms: int) -> tuple[int, str] | None:
    if card_id is None:
        return None
    query = (
        select(card_assignment.c.person_id, person_name.c.full_name)
        .outerjoin(person_name, person_name.c.person_id == card_assignment.c.person_id)
        .where(
            card_assignment.c.card_id == card_id,
            card_assignment.c.from_ms <= now_ms,
            or_(card_assignment.c.to_ms.is_(None), card_assignment.c.to_ms > now_ms),
        )
    )
    row = connection.execute(query).first()
    return None if row is None else (row.person_id, row.full_name or "(name erased)")
