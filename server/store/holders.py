"""Who holds a role over a session: those to whom a copy goes, and whose list of work it stands on."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, or_, select

from server.scope import COURSE, DEPARTMENT, INSTITUTION
from server.store import rights
from server.store.schema import account, class_group, course, session_class
from server.store.schema_rights import account_role, department


@dataclass(frozen=True, kw_only=True)
class Holder:
    """An account that holds the role. person_id None: nobody to whom a message could go."""

    account_id: int
    person_id: int | None
    shown_name: str


def of_session(connection: Connection, institution_id: int, session_id: int, role: str, now_ms: int) -> list[Holder]:
    """Everybody who holds this role over the session now: in one of its courses, in their departments or any above
    them. Those of the whole institution only where there is nobody nearer."""
    courses = (
        select(course.c.id, course.c.department_id)
        .select_from(session_class)
        .join(class_group, class_group.c.id == session_class.c.class_id)
        .join(course, course.c.id == class_group.c.course_id)
        .where(session_class.c.session_id == session_id, session_class.c.to_ms.is_(None))
    )
    taught = connection.execute(courses).all()
    above = _above(connection, {row.department_id for row in taught if row.department_id is not None})
    near = _holders(
        connection,
        institution_id,
        role,
        now_ms,
        or_(
            and_(account_role.c.scope == DEPARTMENT, account_role.c.scope_id.in_(above)),
            and_(account_role.c.scope == COURSE, account_role.c.scope_id.in_({row.id for row in taught})),
        ),
    )
    return near or _holders(connection, institution_id, role, now_ms, account_role.c.scope == INSTITUTION)


def _holders(connection: Connection, institution_id: int, role: str, now_ms: int, where) -> list[Holder]:  # noqa: ANN001
    query = (
        select(account.c.id, account.c.person_id, account.c.shown_name)
        .join(account_role, account_role.c.account_id == account.c.id)
        .where(
            account_role.c.institution_id == institution_id,
            account_role.c.role == role,
            account_role.c.from_ms <= now_ms,
            or_(account_role.c.to_ms.is_(None), account_role.c.to_ms > now_ms),
            rights.opens(),
            where,
        )
        .distinct()
        .order_by(account.c.id)
    )
    return [
        Holder(account_id=row.id, person_id=row.person_id, shown_name=row.shown_name)
        for row in connection.execute(query)
    ]


def _above(connection: Connection, departments: set[int]) -> set[int]:
    """These departments and all that stand above them; a circle ends."""
    found: set[int] = set()
    look = set(departments)
    while look:
        found |= look
        parents = connection.execute(select(department.c.parent_id).where(department.c.id.in_(look))).scalars()
        look = {one for one in parents if one is not None} - found
    return found
