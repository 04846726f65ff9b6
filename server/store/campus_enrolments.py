"""Places on class lists: who is on a list or teaches it, from when to when. A late starter is one row; none is deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, update

from server.errors import NotFound
from server.policy.profile import Profiles
from server.scope import Scope
from server.store import campus, campus_classes, due, institutions, locked_lists, people
from server.store.campus import FieldRefused
from server.store.campus_classes import STUDENT, TEACHER
from server.store.imported_registers import touch_registers
from server.store.imported_staff import follow_teachers
from server.store.schema import class_group, enrolment, person, person_external_id, person_name


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
        .where(enrolment.c.id == enrolment_id, campus_classes.visible(scope, act))
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
    """Rows that hold at that time or begin after it, by their start; none that was ended before it began."""
    ends = enrolment.c.to_ms
    query = select(enrolment).where(
        enrolment.c.class_id == class_id,
        enrolment.c.person_id == person_id,
        enrolment.c.role == role,
        or_(ends.is_(None), and_(ends > from_ms, ends > enrolment.c.from_ms)),
    )
    return list(connection.execute(query.order_by(enrolment.c.from_ms, enrolment.c.id)))


def later(there: list[Any], from_ms: int) -> Any:
    """Of these places the first that begins after that time; None: none does."""
    return next((row for row in there if row.from_ms > from_ms), None)


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
    """They are on this class list (or teach it) from then on; whoever was to come onto it later comes then instead. False:
    this form has done it already.

    Raises NotFound(`person`, `class`), FieldRefused(`enrolled`, `person-ended`, `list-locked`).
    """
    campus.begin(connection, scope)
    people.need(connection, scope, person_id, "campus.change")
    group = campus_classes.need(connection, scope, class_id, "campus.change")
    there = open_places(connection, class_id, person_id, role, from_ms)
    if any(row.source_id == once for row in there):
        return False
    check(connection, group, person_id, there, from_ms)
    planned = later(there, from_ms)
    until_ms = None if planned is None else planned.from_ms
    if role == STUDENT:
        locked_lists.need_open(connection, scope, profiles, class_id, from_ms, until_ms, now_ms)
    if planned is not None and planned.source == campus.SOURCE:
        connection.execute(
            update(enrolment).where(enrolment.c.id == planned.id).values(from_ms=from_ms, source_id=once)
        )
    else:
        # The start that an import brought is the import's: until then this row holds.
        connection.execute(
            enrolment.insert().values(
                institution_id=scope.institution_id,
                class_id=class_id,
                person_id=person_id,
                role=role,
                source=campus.SOURCE,
                source_id=once,
                from_ms=from_ms,
                to_ms=until_ms,
            )
        )
    _reach(connection, scope, class_id, role, now_ms)
    about = {"class": class_id, "role": role, "from_ms": from_ms}
    campus.write_down(connection, scope, "enrolment.begin", f"person/{person_id}", now_ms, **about)
    campus.write_down(connection, scope, "enrolment.begin", f"class/{class_id}", now_ms, person=person_id, role=role)
    return True


def check(connection: Connection, group: Any, person_id: int, there: list[Any], from_ms: int) -> None:
    """Raises FieldRefused(`enrolled`, `person-ended`, `class-ended`) where they cannot be put on the list."""
    if any(row.from_ms <= from_ms for row in there):
        raise FieldRefused("enrolled", "class", "they are on this list already")
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
