"""After a course's lock date its registers are final: no class list that they rest on is changed backwards (STEP-3)."""

from datetime import datetime, timedelta

import pytest

from server.store import schema
from server.store.engine import writing
from tests.rules import rule
from tests.server.pages.requesting import DAY, Corrected
from tests.server.pages.school import LONDON
from tests.server.pages.test_campus_pages import do, fill, said


@pytest.fixture
def school(tmp_path):
    found = Corrected(tmp_path)
    yield found
    found.close()


@pytest.fixture
def locked(school):
    """A session of the class 20 days ago whose course ended 16 days ago: locked since two; and one to come."""
    run = school.course_run(starts_ms=school.now_ms - 90 * DAY, ends_ms=school.now_ms - 16 * DAY)
    session = school.aged(20, profile="step", course_run_id=run)
    school.session(starts_min=24 * 60, profile="lough")
    return session


def day(school, ago: float) -> str:
    return (datetime.fromtimestamp(school.now_ms / 1000, LONDON) - timedelta(days=ago)).date().isoformat()


def places(school):
    return [(row.person_id, row.from_ms, row.to_ms) for row in school.world.all(schema.enrolment)]


@rule("STEP-3")
def test_the_registry_puts_nobody_onto_a_list_that_a_final_register_rests_on(school, signed, locked):
    person, rita, before = school.person("Late Starter"), signed("rita"), places(school)
    path = f"/registry/people/{person}/enrol"
    looked, _ = fill(rita, path, **{"class": "CS101-A", "day": day(school, 30)})
    assert "final since the course" in said(looked) and day(school, 20) in said(looked)
    assert places(school) == before
    # The first day that is left is as good as any other.
    do(rita, path, **{"class": "CS101-A", "day": day(school, 19)})
    assert len(places(school)) == len(before) + 1


@rule("STEP-3")
def test_the_registry_takes_nobody_off_such_a_list_backwards(school, signed, locked):
    rita, one = signed("rita"), next(row for row in school.world.all(schema.enrolment) if row.role == "student")
    path = f"/registry/enrolments/{one.id}/end"
    looked, _ = fill(rita, path, day=day(school, 30))
    assert "final since the course" in said(looked)
    assert [row.to_ms for row in school.world.all(schema.enrolment) if row.id == one.id] == [None]
    do(rita, path, day=day(school, 3))
    (ended,) = [row.to_ms for row in school.world.all(schema.enrolment) if row.id == one.id]
    assert ended is not None
    # Nor is the end that was set moved back over it.
    looked, _ = fill(rita, path, day=day(school, 30))
    assert "final since the course" in said(looked)
    assert [row.to_ms for row in school.world.all(schema.enrolment) if row.id == one.id] == [ended]


@rule("STEP-3")
def test_the_registry_moves_no_session_whose_register_is_final(school, signed, locked):
    rita, before = signed("rita"), school.world.all(schema.session)
    for path, fields in ((f"/registry/sessions/{locked}/change", {"title": "Other"}),
                         (f"/registry/sessions/{locked}/room", {"rooms": "R1"})):  # fmt: skip
        looked, _ = fill(rita, path, **fields)
        assert "final" in said(looked), path
    assert school.world.all(schema.session) == before


def test_lists_of_profiles_without_a_lock_are_changed_backwards_as_ever(school, signed):
    school.aged(60, profile="lough")
    person = school.person("Late Starter")
    with writing(school.world.engine) as connection:
        assert connection.execute(schema.session.select()).first() is not None
    do(signed("rita"), f"/registry/people/{person}/enrol", **{"class": "CS101-A", "day": day(school, 90)})
    assert person in {one for one, _, _ in places(school)}
