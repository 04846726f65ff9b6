"""The card desk: its readers, the cards that were just held to them and whose each is, and who may be given one (PORT-8).

A desk reader is one that serves no room and no house. What a reader that is believed no more says is not shown: whoever
has it could have any card's token given to somebody.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from server.policy import card_counters
from server.scope import Scope
from server.store import campus_people, card_doubts, cards, people, withheld
from server.store.campus_people import Found
from server.store.schema import card_assignment, person, person_name, placement, reader_state, reading, swipe
from server.store.schema import reader as reader_table
from server.store.schema_residence import kiosk
from server.store.schema_trust import reader_revocation
from server.store.signed_cards import tokens_of

#: taps of so long ago are shown, and so many
SHOWN_MS, SHOWN_MOST = 10 * 60_000, 8
CHANGE = "campus.change"


@dataclass(frozen=True, kw_only=True)
class DeskReader:
    """A reader on somebody's desk."""

    name: str
    #: when anything authentic came from it; None: never
    seen_ms: int | None
    #: ok, or what keeps it from taking cards; None: never said
    able: str | None


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a card that nobody has stopped being somebody's."""

    at_ms: int
    why: str
    #: None: nobody's in this account's care
    full_name: str | None


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
    #: of a card that nobody has, and that somebody had
    ended: Ended | None


def readers(connection: Connection, scope: Scope, now_ms: int) -> list[DeskReader]:
    """The institution's desk readers, by name."""
    query = (
        select(reader_table.c.name, reader_state.c.seen_ms, reader_state.c.able)
        .outerjoin(reader_state, reader_state.c.reader_id == reader_table.c.id)
        .where(reader_table.c.institution_id == scope.institution_id, _at_desk(reader_table.c.id, now_ms))
        .order_by(reader_table.c.name)
    )
    return [DeskReader(**row._mapping) for row in connection.execute(query)]


def _at_desk(reader_id: ColumnElement[int], now_ms: int) -> ColumnElement[bool]:
    placed = select(placement.c.reader_id).where(
        placement.c.from_ms <= now_ms, or_(placement.c.to_ms.is_(None), placement.c.to_ms > now_ms)
    )
    ended = select(reader_table.c.id).where(reader_table.c.ended_ms.is_not(None))
    return and_(
        reader_id.not_in(placed),
        reader_id.not_in(ended),
        reader_id.not_in(select(kiosk.c.reader_id)),
        reader_id.not_in(select(reader_revocation.c.reader_id)),
    )


def at_desk(connection: Connection, scope: Scope, now_ms: int) -> list[AtDesk]:
    """The newest tap of each card at the institution's desk readers, newest first."""
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
            _at_desk(reading.c.reader_id, now_ms),
            withheld.is_believed(),
        )
        .order_by(reading.c.at_ms.desc(), reading.c.swipe_id.desc())
        .limit(8 * SHOWN_MOST)
    )
    found: dict[object, AtDesk] = {}
    for row in connection.execute(query).all():
        tokens = tokens_of(row._mapping)
        card_id = cards.known(connection, scope.institution_id, tokens)
        key = card_id or (tokens[0] if tokens else row.swipe_id)
        if key in found or len(found) == SHOWN_MOST:
            continue
        holder = _holder(connection, card_id, now_ms)
        found[key] = AtDesk(
            swipe_id=row.swipe_id,
            at_ms=row.at_ms,
            reader=row.name,
            person_id=holder[0] if holder else None,
            full_name=holder[1] if holder and _mine(connection, scope, holder[0], now_ms) else None,
            card_id=card_id,
            kind=_kind(connection, card_id, row.swipe_id) if tokens else None,
            ended=ended(connection, scope, card_id, now_ms) if holder is None and card_id is not None else None,
        )
    return list(found.values())


def _kind(connection: Connection, card_id: int | None, swipe_id: int) -> str:
    judged = {} if card_id is None else card_doubts.judged(connection, [card_id])
    return judged.get(swipe_id, card_counters.NUMBER)


def _mine(connection: Connection, scope: Scope, person_id: int, now_ms: int) -> bool:
    return people.is_whole(connection, scope, person_id, CHANGE, now_ms)


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
    return None if row is None else (row.person_id, row.full_name or campus_people.NAMELESS)


def ended(connection: Connection, scope: Scope, card_id: int, now_ms: int) -> Ended | None:
    """How this card last stopped being somebody's; None: nobody ever had it. It may lie in the wrong hands, and whoever
    gives it out is to know."""
    query = (
        select(card_assignment, person_name.c.full_name)
        .outerjoin(person_name, person_name.c.person_id == card_assignment.c.person_id)
        .where(card_assignment.c.card_id == card_id, card_assignment.c.to_ms <= now_ms)
        .order_by(card_assignment.c.to_ms.desc(), card_assignment.c.id.desc())
    )
    row = connection.execute(query.limit(1)).first()
    if row is None:
        return None
    name = row.full_name or campus_people.NAMELESS
    mine = _mine(connection, scope, row.person_id, now_ms)
    return Ended(at_ms=row.to_ms, why=row.ended_why or "", full_name=name if mine else None)


def givable(connection: Connection, scope: Scope, text: str, now_ms: int) -> list[Found]:
    """Whom this account may give a card, by words of the name or a number: people who are here, and wholly in its care."""
    found = [one for one in campus_people.search(connection, scope, text) if one.ended_ms is None]
    query = select(person.c.id).where(person.c.id.in_([one.id for one in found]), people.whole(scope, CHANGE, now_ms))
    mine = set(connection.execute(query).scalars())
    return [one for one in found if one.id in mine]
