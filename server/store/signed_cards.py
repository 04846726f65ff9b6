"""Cards that sign: their keys, what they said at swipes, and what each of a person's swipes in a session rests on."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, update

from server import card_signature
from server.errors import StoreError
from server.policy import card_counters
from server.policy.card_counters import Said
from server.store import due
from server.store.schema import card_token, reader, reading, room, swipe
from server.store.schema_cards import card_signer, signing_key, swipe_message
from server.vault import Vault

#: swipes of a card that are judged together: its newest
JUDGED_MOST = 5000


@dataclass(frozen=True, kw_only=True)
class Signer:
    """A card's number and key, opened. Never kept, logged or shown."""

    uid: bytes
    key: bytes


@dataclass(frozen=True, kw_only=True)
class Tap:
    """One swipe of a person's in a session. kind: of `card_counters`."""

    swipe_id: int
    at_ms: int
    room: str
    kind: str


def secret(connection: Connection, vault: Vault, institution_id: int, now_ms: int) -> bytes:
    """The institution's secret from which cards' keys are made, 16 bytes; made when there is none."""
    row = connection.execute(
        select(signing_key.c.secret).where(signing_key.c.institution_id == institution_id)
    ).one_or_none()
    if row is not None:
        return vault.open(row.secret, _about_secret(institution_id))
    made = os.urandom(card_signature.KEY_BYTES)
    put_secret(connection, vault, institution_id, made, now_ms)
    return made


def put_secret(connection: Connection, vault: Vault, institution_id: int, value: bytes, now_ms: int) -> None:
    """Take over a secret that was made elsewhere. Raises StoreError(`signing-key-length`, `signing-key-there`)."""
    if len(value) != card_signature.KEY_BYTES:
        raise StoreError("signing-key-length", "the secret has 16 bytes: 32 hex digits")
    there = select(signing_key.c.id).where(signing_key.c.institution_id == institution_id)
    if connection.execute(there).first() is not None:
        raise StoreError(
            "signing-key-there", "there is a secret already, and cards may hold keys that were made from it: it stays"
        )
    connection.execute(
        signing_key.insert().values(
            institution_id=institution_id, secret=vault.seal(value, _about_secret(institution_id)), created_ms=now_ms
        )
    )


def register(
    connection: Connection, vault: Vault, institution_id: int, card_id: int, signer: Signer, now_ms: int
) -> None:
    """This card signs with this key. Twice is once; another key takes the place of the one before. What came with its
    swipes until now is checked again. Raises StoreError(`card-signs-length`)."""
    if len(signer.uid) != card_signature.UID_BYTES or len(signer.key) != card_signature.KEY_BYTES:
        raise StoreError("card-signs-length", "a card that signs has a number of 7 bytes and a key of 16")
    sealed = vault.seal(signer.uid + signer.key, _about(card_id))
    there = select(card_signer.c.id).where(card_signer.c.card_id == card_id)
    row = connection.execute(there).one_or_none()
    if row is None:
        connection.execute(
            card_signer.insert().values(
                institution_id=institution_id, card_id=card_id, sealed=sealed, created_ms=now_ms
            )
        )
    else:
        connection.execute(update(card_signer).where(card_signer.c.id == row.id).values(sealed=sealed))
    _check_again(connection, card_id, signer)


def _check_again(connection: Connection, card_id: int, signer: Signer) -> None:
    query = (
        select(swipe_message)
        .join(swipe, swipe.c.id == swipe_message.c.swipe_id)
        .join(card_token, _is_token())
        .where(card_token.c.card_id == card_id, swipe_message.c.counter.is_not(None))
    )
    for row in connection.execute(query).all():
        genuine = card_signature.is_genuine(signer.key, signer.uid, row.counter, bytes(row.mac))
        if genuine != row.genuine:
            connection.execute(
                update(swipe_message).where(swipe_message.c.swipe_id == row.swipe_id).values(genuine=genuine)
            )


