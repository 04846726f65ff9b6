"""Accounts, logins on the web, API tokens, and gateways' tokens. Only hashes of tokens and passwords are kept."""

from __future__ import annotations

import functools
import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, Engine, or_, select, update

from server.errors import NotSignedIn, Refused, StoreError
from server.scope import ADMIN, ROLES, TECHNICIAN, Grant, Scope
from server.store import rights
from server.store.engine import reading, writing
from server.store.schema import account, api_token, gateway, login
from server.store.upsert import new_id

#: wrong passwords in a row before the account waits, and how long
FAILURES, LOCKED_MS = 5, 5 * 60_000
PASSWORD_MIN = 10
#: a login's last use is written down at most this often
SEEN_MS = 60_000


@dataclass(frozen=True, kw_only=True)
class Login:
    """Who is signed in. csrf: what a form must bring back; '' for a bearer token, which no browser sends by itself."""

    account_id: int
    institution_id: int
    person_id: int | None
    grants: tuple[Grant, ...]
    shown_name: str
    csrf: str

    @property
    def scope(self) -> Scope:
        """What they may see."""
        return Scope(
            institution_id=self.institution_id,
            account_id=self.account_id,
            person_id=self.person_id,
            grants=self.grants,
        )

    @property
    def role(self) -> str:
        """The widest role: what the menu and home page are chosen by."""
        return self.scope.role


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """A new login. token: for the cookie; it is kept nowhere else."""

    token: str
    expires_ms: int
    login: Login


def hash_of(token: str) -> bytes:
    """A token's SHA-256: 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def add_account(
    connection: Connection,
    hasher: PasswordHasher,
    institution_id: int,
    *,
    login_name: str,
    shown_name: str,
    password: str,
    role: str,
    person_id: int | None,
    now_ms: int,
) -> int:
    """Make an account. Raises StoreError(`password-short`, `role`), Refused(`login-exists`)."""
    if len(password) < PASSWORD_MIN:
        raise StoreError("password-short", f"a password has at least {PASSWORD_MIN} characters")
    if role not in ROLES:
        raise StoreError("role", f"a role is one of {', '.join(ROLES)}")
    if connection.execute(select(account.c.id).where(account.c.login == login_name)).first() is not None:
        raise Refused("login-exists", f"there is an account {login_name} already: choose another login")
    made = connection.execute(
        account.insert().values(
            institution_id=institution_id,
            person_id=person_id,
            login=login_name,
            shown_name=shown_name,
            password_hash=hasher.hash(password),
            role=role,
            created_ms=now_ms,
        )
    )
    account_id = new_id(made)
    rights.grant(connection, institution_id, account_id, role, now_ms=now_ms)
    return account_id


def sign_in(
    engine: Engine, hasher: PasswordHasher, login_name: str, password: str, now_ms: int, *, hours: int = 12
) -> SignedIn:
    """Check a password and make a login. The slow check holds no transaction.

    Raises NotSignedIn(`sign-in`) without saying which of the two was wrong, NotSignedIn(`sign-in-locked`).
    """
    with reading(engine) as connection:
        row = connection.execute(select(account).where(account.c.login == login_name)).first()
    # The same work for a login that does not exist: time must not tell.
    right = _right(hasher, row.password_hash if row is not None else _nobody(hasher), password)
    if row is not None and row.locked_until_ms is not None and row.locked_until_ms > now_ms:
        raise NotSignedIn("sign-in-locked", "too many wrong passwords: wait five minutes and try again")
    if row is None or row.disabled_ms is not None or not right:
        if row is not None:
            _failed(engine, row.id, now_ms)
        raise NotSignedIn("sign-in", "the login or the password is wrong")
    token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    expires_ms = now_ms + hours * 3_600_000
    with writing(engine) as connection:
        connection.execute(update(account).where(account.c.id == row.id).values(failures=0, locked_until_ms=None))
        connection.execute(
            login.insert().values(
                institution_id=row.institution_id,
                account_id=row.id,
                token_hash=hash_of(token),
                csrf=csrf,
                created_ms=now_ms,
                seen_ms=now_ms,
                expires_ms=expires_ms,
            )
        )
        made = _login(row, csrf, rights.grants_of(connection, row.id, now_ms))
    return SignedIn(token=token, expires_ms=expires_ms, login=made)


@functools.cache
def _nobody(hasher: PasswordHasher) -> str:
    # Made once: hashing it at each try would double the time, and time would tell that there is no such login.
    return hasher.hash("nobody has this password")


def _right(hasher: PasswordHasher, hashed: str, password: str) -> bool:
    try:
        return hasher.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


def _failed(engine: Engine, account_id: int, now_ms: int) -> None:
    with writing(engine) as connection:
        connection.execute(update(account).where(account.c.id == account_id).values(failures=account.c.failures + 1))
        connection.execute(
            update(account)
            .where(account.c.id == account_id, account.c.failures >= FAILURES)
            .values(failures=0, locked_until_ms=now_ms + LOCKED_MS)
        )


def _login(row: Any, csrf: str, grants: tuple[Grant, ...]) -> Login:
    return Login(
        account_id=row.id,
        institution_id=row.institution_id,
        person_id=row.person_id,
        grants=grants,
        shown_name=row.shown_name,
        csrf=csrf,
    )


def find(connection: Connection, token: str, now_ms: int) -> Login | None:
    """Whose login this token is; None: nobody's, or it has ended. Writes nothing."""
    query = (
        select(account, login.c.csrf)
        .join(login, login.c.account_id == account.c.id)
        .where(
            login.c.token_hash == hash_of(token),
            login.c.ended_ms.is_(None),
            login.c.expires_ms > now_ms,
            account.c.disabled_ms.is_(None),
        )
    )
    row = connection.execute(query).first()
    return None if row is None else _login(row, row.csrf, rights.grants_of(connection, row.id, now_ms))


