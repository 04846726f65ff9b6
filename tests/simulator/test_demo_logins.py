"""The accounts of a demo: one for each role that has pages, of people whom the campus has."""

from simulator.campus import invent
from simulator.demo import FIRST_PAGES, login_lines
from simulator.line import visitors

NOW = 1_790_000_000_000


def campus(rooms=6, students=60):
    return invent(seed=7, rooms=rooms, students=students, now_ms=NOW)


def test_there_is_an_account_for_each_role_that_has_pages_and_each_is_somebody_of_the_campus():
    made = campus()
    found = {one.name: one for one in visitors(made)}
    assert list(found) == ["admin", "lecturer1", "lecturer2", "student", "head", "registry"]
    assert {one.grant for one in found.values()} == {"admin", "lecturer", "student", "head", "registry"}
    for name in ("lecturer1", "lecturer2", "student", "head"):
        assert found[name].person in made.people
    assert len({one.person for one in found.values() if one.person}) == 4, "nobody is two of them"


def test_the_student_is_on_the_first_lecturers_list_and_has_something_to_come():
    made = campus()
    found = {one.name: one for one in visitors(made)}
    student = found["student"].person
    mine = made.of_student(student)
    assert made.people[student].uid and len(mine) >= 2
    assert any(found["lecturer1"].person in made.classes[one.class_id].staff for one in mine)


def test_a_campus_of_one_room_still_has_every_role():
    found = {one.name: one for one in visitors(campus(rooms=1, students=9))}
    assert list(found) == ["admin", "lecturer1", "student", "head", "registry"]
    assert found["head"].person == ""


def test_the_printed_lines_say_as_whom_and_where_to_look_first():
    logins = [("Ada Lowe, student", "student", "s3cret"), ("registry", "registry", "pw"), ("staff", "warden", "pw")]
    lines = login_lines(logins)
    assert "student / s3cret" in lines[0] and "Ada Lowe, student" in lines[0] and "/me" in lines[0]
    assert "/registry" in lines[1] and "/residence" in lines[2]
    assert set(FIRST_PAGES) >= {one.name for one in visitors(campus())}
