"""The institution's certificate authority: its certificate, and its key sealed under the server key."""

from __future__ import annotations

from sqlalchemy import Connection, select

from server import certificates
from server.certificates import Authority
from server.errors import NotFound, Refused
from server.store.schema_trust import authority
from server.vault import Vault

#: under which an authority's key is sealed
ABOUT = "authority-key"


def make(connection: Connection, vault: Vault, institution_id: int, name: str, now_ms: int) -> Authority:
    """Make the institution's authority. Raises Refused(`ca-exists`): every reader on a wall knows the one there is."""
    if certificate(connection, institution_id) is not None:
        raise Refused("ca-exists", "there is a certificate authority already: `muster ca show` prints its certificate")
    made = certificates.make_authority(name, now_ms)
    connection.execute(
        authority.insert().values(
            institution_id=institution_id,
            certificate=made.certificate,
            key=vault.seal(made.key, ABOUT),
            created_ms=now_ms,
        )
    )
    return made


def certificate(connection: Connection, institution_id: int) -> bytes | None:
    """The authority's certificate, DER; None: there is no authority."""
    found = connection.execute(
        select(authority.c.certificate).where(authority.c.institution_id == institution_id)
    ).scalar()
    return None if found is None else bytes(found)


def signing(connection: Connection, vault: Vault, institution_id: int) -> Authority:
    """The authority, able to sign. Raises NotFound(`ca`), BadSetting(`server-key`)."""
    row = connection.execute(
        select(authority.c.certificate, authority.c.key).where(authority.c.institution_id == institution_id)
    ).first()
    if row is None:
        raise NotFound("ca", "there is no certificate authority yet: `muster ca init` makes it")
    return Authority(certificate=bytes(row.certificate), key=vault.open(bytes(row.key), ABOUT))
