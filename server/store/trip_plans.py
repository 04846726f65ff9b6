"""Trips planned, changed and cancelled by those in charge of them: when, which students, which staff."""

from __future__ import annotations

from collections.abc import Iterable, Set

from sqlalchemy import Connection, delete, select, update

from server.errors import NotFound, Refused, StoreError
from server.scope import Scope
from server.store import campus, notes, people, trips
from server.store.schema import account, person
from server.store.schema_work import trip, trip_person
from server.store.trips import STAFF, STUDENT
from server.store.upsert import new_id

LASTS_MS = 31 * 24 * 3_600_000
#: students of one trip; what a form may hold
STUDENTS_MAX, TITLE_MAX = 400, 120


def plan(
    connection: Connection,
    scope: Scope,
    *,
    title: str,
    from_ms: int,
    to_ms: int,
    students: Iterable[int],
    staff: Iterable[int],
    now_ms: int,
) -> int:
    """Plan a trip. The same once more is the one that is there: its id comes back.

    Raises NotFound(`person`), StoreError(`trip-*`).
    """
    scope.need("trip.plan")
    name = notes.within(title, TITLE_MAX)
    _check(name, from_ms, to_ms)
    pupils, teachers = set(students), set(staff)
    _check_people(connection, scope, pupils, teachers)
    # Of the same form that was sent twice at once, the second one sees what the first has made.
    connection.execute(select(account.c.id).where(account.c.id == scope.account_id).with_for_update(key_share=True))
    there = connection.execute(
        select(trip.c.id).where(
            trip.c.institution_id == scope.institution_id,
            trip.c.by_account_id == scope.account_id,
            trip.c.title == name,
            trip.c.from_ms == from_ms,
            trip.c.to_ms == to_ms,
            trip.c.cancelled_ms.is_(None),
        )
    ).scalar()
    if there is not None:
        return there
    made = connection.execute(
        trip.insert().values(
            institution_id=scope.institution_id,
            title=name,
            from_ms=from_ms,
            to_ms=to_ms,
            by_account_id=scope.account_id,
            created_ms=now_ms,
        )
    )
    trip_id = new_id(made)
    _add(connection, scope, trip_id, sorted(pupils), STUDENT)
    _add(connection, scope, trip_id, sorted(teachers), STAFF)
    campus.write_down(connection, scope, "trip.plan", f"trip/{trip_id}", now_ms)
    return trip_id


def _check(name: str, from_ms: int, to_ms: int) -> None:
    if not name:
        raise StoreError("trip-title", "give the trip a title: where it goes, in a few words")
    if not from_ms < to_ms:
        raise StoreError("trip-time", "the trip ends before it begins: correct its times")
    if to_ms - from_ms > LASTS_MS:
        raise StoreError("trip-time", "a trip lasts 31 days at most: plan the rest as another one")


def _check_people(
    connection: Connection, scope: Scope, students: set[int], staff: set[int], known: Set[int] = frozenset()
) -> None:
    if not students:
        raise StoreError("trip-students", "name the students: by their class, or by their numbers")
    if len(students) > STUDENTS_MAX:
        raise StoreError("trip-students", f"a trip has {STUDENTS_MAX} students at most: plan it as two")
    if not staff:
        raise StoreError("trip-staff", "name at least one member of staff on the trip: only they confirm who came")
    if staff & (students | known):
        raise StoreError("trip-staff", "nobody is on a trip both as staff and as student")
    new = students - known
    query = select(person.c.id).where(person.c.id.in_(sorted(new)), people.visible(scope, "trip.plan"))
    if set(connection.execute(query).scalars()) != new:
        raise NotFound("person", "one of these students is not in your care: leave them out, or ask their department")


def _add(connection: Connection, scope: Scope, trip_id: int, persons: Iterable[int], role: str) -> None:
    rows = [
        {"institution_id": scope.institution_id, "trip_id": trip_id, "person_id": one, "role": role} for one in persons
    ]
    if rows:
        connection.execute(trip_person.insert(), rows)


def change(
    connection: Connection,
    scope: Scope,
    trip_id: int,
    *,
    title: str,
    from_ms: int,
    to_ms: int,
    students: Iterable[int],
    staff: Iterable[int],
    now_ms: int,
) -> set[int]:
    """Change what was planned, by whoever is in charge. Who stays keeps what was said of them. Returns who is off it now.

    Raises NotFound(`trip`, `person`), NotAllowed(`trip-charge`), Refused(`trip-cancelled`), StoreError(`trip-*`).
    """
    found = trips.need_charge(connection, scope, trip_id)
    if found.cancelled_ms is not None:
        raise Refused("trip-cancelled", "this trip is cancelled: plan another one")
    name = notes.within(title, TITLE_MAX)
    _check(name, from_ms, to_ms)
    there = trips.members(connection, trip_id)
    have = {role: {one.person_id for one in there if one.role == role} for role in (STUDENT, STAFF)}
    want = {STUDENT: set(students), STAFF: set(staff)}
    # Whoever was on it before stays, also where they left this scope's care meanwhile.
    _check_people(connection, scope, want[STUDENT], want[STAFF], known=have[STUDENT])
    gone = (have[STUDENT] | have[STAFF]) - (want[STUDENT] | want[STAFF])
    connection.execute(
        delete(trip_person).where(trip_person.c.trip_id == trip_id, trip_person.c.person_id.in_(sorted(gone)))
    )
    for role in (STUDENT, STAFF):
        _add(connection, scope, trip_id, sorted(want[role] - have[role]), role)
    connection.execute(update(trip).where(trip.c.id == trip_id).values(title=name, from_ms=from_ms, to_ms=to_ms))
    campus.write_down(connection, scope, "trip.change", f"trip/{trip_id}", now_ms)
    return gone


def cancel(connection: Connection, scope: Scope, trip_id: int, *, now_ms: int) -> bool:
    """The trip does not take place. Again: False. Raises NotFound(`trip`), NotAllowed(`trip-charge`)."""
    found = trips.need_charge(connection, scope, trip_id)
    if found.cancelled_ms is not None:
        return False
    connection.execute(update(trip).where(trip.c.id == trip_id).values(cancelled_ms=now_ms))
    campus.write_down(connection, scope, "trip.cancel", f"trip/{trip_id}", now_ms)
    return True
