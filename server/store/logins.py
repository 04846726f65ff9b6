"""Logins: who is signed in, on the web or by an API token, since when and until when. Only hashes of tokens are kept."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from argon2 import PasswordHasher
from sqlalchemy import Connection, Engine, bindparam, or_, select, update

from server.csrf import Token
from server.errors import NotSignedIn, Unwritable
from server.scope import Grant, Scope
from server.store import password_hashes, rights
from server.store.engine import reading, writing
from server.store.schema import account, api_token, login
from server.store.upsert import new_id

#: without a request of their own for so long a login ends: a double lecture. settings.login_idle_min sets it
IDLE_MS = 120 * 60_000
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
    #: of the login itself; 0 for a bearer token
    login_id: int = 0
    created_ms: int = 0
    seen_ms: int = 0

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


def sign_in(
    engine: Engine,
    hasher: PasswordHasher,
    login_name: str,
    password: str,
    now_ms: int,
    *,
    hours: int = 12,
    browser: str = "",
) -> SignedIn:
    """Check a password and make a login. The slow check holds no transaction. Nothing here locks an account: who may
    try how often is asked before (server/pages/attempts.py), and `failed` counts afterwards.

    Raises NotSignedIn(`sign-in`) without saying which of the two was wrong.
    """
    with reading(engine) as connection:
        row = connection.execute(select(account).where(account.c.login == login_name)).first()
    # The same work for a login that does not exist, or has no password: time must not tell.
    hashed = row.password_hash if row is not None and row.password_hash else password_hashes.of_nobody(hasher)
    right = password_hashes.is_right(hasher, hashed, password)
    if row is None or row.disabled_ms is not None or not row.password_hash or not right:
        raise _wrong()
    with writing(engine) as connection:
        connection.execute(update(account).where(account.c.id == row.id).values(failures=0))
        # Disabled or given another password while this one was checked: then it is not right any more.
        now = connection.execute(
            select(account.c.id).where(account.c.id == row.id, account.c.password_hash == row.password_hash)
        ).first()
        if now is None:
            raise _wrong()
        return begin(connection, row.id, now_ms, hours=hours, browser=browser)


def begin(
    connection: Connection, account_id: int, now_ms: int, *, hours: int, how: str = "password", browser: str = ""
) -> SignedIn:
    """A new login of an account that has shown who it is. Its token is new, whatever the browser brought.

    Raises NotSignedIn(`sign-in`) where the account lets nobody in (`rights.opens`).
    """
    row = connection.execute(select(account).where(account.c.id == account_id, rights.opens())).first()
    if row is None:
        raise _wrong()
    token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    expires_ms = now_ms + hours * 3_600_000
    made = connection.execute(
        login.insert().values(
            institution_id=row.institution_id,
            account_id=row.id,
            token_hash=hash_of(token),
            csrf=csrf,
            created_ms=now_ms,
            seen_ms=now_ms,
            expires_ms=expires_ms,
            how=how,
            browser=browser[:64],
        )
    )
    held = rights.grants_of(connection, row.id, now_ms)
    found = _login(row, csrf, held, login_id=new_id(made), created_ms=now_ms, seen_ms=now_ms)
    return SignedIn(token=token, expires_ms=expires_ms, login=found)


def _wrong() -> NotSignedIn:
    return NotSignedIn("sign-in", "the login or the password is wrong")


def failed(engine: Engine, login_name: str) -> None:
    """Count a wrong password, for administrators to see. To be called once the answer is on its way: what is written,
    and how long that takes, must not tell whether there is such a login."""
    # A database that cannot be written is said elsewhere (healthz).
    with contextlib.suppress(Unwritable), writing(engine) as connection:
        connection.execute(update(account).where(account.c.login == login_name).values(failures=account.c.failures + 1))


def stamp(connection: Connection, login_name: str) -> tuple[int, str] | None:
    """The account of this name, and what stands for its password: another one, once that was changed."""
    query = select(account.c.id, account.c.password_hash).where(
        account.c.login == login_name, account.c.disabled_ms.is_(None)
    )
    row = connection.execute(query).first()
    return None if row is None else (row.id, hash_of(row.password_hash).hex()[:16])


def _login(
    row: Any, csrf: str, grants: tuple[Grant, ...], *, login_id: int = 0, created_ms: int = 0, seen_ms: int = 0
) -> Login:
    return Login(
        account_id=row.id,
        institution_id=row.institution_id,
        person_id=row.person_id,
        grants=grants,
        shown_name=row.shown_name,
        csrf=Token(csrf),
        login_id=login_id,
        created_ms=created_ms,
        seen_ms=seen_ms,
    )


def find(connection: Connection, token: str, now_ms: int, *, idle_ms: int = IDLE_MS) -> Login | None:
    """Whose login this token is; None: nobody's, or it has ended, by its hours or by idleness. Writes nothing."""
    values = {"token_hash": hash_of(token), "now_ms": now_ms, "idle_from_ms": now_ms - idle_ms}
    row = connection.execute(_FIND, values).first()
    if row is None:
        return None
    held = rights.grants_of(connection, row.id, now_ms)
    return _login(row, row.csrf, held, login_id=row.login_id, created_ms=row.signed_in_ms, seen_ms=row.seen_ms)


