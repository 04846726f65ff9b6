"""What the registry keeps beside people and sessions: rooms, terms, departments, programmes, courses, classes. Ended, never deleted.

One way for all of them: a form's values are compared with the row, written, told to whoever rests on them, and written
down. KINDS says what each consists of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, exists, func, or_, select, true, update

from server.errors import NotFound
from server.policy.profile import Profiles
from server.scope import Scope
from server.store import campus, campus_classes, class_runs, due, institutions, session_profiles
from server.store.campus import FieldRefused
from server.store.imported_registers import touch_registers
from server.store.schema import (
    class_group,
    course,
    enrolment,
    placement,
    programme,
    room,
    session,
    session_class,
    session_room,
    site,
)
from server.store.schema_rights import department
from server.store.schema_work import term
from server.store.upsert import new_id

Values = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of thing. columns: what a form sets, besides its end."""

    name: str
    table: Table
    columns: tuple[str, ...]
    #: column whose value only one of them may have, in its field
    unique: str | None
    #: departments see and change their own
    by_department: bool = False


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(name="room", table=room, columns=("code", "title", "site_id"), unique="code"),
        Kind(name="term", table=term, columns=("title", "from_ms", "to_ms"), unique=None),
        Kind(name="department", table=department, columns=("code", "title", "parent_id"), unique="code"),
        Kind(
            name="programme", table=programme, columns=("code", "title", "department_id"), unique="code",
            by_department=True,
        ),
        Kind(
            name="course", table=course, columns=("code", "title", "department_id", "programme_id", "lms_url"),
            unique=None, by_department=True,
        ),
        Kind(
            name="class", table=class_group, columns=("code", "title", "course_id", *class_runs.DAYS), unique="code",
            by_department=True,
        ),
    )
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One of them, with what the form sets."""

    kind: str
    id: int
    values: Mapping[str, Any]
    #: muster (made by hand), or an import's name; '' where the kind has none
    source: str
    ended_ms: int | None

    @property
    def seen(self) -> str:
        """Stands for everything here."""
        return campus.digest(self)


def _reached(kind: Kind, scope: Scope, act: str) -> ColumnElement[bool]:
    """The condition on the kind's table. What belongs to no department everybody with the act may look at."""
    inside = kind.table.c.institution_id == scope.institution_id
    if not kind.by_department or scope.reach(act).all:
        return inside
    if kind.name == "class":
        return campus_classes.visible(scope, act)
    reach = scope.reach(act)
    if kind.name == "programme":
        return and_(inside, programme.c.department_id.in_(reach.departments))
    return and_(inside, or_(course.c.department_id.in_(reach.departments), course.c.id.in_(reach.courses)))


def listed(connection: Connection, scope: Scope, name: str, *, act: str = "campus.read") -> list[Thing]:
    """Every one in reach, those that have ended last. Raises NotAllowed."""
    scope.need(act)
    kind = KINDS[name]
    order = [kind.table.c[one] for one in ("from_ms", "code") if one in kind.table.c]
    query = (
        _selected(kind)
        .where(_reached(kind, scope, act))
        .order_by(kind.table.c.ended_ms.is_not(None), *order, kind.table.c.id)
    )
    return [_thing(kind, row) for row in connection.execute(query)]


def one(connection: Connection, scope: Scope, name: str, thing_id: int, act: str = "campus.read") -> Thing:
    """One of them. Raises NotAllowed, NotFound(the kind's name)."""
    scope.need(act)
    kind = KINDS[name]
    row = connection.execute(_selected(kind).where(kind.table.c.id == thing_id, _reached(kind, scope, act))).first()
    if row is None:
        raise NotFound(name, f"there is no such {name}, or it is not yours")
    return _thing(kind, row)


def _selected(kind: Kind) -> Select[Any]:
    return class_runs.selected() if kind.name == "class" else select(kind.table)


def _stored(kind: Kind, values: Values) -> Values:
    """What stands in the kind's own table: a class's days are its run's."""
    return {name: value for name, value in values.items() if name in kind.table.c}


def _thing(kind: Kind, row: Any) -> Thing:
    return Thing(
        kind=kind.name,
        id=row.id,
        values={name: getattr(row, name) for name in kind.columns},
        source=getattr(row, "source", ""),
        ended_ms=row.ended_ms,
    )


def need_change(scope: Scope, name: str) -> None:
    """Raises NotAllowed where this scope changes none of this kind."""
    if KINDS[name].by_department:
        scope.need("campus.change")
    else:
        campus.need_whole(scope, "campus.change")


def sites(connection: Connection, institution_id: int) -> dict[int, str]:
    """site id -> name."""
    query = select(site.c.id, site.c.name).where(site.c.institution_id == institution_id).order_by(site.c.name)
    return {row.id: row.name for row in connection.execute(query)}


