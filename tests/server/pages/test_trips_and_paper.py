"""Trips, and registers on paper or off site, through their real forms."""

import pytest

from server.store import registers, schema, schema_work
from server.store.engine import writing
from tests.rules import rule
from tests.server.pages.care_school import fill_in, form_to, marks, people, send, words


@pytest.fixture
def school(school):
    people(school)
    return school


@rule("LOUGH-V", "LOUGH-7")
def test_a_trip_is_planned_confirmed_by_its_staff_and_changed_with_its_history(school, signed):
    session = school.session(starts_min=-10)
    overlapping = school.session("Second", starts_min=40)
    ada, hel = signed("ada"), signed("hel")
    answer = fill_in(
        ada, "/trips/new", title="Museum", first_time="09:00", last_time="13:00", classes="CS101-A",
    )  # fmt: skip
    address = answer.headers["location"].partition("?")[0]
    assert address.startswith("/trips/")
    shown = ada.get(address).text
    assert "becomes V" in shown and marks(school, session) == {}
    refused = hel.post(f"{address}/confirm", {"csrf": hel.csrf("/trips/new")})
    assert refused.status_code == 403
    absent = school.students[3]
    answer = send(ada, form_to(shown, f"{address}/confirm"), **{f"came__{absent}": None})
    assert answer.headers["location"] == f"{address}?said=confirmed"
    came = {one: "V" for one in school.students if one != absent}
    assert marks(school, session) == came and marks(school, overlapping) == came
    send(ada, form_to(ada.get(address).text, f"{address}/confirm"), **{f"came__{school.students[0]}": None})
    assert marks(school, session)[school.students[0]] is None
    kept = [
        one.code
        for one in school.world.all(schema.mark)
        if (one.session_id, one.person_id) == (session, school.students[0])
    ]
    assert kept == ["V", None]
    panel = ada.get(f"/sessions/{session}/people/{school.students[0]}", htmx=True).text
    trip = address.rpartition("/")[2]
    assert f"trip confirmed by Ada · on trip {trip} · rule lough.V.confirmed" in panel
    assert f"the trip does not cover it any more · on trip {trip}" in panel
    send(ada, form_to(ada.get(address).text, f"{address}/cancel"))
    assert set(marks(school, session).values()) == {None}


def test_a_trip_with_students_or_staff_that_nobody_knows_is_asked_again(school, signed):
    ada = signed("ada")
    for values, told in (
        ({"title": "X", "numbers": "nobody"}, "Nobody has the number nobody"),
        ({"title": "X", "classes": "Nowhere"}, "There is no class Nowhere"),
        ({"title": "X", "numbers": "up0", "staff": "Nobody Known"}, "No one member of staff is called"),
        ({"title": "X"}, "Name the students"),
        ({"title": "X", "numbers": "up0", "last_time": "08:00"}, "ends before it begins"),
        ({"title": "X", "numbers": "up0", "me": None}, "at least one member of staff"),
    ):
        school.session(starts_min=100)
        answer = fill_in(ada, "/trips/new", **values)
        assert answer.status_code == 422, values
        assert told in answer.text
    bob = fill_in(signed("bob"), "/trips/new", title="X", numbers="up0")
    assert bob.status_code == 422 and "not in your care" in bob.text
    assert school.world.all(schema_work.trip) == []


@rule("LOUGH-V")
def test_of_a_long_list_of_numbers_everybody_is_on_the_trip(school, signed):
    school.session(starts_min=100)
    answer = fill_in(signed("ada"), "/trips/new", title="X", numbers="up0\n" * 600 + "up1")
    assert answer.status_code == 303
    on_it = {row.person_id for row in school.world.all(schema_work.trip_person) if row.role == "student"}
    assert on_it == set(school.students[:2])


@rule("LOUGH-4", "LOUGH-3")
def test_a_paper_register_is_said_transferred_and_destroyed_in_this_order(school, signed):
    session = school.session(starts_min=-20)
    school.session("Away", starts_min=-200, mode="off-site")
    ada, bob = signed("ada"), signed("bob")
    assert "Away" in ada.get("/paper").text and "off site" in ada.get("/paper").text
    assert "due by the end of Mon 5 Oct 2026" in ada.get("/paper").text
    token = ada.csrf("/trips/new")
    path = f"/sessions/{session}/paper"
    assert bob.post(path, {"csrf": bob.csrf("/trips/new"), "do": "said"}).status_code == 404
    assert ada.post(path, {"csrf": token, "do": "transferred"}).status_code == 409
    assert "Was to be marked by" in words(ada.get(f"/sessions/{session}").text)
    assert ada.post(path, {"csrf": token, "do": "said"}).status_code == 303
    # From then on it is due as paper is: on its own page, and in the list.
    for page in (f"/sessions/{session}", "/today"):
        assert "ark by Tue 6 Oct, 00:00" in words(ada.get(page).text), page
    early = ada.post(path, {"csrf": token, "do": "transferred"})
    assert early.status_code == 409 and "5 students have no mark" in words(early.text)
    assert ada.post(f"/sessions/{session}/marks", {"csrf": token, "code": "P", "all": "1"}).status_code == 303
    for step in ("said", "said", "transferred", "destroyed"):
        assert ada.post(path, {"csrf": token, "do": step}).headers["location"] == f"/paper?said={step}"
    row = school.world.all(schema_work.paper_register)[0]
    assert row.transferred_ms and row.destroyed_ms
    assert len([one for one in school.world.all(schema.audit) if one.action.startswith("paper.")]) == 3
    assert ada.post(path, {"csrf": token, "do": "burnt"}).status_code == 400


@rule("LOUGH-3")
@pytest.mark.parametrize(("hours", "said"), [(4, "marked"), (30, "too late")])
def test_an_off_site_register_is_done_once_everybody_is_marked(school, signed, hours, said):
    away = school.session("Away", starts_min=-60 * hours, mode="off-site")
    ada = signed("ada")

    def shown() -> str:
        return words(ada.get("/paper").text).partition("Away")[2]

    *most, last = school.students
    for some in (most, [last]):
        assert "due by" in shown() and "marked" not in shown()
        with writing(school.world.engine) as connection:
            registers.record(
                connection, school.world.institution_id, away,
                [registers.Wanted(person_id=one, code="P") for one in some],
                source="person", rule="test", authority=None, by_account_id=school.accounts["ada"],
                now_ms=school.now_ms, profiles=school.world.profiles,
            )  # fmt: skip
    assert said in shown() and "due by" not in shown()
