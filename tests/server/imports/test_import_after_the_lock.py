"""After a course's lock date an import changes no list that a final register rests on, and says so (STEP-3)."""

import pytest

from server.store import locked_lists, schema
from server.store.engine import reading, writing
from tests.rules import rule
from tests.server.imports.imports_world import CLASSES, ENROLLMENTS, PACKAGE, TERMS, at, calendar, event

BEFORE, HELD = at("2026-10-02 09:00"), at("2026-10-05 09:00")
LESSON = calendar(event("a", "20261005T090000", "20261005T100000"))
LOCKED = at("2027-01-10 12:00")


@pytest.fixture(params=["step", "port"])
def office(request, each_office):
    """A class whose course ended on 19 December: its registers are final in step, and never in port."""
    each_office.roster()
    each_office.timetable(LESSON)
    with writing(each_office.engine) as connection:
        connection.execute(schema.session.update().values(profile=request.param))
    each_office.now_ms = LOCKED
    each_office.final = request.param == "step"
    return each_office


def listed(office) -> list[set[str]]:
    """Who is on the class's list before the lesson, at it, and now."""
    return [office.members("PHY1-A", when) for when in (BEFORE, HELD, office.now_ms)]


def again(office, old: str, new: str):
    """The same package with this line of enrollments.csv in another one's place; new lines are put to the end."""
    lines = [new if line == old else line for line in ENROLLMENTS] + ([] if old else [new])
    return office.roster(PACKAGE | {"enrollments": lines}, confirm=True)


def says_so(done, sid: str) -> bool:
    return any(f"enrolment {sid}:" in note and "1 register is final" in note for note in done.summary.notes)


@rule("STEP-3")
def test_whoever_is_said_to_have_been_on_the_list_comes_onto_it_after_the_final_registers(office):
    done = again(office, "", "e5,k1,org,s3,student,,2026-10-01,")
    both, three = {"s1", "s2"}, {"s1", "s2", "s3"}
    assert listed(office) == ([both, both, three] if office.final else [three, three, three])
    assert says_so(done, "e5") == office.final
    # The next one says it again, and changes nothing.
    done = again(office, "", "e5,k1,org,s3,student,,2026-10-01,")
    assert not done.applied and says_so(done, "e5") == office.final


@rule("STEP-3")
def test_whoever_is_said_to_have_left_before_stays_on_the_lists_of_final_registers(office):
    done = again(office, "e1,k1,org,s1,student,,,", "e1,k1,org,s1,student,,,2026-10-03")
    both, one = {"s1", "s2"}, {"s2"}
    assert listed(office) == ([both, both, one] if office.final else [both, one, one])
    assert says_so(done, "e1") == office.final


@rule("STEP-3")
def test_whoever_is_said_to_have_come_later_stays_on_the_lists_of_final_registers(office):
    done = again(office, "e1,k1,org,s1,student,,,", "e1,k1,org,s1,student,,2026-12-01,")
    both, one = {"s1", "s2"}, {"s2"}
    assert listed(office) == ([both, both, both] if office.final else [one, one, both])
    assert says_so(done, "e1") == office.final


@rule("STEP-3")
def test_a_dry_run_says_it_too_and_changes_nothing(office):
    before = office.everything()
    lines = [*ENROLLMENTS, "e5,k1,org,s3,student,,2026-10-01,"]
    done = office.roster(PACKAGE | {"enrollments": lines}, dry=True)
    assert says_so(done, "e5") == office.final and office.everything() == before


def finals(office) -> list[int]:
    (group,) = [row.id for row in office.rows(schema.class_group) if row.code == "PHY1-A"]
    with reading(office.engine) as connection:
        return locked_lists.finals(
            connection, office.institution.id, office.store.profiles, group, 0, None, office.now_ms
        )


@rule("STEP-3", "STEP-21")
def test_a_class_that_goes_on_in_another_term_does_not_open_its_final_registers_again(office):
    assert finals(office) == ([HELD] if office.final else [])
    terms = [*TERMS, "spring,Spring,term,2027-01-05,2027-03-26"]
    classes = [line.replace(",autumn", ",spring") for line in CLASSES]
    done = office.roster(PACKAGE | {"academicSessions": terms, "classes": classes}, confirm=True)
    assert done.applied and done.summary.counts["classes"] == {"changed": 2}
    assert finals(office) == ([HELD] if office.final else [])
    runs = {row.id: row.code for row in office.rows(schema.course_run)}
    assert {runs[row.course_run_id] for row in office.rows(schema.class_group)} == {"spring"}
