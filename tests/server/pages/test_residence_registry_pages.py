"""Houses, residents, duty staff, kiosks and the lists they come from: through their pages, by the registry."""

import re
import shutil

import pytest

from server.store import schema
from server.store.schema_residence import duty, house, kiosk, residency
from tests.rules import rule
from tests.server.pages.home import HOUR, OPENS, Home
from tests.server.pages.test_residence_board_pages import words

HOUSES = "code,name\nH3,East House\nH1,North House\n"
RESIDENTS = "number,house,floor,room,from\ns1,H2,3,301,2026-09-22\ns0,H1,0,0,\nnobody,H1,1,1,\n"


@pytest.fixture
def home(tmp_path, empty_sqlite):
    shutil.copy(empty_sqlite, tmp_path / "muster.db")
    made = Home(tmp_path)
    yield made
    made.close()


def upload(visitor, fields: dict, text: str | None):
    """A form with a list, as a browser sends it."""
    parts = [(name, (None, value)) for name, value in fields.items()]
    parts += [("file", ("list.csv", text.encode(), "text/csv"))] if text is not None else []
    return visitor.http.post("/residence/registry/import", files=parts)


@rule("DDU-12")
def test_the_registry_adds_a_house_a_resident_somebody_on_duty_and_a_kiosk(home):
    rita = home.visitor("rita")
    csrf = {"csrf": rita.csrf("/residence/registry")}
    answer = rita.post("/residence/registry", csrf | {"code": "H1", "name": "Again"})
    assert answer.status_code == 409 and "Another house has this code" in answer.text
    answer = rita.post("/residence/registry", csrf | {"code": "H9", "name": "West House"})
    page = answer.headers["location"].partition("?")[0]
    assert rita.post(f"{page}/residents", csrf | {"number": "none", "from": "2026-09-21"}).status_code == 409
    for path, fields in (
        ("residents", {"number": "s4", "floor": "2", "room": "207", "from": "2026-09-21"}),
        ("duty", {"number": "W0", "from": "2026-09-21"}),
        ("kiosks", {"kiosk": str(home.hall.ids()["k-9"] if "k-9" in home.hall.ids() else _reader(home)),
                    "latitude": "51.5", "longitude": "-0.12", "radius": "80", "capacity": "162"}),
    ):  # fmt: skip
        assert rita.post(f"{page}/{path}", csrf | fields).headers["location"] == f"{page}?said=made", path
    text = words(rita.get(page))
    assert "Tomás Ó Briain" in text and "Floor 2, room 207" in text and "W0 Example" in text
    assert "51.50000, -0.12000, within 80 m" in text and "0 of 162 places taken" in text
    answer = rita.post(page, csrf | {"name": "West House", "do": "end"})
    assert answer.status_code == 409 and "lives there still" in answer.text


def _reader(home) -> int:
    home.world.reader("k-9", room=None)
    return home.hall.ids()["k-9"]


@rule("DDU-12")
def test_a_resident_changes_the_room_and_moves_out_and_a_kiosk_and_duty_end(home):
    rita = home.visitor("rita")
    page = f"/residence/registry/houses/{home.house}"
    form = {"csrf": rita.csrf(page), "house": str(home.house)}
    (one,) = [row.id for row in home.world.all(residency) if row.person_id == home.people[3]]
    at = f"/residence/registry/residencies/{one}"
    assert rita.post(at, form | {"floor": "9", "room": "999"}).headers["location"] == f"{page}?said=changed"
    assert "Floor 9, room 999" in words(rita.get(page))
    assert rita.post(at, form | {"do": "end", "to": "2026-09-20"}).status_code == 303
    assert "Leila Ben Amor" not in rita.get(page).text
    (on_duty,) = [row.id for row in home.world.all(duty)]
    assert rita.post(f"/residence/registry/duties/{on_duty}/end", form).status_code == 303
    assert rita.post(f"/residence/registry/kiosks/{home.hall.reader_id}/end", form).status_code == 303
    text = words(rita.get(page))
    assert "Nobody is on duty" in text and "No kiosk serves this house" in text
    assert {row.to_ms for row in home.world.all(kiosk) if row.house_id == home.house} == {home.school.now_ms}


@rule("DDU-12")
def test_a_list_is_looked_at_first_and_taken_in_whole_or_not_at_all(home):
    rita = home.visitor("rita")
    form = {"csrf": rita.csrf("/residence/registry/import"), "kind": "residents", "do": "look"}
    before = home.world.all(residency)
    answer = upload(rita, form, RESIDENTS)
    text = words(answer)
    assert "1 new" in text and "1 as they are" in text and "1 that cannot be used" in text
    assert "Line 4 : there is nobody with the number nobody" in text and "Take it in" not in text
    assert upload(rita, form | {"do": "do"}, RESIDENTS).status_code == 200
    assert home.world.all(residency) == before
    good = RESIDENTS.rpartition("nobody")[0]
    answer = upload(rita, form, good)
    (piece,) = re.findall(r'name="piece" value="([^"]*)"', answer.text)
    answer = upload(rita, form | {"do": "do", "piece": piece.replace("\n", "\r\n")}, None)
    assert answer.headers["location"] == "/residence/registry?said=imported"
    lives = [row.house_id for row in home.world.all(residency) if row.person_id == home.people[1]]
    assert lives == [home.house, home.south]


@rule("DDU-12")
def test_houses_come_by_a_list_and_only_the_registry_takes_lists_in(home):
    ros = home.visitor("ros")
    assert ros.get("/residence/registry").status_code == 403
    assert ros.get("/residence/registry/import").status_code == 403
    rita = home.visitor("rita")
    form = {"csrf": rita.csrf("/residence/registry/import"), "kind": "houses", "do": "do"}
    assert upload(rita, form, HOUSES).status_code == 303
    assert [row.name for row in home.world.all(house)] == ["North House", "South House", "East House"]
    assert upload(rita, form | {"kind": "cats"}, HOUSES).status_code == 409
    assert "Choose the file" in upload(rita, form, None).text


@rule("DDU-12")
def test_the_roll_call_has_everybody_with_its_time_and_what_it_does_not_know(home):
    home.check_in(0, OPENS + HOUR)
    ros = home.visitor("ros")
    answer = ros.get(f"/residence/houses/{home.house}/roll-call")
    text = words(answer)
    assert "As known at 20:00:00" in text and text.count("not in yet") == 5 and "in 19:00" in text
    assert "They may have gone out again" in text and "Look for everybody" in text and "Guests and staff" in text
    assert len(re.findall('type="checkbox" value="', answer.text)) == 6
    # What is kept on a phone has no form's token and no name of whoever is signed in.
    assert 'name="csrf"' not in answer.text and "Ros" not in text


@rule("DDU-12")
def test_signing_out_lets_go_of_what_a_phone_kept(home):
    ros = home.visitor("ros")
    csrf = ros.csrf("/account")
    ros.get(f"/residence/houses/{home.house}/roll-call/live")
    answer = ros.post("/sign-out", {"csrf": csrf})
    assert answer.status_code == 303 and answer.headers["clear-site-data"] == '"storage"'
    lou = home.visitor("lou")
    assert "clear-site-data" not in lou.post("/sign-out", {"csrf": lou.csrf("/account")}).headers


def test_the_worker_is_ours_and_under_the_strict_policy(home):
    answer = home.visitor("ros").get("/residence/worker.js")
    assert answer.headers["content-type"].startswith("text/javascript") and "muster-roll-call" in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
    assert home.world.all(schema.person)
