"""Who is meant for a trip: students by class or number, staff by name."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, exists, or_, select

from server.errors import NotFound
from server.scope import Scope
from server.store import coded, people
from server.store.schema import (
    account,
    class_group,
    enrolment,
    person,
    person_external_id,
    person_name,
    session_staff,
)


def class_of(connection: Connection, scope: Scope, code: str, at_ms: int) -> list[int]:
    """The students of a class that this scope has in its care. Raises NotFound(`class`)."""
    groups = coded.every(connection, scope.institution_id, class_group, code)
    if not groups:
        raise NotFound("class", f"there is no class {code}: write its code as the timetable does")
    query = (
        select(enrolment.c.person_id)
        .join(person, person.c.id == enrolment.c.person_id)
        .where(
            enrolment.c.class_id.in_(groups),
            enrolment.c.role == "student",
            enrolment.c.from_ms <= at_ms,
            or_(enrolment.c.to_ms.is_(None), enrolment.c.to_ms > at_ms),
            people.visible(scope, "trip.plan"),
        )
        .distinct()
    )
    return sorted(connection.execute(query).scalars())


def numbered(connection: Connection, scope: Scope, numbers: Iterable[str]) -> tuple[dict[str, int], list[str]]:
    """number -> the one person who has it, of whatever role; and the numbers that nobody or more than one has."""
    wanted = list(dict.fromkeys(numbers))
    query = select(person_external_id.c.external_id, person_external_id.c.person_id).where(
        person_external_id.c.institution_id == scope.institution_id,
        person_external_id.c.external_id.in_(wanted),
        person_external_id.c.to_ms.is_(None),
    )
    return _single(connection.execute(query).all(), wanted)


def staff_named(connection: Connection, scope: Scope, names: Iterable[str]) -> tuple[dict[str, int], list[str]]:
    """full name -> the one person of this name who teaches or has an account; and the names that fit nobody, or two."""
    wanted = list(dict.fromkeys(names))
    teaches = exists().where(session_staff.c.person_id == person_name.c.person_id)
    signs_in = exists().where(account.c.person_id == person_name.c.person_id, account.c.disabled_ms.is_(None))
    query = (
        select(person_name.c.full_name, person_name.c.person_id, person.c.ended_ms)
        .join(person, person.c.id == person_name.c.person_id)
        .where(
            person_name.c.institution_id == scope.institution_id,
            person_name.c.full_name.in_(wanted),
            or_(teaches, signs_in),
        )
    )
    rows = connection.execute(query).all()
    # Of several with one name those who are here are meant; who has left only where nobody else has it.
    here = {row.full_name for row in rows if row.ended_ms is None}
    meant = [(row.full_name, row.person_id) for row in rows if row.ended_ms is None or row.full_name not in here]
    return _single(meant, wanted)


def _single(rows: Iterable[tuple[str, int]], wanted: list[str]) -> tuple[dict[str, int], list[str]]:
    every: dict[str, set[int]] = {}
    for name, person_id in rows:
        every.setdefault(name, set()).add(person_id)
    found = {name: next(iter(persons)) for name, persons in every.items() if len(persons) == 1}
    return found, [one for one in wanted if one not in found]
