"""Which profile holds where, from a day on (PORT-2). What was before that day is judged as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, or_, select

from server.errors import NotFound
from server.policy.profile import Profiles
from server.scope import Scope
from server.store import campus, due, institutions, session_profiles, sessions
from server.store.campus import FieldRefused
from server.store.imported_registers import chunks, touch_registers
from server.store.schema import (
    class_group,
    course,
    enrolment,
    profile_assignment,
    programme,
    session,
    session_class,
)


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """One row: this profile holds there, from and to."""

    id: int
    scope: str
    scope_value: str
    #: what the scope is called
    name: str
    profile: str
    from_ms: int
    to_ms: int | None


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What an assignment does to sessions from its day on."""

    #: sessions in its scope from then on
    sessions: int
    #: of them, those judged by another profile, and those whose window changes
    judged: int
    windows: int
    #: students on the lists of sessions that change
    students: int


def listed(connection: Connection, scope: Scope) -> list[Assignment]:
    """Every assignment, those that hold or will hold first."""
    campus.need_whole(scope, "profiles.change")
    query = (
        select(profile_assignment)
        .where(profile_assignment.c.institution_id == scope.institution_id)
        .order_by(
            profile_assignment.c.to_ms.is_not(None), profile_assignment.c.scope, profile_assignment.c.from_ms.desc()
        )
    )
    rows = connection.execute(query).all()
    names = {kind: _names(connection, scope, kind) for kind in ("course", "programme")}
    return [
        Assignment(
            id=row.id,
            scope=row.scope,
            scope_value=row.scope_value,
            name=names.get(row.scope, {}).get(row.scope_value) or row.scope_value,
            profile=row.profile,
            from_ms=row.from_ms,
            to_ms=row.to_ms,
        )
        for row in rows
    ]


def choices(connection: Connection, scope: Scope) -> Mapping[str, dict[str, str]]:
    """Scope -> what can be named in it: value -> words. Sessions are named by their number."""
    kinds = select(session.c.kind).where(session.c.institution_id == scope.institution_id).distinct()
    return {
        "session_kind": {kind: kind for kind in sorted(connection.execute(kinds).scalars())},
        "course": _names(connection, scope, "course"),
        "programme": _names(connection, scope, "programme"),
    }


def _names(connection: Connection, scope: Scope, kind: str) -> dict[str, str]:
    table = course if kind == "course" else programme
    query = (
        select(table.c.id, table.c.code, table.c.title)
        .where(table.c.institution_id == scope.institution_id, table.c.ended_ms.is_(None))
        .order_by(table.c.code)
    )
    return {str(row.id): f"{row.code} – {row.title}" for row in connection.execute(query)}


def seen(connection: Connection, scope: Scope) -> str:
    """Stands for every assignment that holds."""
    return campus.digest(listed(connection, scope))


def assign(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    where: str,
    value: str,
    name: str,
    from_ms: int,
    *,
    seen_: str,
    now_ms: int,
) -> Effect:
    """From then on this profile holds there. Raises NotAllowed, ChangedMeanwhile, FieldRefused(`profile-past`, ...)."""
    campus.need_whole(scope, "profiles.change")
    campus.begin(connection, scope)
    held = listed(connection, scope)
    if any((one.scope, one.scope_value, one.profile, one.from_ms, one.to_ms) == (where, value, name, from_ms, None)
           for one in held):  # fmt: skip
        # The form was sent twice.
        return Effect(sessions=0, judged=0, windows=0, students=0)
    campus.need_seen(seen_, campus.digest(held))
    if name not in profiles:
        raise FieldRefused("profile", "profile", f"there is no profile {name}")
    if where == "session":
        try:
            found = sessions.need(connection, scope, int(value), "campus.change")
        except (NotFound, ValueError):
            raise FieldRefused("profile-session", "value", "there is no session with this number") from None
        from_ms = min(from_ms, found.starts_ms)
        if found.starts_ms < now_ms:
            raise FieldRefused("profile-past", "value", "this session has begun: its profile stays")
    before = _concerned(connection, scope, where, value, from_ms)
    due.sessions(connection, scope.institution_id, before, now_ms)
    session_profiles.assign(connection, scope.institution_id, where, value, name, from_ms)
    session_profiles.plan(connection, scope.institution_id, before, now_ms, profiles)
    after = _concerned(connection, scope, where, value, from_ms)
    changed = [key for key in before if before[key] != after[key]]
    touch_registers(connection, session_ids=changed)
    due.sessions(connection, scope.institution_id, changed, now_ms)
    institutions.campus_changed(connection, scope.institution_id)
    campus.write_down(
        connection, scope, "profile.assign", "profiles", now_ms, profile=name, where=where, value=value, from_ms=from_ms
    )
    return Effect(
        sessions=len(before),
        judged=sum(before[key][0] != after[key][0] for key in changed),
        windows=sum(before[key][1:] != after[key][1:] for key in changed),
        students=_students(connection, changed),
    )


def _concerned(
    connection: Connection, scope: Scope, where: str, value: str, from_ms: int
) -> dict[int, tuple[str, int, int]]:
    """session id -> profile, opens, closes of every session there that starts from then on."""
    query = select(session.c.id, session.c.profile, session.c.opens_ms, session.c.closes_ms).where(
        session.c.institution_id == scope.institution_id, session.c.starts_ms >= from_ms
    )
    if where == "session":
        query = query.where(session.c.id == int(value))
    elif where == "session_kind":
        query = query.where(session.c.kind == value)
    elif where in ("course", "programme"):
        column = course.c.id if where == "course" else course.c.programme_id
        taught = (
            select(session_class.c.session_id)
            .join(class_group, class_group.c.id == session_class.c.class_id)
            .join(course, course.c.id == class_group.c.course_id)
            .where(column == int(value))
        )
        query = query.where(session.c.id.in_(taught))
    return {row.id: (row.profile, row.opens_ms, row.closes_ms) for row in connection.execute(query)}


def _students(connection: Connection, ids: list[int]) -> int:
    found: set[int] = set()
    for some in chunks(ids):
        query = (
            select(enrolment.c.person_id)
            .join(session_class, session_class.c.class_id == enrolment.c.class_id)
            .join(session, session.c.id == session_class.c.session_id)
            .where(session.c.id.in_(some), session_class.c.to_ms.is_(None), enrolment.c.role == "student")
            .where(enrolment.c.from_ms <= session.c.starts_ms)
            .where(or_(enrolment.c.to_ms.is_(None), enrolment.c.to_ms > session.c.starts_ms))
            .distinct()
        )
        found |= set(connection.execute(query).scalars())
    return len(found)


def counted(connection: Connection, scope: Scope) -> dict[str, int]:
    """profile -> how many coming and past sessions it judges."""
    query = (
        select(session.c.profile, func.count())
        .where(session.c.institution_id == scope.institution_id)
        .group_by(session.c.profile)
    )
    return {row[0]: row[1] for row in connection.execute(query)}
