"""People as the registry keeps them: found by name or number, and all that is kept of one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, and_, false, func, or_, select, true

from server import names
from server.errors import NotFound
from server.scope import Scope
from server.store import campus, campus_classes, people
from server.store.schema import (
    card_assignment,
    class_group,
    enrolment,
    person,
    person_contact,
    person_external_id,
    person_name,
)
from server.store.schema_rights import department, person_department

FOUND = 25
NUMBER = "identifier"
#: who has no name any more
NAMELESS = "(name erased)"


@dataclass(frozen=True, kw_only=True)
class Found:
    """A person as a list shows them."""

    id: int
    full_name: str
    #: the student or staff number; '' without one
    number: str
    ended_ms: int | None
    #: codes of the classes in reach that they are in now
    classes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Enrolment:
    """A place on a class list, or as its teacher."""

    id: int
    class_id: int
    code: str
    title: str
    role: str
    source: str
    from_ms: int
    to_ms: int | None


@dataclass(frozen=True, kw_only=True)
class Card:
    """A card that somebody has or had. Its UID is known to nobody (PORT-1)."""

    id: int
    from_ms: int
    to_ms: int | None
    ended_why: str | None


@dataclass(frozen=True, kw_only=True)
class Person:
    """All that the registry keeps of a person."""

    id: int
    full_name: str
    given_name: str
    family_name: str
    email: str
    number: str
    #: where they come from: muster (made by hand), or the name of an import
    sources: tuple[str, ...]
    department_id: int | None
    department: str
    created_ms: int
    ended_ms: int | None
    enrolments: tuple[Enrolment, ...]
    cards: tuple[Card, ...]
    #: False: they belong to another department, and here stands only what concerns the reader's own classes
    whole: bool

    @property
    def seen(self) -> str:
        """Stands for everything here."""
        return campus.digest(self)


def search(connection: Connection, scope: Scope, text: str, *, limit: int = FOUND) -> list[Found]:
    """People in reach whose name has all these words, or whose number begins with the text."""
    words = names.words(text)
    if not words:
        return []
    number = select(person_external_id.c.person_id).where(
        person_external_id.c.institution_id == scope.institution_id,
        func.lower(person_external_id.c.external_id).startswith(text.strip().lower(), autoescape=True),
        person_external_id.c.source.in_((NUMBER, "username")),
        person_external_id.c.to_ms.is_(None),
    )
    named = and_(*(person_name.c.sort_name.contains(word, autoescape=True) for word in words))
    query = (
        select(person.c.id, person_name.c.full_name, person.c.ended_ms)
        .join(person_name, person_name.c.person_id == person.c.id)
        .where(people.visible(scope, "campus.read"), or_(named, person.c.id.in_(number)))
        .order_by(person.c.ended_ms.is_not(None), person_name.c.sort_name, person.c.id)
        .limit(limit)
    )
    rows = connection.execute(query).all()
    ids = [row.id for row in rows]
    numbers = numbers_of(connection, ids)
    classes: dict[int, list[str]] = {}
    query = (
        select(enrolment.c.person_id, class_group.c.code)
        .join(class_group, class_group.c.id == enrolment.c.class_id)
        .where(enrolment.c.person_id.in_(ids), enrolment.c.to_ms.is_(None))
        .where(campus_classes.visible(scope, "campus.read"))
        .order_by(class_group.c.code)
    )
    for row in connection.execute(query):
        classes.setdefault(row.person_id, []).append(row.code)
    return [
        Found(
            id=row.id,
            full_name=row.full_name,
            number=numbers.get(row.id, ""),
            ended_ms=row.ended_ms,
            classes=tuple(dict.fromkeys(classes.get(row.id, ()))),
        )
        for row in rows
    ]


def numbers_of(connection: Connection, person_ids: Iterable[int]) -> dict[int, str]:
    """person id -> the student or staff number that holds now."""
    query = (
        select(person_external_id.c.person_id, person_external_id.c.external_id)
        .where(person_external_id.c.person_id.in_(list(person_ids)), person_external_id.c.source == NUMBER)
        .where(person_external_id.c.to_ms.is_(None))
        .order_by(person_external_id.c.id)
    )
    return {row.person_id: row.external_id for row in connection.execute(query)}


def by_number(connection: Connection, scope: Scope, number: str) -> int:
    """The person with this student or staff number. Raises NotFound(`person`)."""
    found = connection.execute(
        select(person_external_id.c.person_id).where(
            person_external_id.c.institution_id == scope.institution_id,
            person_external_id.c.source == NUMBER,
            person_external_id.c.external_id == number,
            person_external_id.c.to_ms.is_(None),
        )
    ).scalar()
    if found is None:
        raise NotFound("person", f"there is nobody with the number {number}")
    return found


def theirs(connection: Connection, scope: Scope, person_id: int, *, now_ms: int) -> Person:
    """A person to be changed as a whole. Raises NotFound(`person`), NotAllowed where only classes of theirs are the
    scope's."""
    people.need_whole(connection, scope, person_id, "campus.change", now_ms)
    return one(connection, scope, person_id, "campus.change", now_ms=now_ms)


