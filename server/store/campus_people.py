"""People as the registry keeps them: found, added, changed, ended. Dated rows end; nobody is deleted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, or_, select, update

from server.errors import NotFound
from server.scope import Scope
from server.store import campus, campus_classes, cards, institutions, people
from server.store.campus import FieldRefused
from server.store.imported_registers import touch_registers
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
from server.store.upsert import new_id, over

FOUND = 25
NUMBER = "identifier"


@dataclass(frozen=True, kw_only=True)
class Found:
    """A person as a list shows them."""

    id: int
    full_name: str
    #: the student or staff number; '' without one
    number: str
    ended_ms: int | None
    #: codes of the classes they are in now
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

    @property
    def seen(self) -> str:
        """Stands for everything here."""
        return campus.digest(self)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A person as a form wants them."""

    given_name: str
    family_name: str
    number: str
    email: str
    department_id: int | None

    @property
    def full_name(self) -> str:
        """As a register shows it (LOUGH-6)."""
        return f"{self.given_name} {self.family_name}".strip()


def search(connection: Connection, scope: Scope, text: str, *, limit: int = FOUND) -> list[Found]:
    """People in reach whose name has all these words, or whose number begins with the text."""
    words = text.casefold().split()
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


def one(connection: Connection, scope: Scope, person_id: int, act: str = "campus.read") -> Person:
    """Everything of a person. Raises NotFound(`person`)."""
    people.need(connection, scope, person_id, act)
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
        .where(enrolment.c.person_id == person_id)
        .order_by(enrolment.c.to_ms.is_not(None), class_group.c.code, enrolment.c.from_ms, enrolment.c.id)
    )
    enrolments = tuple(
        Enrolment(**{name: getattr(found, name) for name in Enrolment.__dataclass_fields__})
        for found in connection.execute(query)
    )
    query = (
        select(card_assignment)
        .where(card_assignment.c.person_id == person_id)
        .order_by(card_assignment.c.from_ms.desc(), card_assignment.c.id.desc())
    )
    held = tuple(
        Card(id=found.card_id, from_ms=found.from_ms, to_ms=found.to_ms, ended_why=found.ended_why)
        for found in connection.execute(query)
    )
    return Person(
        id=person_id,
        full_name=row.full_name or "(name erased)",
        given_name=row.given_name or "",
        family_name=row.family_name or "",
        email=mail or "",
        number=numbers_of(connection, [person_id]).get(person_id, ""),
        sources=tuple(source for source in ids if source not in (NUMBER, "username")),
        department_id=belongs.id if belongs else None,
        department=belongs.title if belongs else "",
        created_ms=row.created_ms,
        ended_ms=row.ended_ms,
        enrolments=enrolments,
        cards=held,
    )


def made_by(connection: Connection, scope: Scope, once: str) -> int | None:
    """The person whom this form has made already: it was sent twice."""
    return connection.execute(
        select(person_external_id.c.person_id).where(
            person_external_id.c.institution_id == scope.institution_id,
            person_external_id.c.source == campus.SOURCE,
            person_external_id.c.external_id == once,
        )
    ).scalar()


def add(connection: Connection, scope: Scope, wanted: Wanted, *, once: str, now_ms: int) -> int:
    """Make a person by hand. once: the form's own number, so that it makes one. Raises FieldRefused(`number-taken`)."""
    campus.need_whole(scope, "campus.change")
    campus.begin(connection, scope)
    if (there := made_by(connection, scope, once)) is not None:
        return there
    person_id = new_id(
        connection.execute(person.insert().values(institution_id=scope.institution_id, created_ms=now_ms))
    )
    connection.execute(
        person_external_id.insert().values(
            institution_id=scope.institution_id,
            person_id=person_id,
            source=campus.SOURCE,
            external_id=once,
            from_ms=now_ms,
        )
    )
    _set(connection, scope, person_id, wanted, now_ms)
    campus.write_down(connection, scope, "person.add", f"person/{person_id}", now_ms)
    return person_id


def change(
    connection: Connection, scope: Scope, person_id: int, wanted: Wanted, *, seen: str, now_ms: int
) -> list[str]:
    """Make the person so. Returns what changed. Raises NotFound, ChangedMeanwhile, FieldRefused(`number-taken`)."""
    campus.begin(connection, scope)
    now = one(connection, scope, person_id, "campus.change")
    changed = differs(now, wanted)
    if not changed:
        return []
    campus.need_seen(seen, now.seen)
    _set(connection, scope, person_id, wanted, now_ms)
    if "name" in changed:
        touch_registers(connection, person_ids=[person_id])
    campus.write_down(connection, scope, "person.change", f"person/{person_id}", now_ms, changed=changed)
    return changed