def save(
    connection: Connection,
    scope: Scope,
    name: str,
    thing_id: int | None,
    values: Values,
    *,
    ended: bool,
    seen: str,
    once: str,
    now_ms: int,
    profiles: Profiles,
) -> int:
    """Make one (thing_id None), or make it so. once: the form's own number, so that it makes one.

    Raises NotAllowed, NotFound, ChangedMeanwhile, FieldRefused(`taken`, `department-circle`, `not-own`,
    `programme-own`).
    """
    need_change(scope, name)
    kind = KINDS[name]
    campus.begin(connection, scope)
    if thing_id is None:
        _need_own(connection, scope, kind, values)
        if name == "course":
            _need_programme(connection, scope, None, values["programme_id"])
        return _add(connection, scope, kind, values, once, now_ms, profiles)
    now = one(connection, scope, name, thing_id, "campus.change")
    changed = [column for column in kind.columns if now.values[column] != values[column]]
    ends = ended != (now.ended_ms is not None)
    if not changed and not ends:
        return thing_id
    campus.need_seen(seen, now.seen)
    if set(changed) & _ABOVE.keys():
        _need_own(connection, scope, kind, values)
    if name == "course" and "programme_id" in changed:
        _need_programme(connection, scope, now.values["programme_id"], values["programme_id"])
    _check(connection, scope, kind, thing_id, values)
    ended_ms = (now.ended_ms or now_ms) if ended else None
    stored = {**_stored(kind, values), "ended_ms": ended_ms}
    connection.execute(update(kind.table).where(kind.table.c.id == thing_id).values(stored))
    if name == "class" and {"course_id", *class_runs.DAYS} & set(changed):
        class_runs.put(connection, scope, profiles, thing_id, values, now_ms)
    _TELL.get(name, _nobody)(connection, scope.institution_id, thing_id, now_ms)
    if {"course_id", "programme_id"} & set(changed):
        # Profiles are given to courses and their programmes: what is still to come goes by the new one's (PORT-2).
        session_profiles.again(
            connection, scope.institution_id, sessions_of(connection, name, thing_id), now_ms, profiles
        )
    institutions.campus_changed(connection, scope.institution_id)
    what = changed + (["end"] if ends and ended else ["no end"] if ends else [])
    campus.write_down(connection, scope, f"{name}.change", f"{name}/{thing_id}", now_ms, changed=what)
    return thing_id


def sessions_of(connection: Connection, name: str, thing_id: int) -> list[int]:
    """The sessions of a class, or of a course's classes; of nothing else."""
    if name == "class":
        return session_profiles.of_classes(connection, [thing_id])
    taught = select(class_group.c.id).where(class_group.c.course_id == thing_id)
    classes = connection.execute(taught).scalars().all() if name == "course" else []
    return session_profiles.of_classes(connection, classes)


def _need_programme(connection: Connection, scope: Scope, before: int | None, after: int | None) -> None:
    """Raises FieldRefused(`programme-own`) where a part of the institution would put a course into another's programme, or
    take it out of one: what is given to a programme holds for its courses."""
    wanted = {one for one in (before, after) if one is not None}
    mine = {one.id for one in listed(connection, scope, "programme", act="campus.change")}
    if wanted - mine:
        text = "this programme is not yours: the institution's registry says which courses belong to it"
        raise FieldRefused("programme-own", "programme_id", text)


#: what says whose a course or a class is
_ABOVE = {"department_id": "department", "course_id": "course"}


def owners(connection: Connection, scope: Scope, name: str) -> set[int] | None:
    """The departments to which the scope may give a course or a programme, or the courses to which a class: its own. None: any."""
    reach = scope.reach("campus.change")
    if reach.all or not KINDS[name].by_department:
        return None
    if name in ("course", "programme"):
        return set(reach.departments)
    return {one.id for one in listed(connection, scope, "course", act="campus.change")}


def _need_own(connection: Connection, scope: Scope, kind: Kind, values: Values) -> None:
    """Raises FieldRefused(`not-own`) where a part of the institution would make it another's, or nobody's."""
    own = owners(connection, scope, kind.name)
    column = next((one for one in kind.columns if one in _ABOVE), "")
    if own is not None and values[column] not in own:
        raise FieldRefused("not-own", column, f"choose a {_ABOVE[column]} of yours: it would be lost to you")


