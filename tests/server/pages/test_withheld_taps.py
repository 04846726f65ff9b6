"""A tap that a revocation withheld: the student, their staff and the register say so, and not that nothing was there."""

import json

import pytest

from server.store import person_export, revocations
from server.store.accounts import at_the_console
from server.store.engine import writing
from tests.rules import rule
from tests.server.pages.care_school import form_to, marks, people, send, words
from tests.server.store_world import MIN


@pytest.fixture
def school(school):
    """Sam tapped ten minutes ago, for a lesson that runs, at a reader that was stolen fifteen minutes ago."""
    people(school)
    school.lesson = school.session(starts_min=-20)
    board = school.reader()
    school.tap(board, 0, ago_s=600)
    assert len(school.world.credits()) == 1
    school.revoke = lambda: revoke(school)
    school.board = board
    return school


def revoke(school, ago_min: int = 15):
    with writing(school.world.engine) as connection:
        scope, now_ms = at_the_console(school.world.institution_id), school.now_ms
        since_ms = now_ms - ago_min * MIN
        revocations.revoke(connection, scope, "a-101", since_ms=since_ms, why="stolen", now_ms=now_ms)
    school.world.derive()


def come_late(school) -> None:
    """The reader is missed now; then comes a tap of the second student's, which says that it is from before that."""
    school.now_ms += MIN
    revoke(school, ago_min=0)
    school.now_ms += MIN
    school.board.swipe(school.uids[1], school.now_ms - 10 * MIN)
    school.deliver(*school.board.lines)


@rule("PORT-1")
def test_a_student_sees_that_the_reader_is_not_believed_and_that_a_person_looks(school, signed):
    sam = signed("sam")
    assert "not believed" not in words(sam.get("/me").text)
    school.revoke()
    text = words(sam.get("/me").text)
    assert "Taps that do not count yet Computing tapped" in text
    assert "The reader is not believed since" in text and "whoever marks the class looks at it" in text
    assert "no session" not in text.split("Taps that do not count yet")[1].split("My absences")[0]
    # Nobody else's.
    assert "not believed" not in words(signed("sue").get("/me").text)


def test_a_student_sees_that_a_tap_of_before_the_theft_may_still_count(school, signed):
    come_late(school)
    assert "a technician looks whether it counts" in words(signed("sue").get("/me").text)
    assert "not believed" not in words(signed("sam").get("/me").text), "theirs came before"


def test_once_the_class_is_marked_by_hand_nothing_is_said_any_more(school, signed):
    school.revoke()
    ada, sam = signed("ada"), school.students[0]
    assert "Taps that do not count yet" in ada.get(f"/people/{sam}/attendance").text
    at = f"/sessions/{school.lesson}/people/{sam}"
    send(ada, form_to(ada.get(at).text, at), code="P")
    assert marks(school, school.lesson)[sam] == "P"
    assert "Taps that do not count yet" not in signed("sam").get("/me").text


def test_the_register_counts_it_and_its_page_of_taps_says_what_it_is(school, signed):
    come_late(school)
    ada = signed("ada")
    assert "1 at a reader that is believed no more" in words(ada.get(f"/sessions/{school.lesson}").text)
    text = words(ada.get(f"/sessions/{school.lesson}/taps").text)
    assert "Student 001 its reader is believed no more: ask them" in text


def test_the_export_says_it_as_well(school):
    school.revoke()
    engine, here = school.world.engine, school.world.institution_id
    told = json.loads("".join(person_export.stream(engine, here, school.students[0], school.now_ms)))
    readings = told["kept"]["reading"]
    assert [one["verdict"] for one in readings["rows"]] == ["withheld"]
    assert "its reader is believed no more, and a person looks at it" in readings["holds"]
