"""The doors' page: every reader as last known, in words, and what ails it."""

import json
import re

from server.store import alarms, gateways
from server.store.engine import writing
from tests.server.pages.school import version_of
from tests.server.store_world import MIN, wrap


def text_of(visitor) -> str:
    answer = visitor.get("/doors")
    assert answer.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


def test_a_door_says_its_light_room_and_how_far_it_is_known(school, signed):
    school.session("Compilers", starts_min=-2)
    board = school.reader()
    school.deliver(*board.lines, board.hello(roster=school.now_ms - 90 * MIN), board.head(school.now_ms))
    visitor = signed("tess")
    text = text_of(visitor)
    for wanted in ("blue: marking is open", "R0", "a-101 at main", "Compilers", "connected", "nothing", "10:19",
                   "clock right", "list of 08:50, 1 h old"):  # fmt: skip
        assert wanted in text, wanted
    school.now_ms += 5 * MIN
    text = text_of(visitor)
    assert "not connected" in text and "10:20, 5 min ago" in text and "not known: not heard lately" in text


def test_a_reader_that_cannot_take_cards_says_what_to_do(school, signed):
    board = school.reader()
    school.deliver(*board.lines, board.hello(), board.head(school.now_ms, able="chip"))
    text = text_of(signed("tess"))
    assert "red, slow pulse: needs a technician" in text and "check its cable" in text


def test_a_kiosk_without_a_list_of_residents_says_what_to_do(school, signed):
    board = school.reader()
    school.deliver(*board.lines, board.hello(), board.head(school.now_ms, able="list"))
    text = text_of(signed("tess"))
    assert "it has no list of residents, and can check nobody in" in text and "blue, slow breathing" in text


def test_backlog_quarantine_and_alarms_are_shown_with_their_codes(school, signed):
    board = school.reader()
    board.swipe(school.uids[0], school.now_ms)
    forged = board.lines[-1][:-4] + "0000"
    school.deliver(board.lines[0], board.lines[1], board.hello(), board.head(school.now_ms), forged)
    with writing(school.world.engine) as connection:
        alarms.raise_(connection, school.world.institution_id, "journal-hole", "a-101/x", "records are missing", 1)
    text = text_of(signed("tess"))
    assert "1 record waits at the readers" in text
    assert "1 × mac signature wrong" in text and "could not be believed or used" in text
    assert "journal-hole" in text and "a-101/x: records are missing" in text


def test_gateways_say_when_they_were_last_heard(school, signed):
    with writing(school.world.engine) as connection:
        token = gateways.add(connection, school.world.institution_id, "gw-north", 1)
    assert "never heard gw-north" in text_of(signed("tess"))
    with writing(school.world.engine) as connection:
        gateways.seen(connection, gateways.find(connection, token).id, school.now_ms - 60_000)
    assert "not heard gw-north last heard" in text_of(signed("tess"))
    with writing(school.world.engine) as connection:
        gateways.seen(connection, gateways.find(connection, token).id, school.now_ms)
    assert "connected gw-north" in text_of(signed("tess"))


def test_what_a_reader_refused_is_shown_with_its_code_and_count(school, signed):
    board = school.reader()
    health = json.dumps({"v": 1, "refused": {"mac": 3, "receipt-repeated": 9, "roster-older": 1, "<b>": "x"}})
    school.deliver(*board.lines, board.hello(), board.head(school.now_ms))
    school.world.deliver(wrap(health, reader=board.name, kind="health"))
    text = text_of(signed("tess"))
    assert "the reader refused a receipt or command that was not made with its key, 3 times" in text
    assert "the reader refused a class list older than the one it has, once" in text
    assert "9 times" not in text and "<b>" not in text


def test_open_doors_are_answered_with_nothing_until_something_changes(school, signed):
    board = school.reader()
    visitor = signed("tess")
    version = version_of(visitor.get("/doors").text)
    assert visitor.get(f"/doors/live?v={version}", htmx=True).status_code == 204
    school.deliver(*board.lines, board.hello(), board.head(school.now_ms))
    answer = visitor.get(f"/doors/live?v={version}", htmx=True)
    assert answer.status_code == 200 and 'id="door-a-101" role="rowgroup" hx-swap-oob="true"' in answer.text
    assert 'id="doors-top" hx-swap-oob="true"' in answer.text
    assert visitor.get(f"/doors/live?v={version_of(answer.text)}", htmx=True).status_code == 204


def test_an_institution_without_readers_is_told_how_to_make_one(school, signed):
    assert "muster reader add" in text_of(signed("admin"))
