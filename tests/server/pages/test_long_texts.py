"""A text that is too long is said to be, in the form that it was written in: nothing of it is cut off, and nothing is lost."""

import pytest

from server.store import schema, schema_work
from tests.server.pages.care_school import day, fill_in, people
from tests.server.pages.register_desk import rows, send
from tests.server.pages.registry_form import form_of
from tests.server.pages.test_privacy import leave
from tests.server.pages.test_walk_ins_and_taps import stranger


@pytest.fixture
def school(school):
    people(school)
    return school


def test_who_called_is_not_cut_off(school, signed):
    school.session(starts_min=60)
    ada, caller = signed("ada"), f"Their mother, {'also of her sister, ' * 10}by telephone"
    found = fill_in(ada, "/absences/new", number="up0").headers["location"]
    told = {"channel": "parent", "told_time": "08:30", "first": day(school, 0), "reason": "Ill"}
    answer = fill_in(ada, found, told_by=caller, **told)
    assert answer.status_code == 422 and f"{len(caller)} characters, and 200 are taken" in answer.text
    assert caller in answer.text and "Ill</textarea>" in answer.text
    assert rows(school, schema_work.absence) == []
    fill_in(ada, found, told_by=caller[:200], **told)
    assert caller[:200].strip() in [row.text for row in rows(school, schema.note)]


def test_a_reason_for_an_absence_that_is_too_long_stays_in_its_form(school, signed):
    school.session(starts_min=60)
    reason = "Ill. " * 201
    answer = fill_in(signed("sam"), "/me/absence", first=day(school, 1), reason=reason)
    assert answer.status_code == 422 and "1004 characters, and 1000 are taken" in answer.text
    assert reason.strip() in answer.text and rows(school, schema_work.absence) == []


@pytest.mark.parametrize("do", ["look", "do"])
def test_the_reason_for_erasing_somebody_is_not_cut_off(school, signed, do):
    leave(school, school.students[0])
    admin, path = signed("admin"), f"/people/{school.students[0]}/data"
    reason = "asked for by letter " * 26
    answer = admin.post(f"{path}/erase", {"csrf": admin.csrf(path), "reason": reason, "do": do})
    assert answer.status_code == 422 and "519 characters, and 500 are taken" in answer.text
    assert reason.strip() in answer.text
    assert "Student 000" in [row.full_name for row in rows(school, schema.person_name)]


def test_a_walk_in_whose_note_is_too_long_is_there_with_the_note(school, signed):
    session, person = school.session(), stranger(school)
    path, note = f"/sessions/{session}/add", "repeats the year " * 30
    ada = signed("ada")
    answer = send(ada, path, person=str(person), note=note)
    assert answer.status_code == 422 and "509 characters, and 500 are taken" in answer.text
    fields = form_of(answer.text, path)
    assert fields["person"] == str(person) and fields["note"] == note and "Stranger Danger" in answer.text
    assert rows(school, schema_work.walk_in) == []
    assert (
        ada.post(path, fields | {"note": fields["note"][:500]}).headers["location"] == f"/sessions/{session}?said=added"
    )
    assert [row.person_id for row in rows(school, schema_work.walk_in)] == [person]


def test_whoever_is_no_student_here_is_not_shown_by_a_form_that_names_them(school, signed):
    session = school.session()
    answer = send(signed("ada"), f"/sessions/{session}/add", person=str(school.bob), note="x" * 501)
    assert answer.status_code == 422 and "500 are taken" in answer.text
    assert f'value="{school.bob}"' not in answer.text
