"""Which profile a session goes by, and the window that it gives (PORT-2). The narrowest assignment wins."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, func, or_, select, update

from server.policy import profile as profiles_
from server.policy.profile import Profiles
from server.store import chunks, due
from server.store.imported_registers import touch_registers
from server.store.schema import class_group, course, profile_assignment, session, session_class

#: the narrowest wins
SCOPES = ("session", "session_kind", "course", "programme", "institution")


def plan(
    connection: Connection,
    institution_id: int,
    session_ids: Iterable[int],
    now_ms: int,
    profiles: Profiles,
    *,
    keep: Collection[int] = (),
) -> None:
    """Work out profile and window of these sessions, from the assignments that hold at their start (PORT-2).

    keep: those of them that keep the profile that they have: they have begun, and what it rests on was not corrected.
    """
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
                # Of several the first that was given; none that was taken off again.
                .where(session_class.c.session_id.in_(ids), session_class.c.to_ms.is_(None))
                .order_by(session_class.c.id.desc())
            )
            of_course = {row.session_id: (row.id, row.programme_id) for row in connection.execute(query)}
        query = select(session.c.id, session.c.kind, session.c.starts_ms, session.c.ends_ms, session.c.profile).where(
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
            name = row.profile if row.id in keep else _assigned(assigned, about, row.starts_ms)
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


def again(
    connection: Connection, institution_id: int, session_ids: Iterable[int], now_ms: int, profiles: Profiles
) -> list[int]:
    """`plan` those of these sessions that have not begun, and mark whoever it concerns. Returns those that are judged by
    another profile now, or have another window.

    What has begun keeps its rules: the past is not rewritten.
    """
    before = coming(connection, session_ids, now_ms)
    # Whoever was credited at a door that is open already has to be looked at as well.
    opened = [key for key, (_, opens_ms, _) in before.items() if opens_ms - due.NEAR_MS <= now_ms]
    due.sessions(connection, institution_id, opened, now_ms)
    plan(connection, institution_id, before, now_ms, profiles)
    after = coming(connection, before, now_ms)
    changed = [key for key in before if before[key] != after[key]]
    if changed:
        touch_registers(connection, session_ids=changed)
        due.sessions(connection, institution_id, changed, now_ms)
    return changed


def of_classes(connection: Connection, class_ids: Iterable[int]) -> list[int]:
    """The sessions that have one of these classes."""
    found: set[int] = set()
    for ids in chunks.of(class_ids):
        query = select(session_class.c.session_id).where(
            session_class.c.class_id.in_(ids), session_class.c.to_ms.is_(None)
        )
        found |= set(connection.execute(query).scalars())
    return sorted(found)


def coming(connection: Connection, session_ids: Iterable[int], now_ms: int) -> dict[int, tuple[str, int, int]]:
    """session id -> profile, opens, closes of those of these sessions that have not begun."""
    found: dict[int, tuple[str, int, int]] = {}
    for ids in chunks.of(session_ids):
        query = select(session.c.id, session.c.profile, session.c.opens_ms, session.c.closes_ms).where(
            session.c.id.in_(ids), session.c.starts_ms > now_ms
        )
        found |= {row.id: (row.profile, row.opens_ms, row.closes_ms) for row in connection.execute(query)}
    return found


def assign(
    connection: Connection, institution_id: int, scope: str, scope_value: str, name: str, from_ms: int
) -> int | None:
    """From then on this profile holds in this scope, until the next one that is planned there; what held until then ends.
    Returns when that next one begins; None: none is planned. `plan` the sessions concerned after it."""
    here = and_(
        profile_assignment.c.institution_id == institution_id,
        profile_assignment.c.scope == scope,
        profile_assignment.c.scope_value == scope_value,
        or_(profile_assignment.c.to_ms.is_(None), profile_assignment.c.to_ms > profile_assignment.c.from_ms),
    )
    until_ms = connection.execute(
        select(func.min(profile_assignment.c.from_ms)).where(here, profile_assignment.c.from_ms > from_ms)
    ).scalar()
    connection.execute(
        update(profile_assignment)
        .where(
            here,
            profile_assignment.c.from_ms <= from_ms,
            or_(profile_assignment.c.to_ms.is_(None), profile_assignment.c.to_ms > from_ms),
        )
        .values(to_ms=from_ms)
    )
    connection.execute(
        profile_assignment.insert().values(
            institution_id=institution_id, scope=scope, scope_value=scope_value, profile=name, from_ms=from_ms,
            to_ms=until_ms,
        )
    )  # fmt: skip
    return until_ms


def end(connection: Connection, assignment_id: int, to_ms: int) -> None:
    """This one holds no longer from then on. Not after it has begun: it never holds, and what it was to follow goes on in
    its place, until its own end where one was set. `plan` the sessions concerned after it."""
    one = connection.execute(select(profile_assignment).where(profile_assignment.c.id == assignment_id)).one()
    until_ms = max(to_ms, one.from_ms)
    connection.execute(
        update(profile_assignment)
        .where(profile_assignment.c.id == assignment_id)
        .values(to_ms=until_ms, own_to_ms=until_ms)
    )
    if to_ms > one.from_ms:
        return
    own_to_ms = profile_assignment.c.own_to_ms
    goes_on = or_(own_to_ms.is_(None), own_to_ms > one.to_ms) if one.to_ms is not None else own_to_ms.is_(None)
    connection.execute(
        update(profile_assignment)
        .where(
            profile_assignment.c.institution_id == one.institution_id,
            profile_assignment.c.scope == one.scope,
            profile_assignment.c.scope_value == one.scope_value,
            profile_assignment.c.to_ms == one.from_ms,
            profile_assignment.c.from_ms < one.from_ms,
        )
        .values(to_ms=case((goes_on, one.to_ms), else_=own_to_ms))
    )
