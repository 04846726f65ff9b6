"""Tables of certificates: what the authority issued to servers, and when that ends; and authorities in turn. See schema.py.

A server's certificate is no secret, and stands beside it; here is when it must be made anew.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, LargeBinary, String, Table, UniqueConstraint

from server.store.schema import Id, Ms, _id, _institution, metadata

#: The newest certificate of each server that readers or proxies answer by: the one before it holds no longer to be used.
issued_certificate = Table(
    "issued_certificate",
    metadata,
    _id(),
    _institution(),
    #: what the server is called: the name of the agent beside a broker, or the first host of `muster ca issue`
    Column("name", String(253), nullable=False),
    Column("issued_ms", Ms, nullable=False),
    Column("ends_ms", Ms, nullable=False),
    UniqueConstraint("institution_id", "name"),
)

#: The authority beside the one that signs: the next, or the one before until it ends.
authority_beside = Table(
    "authority_beside",
    metadata,
    Column("institution_id", Id, ForeignKey("institution.id"), primary_key=True, autoincrement=False),
    #: DER
    Column("certificate", LargeBinary, nullable=False),
    #: the next one's, encrypted under the server key; NULL: it was turned away from, and signs nothing any more
    Column("key", LargeBinary),
    Column("created_ms", Ms, nullable=False),
    #: since when the other one signs; NULL: it is the next
    Column("turned_ms", Ms),
)

#: The newest authority that a reader is known to know: it was in the settings that it was given, or it said so itself.
reader_authority = Table(
    "reader_authority",
    metadata,
    Column("reader_id", Id, ForeignKey("reader.id"), primary_key=True, autoincrement=False),
    _institution(),
    #: SHA-256 of the certificate
    Column("sha256", LargeBinary, nullable=False),
    Column("told_ms", Ms, nullable=False),
)
