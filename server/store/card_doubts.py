"""What taps rest on (PORT-9): a card's number, or what it signed. All swipes of a card are judged together, each time.

A register asks once for all of its taps, and of those only that were made with cards that sign.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, and_, bindparam, func, or_, select

from server.policy import card_counters
from server.policy.card_counters import Said
from server.store import due
from server.store.schema import card_token, reader, reading, room, session, swipe
from server.store.schema_cards import card_signer, swipe_message
from server.store.signed_cards import is_token, tokens_of

#: swipes of a card that are judged together: its newest
JUDGED_MOST = 5000
#: for a register: how many taps of the same person before one are looked at first, and how long after it
BEFORE, AFTER_MS = 12, 3_600_000


@dataclass(frozen=True, kw_only=True)
class Tap:
    """One swipe of a person's in a session. kind: of `card_counters`."""

    swipe_id: int
    at_ms: int
    room: str
    kind: str


class Rests(NamedTuple):
    """Whose tap it is, and what it rests on: of `card_counters`."""

    person_id: int
    kind: str


def taps(connection: Connection, session_id: int, person_id: int) -> list[Tap]:
    """A person's swipes that belong to a session, in order of time, each with what it rests on."""
    query = (
        select(
            reading.c.swipe_id,
            reading.c.at_ms,
            func.coalesce(room.c.code, reader.c.name).label("room"),
            *(swipe.c[name] for name in ("institution_id", "key_id", "token", "key2_id", "token2")),
        )
        .join(swipe, swipe.c.id == reading.c.swipe_id)
        .join(reader, reader.c.id == reading.c.reader_id)
        .outerjoin(room, room.c.id == reading.c.room_id)
        .where(reading.c.session_id == session_id, reading.c.person_id == person_id, reading.c.at_ms.is_not(None))
        .order_by(reading.c.at_ms, reading.c.swipe_id)
    )
    rows = connection.execute(query).all()
    kinds = judged(connection, _cards(connection, [token for row in rows for token in tokens_of(row._mapping)]))
    return [
        Tap(
            swipe_id=row.swipe_id,
            at_ms=row.at_ms,
            room=row.room,
            kind=kinds.get(row.swipe_id, card_counters.NUMBER),
        )
        for row in rows
    ]


def of_session(connection: Connection, session_id: int, known: Mapping[int, Rests]) -> dict[int, Rests]:
    """swipe id -> what it rests on, of a session's taps with cards that sign. known: what was found of them shortly
    before, which is taken over unjudged.

    Of each tap the BEFORE taps of the same person before it are looked at, and all of its card only where those leave a
    doubt: whoever taps in order for so long is in order, and a year of two hundred cards is not read for one register.
    """
    if connection.execute(_SIGNS, {"session": session_id}).first() is None:
        return {}
    rows = connection.execute(_SIGNING, {"session": session_id}).all()
    cards = {row.swipe_id: row.card_id for row in rows if row.swipe_id not in known}
    kinds: dict[int, str] = {}
    wanted = sorted(cards)
    for start in range(0, len(wanted), due.CHUNK):
        near = connection.execute(_NEAR, {"swipes": wanted[start : start + due.CHUNK]})
        kinds |= _judged(near)
    doubted = {card_id for swipe_id, card_id in cards.items() if kinds.get(swipe_id) in (None, *card_counters.DOUBTS)}
    kinds |= judged(connection, doubted)
    return {
        row.swipe_id: known[row.swipe_id] if row.swipe_id in known else Rests(row.person_id, kinds[row.swipe_id])
        for row in rows
        if row.swipe_id in known or row.swipe_id in kinds
    }


#: whether the session's institution has a card that signs at all: most have none, and their registers ask no more
_SIGNS = (
    select(card_signer.c.id)
    .join(session, session.c.institution_id == card_signer.c.institution_id)
    .where(session.c.id == bindparam("session"))
    .limit(1)
)
_SIGNING = (
    select(reading.c.swipe_id, reading.c.person_id, card_signer.c.card_id)
    .join(swipe, swipe.c.id == reading.c.swipe_id)
    .join(card_token, is_token())
    .join(card_signer, card_signer.c.card_id == card_token.c.card_id)
    .where(reading.c.session_id == bindparam("session"), reading.c.person_id.is_not(None))
    .distinct()
)


def _columns() -> tuple[Any, ...]:
    return (
        card_token.c.card_id,
        card_signer.c.created_ms.label("since_ms"),
        reading.c.swipe_id,
        reading.c.at_ms,
        reading.c.uncertainty_ms,
        swipe_message.c.swipe_id.label("message_id"),
        swipe_message.c.counter,
        swipe_message.c.genuine,
    )


