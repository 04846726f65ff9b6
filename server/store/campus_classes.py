"""Class lists as the registry keeps them: who is on them and who teaches, from when to when; a late starter is one row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, false, func, or_, select, update

from server.errors import NotFound
from server.policy.profile import Profiles
from server.scope import Scope
from server.store import campus, due, institutions, locked_lists, people
from server.store.campus import FieldRefused
from server.store.imported_registers import touch_registers
from server.store.imported_staff import follow_teachers
from server.store.schema import (
    class_group,
    course,
    enrolment,
    person,
    person_external_id,
    person_name,
    placement,
    room,
    session,
    session_class,
    session_room,
)

STUDENT, TEACHER = ROLES = ("student", "teacher")
FOUND = 25


@dataclass(frozen=True, kw_only=True)
class Found:
    """A class as a list shows it."""

    id: int
    code: str
    title: str
    course_code: str
    ended_ms: int | None
    students: int


@dataclass(frozen=True, kw_only=True)
class Member:
    """Somebody on a class list, now or before."""

    enrolment_id: int
    person_id: int
    full_name: str
    number: str
    role: str
    source: str
    from_ms: int
    to_ms: int | None


@dataclass(frozen=True, kw_only=True)
class Place:
    """One row of a class list, by itself."""

    id: int
    class_id: int
    class_code: str
    person_id: int
    full_name: str
    role: str
    source: str
    from_ms: int
    to_ms: int | None

    @property
    def seen(self) -> str:
        """Stands for everything here."""
        return campus.digest(self)


@dataclass(frozen=True, kw_only=True)
class Touched:
    """What a place on a class list would reach: its sessions from a time on."""

    #: over already, and so shown on registers of the past
    past: int
    coming: int
    #: readers that take this person's card for sessions of the next days
    doors: tuple[str, ...]
    #: coming sessions at the same time as another one of theirs (PORT-21)
    clashes: int


def visible(scope: Scope, act: str) -> ColumnElement[bool]:
    """The condition on `class_group` under which this scope reaches it; `course` is outer-joined by the caller."""
    inside = class_group.c.institution_id == scope.institution_id
    reach = scope.reach(act)
    if reach.all:
        return inside
    if reach.departments or reach.courses:
        mine = or_(course.c.department_id.in_(reach.departments), course.c.id.in_(reach.courses))
        return and_(inside, class_group.c.course_id.in_(select(course.c.id).where(mine)))
    return false()


def search(connection: Connection, scope: Scope, text: str, *, limit: int = FOUND) -> list[Found]:
    """Classes in reach that have all these words in code, title or course. No words: none."""
    words = text.casefold().split()
    if not words:
        return []
    whole = func.lower(class_group.c.code + " " + class_group.c.title + " " + func.coalesce(course.c.code, ""))
    students = (
        select(func.count())
        .where(enrolment.c.class_id == class_group.c.id, enrolment.c.role == STUDENT, enrolment.c.to_ms.is_(None))
        .scalar_subquery()
    )
    query = (
        select(class_group, course.c.code.label("course_code"), students.label("students"))
        .outerjoin(course, course.c.id == class_group.c.course_id)
        .where(visible(scope, "campus.read"), *(whole.contains(word, autoescape=True) for word in words))
        .order_by(class_group.c.ended_ms.is_not(None), class_group.c.code, class_group.c.id)
        .limit(limit)
    )
    return [
        Found(
            id=row.id,
            code=row.code,
            title=row.title,
            course_code=row.course_code or "",
            ended_ms=row.ended_ms,
            students=row.students,
        )
        for row in connection.execute(query)
    ]


def need(connection: Connection, scope: Scope, class_id: int, act: str = "campus.read") -> Any:
    """The class's own row. Raises NotFound(`class`)."""
    row = connection.execute(select(class_group).where(class_group.c.id == class_id, visible(scope, act))).first()
    if row is None:
        raise NotFound("class", "there is no such class, or it is not yours")
    return row


def by_code(connection: Connection, scope: Scope, code: str, act: str = "campus.change") -> Any:
    """The one class in reach that has this code and is not at an end. Raises FieldRefused(`class-unknown`)."""
    rows = connection.execute(
        select(class_group)
        .where(func.lower(class_group.c.code) == code.strip().lower(), class_group.c.ended_ms.is_(None))
        .where(visible(scope, act))
    ).all()
    if len(rows) != 1:
        text = f"there is no class {code!r} in your care: find it by its code" if not rows else (
            f"{len(rows)} classes have the code {code!r}: open the one that is meant, and enrol there"
        )  # fmt: skip
        raise FieldRefused("class-unknown", "class", text)
    return rows[0]


def codes(connection: Connection, scope: Scope, act: str = "campus.change") -> list[str]:
    """The codes of every class in reach that is not at an end."""
    query = (
        select(class_group.c.code)
        .where(class_group.c.ended_ms.is_(None), visible(scope, act))
        .distinct()
        .order_by(class_group.c.code)
    )
    return list(connection.execute(query).scalars())


