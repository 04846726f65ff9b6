"""Card keys, cards, and whose they are when. The store never keeps a UID, and sees one only in imports (PORT-1)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import combinations

from sqlalchemy import Connection, and_, bindparam, delete, or_, select, update

from firmware.contract.mac import Key
from server.errors import StoreError
from server.store import check_ins, due, institutions
from server.store.prepared import Prepared
from server.store.schema import card, card_assignment, card_key, card_token, reading, swipe
from server.store.upsert import new_id
from server.vault import Vault

#: A UID of four bytes that begins with 08 is random; phones say 01020304. They identify nobody.
_RANDOM_FIRST, _PHONE = 0x08, bytes.fromhex("01020304")
UID_LENGTHS = (4, 7, 10)
#: a swipe of a rotation that is over teaches for so long: later it is one with a card that nobody has
LATE_MS = 31 * 24 * 3_600_000


def current_keys(connection: Connection, vault: Vault, institution_id: int, now_ms: int) -> list[Key]:
    """The card keys that hold now, oldest first; the first is made when there is none. Two: a rotation is on."""
    rows = connection.execute(
        select(card_key.c.key_id, card_key.c.secret)
        .where(card_key.c.institution_id == institution_id, card_key.c.from_ms <= now_ms)
        .where(or_(card_key.c.to_ms.is_(None), card_key.c.to_ms > now_ms))
        .order_by(card_key.c.from_ms, card_key.c.key_id)
    ).all()
    if rows:
        return [Key(row.key_id, vault.open(row.secret, _about(institution_id, row.key_id))) for row in rows]
    secret = os.urandom(32)
    connection.execute(
        card_key.insert().values(
            institution_id=institution_id,
            key_id=1,
            secret=vault.seal(secret, _about(institution_id, 1)),
            from_ms=0,
        )
    )
    return [Key(1, secret)]


def need_key(connection: Connection, vault: Vault) -> None:
    """Open one card key, if there is any: under another server key no card could be registered.

    Raises BadSetting(`server-key`).
    """
    for row in connection.execute(select(card_key).order_by(card_key.c.id.desc()).limit(1)):
        vault.open(row.secret, _about(row.institution_id, row.key_id))


def secrets_for_readers(
    connection: Connection, vault: Vault, institution_id: int, now_ms: int
) -> list[tuple[int, bytes]]:
    """(key id, secret) of the current card keys: for a reader's settings file and nothing else."""
    current_keys(connection, vault, institution_id, now_ms)
    rows = connection.execute(
        select(card_key.c.key_id, card_key.c.secret)
        .where(card_key.c.institution_id == institution_id)
        .where(or_(card_key.c.to_ms.is_(None), card_key.c.to_ms > now_ms))
        .order_by(card_key.c.from_ms, card_key.c.key_id)
    )
    return [(row.key_id, vault.open(row.secret, _about(institution_id, row.key_id))) for row in rows]


def _about(institution_id: int, key_id: int) -> str:
    return f"card-key/{institution_id}/{key_id}"


def token_for(uid: bytes, keys: Iterable[Key]) -> list[tuple[int, bytes]]:
    """(key id, token) of a card with this UID under each key. The UID goes no further.

    Raises StoreError(`card-uid-length`, `card-uid-random`); the texts do not repeat the UID.
    """
    if len(uid) not in UID_LENGTHS:
        raise StoreError("card-uid-length", "a card's UID has 4, 7 or 10 bytes")
    if (len(uid) == 4 and uid[0] == _RANDOM_FIRST) or uid == _PHONE:
        raise StoreError(
            "card-uid-random", "this UID is random or a phone's: it identifies nobody, register another card"
        )
    return [(key.id, key.token(uid)) for key in keys]


