"""Tables of rights and sign-in, beside `account` and `login` in schema.py. Conventions: see there."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint, text

from server.store.schema import Id, Ms, _from, _id, _institution, _ref, _to, metadata

#: A school or faculty, and the departments below it. A head's scope; by it absence requests are routed (PORT-13).
department = Table(
    "department",
    metadata,
    _id(),
    _institution(),
    _ref("parent_id", "department", nullable=True),
    Column("source", String(64), nullable=False),
    Column("source_id", String(255), nullable=False),
    Column("code", String(64), nullable=False),
    Column("title", Text, nullable=False),
    Column("ended_ms", Ms),
    UniqueConstraint("institution_id", "source", "source_id"),
)

#: Which department a student belongs to; without a row, those of their classes' courses count.
person_department = Table(
    "person_department",
    metadata,
    _id(),
    _institution(),
    _ref("person_id", "person", index=True),
    _ref("department_id", "department", index=True),
    _from(),
    _to(),
)

#: What an account may do, and where: a role within a scope, from and to. An account may have several.
account_role = Table(
    "account_role",
    metadata,
    _id(),
    _institution(),
    _ref("account_id", "account", index=True),
    #: a word of server/scope.py's ROLES
    Column("role", String(16), nullable=False),
    #: institution, department, course, residence
    Column("scope", String(16), nullable=False, server_default="institution"),
    #: the id of that department, course or residence; NULL for the institution
    Column("scope_id", Id),
    _ref("by_account_id", "account", nullable=True),
    _from(),
    _to(),
)

#: A passkey (WebAuthn credential) of an account.
passkey = Table(
    "passkey",
    metadata,
    _id(),
    _institution(),
    _ref("account_id", "account", index=True),
    Column("credential_id", LargeBinary, nullable=False, unique=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", Integer, nullable=False, server_default=text("0")),
    #: what its owner calls it
    Column("name", String(64), nullable=False),
    Column("created_ms", Ms, nullable=False),
    Column("used_ms", Ms),
    Column("revoked_ms", Ms),
)

#: Who an account is at an OpenID provider.
outside_identity = Table(
    "outside_identity",
    metadata,
    _id(),
    _institution(),
    _ref("account_id", "account", index=True),
    Column("issuer", String(255), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("created_ms", Ms, nullable=False),
    UniqueConstraint("issuer", "subject"),
)

#: A sign-in under way at a provider or with a passkey: state, nonce, verifier, challenge. A row is used once.
sign_in_flow = Table(
    "sign_in_flow",
    metadata,
    _id(),
    #: sha256 of the state that the browser carries
    Column("state_hash", LargeBinary, nullable=False, unique=True),
    #: oidc, passkey, passkey-new
    Column("kind", String(16), nullable=False),
    _ref("account_id", "account", nullable=True),
    #: JSON: nonce, verifier, challenge, next
    Column("detail", Text, nullable=False),
    Column("created_ms", Ms, nullable=False),
    Index("ix_sign_in_flow_created", "created_ms"),
)