def _add(
    connection: Connection, scope: Scope, kind: Kind, values: Values, once: str, now_ms: int, profiles: Profiles
) -> int:
    table = kind.table
    own: Values = {"institution_id": scope.institution_id}
    if "source" in table.c:
        own |= {"source": campus.SOURCE, "source_id": once}
        there = connection.execute(select(table.c.id).where(*(table.c[key] == value for key, value in own.items())))
    else:
        # A room has no source; the form sent twice finds its own code, with the same values.
        same = (table.c[key] == value for key, value in {**own, **values}.items())
        there = connection.execute(select(table.c.id).where(*same, table.c.ended_ms.is_(None)))
    if (found := there.scalar()) is not None:
        return found
    _check(connection, scope, kind, None, values)
    made = new_id(connection.execute(table.insert().values({**own, **_stored(kind, values)})))
    if kind.name == "class" and values[class_runs.FIRST] is not None:
        class_runs.put(connection, scope, profiles, made, values, now_ms)
    institutions.campus_changed(connection, scope.institution_id)
    campus.write_down(connection, scope, f"{kind.name}.add", f"{kind.name}/{made}", now_ms)
    return made


def _check(connection: Connection, scope: Scope, kind: Kind, thing_id: int | None, values: Values) -> None:
    table = kind.table
    if kind.unique is not None:
        others = true() if thing_id is None else table.c.id != thing_id
        # Rooms keep their code for ever: timetables name them by it. Of the rest the code is free after the end.
        open_ = true() if kind.name == "room" else table.c.ended_ms.is_(None)
        same = func.lower(table.c[kind.unique]) == values[kind.unique].lower()
        query = select(table.c.id).where(table.c.institution_id == scope.institution_id, same, others, open_)
        if connection.execute(query).first() is not None:
            raise FieldRefused("taken", kind.unique, f"there is a {kind.name} with this code already: choose another")
    if kind.name == "department" and thing_id is not None:
        above = values["parent_id"]
        passed = {thing_id}
        while above is not None:
            if above in passed:
                raise FieldRefused("department-circle", "parent_id", "a department cannot stand below itself")
            passed.add(above)
            above = connection.execute(select(department.c.parent_id).where(department.c.id == above)).scalar()


def _nobody(_connection: Connection, _institution_id: int, _thing_id: int, _now_ms: int) -> None:
    """Nothing rests on it that has to be looked at again."""


def _tell_course(connection: Connection, _institution_id: int, thing_id: int, _now_ms: int) -> None:
    """Its code and title stand on registers (LOUGH-6)."""
    ids = connection.execute(select(class_group.c.id).where(class_group.c.course_id == thing_id)).scalars()
    touch_registers(connection, class_ids=list(ids))


def _tell_class(connection: Connection, institution_id: int, thing_id: int, now_ms: int) -> None:
    touch_registers(connection, class_ids=[thing_id])
    due.classes(connection, institution_id, [thing_id], now_ms)


def _tell_room(connection: Connection, _institution_id: int, thing_id: int, now_ms: int) -> None:
    query = (
        select(session_room.c.session_id)
        .join(session, session.c.id == session_room.c.session_id)
        .where(session_room.c.room_id == thing_id, session.c.ends_ms > now_ms - 24 * 3_600_000)
    )
    touch_registers(connection, session_ids=list(connection.execute(query).scalars()))


_TELL: Mapping[str, Callable[[Connection, int, int, int], None]] = {
    "course": _tell_course,
    "class": _tell_class,
    "room": _tell_room,
}


def rests(connection: Connection, name: str, thing_id: int, now_ms: int) -> dict[str, int]:
    """How much rests on it now, by the words that the preview uses: coming sessions, people, readers, classes ..."""

    def many(query: Any) -> int:
        return connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()

    coming = (session.c.ends_ms > now_ms, session.c.cancelled_ms.is_(None))
    if name == "room":
        at = select(session.c.id).where(
            *coming,
            exists().where(
                session_room.c.session_id == session.c.id,
                session_room.c.room_id == thing_id,
                session_room.c.to_ms.is_(None),
            ),
        )
        stands = select(placement.c.id).where(
            placement.c.room_id == thing_id, or_(placement.c.to_ms.is_(None), placement.c.to_ms > now_ms)
        )
        return {"coming sessions": many(at), "readers": many(stands)}
    if name == "class":
        at = select(session.c.id).where(
            *coming,
            exists().where(
                session_class.c.session_id == session.c.id,
                session_class.c.class_id == thing_id,
                session_class.c.to_ms.is_(None),
            ),
        )
        on = select(enrolment.c.id).where(enrolment.c.class_id == thing_id, enrolment.c.to_ms.is_(None))
        return {"coming sessions": many(at), "people on its list": many(on)}
    if name == "programme":
        holds = select(course.c.id).where(course.c.programme_id == thing_id, course.c.ended_ms.is_(None))
        return {"courses": many(holds)}
    if name == "course":
        taught = select(class_group.c.id).where(class_group.c.course_id == thing_id, class_group.c.ended_ms.is_(None))
        return {"classes": many(taught)}
    if name == "department":
        below = select(department.c.id).where(department.c.parent_id == thing_id, department.c.ended_ms.is_(None))
        gives = select(course.c.id).where(course.c.department_id == thing_id, course.c.ended_ms.is_(None))
        return {"departments below it": many(below), "courses": many(gives)}
    return {}
