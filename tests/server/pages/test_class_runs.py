"""A class's first and last day by its form: they make the run of its course, and with it marking deadline and lock."""

from datetime import datetime

import pytest

from server.store import schema, schema_rights
from server.store.engine import writing
from tests.rules import rule
from tests.server.pages.requesting import DAY, Corrected
from tests.server.pages.school import LONDON
from tests.server.pages.test_campus_pages import do, fill, said


@pytest.fixture
def school(tmp_path):
    made = Corrected(tmp_path)
    yield made
    made.close()


@pytest.fixture
def path(school):
    return f"/registry/classes/{school.group}/change"


def iso(school, days: float) -> str:
    """A local day, so many from today."""
    return datetime.fromtimestamp((school.now_ms + days * DAY) / 1000, LONDON).date().isoformat()


def days(school, first: float, last: float) -> dict[str, str]:
    return {"first_day_ms": iso(school, first), "last_day_ms": iso(school, last)}


def group(school):
    return next(row for row in school.world.all(schema.class_group) if row.id == school.group)


def held(school) -> list[int]:
    """The runs of the classes that have one."""
    return [row.course_run_id for row in school.world.all(schema.class_group) if row.course_run_id is not None]


def runs(school) -> list[str]:
    return [row.code for row in school.world.all(schema.course_run)]


def tier(signed, session: int) -> str:
    page = signed("ada").get(f"/sessions/{session}/request").text
    return next(one for one in ("STEP-1", "STEP-15", "STEP-3") if f"By rule {one}." in page)


@rule("STEP-3", "STEP-20", "STEP-21")
def test_a_class_made_by_hand_has_a_deadline_and_a_lock_once_its_days_are_given(school, signed, path):
    session = school.aged(3, profile="step")
    rita = signed("rita")
    assert "None is known" in said(rita.get(f"/registry/courses/{group(school).course_id}"))
    looked, fields = fill(rita, path, **days(school, -90, -3))
    shown = said(looked)
    assert "(12 days after its end)" in shown and "(14 days after its end)" in shown and runs(school) == []
    for _ in range(2):
        assert rita.post(path, {**fields, "do": "do"}).status_code in (303, 409)
    assert runs(school) == [f"{iso(school, -90)} to {iso(school, -3)}"]
    assert f'value="{iso(school, -3)}"' in rita.get(path).text
    course = said(rita.get(f"/registry/courses/{group(school).course_id}"))
    assert "by a class's form" in course and "Set the dates" in course
    assert tier(signed, session) == "STEP-1"
    # To the end of the last day and twelve days: then by request; fourteen: final.
    school.now_ms += 10 * DAY
    assert tier(signed, session) == "STEP-15"
    school.now_ms += 2 * DAY
    assert tier(signed, session) == "STEP-3"


@rule("STEP-20")
def test_classes_of_a_course_with_the_same_days_share_a_run(school, signed, path):
    rita = signed("rita")
    do(rita, path, **days(school, -10, 60))
    course = str(group(school).course_id)
    new = do(rita, "/registry/classes/new", code="B2", title="B", course_id=course, **days(school, -10, 60))
    assert new.status_code == 303
    assert len(runs(school)) == 1
    assert held(school) == [group(school).course_run_id] * 2
    # One of them gets another last day: the other keeps its own.
    do(rita, path, **days(school, -10, 30))
    assert len(runs(school)) == 2
    assert len(set(held(school))) == 2


@rule("STEP-20", "STEP-21")
def test_a_mistake_is_corrected_in_place_with_the_dates_that_were_set(school, signed, path):
    session, rita = school.aged(3, profile="step"), signed("rita")
    do(rita, path, **days(school, -90, 300))
    run = group(school).course_run_id
    do(rita, f"/registry/course-runs/{run}/dates", deadline=iso(school, 20), reason="As the board said")
    do(rita, path, **days(school, -90, 30))
    (run_,) = school.world.all(schema.course_run)
    assert run_.id == run and run_.marking_deadline_ms is not None and tier(signed, session) == "STEP-1"
    assert run_.code == f"{iso(school, -90)} to {iso(school, 30)}"
    looked, fields = fill(rita, path, first_day_ms="", last_day_ms="")
    assert looked.status_code == 200 and rita.post(path, {**fields, "do": "do"}).status_code == 303
    assert group(school).course_run_id is None


@rule("STEP-3")
def test_what_is_final_stays_final_whatever_days_are_given(school, signed, path):
    session, rita = school.aged(20, profile="step"), signed("rita")
    # Not by a mistake at once: a lock cannot be taken back.
    looked, _ = fill(rita, path, **days(school, -90, -19))
    assert looked.status_code == 422 and "are final already" in said(looked) and runs(school) == []
    do(rita, path, **days(school, -90, -10))
    school.now_ms += 6 * DAY
    rita = signed("rita")
    assert tier(signed, session) == "STEP-3"
    for first, last in ((-96, 60), (1, 60)):
        do(rita, path, **days(school, first, last))
        assert tier(signed, session) == "STEP-3", (first, last)
    do(rita, path, first_day_ms="", last_day_ms="")
    assert tier(signed, session) == "STEP-3"


@rule("STEP-3", "STEP-21")
def test_days_that_lie_apart_are_the_next_run_and_what_has_begun_stays_the_former_ones(school, signed, path):
    session, rita = school.aged(3, profile="step"), signed("rita")
    do(rita, path, **days(school, -60, -2))
    former = group(school).course_run_id
    do(rita, path, **days(school, 5, 80))
    assert group(school).course_run_id != former
    assert {row.course_run_id for row in school.world.all(schema.session) if row.id == session} == {former}
    school.now_ms += 13 * DAY
    assert tier(signed, session) == "STEP-3" or tier(signed, session) == "STEP-15"
    school.now_ms += 2 * DAY
    assert tier(signed, session) == "STEP-3"


@pytest.mark.parametrize(
    ("values", "field", "told"),
    [
        ({"first_day_ms": "2026-12-01", "last_day_ms": "2026-11-30"}, "last_day_ms", "not before the first"),
        ({"first_day_ms": "2026-10-01", "last_day_ms": "soon"}, "last_day_ms", "Fill in a day"),
        ({"first_day_ms": "2026-10-01"}, "last_day_ms", "Fill in a day"),
        (
            {"first_day_ms": "2026-10-01", "last_day_ms": "2026-11-30", "course_id": ""},
            "course_id",
            "Choose its course",
        ),
    ],
)
def test_days_that_are_none_are_said_at_their_field(school, signed, path, values, field, told):
    looked, _ = fill(signed("rita"), path, **values)
    assert looked.status_code == 422 and told in said(looked) and f'href="#f-{field}"' in looked.text
    assert runs(school) == []


def test_a_part_of_the_institution_gives_days_to_its_own_classes_alone(school, signed, path):
    table = schema_rights.department
    mine, other = (
        school.world.insert(table, source="t", source_id=code, code=code, title=code) for code in ("MINE", "OTHER")
    )
    with writing(school.world.engine) as connection:
        connection.execute(schema.course.update().values(department_id=mine))
    school.regrant("rita", "registry", "department", other)
    assert signed("rita").get(path).status_code == 404
    school.regrant("rolf", "registry", "department", mine)
    assert do(signed("rolf"), path, **days(school, -10, 60)).status_code == 303
    assert len(runs(school)) == 1