#: what a stolen reader told proves nothing: an old message that it says once more must not throw doubt on the owner's own
_COUNTS = or_(reading.c.verdict.is_(None), reading.c.verdict != "withheld")


def _near() -> Select:
    tap, earlier = reading.alias("tap"), reading.alias("earlier")
    # A little after it as well: nobody knows the order of taps whose times are not sure.
    until_ms = tap.c.at_ms + tap.c.uncertainty_ms + AFTER_MS
    since_ms = (
        select(earlier.c.at_ms)
        .where(earlier.c.person_id == tap.c.person_id, earlier.c.at_ms <= until_ms)
        .order_by(earlier.c.at_ms.desc())
        .offset(BEFORE)
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(*_columns())
        .select_from(tap)
        .join(
            reading,
            and_(
                reading.c.person_id == tap.c.person_id,
                reading.c.at_ms >= func.coalesce(since_ms, 0),
                reading.c.at_ms <= until_ms,
            ),
        )
        .join(swipe, swipe.c.id == reading.c.swipe_id)
        .join(card_token, is_token())
        .join(card_signer, card_signer.c.card_id == card_token.c.card_id)
        .outerjoin(swipe_message, swipe_message.c.swipe_id == swipe.c.id)
        .where(tap.c.swipe_id.in_(bindparam("swipes", expanding=True)), _COUNTS)
        .order_by(card_token.c.card_id)
    )


_NEAR = _near()


def judged(connection: Connection, card_ids: Iterable[int]) -> dict[int, str]:
    """swipe id -> what it rests on, of all swipes with these cards."""
    wanted, found = sorted(set(card_ids)), dict[int, str]()
    for start in range(0, len(wanted), due.CHUNK):
        tokens = connection.execute(_TOKENS, {"cards": wanted[start : start + due.CHUNK]}).all()
        found |= _judged(connection.execute(_SWIPES, {"tokens": [row.token for row in tokens]}))
    return found


def _judged(rows: Iterable[Any]) -> dict[int, str]:
    """Of rows of `_columns()`, in order of card."""
    found: dict[int, str] = {}
    for _, its in groupby(rows, key=lambda row: row.card_id):
        # A swipe may bring two tokens of one card, and is one swipe.
        once = {row.swipe_id: row for row in its}
        found |= card_counters.judge(
            Said(
                swipe_id=row.swipe_id,
                lo_ms=None if row.at_ms is None else row.at_ms - row.uncertainty_ms,
                hi_ms=None if row.at_ms is None else row.at_ms + row.uncertainty_ms,
                message=row.message_id is not None,
                counter=row.counter,
                genuine=row.genuine,
                signs=row.since_ms is not None and (row.at_ms or 0) >= row.since_ms,
            )
            for row in once.values()
        )
    return found


_TOKENS = select(card_token.c.token).where(card_token.c.card_id.in_(bindparam("cards", expanding=True)))


def _swipes() -> Select:
    # By their tokens, each of which has an index: to find them from the cards on, a database reads all that there are.
    ids = select(swipe.c.id).where(
        or_(
            swipe.c.token.in_(bindparam("tokens", expanding=True)),
            swipe.c.token2.in_(bindparam("tokens", expanding=True)),
        )
    )
    newest = func.row_number().over(partition_by=card_token.c.card_id, order_by=reading.c.swipe_id.desc())
    numbered = (
        select(*_columns(), newest.label("number"))
        .select_from(swipe)
        .join(reading, reading.c.swipe_id == swipe.c.id)
        .join(card_token, is_token())
        .outerjoin(card_signer, card_signer.c.card_id == card_token.c.card_id)
        .outerjoin(swipe_message, swipe_message.c.swipe_id == swipe.c.id)
        .where(swipe.c.id.in_(ids), _COUNTS)
        .subquery()
    )
    return (
        select(numbered)
        .where(numbered.c.number <= JUDGED_MOST)
        .order_by(numbered.c.card_id, numbered.c.swipe_id.desc())
    )


_SWIPES = _swipes()


def _cards(connection: Connection, tokens: list[tuple[int, bytes]]) -> set[int]:
    if not tokens:
        return set()
    query = select(card_token.c.card_id).where(
        or_(*(and_(card_token.c.key_id == key, card_token.c.token == token) for key, token in set(tokens)))
    )
    return set(connection.execute(query).scalars())