# Made once: every request of somebody who is signed in asks it.
_FIND = (
    select(
        account.c.id,
        account.c.institution_id,
        account.c.person_id,
        account.c.shown_name,
        login.c.csrf,
        login.c.id.label("login_id"),
        login.c.created_ms.label("signed_in_ms"),
        login.c.seen_ms,
    )
    .join(login, login.c.account_id == account.c.id)
    .where(
        login.c.token_hash == bindparam("token_hash"),
        login.c.ended_ms.is_(None),
        login.c.expires_ms > bindparam("now_ms"),
        login.c.seen_ms > bindparam("idle_from_ms"),
        rights.opens(),
    )
)


def seen(connection: Connection, login_id: int, now_ms: int) -> None:
    """Somebody used this login just now."""
    connection.execute(update(login).where(login.c.id == login_id, login.c.seen_ms < now_ms).values(seen_ms=now_ms))


@dataclass(frozen=True, kw_only=True)
class Open:
    """A login that holds, as its owner is shown it."""

    id: int
    how: str
    browser: str
    created_ms: int
    seen_ms: int
    expires_ms: int


def open_logins(connection: Connection, account_id: int, now_ms: int, *, idle_ms: int = IDLE_MS) -> list[Open]:
    """The account's logins that hold now, the last used first."""
    query = (
        select(login)
        .where(
            login.c.account_id == account_id,
            login.c.ended_ms.is_(None),
            login.c.expires_ms > now_ms,
            login.c.seen_ms > now_ms - idle_ms,
        )
        .order_by(login.c.seen_ms.desc(), login.c.id.desc())
    )
    rows = connection.execute(query)
    return [Open(**{name: getattr(row, name) for name in Open.__dataclass_fields__}) for row in rows]


def own(connection: Connection, account_id: int) -> tuple[str, bool]:
    """The account's login, and whether it has a password."""
    row = connection.execute(select(account.c.login, account.c.password_hash).where(account.c.id == account_id)).one()
    return row.login, bool(row.password_hash)


def end_one(connection: Connection, account_id: int, login_id: int, now_ms: int) -> bool:
    """End one login of the account. False: it is none of theirs, or had ended."""
    done = connection.execute(
        update(login)
        .where(login.c.id == login_id, login.c.account_id == account_id, login.c.ended_ms.is_(None))
        .values(ended_ms=now_ms)
    )
    return done.rowcount > 0


def find_bearer(connection: Connection, token: str, now_ms: int) -> Login | None:
    """Whose API token this is; None: nobody's, expired or revoked."""
    query = (
        select(account)
        .join(api_token, api_token.c.account_id == account.c.id)
        .where(
            api_token.c.token_hash == hash_of(token),
            api_token.c.revoked_ms.is_(None),
            or_(api_token.c.expires_ms.is_(None), api_token.c.expires_ms > now_ms),
            rights.opens(),
        )
    )
    row = connection.execute(query).first()
    return None if row is None else _login(row, "", rights.grants_of(connection, row.id, now_ms))


def sign_out(connection: Connection, token: str, now_ms: int) -> None:
    """End the login with this token."""
    connection.execute(
        update(login).where(login.c.token_hash == hash_of(token), login.c.ended_ms.is_(None)).values(ended_ms=now_ms)
    )
