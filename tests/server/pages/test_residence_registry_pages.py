"""Houses, residents, duty staff, kiosks and the lists they come from: through their pages, by the registry."""

import html
import re

import pytest

from server.store import readers, residence_admin, residence_templates, schema
from server.store.engine import writing
from server.store.schema_residence import duty, house, kiosk, residency, template
from tests.rules import rule
from tests.server.pages.home import HOUR, OPENS
from tests.server.pages.test_residence_board_pages import words

HOUSES = "code,name\nH3,East House\nH1,North House\n"
RESIDENTS = "number,house,floor,room,from\nW0,H2,3,301,2026-09-22\ns0,H1,0,0,\nnobody,H1,1,1,\n"


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
def test_a_kiosks_place_is_corrected_and_reaches_its_list_and_its_sensor_keeps_everybody(home):
    rita = home.visitor("rita")
    page = f"/residence/registry/houses/{home.house}"
    form = {"csrf": rita.csrf(page), "house": str(home.house)}
    at = f"/residence/registry/kiosks/{home.hall.reader_id}"
    hall, now_ms = home.hall, home.school.now_ms
    hall.do(residence_templates.arm, hall.warden, home.people[0], hall.reader_id, "finger-1", now_ms)
    place = {"latitude": "51.5014", "longitude": "-0.1419", "radius": "60"}
    assert rita.post(at, form | place).headers["location"] == f"{page}?said=changed"
    assert "51.50140, -0.14190, within 60 m" in words(rita.get(page))
    assert 'value="51.5014"' in rita.get(page).text
    answer = rita.post(at, form | place | {"radius": ""})
    assert answer.status_code == 409 and "a longitude and a radius, or none" in answer.text
    rows = [row for row in home.world.all(kiosk) if row.reader_id == home.hall.reader_id]
    assert [(row.house_id, row.radius_m, row.to_ms is None) for row in rows] == [
        (home.house, None, False), (home.house, 60, True)
    ]  # fmt: skip
    assert rows[0].to_ms == rows[1].from_ms and rows[0].capacity == rows[1].capacity
    assert rita.post("/residence/registry/kiosks/99999", form | place).status_code == 404
    hall.issue()
    assert hall.listed().place == pytest.approx((51.5014, -0.1419, 60))
    assert [row.state for row in home.world.all(template)] == ["wanted"], "nobody is to enrol anew for it"


@rule("DDU-12")
def test_a_kiosk_that_is_saved_without_a_place_is_said_to_have_none(home):
    rita = home.visitor("rita")
    page = f"/residence/registry/houses/{home.house}"
    form = {"csrf": rita.csrf(page), "house": str(home.house), "latitude": "", "longitude": " ", "radius": ""}
    answer = rita.post(f"/residence/registry/kiosks/{home.hall.reader_id}", form)
    assert answer.headers["location"] == f"{page}?said=no-place"
    text = words(rita.get(answer.headers["location"]))
    assert "no place is registered for this kiosk" in text and "no place registered: where check-ins" in text
    new = home.world.reader("k-9", room=None)
    given = form | {"kiosk": str(home.hall.ids()[new.name]), "capacity": "9"}
    assert rita.post(f"{page}/kiosks", given).headers["location"] == f"{page}?said=no-place"


@rule("DDU-12")
def test_a_reader_that_serves_a_door_is_not_offered_and_becomes_no_kiosk(home):
    home.world.reader("a-101", room=0)
    ids, free = home.hall.ids(), _reader(home)
    rita = home.visitor("rita")
    page = f"/residence/registry/houses/{home.house}"
    form = {"csrf": rita.csrf(page), "capacity": "162"}
    text = rita.get(page).text
    assert f'<option value="{free}">' in text and f'<option value="{ids["a-101"]}">' not in text
    before = home.world.all(kiosk)
    answer = rita.post(f"{page}/kiosks", form | {"kiosk": str(ids["a-101"])})
    assert answer.status_code == 409 and home.world.all(kiosk) == before
    assert "serves the door of R0" in answer.text and "muster reader move NAME" in answer.text
    with writing(home.world.engine) as connection:
        readers.move(connection, home.world.institution_id, "a-101", None, 0, home.school.now_ms)
        # What was planned and taken back never held.
        for code in ("R0", None):
            then_ms = home.school.now_ms + HOUR
            readers.move(connection, home.world.institution_id, "a-101", code, then_ms, home.school.now_ms)
    assert rita.post(f"{page}/kiosks", form | {"kiosk": str(ids["a-101"])}).status_code == 303


@rule("DDU-12")
def test_where_no_reader_is_free_the_page_says_how_a_kiosk_is_made(home):
    rita = home.visitor("rita")
    text = words(rita.get(f"/residence/registry/houses/{home.house}"))
    place = "--place LATITUDE,LONGITUDE,METRES"
    assert f"muster reader add NAME --kiosk H1 {place} --capacity {residence_admin.CAPACITY} --out FILE" in text