def signers(
    connection: Connection, vault: Vault, tokens: Iterable[tuple[int, bytes]]
) -> dict[tuple[int, int, bytes], Signer]:
    """(institution id, key id, token) -> the card that signs, for those of these (key id, token) that are one's."""
    wanted = sorted({token for _, token in tokens})
    found: dict[tuple[int, int, bytes], Signer] = {}
    for start in range(0, len(wanted), due.CHUNK):
        query = (
            select(card_token.c.institution_id, card_token.c.key_id, card_token.c.token, card_signer)
            .join(card_signer, card_signer.c.card_id == card_token.c.card_id)
            .where(card_token.c.token.in_(wanted[start : start + due.CHUNK]))
        )
        for row in connection.execute(query):
            found[row.institution_id, row.key_id, bytes(row.token)] = opened(vault, row.card_id, row.sealed)
    return found


def opened(vault: Vault, card_id: int, sealed: bytes) -> Signer:
    """A card's number and key. Raises BadSetting(`server-key`)."""
    both = vault.open(sealed, _about(card_id))
    return Signer(uid=both[: card_signature.UID_BYTES], key=both[card_signature.UID_BYTES :])


def add(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Insert what cards said: dicts of swipe_id, institution_id, counter, mac, genuine."""
    connection.execute(
        swipe_message.insert(),
        [{name: row[name] for name in ("swipe_id", "institution_id", "counter", "mac", "genuine")} for row in rows],
    )


def tokens_of(fact: Any) -> list[tuple[int, bytes]]:
    """The (key id, token) of a swipe, one or two; none where the card identifies nobody."""
    both = ((fact["key_id"], fact["token"]), (fact["key2_id"], fact["token2"]))
    return [(key, bytes(token)) for key, token in both if token is not None]


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
    kinds: dict[int, str] = {}
    for card_id in sorted(_cards(connection, [token for row in rows for token in tokens_of(row._mapping)])):
        kinds |= judged(connection, card_id)
    return [
        Tap(
            swipe_id=row.swipe_id,
            at_ms=row.at_ms,
            room=row.room,
            kind=kinds.get(row.swipe_id, card_counters.NUMBER),
        )
        for row in rows
    ]


def kind_of(connection: Connection, card_id: int | None, swipe_id: int) -> str:
    """What one swipe with a card rests on. card_id: None where nobody ever had it."""
    return card_counters.NUMBER if card_id is None else judged(connection, card_id).get(swipe_id, card_counters.NUMBER)


def judged(connection: Connection, card_id: int) -> dict[int, str]:
    """swipe id -> what it rests on, of a card's swipes."""
    since_ms = connection.execute(select(card_signer.c.created_ms).where(card_signer.c.card_id == card_id)).scalar()
    query = (
        select(reading.c.swipe_id, reading.c.at_ms, reading.c.uncertainty_ms, swipe_message)
        .join(swipe, swipe.c.id == reading.c.swipe_id)
        .join(card_token, _is_token())
        .outerjoin(swipe_message, swipe_message.c.swipe_id == swipe.c.id)
        .where(card_token.c.card_id == card_id)
        .order_by(reading.c.swipe_id.desc())
        .limit(JUDGED_MOST)
    )
    return card_counters.judge(
        Said(
            swipe_id=row[0],
            lo_ms=None if row.at_ms is None else row.at_ms - row.uncertainty_ms,
            hi_ms=None if row.at_ms is None else row.at_ms + row.uncertainty_ms,
            message=row[3] is not None,
            counter=row.counter,
            genuine=row.genuine,
            signs=since_ms is not None and (row.at_ms or 0) >= since_ms,
        )
        for row in {one[0]: one for one in connection.execute(query)}.values()
    )


def _cards(connection: Connection, tokens: list[tuple[int, bytes]]) -> set[int]:
    if not tokens:
        return set()
    query = select(card_token.c.card_id).where(
        or_(*(and_(card_token.c.key_id == key, card_token.c.token == token) for key, token in set(tokens)))
    )
    return set(connection.execute(query).scalars())


def _is_token():
    return and_(
        card_token.c.institution_id == swipe.c.institution_id,
        or_(
            and_(card_token.c.key_id == swipe.c.key_id, card_token.c.token == swipe.c.token),
            and_(card_token.c.key_id == swipe.c.key2_id, card_token.c.token == swipe.c.token2),
        ),
    )


def _about_secret(institution_id: int) -> str:
    return f"signing-key/{institution_id}"


def _about(card_id: int) -> str:
    return f"card-signer/{card_id}"
