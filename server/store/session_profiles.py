"""Which profile a session goes by, and the window that it gives (PORT-2). The narrowest assignment wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from server.policy import profile as profiles_
from server.policy.profile import Profiles
from server.store import chunks
from server.store.schema import class_group, course, profile_assignment, session, session_class

#: the narrowest wins
SCOPES = ("session", "session_kind", "course", "programme", "institution")


def plan(
    connection: Connection,
    institution_id: int,
    session_ids: Iterable[int],
    now_ms: int,
    profiles: Profiles,
) -> None:
    """Work out profile and window of these sessions, from the assignments that hold at their start (PORT-2)."""
    known = profiles
    assigned = connection.execute(
        select(profile_assignment)
        .where(profile_assignment.c.institution_id == institution_id)
        .order_by(profile_assignment.c.from_ms)
    ).all()
    rows = []
    for ids in chunks.of(session_ids):
        of_course: dict[int, tuple[int | None, int | None]] = {}
        if any(one.scope in ("course", "programme") for one in assigned):
            query = (
                select(session_class.c.session_id, course.c.id, course.c.programme_id)
                .join(class_group, class_group.c.id == session_class.c.class_id)
                .join(course, course.c.id == class_group.c.course_id)
                .where(session_class.c.session_id.in_(ids))
                .order_by(session_class.c.id.desc())
            )
            of_course = {row.session_id: (row.id, row.programme_id) for row in connection.execute(query)}
        query = select(session.c.id, session.c.kind, session.c.starts_ms, session.c.ends_ms).where(
            session.c.id.in_(ids)
        )
        for row in connection.execute(query):
            course_id, programme_id = of_course.get(row.id, (None, None))
            about = {
                "session": str(row.id),
                "session_kind": row.kind,
                "course": str(course_id),
                "programme": str(programme_id),
                "institution": "",
            }
            name = _assigned(assigned, about, row.starts_ms)
            found = known.at(name if name in known else profiles_.DEFAULT, row.starts_ms)
            opens_ms, closes_ms = found.window(row.starts_ms, row.ends_ms)
            rows.append({"one": row.id, "name": found.name, "opens": opens_ms, "closes": closes_ms})
    if rows:
        connection.execute(
            update(session)
            .where(session.c.id == bindparam("one"))
            .values(profile=bindparam("name"), opens_ms=bindparam("opens"), closes_ms=bindparam("closes")),
            rows,
        )


def _assigned(assigned: Iterable[Any], about: Mapping[str, str], at_ms: int) -> str:
    best, rank = profiles_.DEFAULT, len(SCOPES)
    for row in assigned:
        if (
            row.from_ms <= at_ms
            and (row.to_ms is None or at_ms < row.to_ms)
            and about.get(row.scope) == row.scope_value
        ):
            here = SCOPES.index(row.scope)
            if here <= rank:
                best, rank = row.profile, here
    return best


def assign(connection: Connection, institution_id: int, scope: str, scope_value: str, name: str, from_ms: int) -> None:
    """From then on this profile holds in this scope; what held before ends. `plan` the sessions concerned after it."""
    connection.execute(
        update(profile_assignment)
        .where(
            profile_assignment.c.institution_id == institution_id,
            profile_assignment.c.scope == scope,
            profile_assignment.c.scope_value == scope_value,
            profile_assignment.c.to_ms.is_(None),
        )
        .values(to_ms=from_ms)
    )
    connection.execute(
        profile_assignment.insert().values(
            institution_id=institution_id, scope=scope, scope_value=scope_value, profile=name, from_ms=from_ms
        )
    )
