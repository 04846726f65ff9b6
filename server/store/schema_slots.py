"""The table of slots: a reader to be, with the token by which one board becomes it. Conventions: see schema.py."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, String, Table

from server.store.schema import Ms, _id, _institution, _ref, metadata

#: A place at a room's door that waits for a board. The token is shown once; its SHA-256 is kept.
slot = Table(
    "slot",
    metadata,
    _id(),
    _institution(),
    #: what the reader will be called, and its site, as in topics
    Column("reader_name", String(32), nullable=False, index=True),
    Column("site_name", String(32), nullable=False),
    _ref("room_id", "room"),
    #: the reader that leaves this door when the new one takes over; NULL: none does
    _ref("replaces_id", "reader", nullable=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("made_ms", Ms, nullable=False),
    #: NULL: at the server's own console
    _ref("made_by_account_id", "account", nullable=True),
    Column("expires_ms", Ms, nullable=False),
    Column("withdrawn_ms", Ms),
    #: when a board showed the token: once
    Column("claimed_ms", Ms),
    #: that board's own number, as it said
    Column("board", String(64)),
    #: the reader that it became
    _ref("reader_id", "reader", nullable=True),
    Index("ix_slot_made", "institution_id", "made_ms"),
)