def hold(
    connection: Connection, institution_id: int, person_id: int, tokens: Sequence[tuple[int, bytes]], at_ms: int
) -> int:
    """This person has the card with these tokens from `at_ms` on. Returns the card's id.

    Idempotent. Taken from another person it ends there. Swipes with it are looked at again.
    """
    card_id = _card(connection, institution_id, tokens, at_ms)
    open_rows = connection.execute(
        select(card_assignment).where(card_assignment.c.card_id == card_id, card_assignment.c.to_ms.is_(None))
    ).all()
    if any(row.person_id == person_id for row in open_rows):
        return card_id
    for row in open_rows:
        _end(connection, row.id, max(at_ms, row.from_ms), "moved")
    connection.execute(
        card_assignment.insert().values(
            institution_id=institution_id, card_id=card_id, person_id=person_id, from_ms=at_ms
        )
    )
    resolve(connection, institution_id, [card_id], at_ms)
    institutions.campus_changed(connection, institution_id)
    return card_id


def end(connection: Connection, institution_id: int, card_id: int, at_ms: int, why: str) -> None:
    """The card stops working at `at_ms` (PORT-8): later swipes with it credit nothing, rosters leave it out.

    why: lost, replaced, returned, import.
    """
    rows = connection.execute(
        select(card_assignment).where(
            card_assignment.c.card_id == card_id,
            or_(card_assignment.c.to_ms.is_(None), card_assignment.c.to_ms > at_ms),
        )
    ).all()
    for row in rows:
        _end(connection, row.id, max(at_ms, row.from_ms), why)
    resolve(connection, institution_id, [card_id], at_ms)
    institutions.campus_changed(connection, institution_id)


def of_person(connection: Connection, person_id: int, at_ms: int) -> list[int]:
    """Ids of the cards that work for this person at that time."""
    return list(
        connection.execute(
            select(card_assignment.c.card_id)
            .where(card_assignment.c.person_id == person_id, card_assignment.c.from_ms <= at_ms)
            .where(or_(card_assignment.c.to_ms.is_(None), card_assignment.c.to_ms > at_ms))
            .order_by(card_assignment.c.card_id)
        ).scalars()
    )


def make(connection: Connection, institution_id: int, tokens: Sequence[tuple[int, bytes]], at_ms: int) -> int:
    """The card with these tokens; where it is not known it is made, and nobody has it. Returns its id."""
    return _card(connection, institution_id, tokens, at_ms)


def known(connection: Connection, institution_id: int, tokens: Sequence[tuple[int, bytes]]) -> int | None:
    """The id of the card with one of these tokens; None: it is not known."""
    if not tokens:
        return None
    query = select(card_token.c.card_id).where(
        card_token.c.institution_id == institution_id,
        or_(*(and_(card_token.c.key_id == key, card_token.c.token == token) for key, token in tokens)),
    )
    return connection.execute(query.limit(1)).scalar()


def replace(
    connection: Connection, institution_id: int, person_id: int, tokens: Sequence[tuple[int, bytes]], at_ms: int
) -> int:
    """A new card for this person; every other card of theirs stops working at `at_ms` (PORT-8). Returns its id."""
    before = of_person(connection, person_id, at_ms)
    card_id = hold(connection, institution_id, person_id, tokens, at_ms)
    for old in before:
        if old != card_id:
            end(connection, institution_id, old, at_ms, "replaced")
    return card_id


def _card(connection: Connection, institution_id: int, tokens: Sequence[tuple[int, bytes]], at_ms: int) -> int:
    known = connection.execute(
        select(card_token.c.card_id, card_token.c.key_id, card_token.c.token).where(
            card_token.c.institution_id == institution_id,
            or_(*(and_(card_token.c.key_id == key, card_token.c.token == token) for key, token in tokens)),
        )
    ).all()
    card_id = known[0].card_id if known else None
    if card_id is None:
        made = connection.execute(card.insert().values(institution_id=institution_id, created_ms=at_ms))
        card_id = new_id(made)
    have = {(row.key_id, row.token) for row in known}
    for key, token in tokens:
        if (key, token) not in have:
            connection.execute(
                card_token.insert().values(institution_id=institution_id, card_id=card_id, key_id=key, token=token)
            )
    return card_id


def _end(connection: Connection, assignment_id: int, at_ms: int, why: str) -> None:
    connection.execute(
        update(card_assignment).where(card_assignment.c.id == assignment_id).values(to_ms=at_ms, ended_why=why)
    )