@rule("DDU-12")
def test_a_house_that_has_ended_is_found_again_and_can_be_opened(home):
    rita = home.visitor("rita")
    csrf = {"csrf": rita.csrf("/residence/registry")}
    page = (
        rita.post("/residence/registry", csrf | {"code": "H9", "name": "West House"})
        .headers["location"]
        .partition("?")[0]
    )
    assert rita.post(page, csrf | {"name": "West House", "do": "end"}).headers["location"].endswith("said=ended")
    listed = words(rita.get("/residence/registry"))
    assert "Houses that have ended (1)" in listed and "West House" in listed.partition("have ended")[2]
    text = words(rita.get(page))
    assert "ended" in text and "Open it again" in text and "End the house" not in text and "Move in" not in text
    answer = rita.post(f"{page}/residents", csrf | {"number": "s4", "from": "2026-09-21"})
    assert answer.status_code == 409 and "open it again first" in answer.text
    assert "or has ended" in html.unescape(words(taken_only(rita, "residents", "number,house\ns4,H9\n")))
    assert rita.post(page, csrf | {"name": "West House"}).status_code == 303
    assert "have ended" not in words(rita.get("/residence/registry")) and "End the house" in words(rita.get(page))


def taken_only(visitor, kind: str, text: str):
    """What is said of a list that is only looked at."""
    return upload(visitor, {"csrf": visitor.csrf("/residence/registry/import"), "kind": kind, "do": "look"}, text)


def taken(visitor, kind: str, text: str, **more: str):
    """Look at a list, and take it in as the page then offers."""
    form = {"csrf": visitor.csrf("/residence/registry/import"), "kind": kind}
    answer = upload(visitor, form | {"do": "look"}, text)
    (seen,) = re.findall(r'name="seen" value="([^"]*)"', answer.text)
    pieces = "".join(html.unescape(one) for one in re.findall(r'name="piece" value="([^"]*)"', answer.text))
    form |= {"do": "do", "seen": seen, "piece": pieces.replace("\n", "\r\n"), **more}
    return answer, upload(visitor, form, None)


@rule("DDU-12")
def test_a_list_is_looked_at_first_and_taken_in_whole_or_not_at_all(home):
    rita = home.visitor("rita")
    form = {"csrf": rita.csrf("/residence/registry/import"), "kind": "residents", "do": "look"}
    before = home.world.all(residency)
    answer = upload(rita, form, RESIDENTS)
    text = words(answer)
    assert "1 row that cannot be used" in text and "Line 4" in text and "Take it in" not in text
    assert "is a number that nobody has" in html.unescape(text)
    assert "Take it in" not in words(upload(rita, form | {"do": "do"}, RESIDENTS))
    assert home.world.all(residency) == before
    answer, done = taken(rita, "residents", RESIDENTS.rpartition("nobody")[0])
    text = words(answer)
    assert "1 new" in text and "set by hand; left as it is" in text
    assert done.headers["location"] == "/residence/registry?said=imported"
    lives = [(row.house_id, row.floor, row.room) for row in home.world.all(residency) if row.source == "residence"]
    assert lives == [(home.south, "3", "301")]
    # As the command: what stands in the same list again changes nothing.
    answer, _ = taken(rita, "residents", RESIDENTS.rpartition("nobody")[0])
    assert "0 new" in words(answer)


@rule("DDU-12")
def test_who_is_not_on_the_whole_list_any_more_moves_out_only_after_a_word(home):
    rita = home.visitor("rita")
    people = [home.world.person(f"n{n}") for n in range(2)]
    taken(rita, "residents", "number,house\nn0,H1\nn1,H1\n")
    answer, refused = taken(rita, "residents", "number,house\nn0,H1\n")
    assert "1 of 2 residents would end or move" in words(answer)
    assert refused.status_code == 409 and "tick that it is right" in refused.text
    open_ = [row.person_id for row in home.world.all(residency) if row.source == "residence" and row.to_ms is None]
    assert open_ == people
    _, done = taken(rita, "residents", "number,house\nn0,H1\n", sure="yes")
    assert done.status_code == 303
    open_ = [row.person_id for row in home.world.all(residency) if row.source == "residence" and row.to_ms is None]
    assert open_ == people[:1]


@rule("DDU-12")
def test_what_was_looked_at_and_is_another_by_now_is_looked_at_again(home):
    rita = home.visitor("rita")
    home.world.person("n0")
    form = {"csrf": rita.csrf("/residence/registry/import"), "kind": "residents", "do": "do", "seen": "of others"}
    answer = upload(rita, form, "number,house\nn0,H1\n")
    assert answer.status_code == 409 and "changed meanwhile" in answer.text
    assert not [row for row in home.world.all(residency) if row.source == "residence"]


@rule("DDU-12")
def test_houses_come_by_a_list_and_only_the_registry_takes_lists_in(home):
    ros = home.visitor("ros")
    assert ros.get("/residence/registry").status_code == 403
    assert ros.get("/residence/registry/import").status_code == 403
    rita = home.visitor("rita")
    answer, done = taken(rita, "houses", HOUSES)
    assert "1 new" in words(answer) and done.status_code == 303
    assert [row.name for row in home.world.all(house)] == ["North House", "South House", "East House"]
    form = {"csrf": rita.csrf("/residence/registry/import"), "kind": "houses", "do": "do"}
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
