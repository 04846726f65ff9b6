"""API tokens as their owner and administrators see them: named, listed, revoked. Made with `muster staff token`.

A token does what its account may do now, so a role that ends or narrows holds for it at once. A password changes because
somebody else may know it, and whoever did may have made a token: so tokens go with it, unless their owner keeps them.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, or_, select, update

from server.store.schema import api_token


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
