"""Tables of trust: the CA, who may speak at the broker, and readers that are believed no more. Conventions: schema.py.

No password is here, only its hash as Mosquitto reads it; the CA's key is sealed by the vault. A broker's own key is in
the broker's folder and nowhere else.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, LargeBinary, String, Table, UniqueConstraint, false

from server.store.schema import Id, Ms, _from, _id, _institution, _ref, _to, metadata

#: The institution's own certificate authority. `key` is encrypted under the server key.
authority = Table(
    "authority",
    metadata,
    _id(),
    _institution(),
    #: DER
    Column("certificate", LargeBinary, nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("created_ms", Ms, nullable=False),
    UniqueConstraint("institution_id"),
)

#: Who may speak at the broker: a reader, or a gateway. One holds at a time for each.
broker_credential = Table(
    "broker_credential",
    metadata,
    _id(),
    _institution(),
    _ref("reader_id", "reader", nullable=True, index=True),
    _ref("gateway_id", "gateway", nullable=True, index=True),
    #: what it calls itself at the broker: a reader's name, or `gateway.NAME`
    Column("user", String(64), nullable=False),
    #: $7$iterations$salt$PBKDF2-SHA512, as a password file of Mosquitto has it
    Column("hash", String(255), nullable=False),
    #: it is taken only together with a client's certificate, at the listener that wants one
    Column("mutual", Boolean, nullable=False, server_default=false()),
    _from(),
    _to(),
    Index("ix_broker_credential_held", "institution_id", "to_ms"),
)

#: What stands beside a broker and brings it the credentials: known by its token, of which only the hash is kept.
broker_agent = Table(
    "broker_agent",
    metadata,
    _id(),
    _institution(),
    Column("name", String(32), nullable=False, unique=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("created_ms", Ms, nullable=False),
    #: when it last asked, to within 10 s
    Column("seen_ms", Ms),
)

#: A reader that was stolen, lost or opened: nothing that the store got from it since then counts. Never taken back.
reader_revocation = Table(
    "reader_revocation",
    metadata,
    Column("reader_id", Id, ForeignKey("reader.id"), primary_key=True, autoincrement=False),
    _institution(),
    #: since when it is out of our hands, as a person said; and when they said so
    Column("since_ms", Ms, nullable=False),
    Column("called_ms", Ms, nullable=False),
    #: a word of server/store/revocations.py's WHYS
    Column("why", String(16), nullable=False),
    _ref("by_account_id", "account", nullable=True),
    #: a person looked at what it delivered since, and let count what is older than that
    Column("released_ms", Ms),
    _ref("released_by_account_id", "account", nullable=True),
)
