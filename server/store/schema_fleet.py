"""Tables of the fleet: outages as facts, alerts and where they were said, commands, where rooms stand. See schema.py.

Nobody is named here: a reader, a door, a time.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint, text

from server.store.schema import Id, Ms, _id, _institution, _ref, metadata

#: A stretch in which a reader was not heard, had no power, or could take no swipes. Kept: it is evidence.
reader_outage = Table(
    "reader_outage",
    metadata,
    _id(),
    _institution(),
    #: NULL: the whole line: the store itself, or every gateway
    _ref("reader_id", "reader", nullable=True),
    #: policy/outage_facts.py has the words
    Column("kind", String(16), nullable=False),
    Column("from_ms", Ms, nullable=False),
    #: NULL: it goes on
    Column("to_ms", Ms),
    #: when the store noted it
    Column("noted_ms", Ms, nullable=False),
    UniqueConstraint("reader_id", "kind", "from_ms"),
    Index("ix_reader_outage_from", "institution_id", "from_ms"),
)

#: How far the store has looked at its readers: a gap in it is an outage of the store's own.
fleet_watch = Table(
    "fleet_watch",
    metadata,
    Column("institution_id", Id, ForeignKey("institution.id"), primary_key=True, autoincrement=False),
    Column("looked_ms", Ms, nullable=False),
    #: heads up to this id were looked at
    Column("head_id", BigInteger, nullable=False),
)

#: Something was down by a rule, and is up again or not: each stretch once.
fleet_alert = Table(
    "fleet_alert",
    metadata,
    _id(),
    _institution(),
    #: NULL: of the whole line
    _ref("reader_id", "reader", nullable=True, index=True),
    Column("rule", String(32), nullable=False),
    #: the reader's name and its door, or `line`
    Column("subject", String(128), nullable=False),
    Column("text", Text, nullable=False),
    Column("raised_ms", Ms, nullable=False),
    Column("cleared_ms", Ms),
    Index("ix_fleet_alert_open", "institution_id", "cleared_ms"),
)

#: What went out about alerts: one message tells all that one look found. Kept until it went, then as proof that it did.
fleet_notice = Table(
    "fleet_notice",
    metadata,
    _id(),
    _institution(),
    #: mail, webhook
    Column("channel", String(8), nullable=False),
    Column("subject", Text, nullable=False),
    #: a mail's text; a webhook's JSON
    Column("body", Text, nullable=False),
    Column("created_ms", Ms, nullable=False),
    Column("next_ms", Ms, nullable=False),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    #: how the last try ended
    Column("code", String(32)),
    Column("sent_ms", Ms),
    #: given up
    Column("failed_ms", Ms),
    Index("ix_fleet_notice_unsent", "sent_ms", "failed_ms", "next_ms"),
)

#: What a technician asked a reader to do, and what became of it.
reader_command = Table(
    "reader_command",
    metadata,
    _id(),
    _institution(),
    _ref("reader_id", "reader", index=True),
    #: when it was made, epoch ms, above that of every one before: the reader takes each once, and none that is old
    Column("counter", BigInteger, nullable=False),
    Column("name", String(16), nullable=False),
    _ref("by_account_id", "account", nullable=True),
    #: when it went down the line; NULL: not yet
    Column("sent_ms", Ms),
    #: when the reader said that it had done it (not signed), and what it found
    Column("done_ms", Ms),
    Column("found", Text),
    UniqueConstraint("reader_id", "counter"),
    # Each delivery looks whether any waits.
    Index(
        "ix_reader_command_waiting",
        "institution_id",
        sqlite_where=text("sent_ms IS NULL"),
        postgresql_where=text("sent_ms IS NULL"),
    ),
)
