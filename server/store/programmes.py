"""Programmes: courses that belong together. A profile may be given to one, and holds for the sessions of its courses (PORT-2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from server.errors import StoreError
from server.policy.profile import Profiles
from server.scope import Scope
from server.store import campus, campus_catalogue, coded, session_profiles
from server.store.schema import class_group, course, programme
from server.store.upsert import new_id


@dataclass(frozen=True, kw_only=True)
class Programme:
    """One of them."""

    id: int
    code: str
    title: str
    #: their codes
    courses: tuple[str, ...]
    #: coming sessions that were planned anew, since another profile holds for them
    planned: int = 0


def listed(connection: Connection, scope: Scope) -> list[Programme]:
    """Every programme, by its code. Raises NotAllowed."""
    campus.need_whole(scope, "campus.read")
    query = (
        select(programme)
        .where(programme.c.institution_id == scope.institution_id, programme.c.ended_ms.is_(None))
        .order_by(programme.c.code)
    )
    return [_programme(connection, row) for row in connection.execute(query)]


def put(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    code: str,
    *,
    title: str | None,
    on: Iterable[str] = (),
    off: Iterable[str] = (),
    now_ms: int,
) -> Programme:
    """Make the programme, or make it so; None: as it is. on, off: codes of courses that belong to it from now on, or do not.

    What has begun keeps its profile. Raises NotAllowed, NotFound(`course`), StoreError(`programme-code`,
    `programme-title`, `programme-course`).
    """
    campus.need_whole(scope, "profiles.change")
    campus.begin(connection, scope)
    if not code.strip() or len(code) > 64:
        raise StoreError("programme-code", "give the programme a code of at most 64 characters")
    here = scope.institution_id
    same = (programme.c.institution_id == here, programme.c.code == code, programme.c.ended_ms.is_(None))
    held = connection.execute(select(programme).where(*same)).first()
    if held is None and not title:
        raise StoreError("programme-title", "say what this new programme is called")
    joins, leaves = (coded.ids(connection, here, course, codes) for codes in (on, off))
    if held is None:
        own = {"institution_id": here, "source": campus.SOURCE, "source_id": f"programme-{code}"}
        programme_id = new_id(connection.execute(programme.insert().values(**own, code=code, title=title)))
    else:
        programme_id = held.id
        if title:
            connection.execute(update(programme).where(programme.c.id == programme_id).values(title=title))
    mine = set(connection.execute(select(course.c.id).where(course.c.programme_id == programme_id)).scalars())
    if strangers := set(leaves) - mine:
        names = ", ".join(leaves[one] for one in sorted(strangers))
        raise StoreError("programme-course", f"{names} is not in this programme")
    for ids, becomes in ((joins, programme_id), (leaves, None)):
        connection.execute(update(course).where(course.c.id.in_(sorted(ids))).values(programme_id=becomes))
    moved = select(class_group.c.id).where(class_group.c.course_id.in_(sorted({*joins, *leaves})))
    sessions = session_profiles.of_classes(connection, connection.execute(moved).scalars().all())
    changed = session_profiles.again(connection, here, sessions, now_ms, profiles)
    campus.write_down(
        connection, scope, "programme.change", f"programme/{programme_id}", now_ms, on=sorted(joins), off=sorted(leaves)
    )
    row = connection.execute(select(programme).where(programme.c.id == programme_id)).one()
    return _programme(connection, row, len(changed))


def named(connection: Connection, institution_id: int, programme_id: int) -> str:
    """What it is called, whoever asks."""
    query = select(programme.c.code, programme.c.title).where(
        programme.c.id == programme_id, programme.c.institution_id == institution_id
    )
    row = connection.execute(query).one()
    return f"{row.code} – {row.title}"


def courses(connection: Connection, scope: Scope, programme_id: int) -> list[tuple[int, str, str]]:
    """(id, code, title) of its courses that are in reach and not at an end."""
    return [
        (one.id, one.values["code"], one.values["title"])
        for one in campus_catalogue.listed(connection, scope, "course")
        if one.values["programme_id"] == programme_id and one.ended_ms is None
    ]


def _programme(connection: Connection, row: Any, planned: int = 0) -> Programme:
    codes = select(course.c.code).where(course.c.programme_id == row.id).order_by(course.c.code)
    courses = tuple(connection.execute(codes).scalars())
    return Programme(id=row.id, code=row.code, title=row.title, courses=courses, planned=planned)