def find_bearer(connection: Connection, token: str, now_ms: int) -> Login | None:
    """Whose API token this is; None: nobody's, expired or revoked."""
    query = (
        select(account)
        .join(api_token, api_token.c.account_id == account.c.id)
        .where(
            api_token.c.token_hash == hash_of(token),
            api_token.c.revoked_ms.is_(None),
            or_(api_token.c.expires_ms.is_(None), api_token.c.expires_ms > now_ms),
            account.c.disabled_ms.is_(None),
        )
    )
    row = connection.execute(query).first()
    return None if row is None else _login(row, "", rights.grants_of(connection, row.id, now_ms))


def sign_out(connection: Connection, token: str, now_ms: int) -> None:
    """End the login with this token."""
    connection.execute(
        update(login).where(login.c.token_hash == hash_of(token), login.c.ended_ms.is_(None)).values(ended_ms=now_ms)
    )


def add_token(connection: Connection, login_name: str, name: str, now_ms: int) -> str:
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


def add_gateway(connection: Connection, institution_id: int, name: str, now_ms: int) -> str:
    """Make a gateway's token. Raises Refused(`gateway-exists`)."""
    if connection.execute(select(gateway.c.id).where(gateway.c.name == name)).first() is not None:
        raise Refused("gateway-exists", f"there is a gateway {name} already: choose another name")
    token = secrets.token_urlsafe(32)
    connection.execute(
        gateway.insert().values(institution_id=institution_id, name=name, token_hash=hash_of(token), created_ms=now_ms)
    )
    return token


def may_declare_lost(connection: Connection, institution_id: int, login_name: str, now_ms: int) -> int:
    """The account that takes it on itself to say that records are lost. Raises Refused(`not-a-technician`)."""
    query = select(account.c.id).where(
        account.c.institution_id == institution_id,
        account.c.login == login_name,
        account.c.disabled_ms.is_(None),
    )
    found = connection.execute(query).scalar()
    held = () if found is None else rights.grants_of(connection, found, now_ms)
    if found is None or not {one.role for one in held} & {TECHNICIAN, ADMIN}:
        raise Refused("not-a-technician", "only a named technician or administrator may declare records lost")
    return found


def find_gateway(connection: Connection, token: str) -> Any | None:
    """The gateway's row (id, institution_id, name, seen_ms) for this token; None: no gateway's, or revoked."""
    query = select(gateway.c.id, gateway.c.institution_id, gateway.c.name, gateway.c.seen_ms).where(
        gateway.c.token_hash == hash_of(token), gateway.c.revoked_ms.is_(None)
    )
    return connection.execute(query).first()


def gateway_seen(connection: Connection, gateway_id: int, now_ms: int) -> None:
    """A gateway asked for rosters: it is there."""
    connection.execute(update(gateway).where(gateway.c.id == gateway_id).values(seen_ms=now_ms))
