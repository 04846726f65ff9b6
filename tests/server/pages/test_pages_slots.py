"""The page of new readers: a slot with its token, shown once; what became of each; and readers that move."""

import re
from dataclasses import replace

import pytest

from server.store import readers, schema, schema_slots, slots
from server.store.engine import reading, writing
from tests.server.store_world import HOUR, MIN

HERE = "/doors/slots"


@pytest.fixture(autouse=True)
def _broker(app):
    app.state.settings = replace(app.state.settings, reader_broker="mqtt://broker.example")


def post(visitor, address=HERE, **fields):
    page = visitor.get(HERE)
    csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)[1]
    return visitor.post(address, {"csrf": csrf} | fields)


def text_of(answer):
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


def token_in(answer):
    return re.search(r'class="secret">([A-Z2-7-]+)<', answer.text)[1]


def test_a_technician_makes_a_slot_and_sees_its_token_once(school, signed):
    visitor = signed("tess")
    answer = post(visitor, room="R0")
    token = token_in(answer)
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    assert "r0, at R0" in text_of(answer) and "until 10:35" in text_of(answer)
    assert "<svg" in answer.text and 'class="qr"' in answer.text
    later = visitor.get(HERE)
    assert "waits for a board" in later.text and token not in later.text
    with writing(school.world.engine) as connection:
        got = slots.claim(connection, school.world.vault, token, board="e661", now_ms=school.now_ms)
    assert (got.reader, got.room_code) == ("r0", "R0")
    assert "claimed, never heard" in visitor.get(HERE).text and "by board e661" in visitor.get(HERE).text


def test_the_code_on_the_page_is_the_token_behind_the_stores_address(school, signed, app):
    app.state.settings = replace(app.state.settings, public_url="https://muster.example")
    answer = post(signed("tess"), room="R0")
    assert "muster provision --store https://muster.example --token -" in text_of(answer)
    assert token_in(answer) not in answer.request.url.path


def test_where_there_are_several_sites_the_page_names_them_and_asks_which(school, signed):
    visitor = signed("tess")
    school.reader()
    assert 'name="site"' not in visitor.get(HERE).text, "one site needs no name"
    with writing(school.world.engine) as connection:
        north = readers.ensure_site(connection, school.world.institution_id, "north")
    for code, site in (("101", None), ("N-101", north)):
        school.world.insert(schema.room, code=code, site_id=site)
    page = visitor.get(HERE).text
    assert re.search(r'<option value="N-101" label="N-101, north">', page) and "a-101, R0, main" in page
    answer = post(visitor, room="101")
    assert answer.status_code == 400 and "Say at which site this room is: main or north" in text_of(answer)
    assert "r101, at 101, north" in text_of(post(visitor, room="101", site="north", name="r101"))
    assert "n-101, at N-101, north" in text_of(post(visitor, room="N-101"))
    answer = post(visitor, room="N-101", site="main")
    assert "the registry has this room at the site north" in text_of(answer).replace("The registry", "the registry")
    assert "<option selected>main</option>" in answer.text, "what was typed stays"
    assert visitor.get(HERE).text.count('<div class="small soft">north</div>') == 2


def test_a_slot_in_the_place_of_a_reader_is_for_its_room(school, signed):
    school.reader()
    answer = post(signed("tess"), replaces="a-101")
    assert "a-101-2, at R0" in text_of(answer)
    assert "in the place of a-101" in text_of(signed("tess").get(HERE))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"room": "R9"}, "no room R9"),
        ({}, "at which room"),
        ({"room": "R0", "name": "no name"}, "1 to 32"),
        ({"replaces": "x-1"}, "no reader x-1"),
        ({"room": "<script>alert(1)</script>"}, "&lt;script&gt;"),
    ],
)
def test_what_cannot_be_is_said_on_the_form_with_what_was_typed(school, signed, fields, said):
    answer = post(signed("tess"), **fields)
    assert answer.status_code in (400, 404, 409) and said in answer.text and 'role="alert"' in answer.text
    assert school.world.all(schema_slots.slot) == []


def test_without_the_brokers_address_the_form_says_what_to_set(school, signed, app):
    app.state.settings = replace(app.state.settings, reader_broker="")
    answer = post(signed("tess"), room="R0")
    assert answer.status_code == 400 and "reader_broker" in answer.text


def test_a_slot_is_taken_back_once(school, signed):
    visitor = signed("tess")
    post(visitor, room="R0")
    [row] = school.world.all(schema_slots.slot)
    for said in ("withdrawn", "late"):
        answer = post(visitor, f"{HERE}/{row.id}/withdraw")
        assert (answer.status_code, answer.headers["location"]) == (303, f"{HERE}?said={said}")
    assert "taken back" in visitor.get(HERE).text


def test_a_reader_moves_from_a_time_on_and_what_it_recorded_before_stays_where_it_was(school, signed):
    school.reader()
    visitor = signed("tess")
    answer = post(visitor, "/doors/move", reader="a-101", to="R1", day="2026-10-05", time="11:20")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{HERE}?said=moved")
    with reading(school.world.engine) as connection:
        reader_id = readers.by_name(connection, ["a-101"])["a-101"].id
        at = [readers.at_door(connection, reader_id, school.now_ms + after).room_code for after in (0, HOUR - 1, HOUR)]
    assert at == ["R0", "R0", "R1"]
    assert [row.action for row in school.world.all(schema.audit)] == ["reader.move"]
    before = school.world.all(schema.placement)
    answer = post(visitor, "/doors/move", reader="a-101", to="R1", day="2026-10-05", time="11:20")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{HERE}?said=moved")
    assert school.world.all(schema.placement) == before, "a form sent twice"
    assert len(school.world.all(schema.audit)) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"reader": "a-101", "to": "R9", "day": "2026-10-05", "time": "11:20"},
        {"reader": "x", "to": "R1", "day": "2026-10-05", "time": "11:20"},
        {"reader": "a-101", "to": "R1", "day": "never", "time": "11:20"},
        {"reader": "a-101", "to": "R1", "day": "2026-10-05", "time": "25:00"},
        {"reader": "a-101", "to": "R1", "day": "2020-10-05", "time": "11:20"},
        {"reader": "a-101", "to": "R1", "day": "2030-10-05", "time": "11:20"},
    ],
)
def test_a_move_that_cannot_be_changes_nothing(school, signed, fields):
    school.reader()
    before = school.world.all(schema.placement)
    answer = post(signed("tess"), "/doors/move", **fields)
    assert answer.status_code in (400, 404) and 'role="alert"' in answer.text
    assert school.world.all(schema.placement) == before


def test_a_lecturer_makes_no_slot_and_moves_nothing(school, signed):
    visitor = signed("ada")
    for address in (HERE, f"{HERE}/1/withdraw", "/doors/move"):
        assert visitor.post(address, {"csrf": "x"}).status_code == 403
    assert visitor.get(HERE).status_code == 403


def test_a_token_that_is_too_old_is_shown_as_such(school, signed):
    visitor = signed("tess")
    post(visitor, room="R0")
    school.now_ms += 15 * MIN
    assert "too old" in visitor.get(HERE).text
