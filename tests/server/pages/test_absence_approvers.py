"""Who decides on absences is the profile's: an institution may leave it to fewer than whoever has the act (STEP-22)."""

import pytest

from server.policy import profile
from server.store import schema_work
from tests.rules import rule
from tests.server.pages.care_school import fill_in, form_to, marks, people, send
from tests.server.pages.school import School

OWN = """
name = "own"
like = "lough"
title = "Our own"
[absence.reported]
approvers = { value = ["registry"], unit = "roles", rule = "Board" }
"""


@pytest.fixture
def school(tmp_path):
    folder = tmp_path / "profiles"
    folder.mkdir()
    (folder / "own.toml").write_text(OWN)
    made = School(tmp_path)
    made.world.profiles = profile.read_all(own=folder, time_zone="Europe/London")
    people(made)
    yield made
    made.close()


@pytest.fixture
def app(school):
    return school.app(profiles_dir=school.folder / "profiles")


def reported(signed, session: int, school) -> str:
    fill_in(signed("sam"), f"/me/absence?session={session}", reason="Ill")
    return f"/absences/{school.world.all(schema_work.absence)[-1].id}"


@rule("STEP-22", "LOUGH-19")
def test_an_absence_is_decided_by_those_whom_the_profile_names(school, signed):
    session = school.session(starts_min=60, profile="own")
    address = reported(signed, session, school)
    ada = signed("ada")
    assert "yours to decide" not in ada.get("/absences").text
    shown = ada.get(address).text
    assert f"{address}/decide" not in shown and "by the rules of its classes this is for the registers team" in shown
    answer = ada.post(f"{address}/decide", {"csrf": ada.csrf("/absences/new"), "do": "approve"})
    assert answer.status_code == 403 and marks(school, session) == {}
    reg = signed("reg")
    assert "yours to decide" in reg.get("/absences").text
    assert send(reg, form_to(reg.get(address).text, f"{address}/decide"), do="approve").status_code == 303
    assert marks(school, session) == {school.students[0]: "R"}


@rule("STEP-22", "LOUGH-19")
def test_where_the_class_goes_by_another_profile_its_staff_decide(school, signed):
    session = school.session(starts_min=60, profile="lough")
    address = reported(signed, session, school)
    ada = signed("ada")
    assert send(ada, form_to(ada.get(address).text, f"{address}/decide"), do="approve").status_code == 303
    assert marks(school, session) == {school.students[0]: "R"}
