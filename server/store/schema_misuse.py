"""Tables of what may be misuse of cards, for a person to judge (PORT-9). Conventions: see schema.py."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Integer, String, Table, UniqueConstraint, false, text

from server.store.schema import Id, Ms, _id, _institution, _ref, metadata

#: What may be misuse: the machine decides nothing by it, and no mark changes. One row for a cause.
misuse_flag = Table(
    "misuse_flag",
    metadata,
    _id(),
    _institution(),
    Column("kind", String(16), nullable=False),
    #: the cause: who, and the day; or the two persons
    Column("subject", String(64), nullable=False),
    _ref("person_id", "person", index=True),
    #: of a pair: the other one, and how often that one was at a door without them in that time
    _ref("other_person_id", "person", nullable=True, index=True),
    Column("apart", Integer),
    Column("at_ms", Ms, nullable=False),
    Column("last_ms", Ms, nullable=False),
    Column("count", Integer, nullable=False, server_default=text("1")),
    #: when it was first shown
    Column("raised_ms", Ms, nullable=False),
    #: what it rested on reads otherwise now: it is taken back, and not shown as open
    Column("lapsed_ms", Ms),
    #: what a person found: explained, misuse, unclear
    Column("outcome", String(16)),
    Column("closed_ms", Ms),
    _ref("closed_by_account_id", "account", nullable=True),
    _ref("note_id", "note", nullable=True),
    UniqueConstraint("institution_id", "kind", "subject"),
)

#: What a flag rests on, or ever rested on, tap by tap, as it was read then.
misuse_tap = Table(
    "misuse_tap",
    metadata,
    _id(),
    _institution(),
    _ref("flag_id", "misuse_flag"),
    _ref("record_id", "record"),
    _ref("person_id", "person", index=True),
    _ref("reader_id", "reader"),
    Column("at_ms", Ms, nullable=False),
    Column("unsure_ms", Ms, nullable=False),
    Column("check_in", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("flag_id", "record_id"),
)

#: How far an institution's taps were looked at.
misuse_look = Table(
    "misuse_look",
    metadata,
    Column("institution_id", Id, ForeignKey("institution.id"), primary_key=True, autoincrement=False),
    #: every record up to this one, as they came
    Column("record_id", Id, nullable=False),
    #: the local day of the last look at everybody, ISO; and the number of the person it has reached. NULL: all of them
    Column("day", String(10), nullable=False),
    Column("reached", Id),
)
