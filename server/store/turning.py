"""From one certificate authority to the next: made beside the one that signs, made known to readers, turned to, the old ended.

Readers trust both meanwhile. A reader on a wall keeps the authorities that it was given: a Pico W learns the next one only
as a new reader in its place, a Raspberry Pi when it renews its certificate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, or_, select, update

from firmware.contract import renewal
from server import certificates
from server.errors import NotFound, Refused
from server.scope import Scope
from server.store import authorities, campus
from server.store.schema import reader
from server.store.schema_certificates import authority_beside, reader_authority
from server.store.schema_trust import authority, broker_credential
from server.store.upsert import over
from server.vault import Vault

TEND = "doors.tend"
#: what the one before issued to Raspberry Pis holds so long
CERTIFICATES_MS = renewal.DAYS * 24 * 3_600_000
#: readers that are named where some do not know the next one
NAMED = 20


@dataclass(frozen=True, kw_only=True)
class Beside:
    """The authority beside the one that signs. certificate: DER; turned_ms None: it is the next, else the one before."""

    certificate: bytes
    turned_ms: int | None


def beside(connection: Connection, institution_id: int) -> Beside | None:
    """It; None: there is only the one that signs."""
    row = connection.execute(
        select(authority_beside.c.certificate, authority_beside.c.turned_ms).where(
            authority_beside.c.institution_id == institution_id
        )
    ).first()
    return None if row is None else Beside(certificate=bytes(row.certificate), turned_ms=row.turned_ms)


def trusted(connection: Connection, institution_id: int) -> tuple[bytes, ...]:
    """What readers and brokers are to trust now, DER: the one that signs first. Empty: there is no authority."""
    signs = authorities.certificate(connection, institution_id)
    if signs is None:
        return ()
    other = beside(connection, institution_id)
    return (signs,) if other is None else (signs, other.certificate)


def prepare(connection: Connection, vault: Vault, scope: Scope, name: str, now_ms: int) -> bytes:
    """Make the next one. Returns its certificate, DER. Raises NotFound(`ca`), Refused(`ca-next`), NotAllowed."""
    scope.need(TEND)
    campus.begin(connection, scope)
    signs = authorities.signing(connection, vault, scope.institution_id)
    if beside(connection, scope.institution_id) is not None:
        raise Refused("ca-next", "there is one beside it already: `muster ca show` says which, and what is to be done")
    made = certificates.make_authority(name, now_ms, since_ms=certificates.span_ms(signs.certificate)[0])
    connection.execute(
        authority_beside.insert().values(
            institution_id=scope.institution_id,
            certificate=made.certificate,
            key=vault.seal(made.key, authorities.ABOUT),
            created_ms=now_ms,
        )
    )
    campus.write_down(connection, scope, "ca.next", "authority", now_ms)
    return made.certificate


def turn(connection: Connection, scope: Scope, now_ms: int, *, forced: bool = False) -> list[str]:
    """The next one signs from now on. The one before is trusted until it ends; its key is gone. forced: also where readers
    do not know the next one. Returns the names of those. Raises NotFound(`ca-next`), Refused(`ca-unknown`), NotAllowed."""
    scope.need(TEND)
    here = authority_beside.c.institution_id == scope.institution_id
    row = connection.execute(select(authority_beside).where(here).with_for_update()).first()
    if row is None or row.turned_ms is not None:
        raise NotFound("ca-next", "there is no next authority: `muster ca next` makes it")
    unaware = unaware_of(connection, scope.institution_id, bytes(row.certificate))
    if unaware and not forced:
        more = f" and {len(unaware) - NAMED} more" if len(unaware) > NAMED else ""
        raise Refused(
            "ca-unknown",
            f"these do not know the next authority, and would not connect any more: {', '.join(unaware[:NAMED])}{more}. "
            "Put a new reader in the place of each Pico W (`muster reader new --swap`), revoke what serves no door any more "
            "(`muster reader revoke`), let Raspberry Pis renew; or say --force",
        )
    old = connection.execute(
        select(authority.c.certificate, authority.c.created_ms).where(
            authority.c.institution_id == scope.institution_id
        )
    ).one()
    connection.execute(
        update(authority)
        .where(authority.c.institution_id == scope.institution_id)
        .values(certificate=row.certificate, key=row.key, created_ms=row.created_ms)
    )
    connection.execute(
        update(authority_beside)
        .where(here)
        .values(certificate=old.certificate, key=None, created_ms=old.created_ms, turned_ms=now_ms)
    )
    campus.write_down(connection, scope, "ca.turn", "authority", now_ms, unaware=len(unaware))
    return unaware


def end(connection: Connection, scope: Scope, now_ms: int, *, forced: bool = False) -> None:
    """The one before is trusted no more, by nothing that is made from now on. forced: also while certificates that it
    issued to Raspberry Pis may hold. Raises NotFound(`ca-before`), Refused(`ca-early`), NotAllowed."""
    scope.need(TEND)
    campus.begin(connection, scope)
    other = beside(connection, scope.institution_id)
    if other is None or other.turned_ms is None:
        raise NotFound("ca-before", "no authority was turned away from: nothing is to be ended")
    if not forced and now_ms < other.turned_ms + CERTIFICATES_MS:
        raise Refused(
            "ca-early",
            f"Raspberry Pis may still show certificates of the one before, up to {renewal.DAYS} days after the turn: wait, "
            "or say --force",
        )
    connection.execute(delete(authority_beside).where(authority_beside.c.institution_id == scope.institution_id))
    campus.write_down(connection, scope, "ca.end", "authority", now_ms)


def told(connection: Connection, institution_id: int, name: str, known: Iterable[bytes], now_ms: int) -> None:
    """The reader of this name was given these authorities (DER): of those that are trusted here the newest is noted."""
    mine = reader.c.institution_id == institution_id, reader.c.name == name
    reader_id = connection.execute(select(reader.c.id).where(*mine)).scalar_one()
    _note(connection, institution_id, reader_id, set(map(_sha256, known)), now_ms)


def told_by(connection: Connection, institution_id: int, reader_id: int, known: Iterable[str], now_ms: int) -> None:
    """A reader says which it knows, by their SHA-256 in hex."""
    _note(connection, institution_id, reader_id, {bytes.fromhex(one) for one in known}, now_ms)


def _note(connection: Connection, institution_id: int, reader_id: int, have: set[bytes], now_ms: int) -> None:
    other = beside(connection, institution_id)
    in_order = list(trusted(connection, institution_id))
    if other is not None and other.turned_ms is None:
        # The next is newer than the one that signs.
        in_order.reverse()
    newest = next((one for one in map(_sha256, in_order) if one in have), None)
    if newest is None:
        return
    held = connection.execute(
        select(reader_authority.c.sha256).where(reader_authority.c.reader_id == reader_id)
    ).scalar()
    if held is None or bytes(held) != newest:
        made = over(connection, reader_authority, ("reader_id",), ("sha256", "told_ms"))
        values = {"reader_id": reader_id, "institution_id": institution_id, "sha256": newest, "told_ms": now_ms}
        connection.execute(made.values(**values))


def unaware_of(connection: Connection, institution_id: int, certificate: bytes) -> list[str]:
    """Names of the readers with an account at the broker that are not known to know this authority (DER)."""
    query = (
        select(reader.c.name)
        .join(broker_credential, broker_credential.c.reader_id == reader.c.id)
        .outerjoin(reader_authority, reader_authority.c.reader_id == reader.c.id)
        .where(
            reader.c.institution_id == institution_id,
            reader.c.ended_ms.is_(None),
            broker_credential.c.to_ms.is_(None),
            or_(
                reader_authority.c.sha256.is_(None),
                reader_authority.c.sha256 != _sha256(certificate),
            ),
        )
        .distinct()
        .order_by(reader.c.name)
    )
    return list(connection.execute(query).scalars())


def _sha256(certificate: bytes) -> bytes:
    return hashlib.sha256(certificate).digest()