def one(connection: Connection, scope: Scope, person_id: int, act: str = "campus.read", *, now_ms: int) -> Person:
    """Everything of a person; of whoever belongs to another department, name, number, department and the scope's own
    classes. Raises NotFound(`person`)."""
    people.need(connection, scope, person_id, act)
    whole = people.is_whole(connection, scope, person_id, act, now_ms)
    row = connection.execute(
        select(person.c.created_ms, person.c.ended_ms, person_name)
        .outerjoin(person_name, person_name.c.person_id == person.c.id)
        .where(person.c.id == person_id)
    ).one()
    ids = connection.execute(
        select(person_external_id.c.source)
        .where(person_external_id.c.person_id == person_id, person_external_id.c.to_ms.is_(None))
        .order_by(person_external_id.c.id)
    ).scalars()
    mail = connection.execute(
        select(person_contact.c.value)
        .where(person_contact.c.person_id == person_id, person_contact.c.kind == "email")
        .where(person_contact.c.to_ms.is_(None))
        .order_by(person_contact.c.id.desc())
    ).scalar()
    belongs = connection.execute(
        select(department.c.id, department.c.title)
        .join(person_department, person_department.c.department_id == department.c.id)
        .where(person_department.c.person_id == person_id, person_department.c.to_ms.is_(None))
        .order_by(person_department.c.id.desc())
    ).first()
    query = (
        select(enrolment, class_group.c.code, class_group.c.title)
        .join(class_group, class_group.c.id == enrolment.c.class_id)
        .where(enrolment.c.person_id == person_id, true() if whole else campus_classes.visible(scope, act))
        .order_by(enrolment.c.to_ms.is_not(None), class_group.c.code, enrolment.c.from_ms, enrolment.c.id)
    )
    enrolments = tuple(
        Enrolment(**{name: getattr(found, name) for name in Enrolment.__dataclass_fields__})
        for found in connection.execute(query)
    )
    query = (
        select(card_assignment)
        .where(card_assignment.c.person_id == person_id, true() if whole else false())
        .order_by(card_assignment.c.from_ms.desc(), card_assignment.c.id.desc())
    )
    held = tuple(
        Card(id=found.card_id, from_ms=found.from_ms, to_ms=found.to_ms, ended_why=found.ended_why)
        for found in connection.execute(query)
    )
    return Person(
        id=person_id,
        full_name=row.full_name or NAMELESS,
        given_name=row.given_name or "",
        family_name=row.family_name or "",
        email=(mail or "") if whole else "",
        number=numbers_of(connection, [person_id]).get(person_id, ""),
        sources=tuple(source for source in ids if source not in (NUMBER, "username")),
        department_id=belongs.id if belongs else None,
        department=belongs.title if belongs else "",
        created_ms=row.created_ms,
        ended_ms=row.ended_ms,
        enrolments=enrolments,
        cards=held,
        whole=whole,
    )
