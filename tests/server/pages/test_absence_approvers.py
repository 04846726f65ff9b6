"""Who decides on absences is the profile's: an institution may leave it to fewer than whoever has the act (STEP-22)."""

import pytest

from server.policy import profile
from server.store import accounts, schema_rights, schema_work
from server.store.engine import writing
from tests.rules import rule
from tests.server.pages.care_school import day, fill_in, form_to, marks, people, send
from tests.server.pages.school import HASHER, PASSWORD, School

OWN = """
name = "own"
like = "lough"
title = "Our own"
[absence.reported]
approvers = { value = ["registry"], unit = "roles", rule = "Board" }
"""
#: what a college without faculties makes of `port`, and one that leaves short absences to its faculties too
FLAT = """
name = "flat"
like = "port"
title = "Without faculties"
[absence.authorised]
by_faculty = { value = false, unit = "switch", rule = "Board" }
"""
FACULTIES = """
name = "faculties"
like = "lough"
title = "By faculty"
[absence.reported]
by_faculty = { value = true, unit = "switch", rule = "Board" }
"""


@pytest.fixture
def school(tmp_path):
    folder = tmp_path / "profiles"
    folder.mkdir()
    for name, text in (("own", OWN), ("flat", FLAT), ("faculties", FACULTIES)):
        (folder / f"{name}.toml").write_text(text)
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


def elsewhere(school) -> None:
    """Gus, head of a department that stands above nobody, to which the first student belongs; the class's is Hel's."""
    other = school.world.insert(schema_rights.department, source="t", source_id="X", code="X", title="Languages")
    school.world.insert(schema_rights.person_department, person_id=school.students[0], department_id=other, from_ms=0)
    gus = school.person("Gus Head")
    with writing(school.world.engine) as connection:
        account = accounts.make(
            connection, school.world.institution_id, login_name="gus", shown_name="Gus",
            password_hash=HASHER.hash(PASSWORD), role="head", person_id=gus,
            now_ms=school.now_ms, scope="department", scope_id=other,
        )  # fmt: skip
        school.accounts["gus"] = account


def deciders(signed, address: str) -> dict[str, bool]:
    """Who has the button."""
    return {who: f"{address}/decide" in signed(who).get(address).text for who in ("ada", "hel", "gus", "reg")}


@rule("PORT-13", "STEP-22")
@pytest.mark.parametrize(("name", "heads"), [("port", {"gus"}), ("flat", {"gus", "hel"})])
def test_over_a_week_it_is_the_facultys_or_any_heads_of_the_students_classes_as_the_profile_says(
    school, signed, name, heads
):
    elsewhere(school)
    school.session(starts_min=60, profile=name)
    fill_in(signed("sam"), "/me/absence", reason="Ill", first=day(school, 0), last=day(school, 9))
    address = f"/absences/{school.world.all(schema_work.absence)[-1].id}"
    assert {who for who, may in deciders(signed, address).items() if may} == heads | {"reg"}
    # Whoever only teaches the student reads none of it either way.
    assert signed("ada").get(address).status_code == 404
    for who in sorted({"hel", "gus"} - heads):
        token = signed(who)
        answer = token.post(f"{address}/decide", {"csrf": token.csrf("/absences"), "do": "approve"})
        assert answer.status_code in (403, 404)


@rule("LOUGH-19", "STEP-22")
@pytest.mark.parametrize(("name", "may"), [("lough", {"ada", "hel", "gus", "reg"}), ("faculties", {"gus", "reg"})])
def test_what_is_reported_is_the_staffs_or_the_facultys_as_the_profile_says(school, signed, name, may):
    elsewhere(school)
    session = school.session(starts_min=60, profile=name)
    address = reported(signed, session, school)
    assert {who for who, may_ in deciders(signed, address).items() if may_} == may
    ada = signed("ada")
    assert ada.get(address).status_code == 200, "who teaches the class reads what was reported for it"
    if name == "faculties":
        assert "this is for the head of Languages" in ada.get(address).text
        answer = ada.post(f"{address}/decide", {"csrf": ada.csrf("/absences/new"), "do": "approve"})
        assert answer.status_code == 403 and marks(school, session) == {}
    gus = signed("gus")
    assert send(gus, form_to(gus.get(address).text, f"{address}/decide"), do="approve").status_code == 303
    assert marks(school, session) == {school.students[0]: "R"}