def ids_of(connection: Connection, scope: Scope, act: str = "campus.change") -> dict[str, int]:
    """Code -> id of every class in reach that is not at an end and alone has its code."""
    query = select(class_group.c.code, class_group.c.id).where(class_group.c.ended_ms.is_(None), visible(scope, act))
    found: dict[str, list[int]] = {}
    for row in connection.execute(query):
        found.setdefault(row.code, []).append(row.id)
    return {code: ids[0] for code, ids in found.items() if len(ids) == 1}


def members(connection: Connection, class_id: int) -> list[Member]:
    """Everybody who is or was on the list, those of now first. The caller has asked for the class."""
    number = (
        select(func.max(person_external_id.c.external_id))
        .where(person_external_id.c.person_id == enrolment.c.person_id, person_external_id.c.source == "identifier")
        .where(person_external_id.c.to_ms.is_(None))
        .scalar_subquery()
    )
    query = (
        select(enrolment, person_name.c.full_name, number.label("number"))
        .outerjoin(person_name, person_name.c.person_id == enrolment.c.person_id)
        .where(enrolment.c.class_id == class_id)
        .order_by(enrolment.c.to_ms.is_not(None), enrolment.c.role.desc(), person_name.c.sort_name, enrolment.c.id)
    )
    return [
        Member(
            enrolment_id=row.id,
            person_id=row.person_id,
            full_name=row.full_name or "(name erased)",
            number=row.number or "",
            role=row.role,
            source=row.source,
            from_ms=row.from_ms,
            to_ms=row.to_ms,
        )
        for row in connection.execute(query)
    ]


def place(connection: Connection, scope: Scope, enrolment_id: int, act: str = "campus.change") -> Place:
    """One row of a class list, of a class and for a person in reach. Raises NotFound(`enrolment`)."""
    row = connection.execute(
        select(enrolment, class_group.c.code, person_name.c.full_name)
        .join(class_group, class_group.c.id == enrolment.c.class_id)
        .outerjoin(person_name, person_name.c.person_id == enrolment.c.person_id)
        .where(enrolment.c.id == enrolment_id, visible(scope, act))
    ).first()
    if row is None:
        raise NotFound("enrolment", "there is no such place on a class list, or it is not yours")
    return Place(
        id=row.id,
        class_id=row.class_id,
        class_code=row.code,
        person_id=row.person_id,
        full_name=row.full_name or "(name erased)",
        role=row.role,
        source=row.source,
        from_ms=row.from_ms,
        to_ms=row.to_ms,
    )


def open_places(connection: Connection, class_id: int, person_id: int, role: str, from_ms: int) -> list[Any]:
    """Rows that hold at that time or begin after it."""
    query = select(enrolment).where(
        enrolment.c.class_id == class_id,
        enrolment.c.person_id == person_id,
        enrolment.c.role == role,
        or_(enrolment.c.to_ms.is_(None), enrolment.c.to_ms > from_ms),
    )
    return list(connection.execute(query))


def enrol(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    person_id: int,
    class_id: int,
    *,
    role: str,
    from_ms: int,
    once: str,
    now_ms: int,
) -> bool:
    """They are on this class list (or teach it) from then on. False: this form has done it already, or they are.

    Raises NotFound(`person`, `class`), FieldRefused(`enrolled`, `person-ended`, `list-locked`).
    """
    campus.begin(connection, scope)
    people.need(connection, scope, person_id, "campus.change")
    group = need(connection, scope, class_id, "campus.change")
    there = open_places(connection, class_id, person_id, role, from_ms)
    if any(row.source_id == once for row in there):
        return False
    check(connection, group, person_id, there, from_ms)
    if role == STUDENT:
        locked_lists.need_open(connection, scope, profiles, class_id, from_ms, None, now_ms)
    connection.execute(
        enrolment.insert().values(
            institution_id=scope.institution_id,
            class_id=class_id,
            person_id=person_id,
            role=role,
            source=campus.SOURCE,
            source_id=once,
            from_ms=from_ms,
        )
    )
    _reach(connection, scope, class_id, role, now_ms)
    about = {"class": class_id, "role": role, "from_ms": from_ms}
    campus.write_down(connection, scope, "enrolment.begin", f"person/{person_id}", now_ms, **about)
    campus.write_down(connection, scope, "enrolment.begin", f"class/{class_id}", now_ms, person=person_id, role=role)
    return True


def check(connection: Connection, group: Any, person_id: int, there: list[Any], from_ms: int) -> None:
    """Raises FieldRefused(`enrolled`, `person-ended`, `class-ended`) where they cannot be put on the list."""
    if there:
        open_now = any(row.from_ms <= from_ms for row in there)
        raise FieldRefused(
            "enrolled",
            "class",
            "they are on this list already" if open_now else "they come onto this list later already",
        )
    ended = connection.execute(select(person.c.ended_ms).where(person.c.id == person_id)).scalar()
    if ended is not None:
        raise FieldRefused("person-ended", "class", "they have left: say first that they are back")
    if group.ended_ms is not None and group.ended_ms <= from_ms:
        raise FieldRefused("class-ended", "class", "this class is at an end: choose another")


