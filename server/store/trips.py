"""Visits and trips: who sees them, who is on them, and who came, as staff on the trip confirm. The V that follows:
server/derive/trips.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Connection, and_, exists, func, not_, or_, select, update

from server.errors import NotAllowed, NotFound, Refused, StoreError
from server.scope import Scope
from server.store import campus, people
from server.store.schema import account, person, person_external_id, person_name
from server.store.schema_work import trip, trip_person

STAFF, STUDENT = "staff", "student"


@dataclass(frozen=True, kw_only=True)
class Trip:
    """One trip as lists show it."""

    id: int
    title: str
    from_ms: int
    to_ms: int
    by_account_id: int
    by: str
    confirmed_ms: int | None
    cancelled_ms: int | None
    students: int
    came: int


@dataclass(frozen=True, kw_only=True)
class Member:
    """Somebody on a trip."""

    person_id: int
    full_name: str
    number: str
    role: str
    #: None: not said yet
    came: bool | None


def visible(scope: Scope) -> ColumnElement[bool]:
    """The condition on `trip`: one's own plans, trips one is staff on, and those with a student of one's department.

    Who sees it need not be in charge of it: a department sees where its students are.
    """
    inside = trip.c.institution_id == scope.institution_id
    reach = scope.reach("trip.plan")
    if reach.all:
        return inside
    ways = []
    if reach:
        ways += [trip.c.by_account_id == scope.account_id, _on_it(scope)]
    if reach.departments or reach.courses:
        granted = people.visible(replace(scope, person_id=None), "trip.plan")
        ways.append(
            exists(
                select(trip_person.c.id)
                .join(person, person.c.id == trip_person.c.person_id)
                .where(trip_person.c.trip_id == trip.c.id, trip_person.c.role == STUDENT, granted)
                .correlate(trip)
            )
        )
    return and_(inside, or_(*ways)) if ways else and_(inside, trip.c.id.is_(None))


def _on_it(scope: Scope) -> ColumnElement[bool]:
    return exists(
        select(trip_person.c.id)
        .where(
            trip_person.c.trip_id == trip.c.id,
            trip_person.c.person_id == scope.person_id,
            trip_person.c.role == STAFF,
        )
        .correlate(trip)
    )


def listed(connection: Connection, scope: Scope, since_ms: int, limit: int = 100) -> list[Trip]:
    """The trips that this scope may see and that end after `since_ms`, newest first."""
    return _read(connection, and_(visible(scope), trip.c.to_ms >= since_ms), limit)


def need(connection: Connection, scope: Scope, trip_id: int) -> Trip:
    """One trip. Raises NotFound(`trip`)."""
    found = _read(connection, and_(trip.c.id == trip_id, visible(scope)), 1)
    if not found:
        raise NotFound("trip", "there is no such trip, or it is not yours")
    return found[0]


def one(connection: Connection, trip_id: int) -> tuple[Trip, int]:
    """One trip and its institution, whoever asks: for what follows from it. Raises NotFound(`trip`)."""
    found = _read(connection, trip.c.id == trip_id, 1)
    if not found:
        raise NotFound("trip", "there is no such trip")
    return found[0], connection.execute(select(trip.c.institution_id).where(trip.c.id == trip_id)).scalar_one()


def confirmed_by(connection: Connection, trip_id: int) -> int | None:
    """The account that confirmed it last."""
    return connection.execute(select(trip.c.confirmed_by_account_id).where(trip.c.id == trip_id)).scalar()


def _read(connection: Connection, where: ColumnElement[bool], limit: int) -> list[Trip]:
    def many(condition: ColumnElement[bool]):
        return (
            select(func.count())
            .select_from(trip_person)
            .where(trip_person.c.trip_id == trip.c.id, trip_person.c.role == STUDENT, condition)
            .correlate(trip)
            .scalar_subquery()
        )

    query = (
        select(
            trip,
            account.c.shown_name.label("by"),
            many(trip_person.c.id.is_not(None)).label("students"),
            many(trip_person.c.came.is_(True)).label("came"),
        )
        .join(account, account.c.id == trip.c.by_account_id)
        .where(where)
        .order_by(trip.c.from_ms.desc(), trip.c.id.desc())
        .limit(limit)
    )
    return [
        Trip(**{name: getattr(row, name) for name in Trip.__dataclass_fields__}) for row in connection.execute(query)
    ]


def members(connection: Connection, trip_id: int) -> list[Member]:
    """Everybody on the trip, by name. The caller has asked for the trip."""
    number = (
        select(func.min(person_external_id.c.external_id))
        .where(person_external_id.c.person_id == trip_person.c.person_id, person_external_id.c.source == "identifier")
        .where(person_external_id.c.to_ms.is_(None))
        .correlate(trip_person)
        .scalar_subquery()
    )
    query = (
        select(
            trip_person.c.person_id,
            person_name.c.full_name,
            func.coalesce(number, "").label("number"),
            trip_person.c.role,
            trip_person.c.came,
        )
        .join(person_name, person_name.c.person_id == trip_person.c.person_id)
        .where(trip_person.c.trip_id == trip_id)
        .order_by(person_name.c.sort_name, trip_person.c.person_id)
    )
    return [Member(**row._mapping) for row in connection.execute(query)]


def is_staff(connection: Connection, scope: Scope, trip_id: int) -> bool:
    """Whether they are staff on the trip: only those confirm (the table of marks, V)."""
    if scope.person_id is None:
        return False
    return connection.execute(select(trip.c.id).where(trip.c.id == trip_id, _on_it(scope))).first() is not None


def in_charge(connection: Connection, scope: Scope, trip_id: int) -> bool:
    """Whether they may change or cancel it: they planned it, are staff on it, or have each of its students in their care.

    What a trip says is set on the registers of all its students (the table of marks, V): with one of them on it, a
    department would change the marks of the others.
    """
    reach = scope.reach("trip.plan")
    if reach.all:
        return True
    mine = or_(trip.c.by_account_id == scope.account_id, _on_it(scope))
    if connection.execute(select(trip.c.id).where(trip.c.id == trip_id, mine)).first() is not None:
        return True
    if not (reach.departments or reach.courses):
        return False
    # As a part of the institution: nobody is in charge because they once taught a student of it.
    granted = people.visible(replace(scope, person_id=None), "trip.plan")
    others = (
        select(trip_person.c.id)
        .join(person, person.c.id == trip_person.c.person_id)
        .where(trip_person.c.trip_id == trip_id, trip_person.c.role == STUDENT, not_(granted))
    )
    return connection.execute(others.limit(1)).first() is None


def need_charge(connection: Connection, scope: Scope, trip_id: int) -> Trip:
    """The trip, for whoever is in charge of it. Raises NotFound(`trip`), NotAllowed(`trip-charge`)."""
    found = need(connection, scope, trip_id)
    if not in_charge(connection, scope, trip_id):
        raise NotAllowed(
            "trip-charge",
            f"students of others are on this trip too: ask {found.by}, who planned it, its staff, or the registry",
        )
    return found


def confirm(connection: Connection, scope: Scope, trip_id: int, came: Mapping[int, bool], *, now_ms: int) -> bool:
    """Staff on the trip say who came; again and otherwise is a change. The same again: False.

    came: every student of the trip. Raises NotFound(`trip`), NotAllowed(`trip-staff`), Refused(`trip-cancelled`,
    `trip-early`), StoreError(`trip-students`).
    """
    found = need(connection, scope, trip_id)
    if not is_staff(connection, scope, trip_id):
        raise NotAllowed("trip-staff", "only staff on the trip confirm who came: they keep its paper register")
    if found.cancelled_ms is not None:
        raise Refused("trip-cancelled", "this trip is cancelled: nobody came")
    if now_ms < found.from_ms:
        raise Refused("trip-early", "who came is confirmed once the trip has begun")
    students = {one.person_id: one.came for one in members(connection, trip_id) if one.role == STUDENT}
    if set(came) != set(students):
        raise StoreError("trip-students", "the students of this trip changed meanwhile: load the page again")
    if dict(came) == students and found.confirmed_ms is not None:
        return False
    for person_id, here in sorted(came.items()):
        if students[person_id] is not here:
            connection.execute(
                update(trip_person)
                .where(trip_person.c.trip_id == trip_id, trip_person.c.person_id == person_id)
                .values(came=here)
            )
    connection.execute(
        update(trip).where(trip.c.id == trip_id).values(confirmed_ms=now_ms, confirmed_by_account_id=scope.account_id)
    )
    campus.write_down(
        connection, scope, "trip.confirm" if found.confirmed_ms is None else "trip.change", f"trip/{trip_id}", now_ms
    )
    return True