_OWNERS = Prepared(
    select(
        card_token.c.key_id,
        card_token.c.token,
        card_assignment.c.from_ms,
        card_assignment.c.to_ms,
        card_assignment.c.person_id,
    )
    .join(card_assignment, card_assignment.c.card_id == card_token.c.card_id)
    .where(
        card_token.c.institution_id == bindparam("institution"),
        card_token.c.token.in_(bindparam("tokens", expanding=True)),
    )
    .order_by(card_assignment.c.from_ms, card_assignment.c.id)
)


def owners(
    connection: Connection, institution_id: int, tokens: Iterable[tuple[int, bytes]]
) -> dict[tuple[int, bytes], list[tuple[int, int | None, int]]]:
    """(key id, token) -> (from, to, person id) of every assignment of the card with that token."""
    wanted = sorted({token for _, token in tokens})
    found: dict[tuple[int, bytes], list[tuple[int, int | None, int]]] = {}
    for start in range(0, len(wanted), due.CHUNK):
        values = {"institution": institution_id, "tokens": wanted[start : start + due.CHUNK]}
        for row in _OWNERS.all(connection, values):
            found.setdefault((row.key_id, row.token), []).append((row.from_ms, row.to_ms, row.person_id))
    return found


def learn(
    connection: Connection,
    institution_id: int,
    told: Iterable[tuple[tuple[int, bytes], tuple[int, bytes], int]],
    now_ms: int,
) -> int:
    """During a rotation of card keys a reader sends a card's tokens under both: the one that is new is kept.

    told: both (key id, token) of one authentic swipe, and its reader. A pair of which neither is known says nothing; nor
    does one under keys that no reader of ours ever held together: whoever has one reader's key would name whom they like
    by any token. Returns how many were learnt; rosters then name these cards by the new token as well, and swipes that
    came with it before are theirs.
    """
    rotating = _rotating(connection, institution_id, now_ms)
    said = {(one, other): of for one, other, of in told if frozenset((one[0], other[0])) in rotating}
    tokens = sorted({token for pair in said for _, token in pair})
    held: dict[tuple[int, bytes], int] = {}
    for start in range(0, len(tokens), due.CHUNK):
        query = select(card_token.c.card_id, card_token.c.key_id, card_token.c.token).where(
            card_token.c.institution_id == institution_id, card_token.c.token.in_(tokens[start : start + due.CHUNK])
        )
        held |= {(row.key_id, row.token): row.card_id for row in connection.execute(query)}
    learnt: set[int] = set()
    for (one, other), reader_id in sorted(said.items()):
        if (one in held) == (other in held):
            continue
        known, new = (one, other) if one in held else (other, one)
        # A card has one token under a key: a second one is another card's.
        if new[0] in _under(connection, held[known]):
            continue
        connection.execute(
            card_token.insert().values(
                institution_id=institution_id,
                card_id=held[known],
                key_id=new[0],
                token=new[1],
                learnt_ms=now_ms,
                learnt_from_id=reader_id,
            )
        )
        held[new] = held[known]
        learnt.add(held[known])
    if learnt:
        resolve(connection, institution_id, learnt, now_ms)
        institutions.campus_changed(connection, institution_id)
    return len(learnt)


def _rotating(connection: Connection, institution_id: int, now_ms: int) -> set[frozenset[int]]:
    """The pairs of card keys that readers held together, now or in the time from which a swipe may still come."""
    rows = connection.execute(
        select(card_key.c.key_id, card_key.c.from_ms, card_key.c.to_ms).where(
            card_key.c.institution_id == institution_id,
            or_(card_key.c.to_ms.is_(None), card_key.c.to_ms > now_ms - LATE_MS),
        )
    ).all()
    return {
        frozenset((one.key_id, other.key_id))
        for one, other in combinations(rows, 2)
        if (other.to_ms is None or one.from_ms < other.to_ms) and (one.to_ms is None or other.from_ms < one.to_ms)
    }