def differs(now: Person, wanted: Wanted) -> list[str]:
    """What would change, by the words that the pages use."""
    pairs = {
        "name": ((now.given_name, now.family_name), (wanted.given_name, wanted.family_name)),
        "number": (now.number, wanted.number),
        "e-mail address": (now.email, wanted.email),
        "department": (now.department_id, wanted.department_id),
    }
    return [word for word, (before, after) in pairs.items() if before != after]


def _set(connection: Connection, scope: Scope, person_id: int, wanted: Wanted, now_ms: int) -> None:
    own = {"institution_id": scope.institution_id, "person_id": person_id}
    names = {
        "full_name": wanted.full_name,
        "given_name": wanted.given_name,
        "family_name": wanted.family_name,
        "sort_name": f"{wanted.family_name} {wanted.given_name}".strip().casefold(),
    }
    connection.execute(over(connection, person_name, ("person_id",), tuple(names)), [{**own, **names}])
    _set_number(connection, own, wanted.number, now_ms)
    table = person_contact
    mine = and_(table.c.person_id == person_id, table.c.kind == "email", table.c.to_ms.is_(None))
    if connection.execute(select(table.c.value).where(mine)).scalar() != (wanted.email or None):
        connection.execute(update(table).where(mine).values(to_ms=now_ms))
        if wanted.email:
            connection.execute(table.insert().values(**own, kind="email", value=wanted.email, from_ms=now_ms))
    table = person_department
    mine = and_(table.c.person_id == person_id, table.c.to_ms.is_(None))
    if connection.execute(select(table.c.department_id).where(mine)).scalar() != wanted.department_id:
        connection.execute(update(table).where(mine).values(to_ms=now_ms))
        if wanted.department_id is not None:
            connection.execute(table.insert().values(**own, department_id=wanted.department_id, from_ms=now_ms))


def _set_number(connection: Connection, own: dict[str, int], number: str, now_ms: int) -> None:
    table = person_external_id
    mine = and_(table.c.person_id == own["person_id"], table.c.source == NUMBER, table.c.to_ms.is_(None))
    before = connection.execute(select(table.c.external_id).where(mine)).scalar()
    if before == (number or None):
        return
    taken = connection.execute(
        select(table.c.id, table.c.person_id, table.c.to_ms).where(
            table.c.institution_id == own["institution_id"], table.c.source == NUMBER, table.c.external_id == number
        )
    ).first()
    if taken is not None and taken.person_id != own["person_id"]:
        raise FieldRefused(
            "number-taken", "number", "somebody else has or had this number: look them up by it, or correct it"
        )
    connection.execute(update(table).where(mine).values(to_ms=now_ms))
    if taken is not None:
        # They had it before.
        connection.execute(update(table).where(table.c.id == taken.id).values(to_ms=None))
    elif number:
        connection.execute(table.insert().values(**own, source=NUMBER, external_id=number, from_ms=now_ms))


def end(connection: Connection, scope: Scope, person_id: int, *, seen: str, now_ms: int) -> bool:
    """They have left: off every class list, their cards stop. What was before stays. False: they had left already.

    Raises NotFound(`person`), ChangedMeanwhile.
    """
    campus.begin(connection, scope)
    now = one(connection, scope, person_id, "campus.change")
    if now.ended_ms is not None:
        return False
    campus.need_seen(seen, now.seen)
    for held in now.cards:
        if held.to_ms is None:
            cards.end(connection, scope.institution_id, held.id, now_ms, "returned")
    for place in now.enrolments:
        if place.to_ms is None or place.to_ms > now_ms:
            campus_classes.end_place(connection, scope, place.id, place.class_id, place.role, now_ms, now_ms)
    connection.execute(update(person).where(person.c.id == person_id).values(ended_ms=now_ms))
    institutions.campus_changed(connection, scope.institution_id)
    campus.write_down(connection, scope, "person.end", f"person/{person_id}", now_ms)
    return True


def come_back(connection: Connection, scope: Scope, person_id: int, *, seen: str, now_ms: int) -> bool:
    """They are here again; classes and cards are given anew. False: they were here. Raises NotFound, ChangedMeanwhile."""
    campus.begin(connection, scope)
    now = one(connection, scope, person_id, "campus.change")
    if now.ended_ms is None:
        return False
    campus.need_seen(seen, now.seen)
    connection.execute(update(person).where(person.c.id == person_id).values(ended_ms=None))
    campus.write_down(connection, scope, "person.back", f"person/{person_id}", now_ms)
    return True