def leave(
    connection: Connection, scope: Scope, profiles: Profiles, enrolment_id: int, *, to_ms: int, seen: str, now_ms: int
) -> bool:
    """They are not on the list any more from then on; what was before stays. False: it ended then already.

    Raises NotFound(`enrolment`), ChangedMeanwhile, FieldRefused(`before-begin`, `list-locked`).
    """
    campus.begin(connection, scope)
    now = place(connection, scope, enrolment_id)
    if now.to_ms == to_ms:
        return False
    campus.need_seen(seen, now.seen)
    if to_ms < now.from_ms:
        raise FieldRefused("before-begin", "day", "this is before they came onto the list: choose a later day")
    if now.role == STUDENT:
        # An end that was set before is moved: only what lies between the two changes.
        locked_lists.need_open(connection, scope, profiles, now.class_id, to_ms, now.to_ms, now_ms)
    end_place(connection, scope, enrolment_id, now.class_id, now.role, to_ms, now_ms)
    return True


def end_place(
    connection: Connection, scope: Scope, enrolment_id: int, class_id: int, role: str, to_ms: int, now_ms: int
) -> None:
    """End one row at that time, and mark whoever it concerns."""
    # Whoever was credited while on the list has to be looked at as well.
    due.classes(connection, scope.institution_id, [class_id], now_ms)
    row = connection.execute(select(enrolment).where(enrolment.c.id == enrolment_id)).one()
    # An import does not begin it again by itself (LOUGH-18); what was made here has no import.
    values = {"to_ms": max(to_ms, row.from_ms), "ended_by_hand": row.source != campus.SOURCE}
    connection.execute(update(enrolment).where(enrolment.c.id == enrolment_id).values(values))
    _reach(connection, scope, class_id, role, now_ms)
    about = {"class": class_id, "role": role, "to_ms": to_ms}
    campus.write_down(connection, scope, "enrolment.end", f"person/{row.person_id}", now_ms, **about)
    campus.write_down(connection, scope, "enrolment.end", f"class/{class_id}", now_ms, person=row.person_id, role=role)


def _reach(connection: Connection, scope: Scope, class_id: int, role: str, now_ms: int) -> None:
    if role == TEACHER:
        follow_teachers(connection, scope.institution_id, [class_id], now_ms)
    touch_registers(connection, class_ids=[class_id])
    due.classes(connection, scope.institution_id, [class_id], now_ms)
    institutions.campus_changed(connection, scope.institution_id)


def touched(connection: Connection, class_id: int, person_id: int, from_ms: int, now_ms: int, ahead_ms: int) -> Touched:
    """What this person on that list from then on would mean. ahead_ms: how far doors are told ahead."""
    mine = (
        select(session.c.id, session.c.starts_ms, session.c.ends_ms, session.c.opens_ms)
        .join(session_class, session_class.c.session_id == session.c.id)
        .where(session_class.c.class_id == class_id, session_class.c.to_ms.is_(None))
        .where(session.c.cancelled_ms.is_(None), session.c.starts_ms >= from_ms)
    ).subquery()
    past = connection.execute(select(func.count()).select_from(mine).where(mine.c.ends_ms <= now_ms)).scalar_one()
    coming = connection.execute(select(func.count()).select_from(mine).where(mine.c.ends_ms > now_ms)).scalar_one()
    other = session.alias("other")
    clashes = connection.execute(
        select(func.count(mine.c.id.distinct()))
        .select_from(mine)
        .join(other, and_(other.c.starts_ms < mine.c.ends_ms, other.c.ends_ms > mine.c.starts_ms))
        .join(session_class, session_class.c.session_id == other.c.id)
        .join(enrolment, enrolment.c.class_id == session_class.c.class_id)
        .where(
            mine.c.ends_ms > now_ms,
            other.c.id != mine.c.id,
            other.c.cancelled_ms.is_(None),
            session_class.c.to_ms.is_(None),
            enrolment.c.person_id == person_id,
            enrolment.c.class_id != class_id,
            enrolment.c.from_ms <= other.c.starts_ms,
            or_(enrolment.c.to_ms.is_(None), enrolment.c.to_ms > other.c.starts_ms),
        )
    ).scalar_one()
    ids = list(
        connection.execute(
            select(mine.c.id).where(mine.c.ends_ms > now_ms, mine.c.opens_ms < now_ms + ahead_ms)
        ).scalars()
    )
    return Touched(past=past, coming=coming, doors=doors_of(connection, ids, now_ms), clashes=clashes)


def doors_of(connection: Connection, session_ids: Iterable[int], now_ms: int) -> tuple[str, ...]:
    """The names of the rooms of these sessions at whose doors a reader stands now."""
    ids = list(session_ids)[: due.CHUNK]
    query = (
        select(room.c.code)
        .join(session_room, session_room.c.room_id == room.c.id)
        .join(placement, placement.c.room_id == room.c.id)
        .where(
            session_room.c.session_id.in_(ids),
            session_room.c.to_ms.is_(None),
            placement.c.from_ms <= now_ms,
            or_(placement.c.to_ms.is_(None), placement.c.to_ms > now_ms),
        )
        .distinct()
        .order_by(room.c.code)
    )
    return tuple(connection.execute(query).scalars())
