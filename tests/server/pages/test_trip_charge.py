"""A trip with students of several departments: each sees its own, and only whoever is in charge changes what it says."""

import pytest

from server.store import schema, schema_work
from tests.rules import rule
from tests.server.pages.test_wrong_roles import send
from tests.server.store_world import HOUR

DAY = "2026-10-05"


@pytest.fixture
def trip(there):
    """Lou (TWO) planned it for Sam (ONE) and Tia (TWO), goes along, and it has begun."""
    made = there.world.insert(
        schema_work.trip, title="Museum", from_ms=there.now_ms - HOUR, to_ms=there.now_ms + HOUR,
        by_account_id=there.accounts["lou"], created_ms=there.now_ms - 2 * HOUR,
    )  # fmt: skip
    for name, role in (("sam", "student"), ("tia", "student"), ("lou", "staff")):
        there.world.insert(schema_work.trip_person, trip_id=made, person_id=there.people[name], role=role)
    return made


def codes(there) -> dict[str, str | None]:
    names = {person: name for name, person in there.people.items()}
    return {names[person]: found[0] for (_, person), found in there.world.marks().items()}


def members(there, trip) -> set[str]:
    names = {person: name for name, person in there.people.items()}
    return {names[row.person_id] for row in there.world.all(schema_work.trip_person) if row.trip_id == trip}


def changed(there, **more: str) -> dict[str, str]:
    fields = {"title": "Stolen", "first_day": DAY, "first_time": "09:00", "last_day": DAY, "last_time": "12:00"}
    return fields | {f"keep-{there.people[name]}": "yes" for name in ("sam", "lou")} | more


def confirm(there, enter, trip, *came: str):
    fields = {"students": f"{there.people['sam']} {there.people['tia']}"}
    return send(enter("lou"), f"/trips/{trip}/confirm", **fields | {f"came-{there.people[one]}": "yes" for one in came})


@rule("LOUGH-V")
def test_a_head_with_one_student_on_it_changes_no_mark_of_the_others(there, enter, trip):
    assert confirm(there, enter, trip, "sam", "tia").status_code == 303
    assert codes(there) == {"sam": "V", "tia": "V"}
    hal = enter("hal")
    page = hal.get(f"/trips/{trip}")
    assert page.status_code == 200 and "Sam Student" in page.text, "where a student of theirs is, a department sees"
    assert "Tia" not in page.text and "Secret 1" not in page.text, "and nobody else's student"
    assert "/change" not in page.text and "/cancel" not in page.text
    before = there.world.all(schema.mark), there.world.all(schema_work.trip), members(there, trip)
    for path, fields in (
        (f"/trips/{trip}/change", changed(there)),
        # As staff of it they could confirm whom they like.
        (f"/trips/{trip}/change", changed(there, staff="Hal Head")),
        (f"/trips/{trip}/change", changed(there, me="yes")),
        (f"/trips/{trip}/cancel", {}),
        (f"/trips/{trip}/confirm", {"students": f"{there.people['sam']} {there.people['tia']}"}),
    ):
        answer = send(hal, path, **fields)
        assert answer.status_code == 403 and "Tia" not in answer.text, path
    assert hal.get(f"/trips/{trip}/change").status_code == 403
    assert (there.world.all(schema.mark), there.world.all(schema_work.trip), members(there, trip)) == before
    assert codes(there) == {"sam": "V", "tia": "V"}


@rule("LOUGH-V")
@pytest.mark.parametrize("name", ["rex", "hun"])
def test_a_part_of_the_institution_is_no_more_in_charge_than_a_head(there, enter, trip, name):
    """Rex is the registry of TWO, Hun its head: Tia is theirs, Sam is not."""
    visitor = enter(name)
    page = visitor.get(f"/trips/{trip}").text
    assert "Tia Student" in page and "Sam Student" not in page
    assert send(visitor, f"/trips/{trip}/cancel").status_code == 403
    assert [row.cancelled_ms for row in there.world.all(schema_work.trip)] == [None]


@rule("LOUGH-V")
@pytest.mark.parametrize("name", ["lou", "rita", "admin"])
def test_whoever_planned_it_its_staff_and_the_whole_registry_change_it(there, enter, trip, name):
    assert confirm(there, enter, trip, "sam", "tia").status_code == 303
    visitor = enter(name)
    assert "Sam Student" in visitor.get(f"/trips/{trip}").text and "Tia Student" in visitor.get(f"/trips/{trip}").text
    answer = send(visitor, f"/trips/{trip}/change", **changed(there, title="Gallery"))
    assert answer.status_code == 303 and members(there, trip) == {"sam", "lou"}
    assert codes(there) == {"sam": "V", "tia": None}
    assert send(visitor, f"/trips/{trip}/cancel").status_code == 303
    assert codes(there) == {"sam": None, "tia": None}


def test_a_head_with_each_of_its_students_in_their_care_is_in_charge(there, enter):
    made = there.world.insert(
        schema_work.trip, title="Zoo", from_ms=there.now_ms, to_ms=there.now_ms + HOUR,
        by_account_id=there.accounts["lea"], created_ms=there.now_ms,
    )  # fmt: skip
    for name, role in (("sam", "student"), ("lea", "staff")):
        there.world.insert(schema_work.trip_person, trip_id=made, person_id=there.people[name], role=role)
    assert enter("hun").get(f"/trips/{made}").status_code == 404
    assert send(enter("hal"), f"/trips/{made}/cancel").status_code == 303


def test_a_head_who_planned_it_or_goes_along_sees_it_and_confirms(there, enter, trip):
    """A head is no lecturer, and may be staff on a trip."""
    there.world.insert(schema_work.trip_person, trip_id=trip, person_id=there.people["hal"], role="staff")
    fields = {"students": f"{there.people['sam']} {there.people['tia']}", f"came-{there.people['sam']}": "yes"}
    assert send(enter("hal"), f"/trips/{trip}/confirm", **fields).status_code == 303
    assert codes(there) == {"sam": "V"}
