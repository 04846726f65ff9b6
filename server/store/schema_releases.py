"""Tables of the releases that the store carries, and of their roll-outs. See schema.py. Nobody is named here but by hand."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy import false as false_

from server.store.schema import Ms, _id, _institution, _ref, metadata

#: A public key whose releases the store takes. The private one is on no server.
release_key = Table(
    "release_key",
    metadata,
    _id(),
    _institution(),
    #: its number in manifests, 1 to 255
    Column("number", Integer, nullable=False),
    #: RSA modulus of 3,072 bits, hex
    Column("modulus", Text, nullable=False),
    Column("added_ms", Ms, nullable=False),
    #: trusted no more from then on
    Column("ended_ms", Ms),
    UniqueConstraint("institution_id", "number"),
)

#: A signed release, whole.
firmware_release = Table(
    "firmware_release",
    metadata,
    _id(),
    _institution(),
    Column("board", String(8), nullable=False),
    Column("version", String(32), nullable=False),
    Column("counter", BigInteger, nullable=False),
    #: readers that have confirmed less must take another one first
    Column("minimum", BigInteger, nullable=False),
    Column("built_ms", Ms, nullable=False),
    #: number of the key that signed it
    Column("key_number", Integer, nullable=False),
    #: which release a piece belongs to: 16 hex digits of the manifest's SHA-256
    Column("tag", String(16), nullable=False),
    #: bytes of the pack's head, and of all of it
    Column("head", Integer, nullable=False),
    Column("size", Integer, nullable=False),
    Column("pack", LargeBinary, nullable=False),
    Column("added_ms", Ms, nullable=False),
    _ref("by_account_id", "account", nullable=True),
    UniqueConstraint("institution_id", "tag"),
    UniqueConstraint("institution_id", "board", "counter"),
    UniqueConstraint("institution_id", "board", "version"),
)

#: A release on its way to readers.
rollout = Table(
    "rollout",
    metadata,
    _id(),
    _institution(),
    _ref("release_id", "firmware_release"),
    #: the stages in percent of the readers, such as 1,10,100; empty: one reader, asked for on its page
    Column("percents", String(32), nullable=False),
    Column("soak_ms", Ms, nullable=False),
    #: running, stopped, done, ended
    Column("state", String(8), nullable=False),
    #: which stage is out, from 1, and since when its last reader has come to an end
    Column("stage", Integer, nullable=False),
    Column("over_ms", Ms),
    Column("began_ms", Ms, nullable=False),
    #: when it stopped or ended; why, where it stopped by itself
    Column("ended_ms", Ms),
    Column("why", Text),
    _ref("by_account_id", "account", nullable=True),
    Index(
        "ix_rollout_running",
        "institution_id",
        sqlite_where=text("state = 'running'"),
        postgresql_where=text("state = 'running'"),
    ),
)

#: How far one reader is with it.
rollout_reader = Table(
    "rollout_reader",
    metadata,
    _id(),
    _institution(),
    _ref("rollout_id", "rollout"),
    _ref("reader_id", "reader", index=True),
    Column("stage", Integer, nullable=False),
    #: policy/rollout.py has the words
    Column("state", String(16), nullable=False),
    Column("have", Integer, nullable=False, server_default=text("0")),
    Column("until", Integer, nullable=False, server_default=text("0")),
    Column("code", String(32)),
    Column("heard_ms", Ms),
    Column("sent_ms", Ms),
    #: it was there and took cards before
    Column("was_well", Boolean, nullable=False, server_default=false_()),
    #: somebody let the roll-out go on in spite of it
    Column("excused", Boolean, nullable=False, server_default=false_()),
    UniqueConstraint("rollout_id", "reader_id"),
    # Each delivery looks whether any is to be sent something.
    Index(
        "ix_rollout_reader_busy",
        "institution_id",
        sqlite_where=text("state IN ('asked', 'taking')"),
        postgresql_where=text("state IN ('asked', 'taking')"),
    ),
)
