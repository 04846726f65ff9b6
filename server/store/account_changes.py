"""Accounts changed by those who look after them: made, given roles and passwords, disabled.

Whatever changes what an account may do ends its logins (server/store/rights.py), and stands in the audit.
"""

from __future__ import annotations

import unicodedata

from argon2 import PasswordHasher
from sqlalchemy import Connection, Engine, select, update

from server.errors import NotFound, Refused
from server.scope import ADMIN, STUDENT, Scope
from server.store import accounts, campus, held_roles, identities, passkeys, password_hashes, passwords, rights, tokens
from server.store.accounts import ACT
from server.store.campus import FieldRefused
from server.store.engine import reading, writing
from server.store.schema import account, person_external_id
from server.store.schema_rights import account_role


def add(
    engine: Engine,
    scope: Scope,
    hasher: PasswordHasher,
    *,
    login_name: str,
    shown_name: str,
    password: str,
    role: str,
    scope_kind: str,
    scope_code: str,
    person: str,
    now_ms: int,
) -> int:
    """Make an account with its first role. password '': it signs in through a provider. person: an external id, or ''.
    The slow work holds no transaction.

    Raises FieldRefused naming the field; then nothing is made.
    """
    scope.need(ACT)
    name = login_name.strip()
    if not name or len(name) > 64 or any(unicodedata.category(one)[0] in "CZ" for one in name):
        raise FieldRefused("login", "login", "a login has 1 to 64 letters, digits and signs, without blanks")
    if not shown_name.strip():
        raise FieldRefused("shown-name", "shown_name", "say what other staff know this person by")
    if password:
        passwords.need_good_password(password, name, "password")
    password_hash = password_hashes.of(hasher, password) if password else ""
    with writing(engine) as connection:
        kind, scope_id = held_roles.where(connection, scope, role, scope_kind, scope_code)
        person_id = _person(connection, scope, person)
        if role == STUDENT and person_id is None:
            raise FieldRefused("person", "person", "a student's account is a student's: give the person's external id")
        try:
            account_id = accounts.make(
                connection,
                scope.institution_id,
                login_name=name,
                shown_name=shown_name.strip()[:200],
                password_hash=password_hash,
                role=role,
                person_id=person_id,
                now_ms=now_ms,
                scope=kind,
                scope_id=scope_id,
                by_account_id=scope.account_id or None,
            )
        except Refused as error:
            raise FieldRefused(error.code, "login", str(error)) from None
        campus.write_down(
            connection, scope, "account.add", f"account:{account_id}", now_ms, role=role, where=kind, where_id=scope_id
        )
    return account_id


def _person(connection: Connection, scope: Scope, external_id: str) -> int | None:
    if not external_id.strip():
        return None
    query = select(person_external_id.c.person_id).where(
        person_external_id.c.institution_id == scope.institution_id,
        person_external_id.c.external_id == external_id.strip(),
    )
    found = set(connection.execute(query).scalars())
    if len(found) != 1:
        told = "no person has" if not found else "several persons have"
        raise FieldRefused("person", "person", f"{told} this external id: look at the person's page for another")
    return found.pop()


def grant(
    connection: Connection, scope: Scope, account_id: int, *, role: str, scope_kind: str, scope_code: str, now_ms: int
) -> None:
    """Give an account a role. Its logins end. Raises NotFound, FieldRefused naming the field."""
    found = accounts.one(connection, scope, account_id)
    kind, scope_id = held_roles.where(connection, scope, role, scope_kind, scope_code)
    if role == STUDENT and found.person_id is None:
        raise FieldRefused("role", "role", "this account is no person's: it cannot be a student's")
    _lock(connection, account_id)
    same = held_roles.is_held(account_id, role, kind, scope_id)
    if connection.execute(select(account_role.c.id).where(same)).first() is not None:
        raise FieldRefused("role", "role", "the account has this role there already")
    rights.grant(
        connection,
        scope.institution_id,
        account_id,
        role,
        scope=kind,
        scope_id=scope_id,
        by_account_id=scope.account_id or None,
        now_ms=now_ms,
    )
    campus.write_down(
        connection, scope, "account.grant", f"account:{account_id}", now_ms, role=role, where=kind, where_id=scope_id
    )


def set_person(connection: Connection, scope: Scope, account_id: int, *, person: str, now_ms: int) -> None:
    """Say whose an account is, by an external id of theirs; '': nobody's. Its logins end: who they are is what they see.

    Raises NotFound(`account`), FieldRefused(`person`).
    """
    _lock(connection, account_id)
    found = accounts.one(connection, scope, account_id)
    person_id = _person(connection, scope, person)
    if person_id is None and any(role.role == STUDENT for role in found.roles):
        raise FieldRefused("person", "person", "a student's account is a student's: give the person's external id")
    if person_id == found.person_id:
        return
    connection.execute(update(account).where(account.c.id == account_id).values(person_id=person_id))
    rights.end_logins(connection, account_id, now_ms)
    told = {} if person_id is None else {"person": person_id}
    campus.write_down(connection, scope, "account.person", f"account:{account_id}", now_ms, **told)


