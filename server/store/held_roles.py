"""The roles that accounts hold now, and where each role may be held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, select

from server.errors import NotFound
from server.scope import (
    ADMIN,
    COURSE,
    DEPARTMENT,
    INSTITUTION,
    RESIDENCE,
    RESIDENCE_HOUSE,
    ROLES,
    SCOPES,
    STUDENT,
    TECHNICIAN,
    Scope,
)
from server.store.campus import FieldRefused
from server.store.schema import course
from server.store.schema_residence import house
from server.store.schema_rights import account_role, department

#: in which scopes a role makes sense; what is not listed is for the institution alone
SCOPES_OF = {
    STUDENT: (INSTITUTION,),
    RESIDENCE: (INSTITUTION, RESIDENCE_HOUSE),
    TECHNICIAN: (INSTITUTION,),
    ADMIN: (INSTITUTION,),
}
_STAFF_SCOPES = (INSTITUTION, DEPARTMENT, COURSE)


@dataclass(frozen=True, kw_only=True)
class Held:
    """A role that an account holds now."""

    id: int
    role: str
    scope: str
    #: the department's, course's or residence's code and title; '' for the institution
    where: str
    from_ms: int


def held_as(connection: Connection, account_id: int, role: str, kind: str, scope_id: int | None) -> int:
    """The grant of this role there, that the account holds. Raises NotFound(`role`)."""
    found = connection.execute(select(account_role.c.id).where(is_held(account_id, role, kind, scope_id))).scalar()
    if found is None:
        raise NotFound("role", "the account does not hold this role there")
    return found


def is_held(account_id: int, role: str, kind: str, scope_id: int | None) -> Any:
    """The condition on `account_role` under which the account holds this role there now."""
    return and_(
        account_role.c.account_id == account_id,
        account_role.c.role == role,
        account_role.c.scope == kind,
        account_role.c.scope_id.is_(None) if scope_id is None else account_role.c.scope_id == scope_id,
        account_role.c.to_ms.is_(None),
    )


def of_accounts(connection: Connection, ids: list[int]) -> dict[int, tuple[Held, ...]]:
    """Account id -> the roles that it holds now, the oldest first; without one it is left out."""
    titles = {
        (kind, row.id): f"{row.code} {row.title}"
        for kind, table in ((DEPARTMENT, department), (COURSE, course))
        for row in connection.execute(
            select(table.c.id, table.c.code, table.c.title).where(table.c.id.in_(_wanted(ids, kind)))
        )
    }
    titles |= {
        (RESIDENCE_HOUSE, row.id): f"{row.code} {row.name}"
        for row in connection.execute(
            select(house.c.id, house.c.code, house.c.name).where(house.c.id.in_(_wanted(ids, RESIDENCE_HOUSE)))
        )
    }
    query = (
        select(account_role)
        .where(account_role.c.account_id.in_(ids), account_role.c.to_ms.is_(None))
        .order_by(account_role.c.id)
    )
    found: dict[int, list[Held]] = {}
    for row in connection.execute(query):
        where = titles.get((row.scope, row.scope_id), "") if row.scope_id is not None else ""
        held = Held(id=row.id, role=row.role, scope=row.scope, where=where, from_ms=row.from_ms)
        found.setdefault(row.account_id, []).append(held)
    return {account_id: tuple(roles) for account_id, roles in found.items()}


def _wanted(ids: list[int], kind: str) -> Any:
    return select(account_role.c.scope_id).where(account_role.c.account_id.in_(ids), account_role.c.scope == kind)


def where(connection: Connection, scope: Scope, role: str, scope_kind: str, scope_code: str) -> tuple[str, int | None]:
    """Where a role is to hold: the scope's kind, and its id. Raises FieldRefused(`role`, `role-scope`, `scope-code`)."""
    if role not in ROLES:
        raise FieldRefused("role", "role", "choose one of the roles")
    if scope_kind not in SCOPES or scope_kind not in SCOPES_OF.get(role, _STAFF_SCOPES):
        raise FieldRefused("role-scope", "scope", "this role does not hold there: choose another place")
    kind, wanted = scope_kind, scope_code.strip()
    if kind == INSTITUTION:
        if wanted:
            raise FieldRefused("scope-code", "code", "leave this empty, or choose a department or course")
        return kind, None
    if not wanted:
        raise FieldRefused("scope-code", "code", f"say which {kind} by its code")
    table = {DEPARTMENT: department, RESIDENCE_HOUSE: house}.get(kind, course)
    query = select(table.c.id).where(table.c.institution_id == scope.institution_id, table.c.code == wanted)
    found = connection.execute(query.limit(2)).scalars().all()
    if len(found) != 1:
        told = "there is no" if not found else "there are several"
        raise FieldRefused("scope-code", "code", f"{told} {kind} with the code {wanted[:40]!r}")
    return kind, found[0]
