"""Passwords: what is taken for one, one's own, and one given to somebody else. Each change ends the account's logins, and
its API tokens unless their owner keeps them."""

from __future__ import annotations

from argon2 import PasswordHasher
from sqlalchemy import Connection, Engine, select, update

from server.errors import Refused
from server.scope import Scope
from server.store import campus, rights, tokens
from server.store.campus import FieldRefused
from server.store.engine import reading, writing
from server.store.logins import hash_of
from server.store.password_hashes import PASSWORD_MIN, is_right
from server.store.schema import account


def stamp(connection: Connection, account_id: int) -> str:
    """What stands for the account's password: another one, once that was changed."""
    hashed = connection.execute(select(account.c.password_hash).where(account.c.id == account_id)).scalar()
    return hash_of(hashed or "").hex()[:16]


def change_password(
    engine: Engine,
    scope: Scope,
    hasher: PasswordHasher,
    *,
    now: str,
    new: str,
    again: str,
    now_ms: int,
    keep_tokens: bool = False,
) -> None:
    """One's own password. Every login of the account ends, this one too, and its API tokens unless they are to be kept.
    The slow work holds no transaction.

    Raises FieldRefused naming the field, Refused(`no-password`).
    """
    with reading(engine) as connection:
        row = connection.execute(select(account).where(account.c.id == scope.account_id)).one()
    if not row.password_hash:
        raise Refused("no-password", "this account has no password: it signs in through your college")
    if not is_right(hasher, row.password_hash, now):
        raise FieldRefused("password-now", "now", "this is not your password now")
    need_good_password(new, row.login, "new")
    if new == now:
        raise FieldRefused("password-same", "new", "this is your password already: choose another")
    if again != new:
        raise FieldRefused("password-again", "again", "this differs from the new password above: type it once more")
    hashed = hasher.hash(new)
    with writing(engine) as connection:
        same = connection.execute(
            select(account.c.id)
            .where(account.c.id == row.id, account.c.password_hash == row.password_hash)
            .with_for_update(key_share=True)
        ).first()
        if same is None:
            raise FieldRefused("password-now", "now", "the password was changed meanwhile")
        put(connection, row.id, hashed, now_ms, keep_tokens=keep_tokens)
        campus.write_down(connection, scope, "account.own-password", f"account:{row.id}", now_ms)


def put(connection: Connection, account_id: int, hashed: str, now_ms: int, *, keep_tokens: bool = False) -> None:
    """Another password of the account, hashed. Its logins and API tokens end."""
    connection.execute(update(account).where(account.c.id == account_id).values(password_hash=hashed, failures=0))
    rights.end_logins(connection, account_id, now_ms)
    if not keep_tokens:
        tokens.revoke_all(connection, account_id, now_ms)


def need_good_password(password: str, login_name: str, field: str) -> None:
    """Raises FieldRefused for one that is short, endless, or nearly the login."""
    if len(password) < PASSWORD_MIN:
        raise FieldRefused("password-short", field, f"a password has at least {PASSWORD_MIN} characters")
    if len(password) > 1000:
        raise FieldRefused("password-long", field, "a password has at most 1000 characters")
    if login_name.casefold() in password.casefold() and len(password) < len(login_name) + PASSWORD_MIN:
        raise FieldRefused("password-login", field, "this is little more than the login: choose another")
    if len(set(password)) < 4:
        raise FieldRefused("password-plain", field, "this repeats a few characters: choose another")
