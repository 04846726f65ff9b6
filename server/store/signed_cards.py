"""Cards that sign: their keys, and what they said at swipes. What a tap rests on by it: card_doubts.py."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, or_, select, update

from server import card_signature
from server.errors import StoreError
from server.store import due
from server.store.schema import card_token, swipe
from server.store.schema_cards import card_signer, signing_key, swipe_message
from server.vault import Vault


@dataclass(frozen=True, kw_only=True)
class Signer:
    """A card's number and key, opened. Never kept, logged or shown."""

    uid: bytes
    key: bytes


def secret(connection: Connection, vault: Vault, institution_id: int, now_ms: int) -> bytes:
    """The institution's secret from which cards' keys are made, 16 bytes; made when there is none."""
    row = connection.execute(
        select(signing_key.c.secret).where(signing_key.c.institution_id == institution_id)
    ).one_or_none()
    if row is not None:
        return open_secret(vault, institution_id, row.secret)
    made = os.urandom(card_signature.KEY_BYTES)
    put_secret(connection, vault, institution_id, made, now_ms)
    return made


def open_secret(vault: Vault, institution_id: int, sealed: bytes) -> bytes:
    """An institution's secret. Raises BadSetting(`server-key`)."""
    return vault.open(sealed, _about_secret(institution_id))


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
        .join(card_token, is_token())
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


def is_token() -> ColumnElement[bool]:
    """Joins a swipe to the tokens that it brought."""
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
