"""What may be misuse of cards, as the registry sees and judges it: its part of the institution, in words, once (PORT-9)."""

import re

import pytest

from server.policy.misuse import Case, Tap
from server.store import misuse_flags, schema
from server.store.engine import writing
from tests.rules import rule
from tests.server.pages.school import HOSTILE
from tests.server.store_world import MIN

pytestmark = rule("PORT-9")


def words(answer) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


@pytest.fixture
def flagged(there):
    """Sam of department ONE always comes with Tia of TWO; and Sam's card was at two doors."""
    world = there.world
    board = there.reader("a-101")
    world.now_ms = there.now_ms
    world.deliver(board.lines[0], *(board.swipe(bytes([4, 9, 9, n]), there.now_ms - n * MIN) for n in (9, 8)))
    swipes = [row.id for row in world.all(schema.swipe)]
    sam, tia = there.people["sam"], there.people["tia"]
    reader_id = next(row.id for row in world.all(schema.reader))

    def tap(record, who, at_ms):
        return Tap(record=record, person_id=who, reader_id=reader_id, site_id=1, room_id=1, at_ms=at_ms, unsure_ms=700)

    both = tap(swipes[0], sam, there.now_ms - 9 * MIN), tap(swipes[1], tia, there.now_ms - 8 * MIN)
    cases = [
        Case(kind="pair", subject=f"pair:{sam}:{tia}", person_id=sam, other_person_id=tia, apart=3, count=8, taps=both),
        Case(kind="two-doors", subject=f"person:{sam}:2026-10-05", person_id=sam, count=1, taps=both[:1]),
    ]
    with writing(world.engine) as connection:
        misuse_flags.raise_all(connection, world.institution_id, cases, there.now_ms)
    return there


def test_the_registry_reads_with_what_it_rests_on_and_closes_in_words(flagged, enter):
    rita = enter("rita")
    text = words(rita.get("/misuse"))
    assert "Two cards always within seconds of each other" in text
    assert "Sam Student was at a door 8 times, each time beside Tia Student, who was there 3 times without them" in text
    assert "a-101" in text and "±1 s" in text and "Mon 5 Oct 2026, 10:11:00" in text
    assert "60 s later" in text, "what a person judges by"
    assert 'href="/misuse"' in rita.get("/registry").text
    form = {"csrf": rita.csrf("/misuse"), "outcome": "misuse", "text": ""}
    refused = rita.post("/misuse/1/close", form)
    assert refused.status_code == 409 and '<option value="misuse" selected>' in refused.text
    assert rita.post("/misuse/1/close", form | {"text": HOSTILE}).status_code == 303
    assert "Two cards always" not in rita.get("/misuse").text
    closed = rita.get("/misuse?closed=yes")
    assert "misuse: taken up with them. Rita" in words(closed) and HOSTILE not in closed.text
    assert rita.post("/misuse/1/close", form | {"text": "again"}).status_code == 409


def test_a_departments_registry_sees_its_own_and_no_name_of_another_department(flagged, enter):
    rex = enter("rex")
    text = words(rex.get("/misuse"))
    assert "Tia Student" in text and "Sam Student" not in text and "a student of another department" in text
    assert "The same person's cards at two doors" not in text
    form = {"csrf": rex.csrf("/misuse"), "outcome": "explained", "text": "x"}
    assert rex.post("/misuse/2/close", form).status_code == 404


@pytest.mark.parametrize("name", ["lea", "hal", "sam"])
def test_lecturers_heads_and_students_do_not_see_it(flagged, enter, name):
    visitor = enter(name)
    assert visitor.get("/misuse").status_code == 403
    form = {"csrf": visitor.csrf("/account"), "outcome": "explained", "text": "x"}
    assert visitor.post("/misuse/1/close", form).status_code == 403


def test_a_form_without_its_token_or_with_no_number_changes_nothing(flagged, enter):
    rita = enter("rita")
    assert rita.post("/misuse/1/close", {"outcome": "explained", "text": "x"}).status_code == 403
    form = {"csrf": rita.csrf("/misuse"), "outcome": "explained", "text": "x"}
    assert rita.post("/misuse/x/close", form).status_code == 404
    assert rita.post("/misuse/99/close", form).status_code == 404
    assert rita.post("/misuse/1/close", form | {"outcome": "guilty"}).status_code == 409


def test_what_is_held_of_somebody_is_in_their_own_export_and_names_nobody_else(flagged, enter):
    tia = enter("tia")
    assert "Whether a card is misused" in tia.get("/privacy").text
    taken = tia.post("/me/data", {"csrf": tia.csrf("/privacy")})
    kept = taken.json()["kept"]
    [flag] = kept["misuse_flag"]["rows"]
    assert (flag["person_id"], flag["other_person_id"], flag["kind"]) == ("another", "you", "pair")
    assert len(kept["misuse_tap"]["rows"]) == 1 and "Sam Student" not in taken.text
