"""Who an account is at an OpenID provider."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from server.errors import Refused
from server.scope import Scope
from server.store import campus, rights
from server.store.schema import account
from server.store.schema_rights import outside_identity
from server.store.upsert import unless_there


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A link to a provider's account."""

    id: int
    issuer: str
    created_ms: int


def account_of(connection: Connection, issuer: str, subject: str) -> int | None:
    """The account that is this identity's, if one is and it lets somebody in."""
    query = (
        select(account.c.id)
        .join(outside_identity, outside_identity.c.account_id == account.c.id)
        .where(
            outside_identity.c.issuer == issuer,
            outside_identity.c.subject == subject,
            rights.opens(),
        )
    )
    return connection.execute(query).scalar()


def is_linked(connection: Connection, issuer: str, subject: str) -> bool:
    """Whether this identity is an account's already, disabled or not."""
    query = select(outside_identity.c.id).where(
        outside_identity.c.issuer == issuer, outside_identity.c.subject == subject
    )
    return connection.execute(query).first() is not None


def unlinked_account(connection: Connection, institution_id: int, issuer: str, login_name: str) -> int | None:
    """The account with this login that has no identity at the issuer yet; None: there is none."""
    has_one = select(outside_identity.c.account_id).where(outside_identity.c.issuer == issuer)
    query = select(account.c.id).where(
        account.c.institution_id == institution_id,
        account.c.login == login_name,
        rights.opens(),
        account.c.id.not_in(has_one),
    )
    return connection.execute(query).scalar()


def link(connection: Connection, scope: Scope, issuer: str, subject: str, now_ms: int, *, by: str) -> None:
    """The identity is this account's from now on. Raises Refused(`identity-taken`)."""
    values = {
        "institution_id": scope.institution_id,
        "account_id": scope.account_id,
        "issuer": issuer,
        "subject": subject,
        "created_ms": now_ms,
    }
    # Of two at once the second waits for the first, and links none.
    made = connection.execute(unless_there(connection, outside_identity, ("issuer", "subject"), ("id",)), [values])
    if made.first() is None:
        if account_of(connection, issuer, subject) == scope.account_id:
            return
        raise Refused("identity-taken", "that account is linked to another account here: its owner ends that first")
    campus.write_down(connection, scope, "account.link", f"account:{scope.account_id}", now_ms, by=by)


def of_account(connection: Connection, account_id: int) -> list[Identity]:
    """The account's links."""
    query = select(outside_identity).where(outside_identity.c.account_id == account_id).order_by(outside_identity.c.id)
    return [Identity(id=row.id, issuer=row.issuer, created_ms=row.created_ms) for row in connection.execute(query)]


def unlink(connection: Connection, scope: Scope, account_id: int, identity_id: int, now_ms: int) -> bool:
    """End a link of an account; the caller has asked whose it is. False: there is none such."""
    done = connection.execute(
        delete(outside_identity).where(
            outside_identity.c.id == identity_id, outside_identity.c.account_id == account_id
        )
    )
    if done.rowcount:
        campus.write_down(connection, scope, "account.unlink", f"account:{account_id}", now_ms)
    return done.rowcount > 0


def unlink_all(connection: Connection, account_id: int) -> int:
    """No identity opens the account any more. Returns how many did."""
    return connection.execute(delete(outside_identity).where(outside_identity.c.account_id == account_id)).rowcount
