"""A student number that was corrected is the new one everywhere, also where the old one sorts first: on both databases."""

import pytest
from sqlalchemy import select

from server.store import (
    campus_people,
    campus_person_changes,
    exports,
    lateness,
    people,
    registers,
    schema,
    trip_plans,
    trips,
    walk_ins,
)
from server.store.campus_person_changes import Wanted
from server.store.engine import reading, writing
from tests.rules import rule
from tests.server.staff_world import staff
from tests.server.store_world import HOUR, MIN, NINE, UIDS

RIGHT = "Z9"


@pytest.fixture
def there(world):
    """`S0` was a mistake, and is `Z9` now: of somebody who was late, and goes on a trip."""
    session = world.session(profile="lough")
    board = world.reader("a-1")
    world.now_ms = NINE + HOUR
    world.deliver(board.lines[0], board.swipe(UIDS[0], NINE + 9 * MIN))
    one = world.students[0]
    scope, charge = staff(world, "registry"), staff(world, "lecturer", session).person_id
    assert charge is not None
    with writing(world.engine) as connection:
        trip = trip_plans.plan(
            connection, scope, title="Museum", from_ms=NINE, to_ms=NINE + HOUR, students=[one],
            staff=[charge], now_ms=world.now_ms,
        )  # fmt: skip
    before = version(world)
    with writing(world.engine) as connection:
        found = campus_people.one(connection, scope, one, "campus.change", now_ms=world.now_ms)
        campus_person_changes.change(
            connection, scope, one,
            Wanted(given_name=found.given_name, family_name=found.family_name, number=RIGHT, email=found.email,
                   department_id=found.department_id),
            seen=found.seen, now_ms=world.now_ms,
        )  # fmt: skip
    return world, scope, session, one, trip, before


def version(world) -> int:
    return world.rows(select(schema.register.c.version))[0].version


@rule("LOUGH-6")
def test_a_corrected_number_is_the_new_one_on_every_list(there):
    world, scope, session, one, trip, _ = there
    with reading(world.engine) as connection:
        register = registers.register_of(connection, scope, session, world.profiles)
        exported = exports.register(connection, scope, world.profiles, session)
        late, _ = lateness.of(connection, scope, {"L"}, NINE - HOUR, NINE + HOUR)
        found = walk_ins.search(connection, scope, session, "S0")
        on_trip = trips.members(connection, trip)
        known = {row.person_id: row.external_id for row in connection.execute(people.known_by(world.institution_id))}
    numbers = {
        "register": [row.external_id for row in register.rows if row.person_id == one],
        "export": [line.number for line in exported if line.code == "L"],
        "lateness": [row.external_id for row in late],
        "walk-ins": [row.external_id for row in found if row.person_id == one],
        "trip": [row.number for row in on_trip if row.person_id == one],
        "listings": [known[one]],
    }
    assert numbers == {key: [RIGHT] for key in numbers}


def test_a_register_that_is_open_is_drawn_anew(there):
    world, _, _, _, _, before = there
    assert version(world) > before


def test_whoever_has_no_number_any_more_is_known_by_what_else_holds(there):
    world, _, _, one, _, _ = there
    world.insert(schema.person_external_id, person_id=one, source="username", external_id="sam", from_ms=0)
    with writing(world.engine) as connection:
        table = schema.person_external_id
        connection.execute(table.update().where(table.c.external_id == RIGHT).values(to_ms=world.now_ms))
        known = {row.person_id: row.external_id for row in connection.execute(people.known_by(world.institution_id))}
    assert known[one] == "sam" and known[world.students[1]] == "S1"
