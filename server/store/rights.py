"""Which roles an account holds, where and when, and whether it opens anything. server/scope.py says what they may do."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, bindparam, exists, literal, or_, select, update

from server.errors import StoreError
from server.scope import ADMIN, DEPARTMENT, INSTITUTION, ROLES, SCOPES, Grant
from server.store.schema import account, login, person
from server.store.schema_rights import account_role, department
from server.store.upsert import new_id


def grants_of(connection: Connection, account_id: int, now_ms: int) -> tuple[Grant, ...]:
    """What the account holds now; a department stands for those below it too."""
    held = connection.execute(_HELD, {"account": account_id, "now_ms": now_ms}).all()
    roots = {row.scope_id for row in held if row.scope == DEPARTMENT and row.scope_id is not None}
    below = _below(connection, roots)
    grants = []
    for row in held:
        ids = below[row.scope_id] if row.scope == DEPARTMENT and row.scope_id is not None else [row.scope_id]
        grants += [Grant(role=row.role, scope=row.scope, scope_id=one) for one in ids]
    return tuple(dict.fromkeys(grants))


# Made once: every request of somebody who is signed in asks it.
_HELD = (
    select(account_role.c.role, account_role.c.scope, account_role.c.scope_id)
    .where(
        account_role.c.account_id == bindparam("account"),
        account_role.c.from_ms <= bindparam("now_ms"),
        or_(account_role.c.to_ms.is_(None), account_role.c.to_ms > bindparam("now_ms")),
    )
    .order_by(account_role.c.id)
)


def _below(connection: Connection, roots: set[int]) -> dict[int, list[int]]:
    """Each of these departments with all that stand below it, itself first."""
    if not roots:
        return {}
    tree = select(department.c.id.label("root"), department.c.id).where(department.c.id.in_(roots)).cte(recursive=True)
    # UNION, not UNION ALL: a circle of departments ends.
    tree = tree.union(
        select(tree.c.root, department.c.id).where(department.c.parent_id == tree.c.id, literal(True)),
    )
    found: dict[int, list[int]] = {root: [root] for root in roots}
    for row in connection.execute(select(tree.c.root, tree.c.id).order_by(tree.c.id)):
        if row.id != row.root:
            found[row.root].append(row.id)
    return found


def opens() -> ColumnElement[bool]:
    """The condition on `account` under which it lets somebody in: it is not disabled, and they have not left.

    An administrator's stays open until another administrator disables it: who may say that somebody has left, or a
    roster that forgets them, locks nobody out of the accounts.
    """
    left = exists().where(person.c.id == account.c.person_id, person.c.ended_ms.is_not(None))
    administers = exists().where(
        account_role.c.account_id == account.c.id, account_role.c.role == ADMIN, account_role.c.to_ms.is_(None)
    )
    return and_(account.c.disabled_ms.is_(None), or_(~left.correlate(account), administers.correlate(account)))


def grant(
    connection: Connection,
    institution_id: int,
    account_id: int,
    role: str,
    *,
    scope: str = INSTITUTION,
    scope_id: int | None = None,
    by_account_id: int | None = None,
    now_ms: int,
) -> int:
    """Give a role from now on; whoever is signed in with the account signs in again.

    Raises StoreError(`role`, `role-scope`).
    """
    if role not in ROLES:
        raise StoreError("role", f"a role is one of {', '.join(ROLES)}")
    if scope not in SCOPES or (scope == INSTITUTION) != (scope_id is None):
        raise StoreError(
            "role-scope", "a role holds in the institution, or in one named department, course or residence"
        )
    made = connection.execute(
        account_role.insert().values(
            institution_id=institution_id,
            account_id=account_id,
            role=role,
            scope=scope,
            scope_id=scope_id,
            by_account_id=by_account_id,
            from_ms=now_ms,
        )
    )
    end_logins(connection, account_id, now_ms)
    return new_id(made)


def revoke(connection: Connection, institution_id: int, grant_id: int, now_ms: int) -> bool:
    """Take a role away from now on; whoever is signed in with the account signs in again. False: there is none, or it
    had ended."""
    open_ = or_(account_role.c.to_ms.is_(None), account_role.c.to_ms > now_ms)
    here = account_role.c.institution_id == institution_id
    row = connection.execute(select(account_role).where(account_role.c.id == grant_id, here, open_)).first()
    if row is None:
        return False
    # The role whole: another row may give the same.
    same = and_(
        account_role.c.account_id == row.account_id,
        account_role.c.role == row.role,
        account_role.c.scope == row.scope,
        account_role.c.scope_id.is_(None) if row.scope_id is None else account_role.c.scope_id == row.scope_id,
    )
    done = connection.execute(update(account_role).where(here, same, open_).values(to_ms=now_ms))
    if done.rowcount == 0:
        return False
    end_logins(connection, row.account_id, now_ms)
    return True


def end_logins(connection: Connection, account_id: int, now_ms: int) -> int:
    """End every login of the account. Answers how many there were."""
    done = connection.execute(
        update(login).where(login.c.account_id == account_id, login.c.ended_ms.is_(None)).values(ended_ms=now_ms)
    )
    return done.rowcount
