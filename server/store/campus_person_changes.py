"""People changed by the registry: added, corrected, ended, back again. Dated rows end; nobody is deleted."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, select, update

from server import names
from server.errors import NotAllowed
from server.scope import Scope
from server.store import accounts, campus, campus_enrolments, campus_people, cards, cover, institutions
from server.store.campus import FieldRefused
from server.store.campus_people import NUMBER, Person
from server.store.imported_registers import touch_registers
from server.store.schema import person, person_contact, person_external_id, person_name
from server.store.schema_rights import person_department
from server.store.upsert import new_id, over


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
    _set(connection, scope, person_id, wanted, now_ms, full_name=wanted.full_name)
    campus.write_down(connection, scope, "person.add", f"person/{person_id}", now_ms)
    return person_id


def change(
    connection: Connection, scope: Scope, person_id: int, wanted: Wanted, *, seen: str, now_ms: int
) -> list[str]:
    """Make the person so. Returns what changed.

    Raises NotFound, NotAllowed (to a part of the institution, of another's people or for their department),
    ChangedMeanwhile, FieldRefused(`number-taken`).
    """
    campus.begin(connection, scope)
    now = campus_people.theirs(connection, scope, person_id, now_ms=now_ms)
    changed = differs(now, wanted)
    if not changed:
        return []
    if "department" in changed:
        # By it all about somebody is read: no part of the institution gives itself a person, or gives one away.
        campus.need_whole(scope, "campus.change")
    campus.need_seen(seen, now.seen)
    # Names that the form does not show, such as a middle one, stay while the others do.
    full_name = wanted.full_name if "name" in changed else now.full_name
    _set(connection, scope, person_id, wanted, now_ms, full_name=full_name)
    if "name" in changed or "number" in changed:
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


def _set(connection: Connection, scope: Scope, person_id: int, wanted: Wanted, now_ms: int, *, full_name: str) -> None:
    own = {"institution_id": scope.institution_id, "person_id": person_id}
    written = {
        "full_name": full_name,
        "given_name": wanted.given_name,
        "family_name": wanted.family_name,
        "sort_name": names.sort_name(wanted.family_name, wanted.given_name),
    }
    connection.execute(over(connection, person_name, ("person_id",), tuple(written)), [{**own, **written}])
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


def end(connection: Connection, scope: Scope, person_id: int, *, seen: str, now_ms: int) -> list[int] | None:
    """They have left: off every class list and every coming session, their cards stop, their account lets nobody in
    (`rights.opens`). What was before stays. Answers the coming sessions that they alone were set to deliver by hand, and
    nobody does now; None: they had left already.

    Raises NotFound(`person`), NotAllowed (a part of the institution, of another's people), ChangedMeanwhile.
    """
    campus.begin(connection, scope)
    now = campus_people.theirs(connection, scope, person_id, now_ms=now_ms)
    if now.ended_ms is not None:
        return None
    _need_accounts(connection, scope, person_id)
    campus.need_seen(seen, now.seen)
    for held in now.cards:
        if held.to_ms is None:
            cards.end(connection, scope.institution_id, held.id, now_ms, "returned")
    for place in now.enrolments:
        if place.to_ms is None or place.to_ms > now_ms:
            campus_enrolments.end_place(connection, scope, place.id, place.class_id, place.role, now_ms, now_ms)
    # What was set by hand follows no class's teachers.
    alone = cover.left(connection, scope, person_id, now_ms)
    connection.execute(update(person).where(person.c.id == person_id).values(ended_ms=now_ms))
    institutions.campus_changed(connection, scope.institution_id)
    campus.write_down(connection, scope, "person.end", f"person/{person_id}", now_ms)
    return alone


def _need_accounts(connection: Connection, scope: Scope, person_id: int) -> None:
    """Raises NotAllowed where a part of the institution would shut, or open, an account that is for more than that."""
    if scope.reach("campus.change").all:
        return
    if any(one.wider for one in accounts.of_person(connection, scope, person_id)):
        told = "an account of theirs is for the whole institution, and goes by this: ask the institution's registry"
        raise NotAllowed("not-allowed", told)


def come_back(connection: Connection, scope: Scope, person_id: int, *, seen: str, now_ms: int) -> bool:
    """They are here again; classes and cards are given anew. False: they were here. Raises as `end`."""
    campus.begin(connection, scope)
    now = campus_people.theirs(connection, scope, person_id, now_ms=now_ms)
    if now.ended_ms is None:
        return False
    _need_accounts(connection, scope, person_id)
    campus.need_seen(seen, now.seen)
    connection.execute(update(person).where(person.c.id == person_id).values(ended_ms=None))
    campus.write_down(connection, scope, "person.back", f"person/{person_id}", now_ms)
    return True
