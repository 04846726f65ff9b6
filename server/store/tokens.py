"""API tokens as their owner and administrators see them: named, listed, revoked. Made with `muster staff token`.

A token does what its account may do now, so a role that ends or narrows holds for it at once. A password changes because
somebody else may know it, and whoever did may have made a token: so tokens go with it, unless their owner keeps them.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, or_, select, update

from server.errors import StoreError
from server.store.logins import hash_of
from server.store.schema import account, api_token


@dataclass(frozen=True, kw_only=True)
class Token:
    """A token that works."""

    id: int
    name: str
    created_ms: int


def of_account(connection: Connection, account_id: int, now_ms: int) -> list[Token]:
    """The account's tokens that work now, oldest first."""
    query = (
        select(api_token.c.id, api_token.c.name, api_token.c.created_ms)
        .where(
            api_token.c.account_id == account_id,
            api_token.c.revoked_ms.is_(None),
            or_(api_token.c.expires_ms.is_(None), api_token.c.expires_ms > now_ms),
        )
        .order_by(api_token.c.id)
    )
    return [Token(id=row.id, name=row.name, created_ms=row.created_ms) for row in connection.execute(query)]


def revoke(connection: Connection, account_id: int, token_id: int, now_ms: int) -> bool:
    """This one works no more. False: there is none such of the account."""
    done = connection.execute(
        update(api_token)
        .where(api_token.c.id == token_id, api_token.c.account_id == account_id, api_token.c.revoked_ms.is_(None))
        .values(revoked_ms=now_ms)
    )
    return done.rowcount > 0


def revoke_all(connection: Connection, account_id: int, now_ms: int) -> int:
    """None of the account's works any more. Returns how many did."""
    done = connection.execute(
        update(api_token)
        .where(api_token.c.account_id == account_id, api_token.c.revoked_ms.is_(None))
        .values(revoked_ms=now_ms)
    )
    return done.rowcount


def make(connection: Connection, login_name: str, name: str, now_ms: int) -> str:
    """Make a bearer token of an account, for programs. Raises StoreError(`login-unknown`)."""
    row = connection.execute(select(account).where(account.c.login == login_name)).first()
    if row is None:
        raise StoreError("login-unknown", f"there is no account {login_name}: `muster staff add` makes one")
    token = secrets.token_urlsafe(32)
    connection.execute(
        api_token.insert().values(
            institution_id=row.institution_id,
            account_id=row.id,
            name=name,
            token_hash=hash_of(token),
            created_ms=now_ms,
        )
    )
    return token
