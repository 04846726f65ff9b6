"""The page of revoked readers: one form, for whoever tends doors, and what is withheld."""

import re

import pytest

from server.store import credentials, readers, schema
from server.store.engine import writing
from server.store.schema_trust import broker_credential, reader_revocation
from tests.server.store_world import MIN

HERE = "/doors/revoked"


@pytest.fixture
def stolen(school):
    """A reader with an account at the broker and two taps: one of an hour ago, one of now. It went half an hour ago."""
    school.before, school.lesson = school.session(starts_min=-80, minutes=40), school.session(starts_min=-20)
    school.board = school.reader()
    now_ms = school.now_ms
    school.now_ms = now_ms - 60 * MIN
    school.tap(school.board, 0)
    school.now_ms = now_ms
    school.tap(school.board, 1)
    world = school.world
    with writing(world.engine) as connection:
        reader_id = readers.by_name(connection, ["a-101"])["a-101"].id
        credentials.make(connection, world.institution_id, reader_id, now_ms)
    assert len(world.credits()) == 2
    return school


def text_of(visitor, address=HERE) -> str:
    answer = visitor.get(address)
    assert answer.status_code == 200, answer.text
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


def revoke(visitor, **more):
    fields = {"csrf": visitor.csrf(HERE), "reader": "a-101", "why": "stolen", "day": "2026-11-22", "time": "09:55"}
    return visitor.post(HERE, fields | more)


def test_the_form_is_filled_in_but_for_the_click(stolen, signed):
    text = signed("tess").get(f"{HERE}?reader=a-101").text
    assert '<option value="a-101" selected>' in text
    assert re.search(r'name="day" type="date" value="\d{4}-\d\d-\d\d"', text)
    assert re.search(r'name="time" type="time" value="\d\d:\d\d"', text)


def test_one_click_and_what_it_gave_since_counts_for_nothing(stolen, signed):
    visitor = signed("tess")
    day, clock = re.findall(r'name="(?:day|time)" type="(?:date|time)" value="([^"]+)"', visitor.get(HERE).text)
    hour, minute = map(int, clock.split(":"))
    at = hour * 60 + minute - 30
    answer = revoke(visitor, day=day, time=f"{at // 60:02}:{at % 60:02}")
    assert answer.headers["location"] == f"{HERE}?said=revoked"
    stolen.world.derive()
    assert {one for one, *_ in stolen.world.credits()} == {stolen.before}
    assert [row.to_ms for row in stolen.world.all(broker_credential)] == [stolen.now_ms]
    text = text_of(visitor, answer.headers["location"])
    assert "its password at the broker has ended" in text and "1 came since" in text and "by Tess" in text
    # Sent twice it is done once.
    assert revoke(visitor, day=day).status_code == 303
    assert len(stolen.world.all(reader_revocation)) == 1
    assert [row.action for row in stolen.world.all(schema.audit)].count("reader.revoke") == 1


def test_its_own_page_and_the_evidence_of_a_morning_stay_and_nothing_can_be_asked_of_it(stolen, signed):
    visitor = signed("tess")
    day, clock = re.findall(r'name="(?:day|time)" type="(?:date|time)" value="([^"]+)"', visitor.get(HERE).text)
    assert revoke(visitor, day=day, time=clock).status_code == 303
    text = visitor.get("/doors/readers/a-101").text
    assert "believed no more since" in text and "/command" not in text and "/doors/revoked?reader" not in text
    assert visitor.get("/doors/readers/a-101/evidence").status_code == 200
    answer = visitor.post("/doors/readers/a-101/command", {"csrf": visitor.csrf(HERE), "name": "identify"})
    assert answer.status_code == 404
    assert "a-101" not in visitor.get("/doors").text


def test_what_is_older_than_the_theft_is_released_on_the_page(stolen, signed):
    visitor = signed("tess")
    # The form says the minute in which it is opened: what came in that minute came since then.
    stolen.now_ms += MIN
    day, clock = re.findall(r'name="(?:day|time)" type="(?:date|time)" value="([^"]+)"', visitor.get(HERE).text)
    revoke(visitor, day=day, time=clock)
    stolen.now_ms += MIN
    stolen.board.swipe(stolen.uids[2], stolen.now_ms - 10 * MIN)
    stolen.deliver(*stolen.board.lines)
    assert len(stolen.world.credits()) == 2
    text = visitor.get(HERE).text
    assert "1 say that they are from before then" in text and f'action="{HERE}/release"' in text
    answer = visitor.post(f"{HERE}/release", {"csrf": visitor.csrf(HERE), "reader": "a-101"})
    assert answer.headers["location"] == f"{HERE}?said=released"
    stolen.world.derive()
    assert len(stolen.world.credits()) == 3
    assert f'action="{HERE}/release"' not in visitor.get(HERE).text


@pytest.mark.parametrize(
    "wrong", [{"day": ""}, {"time": "soon"}, {"day": "2031-01-01"}, {"why": "x"}, {"reader": "a-9"}]
)
def test_what_is_wrong_in_the_form_is_said_beside_it(stolen, signed, wrong):
    answer = revoke(signed("tess"), **wrong)
    assert answer.status_code in (400, 404) and 'role="alert"' in answer.text
    assert stolen.world.all(reader_revocation) == []


def test_it_is_for_whoever_tends_doors(stolen, signed):
    assert signed("ada").get(HERE).status_code == 403
    assert revoke(signed("tess"), csrf="x").status_code == 403


def test_that_no_agent_stands_beside_the_broker_is_said(stolen, signed):
    assert "No agent stands beside a broker" in text_of(signed("tess"))
