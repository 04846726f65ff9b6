"""What an import leaves as it is: staff who teach no longer, and the rules of what has begun."""

import pytest

from server.store import accounts, class_runs, schema, session_profiles
from server.store.engine import writing
from tests.rules import rule
from tests.server.imports.imports_world import CLASSES, ENROLLMENTS, PACKAGE, ROLES, at, calendar, event

#: nobody teaches physics
OFF = [line for line in ENROLLMENTS if not line.startswith("e4,")]


def roles(role: str) -> list[str]:
    """Tea Teacher has this one."""
    return [line.replace("t1,primary,teacher", f"t1,primary,{role}") for line in ROLES]


@pytest.mark.parametrize("role, left", [("administrator", False), ("aide", False), ("parent", True)])
def test_only_whoever_works_there_no_longer_has_left(college, role, left):
    """Their account lets nobody in then: it would be shut to a lecturer who becomes registrar."""
    college.roster(PACKAGE | {"roles": roles(role), "enrollments": OFF}, confirm=True)
    (row,) = college.rows(schema.person, schema.person.c.id == college.person("t1"))
    assert (row.ended_ms is not None) == left
    assert college.members("PHY1-A", college.now_ms, "teacher") == set()
    # Who was ended by an import before is back with the next one.
    college.roster(PACKAGE | {"roles": roles("administrator"), "enrollments": OFF}, confirm=True)
    (row,) = college.rows(schema.person, schema.person.c.id == college.person("t1"))
    assert row.ended_ms is None


@rule("PORT-2")
def test_what_has_begun_keeps_its_rules_where_the_timetable_changes_something_else_of_it(each_office):
    office = each_office
    office.roster()
    history = next(row.id for row in office.rows(schema.course) if row.code == "HIS1")
    with writing(office.engine) as connection:
        session_profiles.assign(connection, office.institution.id, "course", str(history), "ddu", 0)

    def timetable(**of_a):
        first = event("a", "20261005T090000", "20261005T100000", **of_a)
        office.timetable(calendar(first, event("b", "20261012T090000", "20261012T100000", **of_a)), confirm=True)
        return [row.profile for row in sorted(office.rows(schema.session), key=lambda row: row.starts_ms)]

    assert timetable() == ["port", "port"]
    office.now_ms = at("2026-10-05 09:30")
    office.roster(PACKAGE | {"classes": [line.replace("k1,Physics A,c1", "k1,Physics A,c2") for line in CLASSES]})
    assert timetable(room="R2") == ["port", "ddu"]
    assert {one["rooms"][0] for one in office.sessions()} == {"R2"}
    # Where its class is corrected, so are its rules.
    assert timetable(room="R2", code="HIS1-A") == ["ddu", "ddu"]


@rule("STEP-20")
def test_the_days_that_the_registry_gave_a_class_stay_where_the_files_say_nothing_of_its_term(each_office):
    """An import without terms leaves the run made by hand; one with them says which it is."""
    office = each_office
    bare = [CLASSES[0], *(line.replace(",autumn", ",") for line in CLASSES[1:])]
    office.roster(PACKAGE | {"classes": bare})
    group = next(row for row in office.rows(schema.class_group) if row.code == "PHY1-A")
    assert group.course_run_id is None
    scope = accounts.at_the_console(office.institution.id)
    days = {"first_day_ms": at("2026-09-28 00:00"), "last_day_ms": at("2026-12-12 00:00")}
    with writing(office.engine) as connection:
        class_runs.put(
            connection, scope, office.store.profiles, group.id, {"course_id": group.course_id, **days}, office.now_ms
        )

    def run() -> str:
        held = next(row.course_run_id for row in office.rows(schema.class_group) if row.id == group.id)
        return next(row.code for row in office.rows(schema.course_run) if row.id == held)

    made = run()
    assert class_runs.is_by_hand(made) and made == "2026-09-28 to 2026-12-11"
    assert not office.roster(PACKAGE | {"classes": bare}).applied and run() == made
    office.roster(PACKAGE)
    assert run() == "autumn"
