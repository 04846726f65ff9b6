"""Passkeys (WebAuthn credentials) of accounts: public keys and counters, no secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from server.errors import Refused
from server.scope import Scope
from server.store import campus, rights
from server.store.schema import account
from server.store.schema_rights import passkey
from server.store.upsert import unless_there

#: of one account
MOST = 20


@dataclass(frozen=True, kw_only=True)
class Passkey:
    """A passkey that holds, as its owner is shown it."""

    id: int
    credential_id: bytes
    name: str
    created_ms: int
    used_ms: int | None


def of_account(connection: Connection, account_id: int) -> list[Passkey]:
    """The account's passkeys that hold, oldest first."""
    query = (
        select(passkey).where(passkey.c.account_id == account_id, passkey.c.revoked_ms.is_(None)).order_by(passkey.c.id)
    )
    return [
        Passkey(
            id=row.id,
            credential_id=row.credential_id,
            name=row.name,
            created_ms=row.created_ms,
            used_ms=row.used_ms,
        )
        for row in connection.execute(query)
    ]


def add(
    connection: Connection,
    scope: Scope,
    *,
    credential_id: bytes,
    public_key: bytes,
    sign_count: int,
    name: str,
    now_ms: int,
) -> int:
    """A new passkey of one's own account. Raises Refused(`passkey-known`, `passkeys-many`)."""
    if len(of_account(connection, scope.account_id)) >= MOST:
        raise Refused("passkeys-many", f"an account has at most {MOST} passkeys: revoke one first")
    values = {
        "institution_id": scope.institution_id,
        "account_id": scope.account_id,
        "credential_id": credential_id,
        "public_key": public_key,
        "sign_count": sign_count,
        "name": name,
        "created_ms": now_ms,
    }
    # Of two at once the second waits for the first, and adds none.
    found = connection.execute(unless_there(connection, passkey, ("credential_id",), ("id",)), [values]).scalar()
    if found is None:
        raise Refused("passkey-known", "this passkey was added before, or revoked: make a new one")
    campus.write_down(connection, scope, "passkey.add", f"account:{scope.account_id}", now_ms, passkey=found)
    return found


def by_credential(connection: Connection, credential_id: bytes) -> Any | None:
    """The passkey's row with this credential, if it holds and its account lets somebody in."""
    query = (
        select(passkey)
        .join(account, account.c.id == passkey.c.account_id)
        .where(passkey.c.credential_id == credential_id, passkey.c.revoked_ms.is_(None), rights.opens())
    )
    return connection.execute(query).first()


def used(connection: Connection, passkey_id: int, before: int, now: int, now_ms: int) -> bool:
    """Write down a use and the authenticator's counter. False: revoked, or another use came between."""
    done = connection.execute(
        update(passkey)
        .where(passkey.c.id == passkey_id, passkey.c.revoked_ms.is_(None), passkey.c.sign_count == before)
        .values(sign_count=now, used_ms=now_ms)
    )
    return done.rowcount == 1


def revoke(connection: Connection, scope: Scope, passkey_id: int, now_ms: int) -> bool:
    """A passkey of one's own account opens nothing any more. False: there is none such."""
    done = connection.execute(
        update(passkey)
        .where(passkey.c.id == passkey_id, passkey.c.account_id == scope.account_id, passkey.c.revoked_ms.is_(None))
        .values(revoked_ms=now_ms)
    )
    if done.rowcount:
        campus.write_down(
            connection, scope, "passkey.revoke", f"account:{scope.account_id}", now_ms, passkey=passkey_id
        )
    return done.rowcount > 0


def revoke_all(connection: Connection, account_id: int, now_ms: int) -> int:
    """None of the account's opens anything any more. Returns how many did."""
    done = connection.execute(
        update(passkey)
        .where(passkey.c.account_id == account_id, passkey.c.revoked_ms.is_(None))
        .values(revoked_ms=now_ms)
    )
    return done.rowcount