def _under(connection: Connection, card_id: int) -> set[int]:
    """The keys under which this card's token is known."""
    return set(connection.execute(select(card_token.c.key_id).where(card_token.c.card_id == card_id)).scalars())


def unlearn(connection: Connection, institution_id: int, reader_id: int, since_ms: int, now_ms: int) -> int:
    """Take back what this reader's swipes have taught since then: whoever had its key could say whose any token is.
    Returns how many tokens. Cards of people who tapped at other doors meanwhile are learnt there again."""
    which = (card_token.c.learnt_from_id == reader_id) & (card_token.c.learnt_ms >= since_ms)
    gone = connection.execute(select(card_token.c.card_id, card_token.c.token).where(which)).all()
    if not gone:
        return 0
    connection.execute(delete(card_token).where(which))
    resolve(connection, institution_id, {row.card_id for row in gone}, now_ms, gone=[row.token for row in gone])
    institutions.campus_changed(connection, institution_id)
    return len(gone)


def owner_at(assignments: Iterable[tuple[int, int | None, int]], at_ms: int) -> int | None:
    """Who had the card then: judged at the time of the swipe, not of its arrival."""
    for from_ms, to_ms, person_id in assignments:
        if from_ms <= at_ms and (to_ms is None or at_ms < to_ms):
            return person_id
    return None


def owners_within(assignments: Iterable[tuple[int, int | None, int]], lo_ms: int, hi_ms: int) -> set[int]:
    """Who had the card at any time from lo to hi."""
    return {
        person_id
        for from_ms, to_ms, person_id in assignments
        if from_ms <= hi_ms and (to_ms is None or to_ms > max(lo_ms, from_ms))
    }


def resolve(
    connection: Connection, institution_id: int, card_ids: Iterable[int], now_ms: int, *, gone: Iterable[bytes] = ()
) -> None:
    """Say again whose the swipes with these cards are, and mark whoever gains or loses one as due. gone: tokens that are
    no card's any more, looked at as well."""
    for card_id in sorted(set(card_ids)):
        tokens = connection.execute(
            select(card_token.c.key_id, card_token.c.token).where(card_token.c.card_id == card_id)
        ).all()
        owned = owners(connection, institution_id, [(row.key_id, row.token) for row in tokens])
        values = [*(row.token for row in tokens), *gone]
        check_ins.due_by_cards(connection, institution_id, values)
        query = (
            select(
                *(reading.c.swipe_id, reading.c.at_ms, reading.c.uncertainty_ms, reading.c.person_id),
                *(swipe.c.key_id, swipe.c.token, swipe.c.key2_id, swipe.c.token2),
            )
            .join(swipe, swipe.c.id == reading.c.swipe_id)
            .where(
                swipe.c.institution_id == institution_id,
                reading.c.at_ms.is_not(None),
                or_(swipe.c.token.in_(values), swipe.c.token2.in_(values)),
            )
        )
        marks = []
        for row in connection.execute(query).all():
            both = (row.key_id, row.token), (row.key2_id, row.token2)
            assignments = [each for one in both for each in owned.get(one, ())]
            person_id = owner_at(assignments, row.at_ms)
            lo_ms, hi_ms = row.at_ms - row.uncertainty_ms, row.at_ms + row.uncertainty_ms
            concerned = owners_within(assignments, lo_ms, hi_ms) - {person_id}
            if person_id != row.person_id:
                concerned |= {row.person_id, person_id}
            marks += [
                {
                    "person_id": whose,
                    "institution_id": institution_id,
                    "from_ms": lo_ms,
                    "to_ms": hi_ms,
                    "since_ms": now_ms,
                }
                for whose in concerned
                if whose is not None
            ]
            if person_id == row.person_id:
                continue
            connection.execute(
                update(reading)
                .where(reading.c.swipe_id == row.swipe_id)
                # Nobody's card: no person will be derived for it, so its worth is said here.
                .values(
                    person_id=person_id,
                    verdict=None if person_id else "unknown_card",
                    session_id=None,
                    credits=False,
                )
            )
        due.mark(connection, marks)