def revoke(connection: Connection, scope: Scope, account_id: int, grant_id: int, now_ms: int) -> None:
    """Take a role away. Its logins end. Raises NotFound(`role`), Refused(`last-administrator`)."""
    _lock(connection, account_id)
    found = accounts.one(connection, scope, account_id)
    held = next((role for role in found.roles if role.id == grant_id), None)
    if held is None:
        raise NotFound("role", "this account does not hold that role any more")
    if held.role == ADMIN:
        _need_another_admin(connection, scope, found.id)
    rights.revoke(connection, scope.institution_id, grant_id, now_ms)
    campus.write_down(
        connection, scope, "account.revoke", f"account:{account_id}", now_ms, role=held.role, where=held.scope
    )


def disable(connection: Connection, scope: Scope, account_id: int, now_ms: int) -> None:
    """Nobody signs in with it any more; its logins, API tokens, passkeys and links to a provider end. Raises
    NotFound, Refused."""
    _lock(connection, account_id)
    found = accounts.one(connection, scope, account_id)
    if found.disabled_ms is not None:
        return
    if found.id == scope.account_id:
        raise Refused("own-account", "you cannot disable your own account: ask another administrator")
    if any(role.role == ADMIN for role in found.roles):
        _need_another_admin(connection, scope, found.id)
    connection.execute(update(account).where(account.c.id == account_id).values(disabled_ms=now_ms))
    rights.end_logins(connection, account_id, now_ms)
    # Enabled again, nothing of before opens it by itself.
    tokens.revoke_all(connection, account_id, now_ms)
    passkeys.revoke_all(connection, account_id, now_ms)
    identities.unlink_all(connection, account_id)
    campus.write_down(connection, scope, "account.disable", f"account:{account_id}", now_ms)


def enable(connection: Connection, scope: Scope, account_id: int, now_ms: int) -> None:
    """It may sign in again. Raises NotFound."""
    if accounts.one(connection, scope, account_id).disabled_ms is None:
        return
    connection.execute(update(account).where(account.c.id == account_id).values(disabled_ms=None))
    campus.write_down(connection, scope, "account.enable", f"account:{account_id}", now_ms)


def set_password(
    engine: Engine, scope: Scope, hasher: PasswordHasher, account_id: int, password: str, now_ms: int
) -> None:
    """Give somebody else's account a new password. Its logins, API tokens, passkeys and links to a provider end: whoever
    had got into it may have made them. The slow work holds no transaction. Raises NotFound, FieldRefused."""
    with reading(engine) as connection:
        found = accounts.one(connection, scope, account_id)
    passwords.need_good_password(password, found.login, "password")
    password_hash = password_hashes.of(hasher, password)
    with writing(engine) as connection:
        accounts.one(connection, scope, account_id)
        passwords.put(connection, account_id, password_hash, now_ms)
        passkeys.revoke_all(connection, account_id, now_ms)
        identities.unlink_all(connection, account_id)
        campus.write_down(connection, scope, "account.password", f"account:{account_id}", now_ms)


def _lock(connection: Connection, account_id: int) -> None:
    """Whoever else changes what this account may do waits: a role is given once, and taken away whole. Rows that only
    name the account, such as the audit's, wait for nothing."""
    connection.execute(select(account.c.id).where(account.c.id == account_id).with_for_update(key_share=True))


def _need_another_admin(connection: Connection, scope: Scope, account_id: int) -> None:
    """Raises Refused(`last-administrator`) where nobody else could look after the accounts."""
    # Two administrators who end one another's role at once: the second one waits here, and sees what the first did.
    held = select(account_role.c.id).where(
        account_role.c.institution_id == scope.institution_id,
        account_role.c.role == ADMIN,
        account_role.c.to_ms.is_(None),
    )
    connection.execute(held.order_by(account_role.c.id).with_for_update(key_share=True))
    query = (
        select(account.c.id)
        .join(account_role, account_role.c.account_id == account.c.id)
        .where(
            account.c.institution_id == scope.institution_id,
            account.c.id != account_id,
            account.c.disabled_ms.is_(None),
            account_role.c.role == ADMIN,
            account_role.c.to_ms.is_(None),
        )
    )
    if connection.execute(query).first() is None:
        raise Refused("last-administrator", "this is the last administrator: make somebody else one first")


def revoke_token(connection: Connection, scope: Scope, account_id: int, token_id: int, now_ms: int) -> None:
    """An API token of an account works no more: one's own, or anybody's for whoever looks after accounts.

    Raises NotFound(`token`), NotAllowed.
    """
    if account_id != scope.account_id:
        accounts.one(connection, scope, account_id)
    if not tokens.revoke(connection, account_id, token_id, now_ms):
        raise NotFound("token", "there is no such token of this account, or it was revoked")
    campus.write_down(connection, scope, "token.revoke", f"account:{account_id}", now_ms, token=token_id)


def unlink(connection: Connection, scope: Scope, account_id: int, identity_id: int, now_ms: int) -> None:
    """A provider's account opens this one no more: one's own, or anybody's for whoever looks after accounts.

    Raises NotFound(`identity`), NotAllowed.
    """
    if account_id != scope.account_id:
        accounts.one(connection, scope, account_id)
    if not identities.unlink(connection, scope, account_id, identity_id, now_ms):
        raise NotFound("identity", "there is no such link of this account")
