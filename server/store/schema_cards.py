"""Tables of cards that sign what they say at a tap (NTAG 424 DNA). Conventions: see schema.py."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Integer, LargeBinary, Table, UniqueConstraint

from server.store.schema import Id, Ms, _id, _institution, _ref, metadata

#: The institution's secret from which each card's own key is made, sealed. One for good: it stands in the cards.
signing_key = Table(
    "signing_key",
    metadata,
    _id(),
    _institution(),
    Column("secret", LargeBinary, nullable=False),
    Column("created_ms", Ms, nullable=False),
    UniqueConstraint("institution_id"),
)

#: A card that signs: its number and its own key, sealed together; both are opened only to check what it said. Nowhere
#: else in the store is a card's number.
card_signer = Table(
    "card_signer",
    metadata,
    _id(),
    _institution(),
    _ref("card_id", "card"),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_ms", Ms, nullable=False),
    UniqueConstraint("card_id"),
)

#: What a card said at a swipe beside its number.
swipe_message = Table(
    "swipe_message",
    metadata,
    Column("swipe_id", Id, ForeignKey("swipe.id"), primary_key=True, autoincrement=False),
    _institution(),
    #: 24 bits, one more at each reading of the card; NULL: the message was encrypted, and nobody can tell
    Column("counter", Integer),
    #: 8 bytes
    Column("mac", LargeBinary),
    #: whether the card's own key made it; NULL: no key of this card is known
    Column("genuine", Boolean),
)
