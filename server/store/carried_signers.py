"""Cards that sign, as a restored store takes them over from the one it replaces: their keys stand nowhere else.

The secret from which cards' keys are made stands in cards that are out already, so it is taken over as well. A card is
found by its tokens, never by its number here: in the restored store it has another, or none yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from server.errors import BadSetting
from server.store import cards, institutions, signed_cards
from server.store.schema import card_token, institution
from server.store.schema_cards import card_signer, signing_key
from server.vault import Vault


@dataclass(frozen=True, kw_only=True)
class OldSigner:
    """A card that signs in the old store. sealed: under its number there."""

    institution: str
    card_id: int
    sealed: bytes
    since_ms: int
    tokens: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, kw_only=True)
class OldSecret:
    """An institution's secret in the old store. sealed: under its id there."""

    institution: str
    institution_id: int
    sealed: bytes
    made_ms: int


@dataclass(frozen=True, kw_only=True)
class Signing:
    """All of it that the old store has."""

    signers: tuple[OldSigner, ...] = ()
    secrets: tuple[OldSecret, ...] = ()


@dataclass(kw_only=True)
class Taken:
    """What was taken over: how many cards that sign, and the institutions' secrets by name."""

    cards: int = 0
    secrets: list[str] = field(default_factory=list)
    #: sealed under another server key: these must be registered again
    unread: int = 0


def read(connection: Connection) -> Signing:
    """Look at the old store."""
    query = (
        select(card_signer, institution.c.name.label("institution"), card_token.c.key_id, card_token.c.token)
        .join(institution, institution.c.id == card_signer.c.institution_id)
        .join(card_token, card_token.c.card_id == card_signer.c.card_id)
        .order_by(card_signer.c.id, card_token.c.id)
    )
    found: dict[int, OldSigner] = {}
    for row in connection.execute(query):
        before = found[row.card_id].tokens if row.card_id in found else ()
        found[row.card_id] = OldSigner(
            institution=row.institution,
            card_id=row.card_id,
            sealed=bytes(row.sealed),
            since_ms=row.created_ms,
            tokens=(*before, (row.key_id, bytes(row.token))),
        )
    query = select(signing_key, institution.c.name.label("institution")).join(
        institution, institution.c.id == signing_key.c.institution_id
    )
    secrets = tuple(
        OldSecret(
            institution=row.institution,
            institution_id=row.institution_id,
            sealed=bytes(row.secret),
            made_ms=row.created_ms,
        )
        for row in connection.execute(query)
    )
    return Signing(signers=tuple(found.values()), secrets=secrets)


def apply(connection: Connection, vault: Vault, old: Signing) -> Taken:
    """Take over into the restored store what it does not have, or has with another key."""
    here = {one.name: one.id for one in institutions.every(connection)}
    taken = Taken()
    there = set(connection.execute(select(signing_key.c.institution_id)).scalars())
    for one in old.secrets:
        if one.institution in here and here[one.institution] not in there:
            try:
                value = signed_cards.open_secret(vault, one.institution_id, one.sealed)
            except BadSetting:
                taken.unread += 1
                continue
            signed_cards.put_secret(connection, vault, here[one.institution], value, one.made_ms)
            taken.secrets.append(one.institution)
    for one in old.signers:
        if one.institution in here:
            _take(connection, vault, here[one.institution], one, taken)
    return taken


def _take(connection: Connection, vault: Vault, institution_id: int, one: OldSigner, taken: Taken) -> None:
    try:
        signer = signed_cards.opened(vault, one.card_id, one.sealed)
    except BadSetting:
        taken.unread += 1
        return
    known = signed_cards.signers(connection, vault, one.tokens)
    if any(known.get((institution_id, *token)) == signer for token in one.tokens):
        return
    card_id = cards.make(connection, institution_id, one.tokens, one.since_ms)
    signed_cards.register(connection, vault, institution_id, card_id, signer, one.since_ms)
    taken.cards += 1
