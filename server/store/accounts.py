"""Accounts: made, found, and shown to those who look after them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, or_, select

from server.errors import NotFound, Refused
from server.scope import ADMIN, COURSE, DEPARTMENT, INSTITUTION, LECTURER, STUDENT, TECHNICIAN, Grant, Scope
from server.store import held_roles, rights
from server.store.held_roles import Held
from server.store.schema import account, person, person_external_id, person_name
from server.store.upsert import unless_there

ACT = "accounts.change"
LISTED = 100


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account, without its secrets."""

    id: int
    login: str
    shown_name: str
    person_id: int | None
    created_ms: int
    disabled_ms: int | None
    #: wrong passwords since the last right one
    failures: int
    has_password: bool
    roles: tuple[Held, ...]
    #: when the person whose it is left: it lets nobody in from then on, unless it is an administrator's
    left_ms: int | None


def make(
    connection: Connection,
    institution_id: int,
    *,
    login_name: str,
    shown_name: str,
    password_hash: str,
    role: str,
    person_id: int | None,
    now_ms: int,
    scope: str = INSTITUTION,
    scope_id: int | None = None,
    by_account_id: int | None = None,
) -> int:
    """Make an account with its first role.

    password_hash: as server/store/password_hashes.py makes it; '': none is right, it signs in through a provider.
    Raises StoreError(`role`, `role-scope`), Refused(`login-exists`).
    """
    values = {
        "institution_id": institution_id,
        "person_id": person_id,
        "login": login_name,
        "shown_name": shown_name,
        "password_hash": password_hash,
        "role": role,
        "created_ms": now_ms,
    }
    # Of two at once the second waits for the first, and makes none.
    account_id = connection.execute(unless_there(connection, account, ("login",), ("id",)), [values]).scalar()
    if account_id is None:
        raise Refused("login-exists", f"there is an account {login_name} already: look at it, or choose another login")
    rights.grant(
        connection,
        institution_id,
        account_id,
        role,
        scope=scope,
        scope_id=scope_id,
        by_account_id=by_account_id,
        now_ms=now_ms,
    )
    return account_id


_WITH_PERSON = select(account, person.c.ended_ms.label("left_ms")).outerjoin(person, person.c.id == account.c.person_id)


def search(connection: Connection, scope: Scope, words: str = "", *, limit: int = LISTED) -> list[Account]:
    """Accounts whose login or shown name has all these words, by login; disabled ones last."""
    scope.need(ACT)
    query = _WITH_PERSON.where(account.c.institution_id == scope.institution_id)
    for word in words.casefold().split()[:8]:
        query = query.where(
            or_(
                func.lower(account.c.login).contains(word, autoescape=True),
                func.lower(account.c.shown_name).contains(word, autoescape=True),
            )
        )
    rows = connection.execute(query.order_by(account.c.disabled_ms.is_not(None), account.c.login).limit(limit)).all()
    held = held_roles.of_accounts(connection, [row.id for row in rows])
    return [_shown(row, held.get(row.id, ())) for row in rows]


def one(connection: Connection, scope: Scope, account_id: int) -> Account:
    """An account. Raises NotFound(`account`)."""
    scope.need(ACT)
    query = _WITH_PERSON.where(account.c.id == account_id, account.c.institution_id == scope.institution_id)
    row = connection.execute(query).first()
    if row is None:
        raise NotFound("account", "there is no such account")
    return _shown(row, held_roles.of_accounts(connection, [row.id]).get(row.id, ()))


@dataclass(frozen=True, kw_only=True)
class Whose:
    """The person whose an account is."""

    person_id: int
    full_name: str
    #: what others call them; '' where nobody does
    external_id: str


def whose(connection: Connection, found: Account) -> Whose | None:
    """Who signs in with this account; None: nobody's. The caller has asked for the account."""
    if found.person_id is None:
        return None
    name = select(person_name.c.full_name).where(person_name.c.person_id == found.person_id)
    known = person_external_id
    called = (
        select(known.c.external_id)
        .where(known.c.person_id == found.person_id, known.c.to_ms.is_(None))
        .order_by(known.c.source != "identifier", known.c.id)
    )
    return Whose(
        person_id=found.person_id,
        full_name=connection.execute(name).scalar() or "(name erased)",
        external_id=connection.execute(called.limit(1)).scalar() or "",
    )


def at_the_console(institution_id: int) -> Scope:
    """Whoever runs a command on the server's own machine: no account, and all that an administrator may."""
    return Scope(institution_id=institution_id, account_id=0, person_id=None, grants=(Grant(role=ADMIN),))


@dataclass(frozen=True, kw_only=True)
class Login:
    """An account of somebody's, by its login. administers: it is an administrator's. wider: it is for more than what they
    teach or study and the care of a part of the institution."""

    login: str
    administers: bool
    wider: bool


def of_person(connection: Connection, scope: Scope, person_id: int) -> list[Login]:
    """The accounts with which this person signs in. The caller has asked for the person."""
    query = (
        select(account.c.id, account.c.login)
        .where(account.c.person_id == person_id, account.c.institution_id == scope.institution_id)
        .where(account.c.disabled_ms.is_(None))
        .order_by(account.c.login)
    )
    rows = connection.execute(query).all()
    held = held_roles.of_accounts(connection, [row.id for row in rows])
    return [_login(row.login, held.get(row.id, ())) for row in rows]


def _login(login: str, held: tuple[Held, ...]) -> Login:
    wider = (one for one in held if one.role not in (STUDENT, LECTURER) and one.scope not in (DEPARTMENT, COURSE))
    return Login(login=login, administers=any(one.role == ADMIN for one in held), wider=any(wider))


def by_login(connection: Connection, scope: Scope, login_name: str) -> int:
    """The account with this login. Raises NotFound(`account`)."""
    query = select(account.c.id).where(account.c.login == login_name, account.c.institution_id == scope.institution_id)
    found = connection.execute(query).scalar()
    if found is None:
        raise NotFound("account", f"there is no account {login_name}: `muster staff add` makes one")
    return found


def _shown(row: Any, roles: tuple[Held, ...]) -> Account:
    return Account(
        id=row.id,
        login=row.login,
        shown_name=row.shown_name,
        person_id=row.person_id,
        created_ms=row.created_ms,
        disabled_ms=row.disabled_ms,
        failures=row.failures,
        has_password=bool(row.password_hash),
        roles=roles,
        left_ms=row.left_ms,
    )


def subjects(account_id: int) -> Iterable[str]:
    """What the audit calls this account."""
    return (f"account:{account_id}",)


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
