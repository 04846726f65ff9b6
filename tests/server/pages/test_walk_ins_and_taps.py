"""Whoever is here and not on the list, and the taps at a door that marked nobody."""

import re

import pytest

from server.store import schema, schema_work
from tests.server.pages.register_desk import plain, rows, send
from tests.server.pages.registry_form import form_of
from tests.server.store_world import HOUR

CARD, UNKNOWN = bytes([4, 99, 99, 9]), bytes([4, 77, 77, 9])


def stranger(school, name="Stranger Danger", uid=CARD) -> int:
    """A student of another class."""
    person = school.person(name, uid)
    other = school.world.insert(schema.class_group, source="test", source_id=name, code=name[:9], title="B")
    school.world.enrol(other, person)
    school.world.insert(schema.person_external_id, person_id=person, source="identifier", external_id=f"up{person}9",
                        from_ms=0)  # fmt: skip
    return person


# --- walk-ins ---------------------------------------------------------------------------------------------------------


def test_a_walk_in_is_found_by_number_or_name_and_stands_on_this_register_marked_present(school, signed):
    session, other = school.session(), school.session(starts_min=100)
    person = stranger(school)
    visitor = signed("ada")
    for asked in (f"up{person}9", "dang stran", "STRANGER"):
        assert "Stranger Danger" in visitor.find(f"/sessions/{session}/add", asked).text, asked
    assert "No student of this institution" in visitor.find(f"/sessions/{session}/add", "nobody").text
    for said in ("added", "there"):  # pressed twice
        answer = send(visitor, f"/sessions/{session}/add", person=str(person), note="repeats the year")
        assert answer.headers["location"] == f"/sessions/{session}?said={said}"
    text = visitor.get(f"/sessions/{session}").text
    assert "Stranger Danger" in text and ">walk-in<" in text and "repeats" not in text
    assert [row.code for row in rows(school, schema.mark)] == ["P"]
    assert "Stranger" not in visitor.get(f"/sessions/{other}").text
    # Added by mistake: off the register again, and what happened stays in the history.
    (held,) = rows(school, schema.mark)
    answer = send(visitor, f"/sessions/{session}/people/{person}/leave", seen=str(held.id))
    assert answer.headers["location"].endswith("said=ended")
    assert "Stranger" not in visitor.get(f"/sessions/{session}").text
    assert [row.code for row in rows(school, schema.mark)] == ["P", None]


def test_a_walk_in_who_was_marked_otherwise_meanwhile_stays(school, signed):
    session, person = school.session(starts_min=-30, staff=[school.ada, school.bob]), stranger(school)
    ada, bob = signed("ada"), signed("bob")
    send(ada, f"/sessions/{session}/add", person=str(person))
    panel = ada.get(f"/sessions/{session}/people/{person}").text
    path = f"/sessions/{session}/people/{person}/leave"
    fields = form_of(panel, path)
    (held,) = rows(school, schema.mark)
    send(
        bob,
        f"/sessions/{session}/people/{person}",
        code="L",
        late_min="12",
        seen=str(held.id),
        note="Came at half past",
    )
    answer = ada.post(path, fields)
    assert answer.status_code == 409 and "was set to L by Bob while you looked" in answer.text
    assert [row.code for row in rows(school, schema.mark)] == ["P", "L"]
    assert ada.post(path, form_of(ada.get(path.removesuffix("/leave")).text, path)).status_code == 303
    assert [row.code for row in rows(school, schema.mark)] == ["P", "L", None]


@pytest.mark.parametrize("asked", ["a", "%", "_ _", "x y"])
def test_a_search_for_nearly_everybody_is_not_answered(school, signed, asked):
    session = school.session()
    stranger(school)
    answer = signed("ada").find(f"/sessions/{session}/add", asked)
    assert answer.status_code == 422 and "at least 2 letters" in answer.text and "Stranger" not in answer.text


def test_only_a_student_of_the_institution_can_be_added(school, signed):
    session = school.session()
    for person in (school.bob, 999_999):
        answer = send(signed("ada"), f"/sessions/{session}/add", person=str(person))
        assert answer.status_code == 422 and "no such student" in answer.text
    assert rows(school, schema_work.walk_in) == []


# --- taps that marked nobody ------------------------------------------------------------------------------------------


@pytest.mark.rule("PORT-4")
def test_a_tap_of_somebody_else_is_added_or_said_to_be_another_classes(school, signed):
    session = school.session(starts_min=-2)
    person = stranger(school)
    school.tap(school.reader(), CARD)
    visitor = signed("ada")
    page = visitor.get(f"/sessions/{session}/taps").text
    assert "Stranger Danger" in page and "not on this list" in page
    swipe = re.search(rf"/sessions/{session}/taps/(\d+)", page)[1]
    for _ in range(2):
        assert send(visitor, f"/sessions/{session}/taps/{swipe}", outcome="added").status_code == 303
    assert [(row.person_id, row.code) for row in rows(school, schema.mark)] == [(person, "P")]
    assert [row.outcome for row in rows(school, schema_work.swipe_resolution)] == ["added"]
    assert "marked nobody:" not in visitor.get(f"/sessions/{session}").text


def test_an_unknown_card_is_said_to_be_a_students_or_nobodys_with_a_reason(school, signed):
    session = school.session(starts_min=-2)
    board = school.reader()
    school.tap(board, UNKNOWN, ago_s=30)
    school.tap(board, bytes([4, 78, 78, 9]))
    visitor, person = signed("ada"), school.students[3]
    first, second = sorted(set(re.findall(rf"/sessions/{session}/taps/(\d+)", visitor.get(f"/sessions/{session}/taps").text)), key=int)  # fmt: skip
    for fields, told in (
        ({"outcome": "unknown-card"}, "Choose whose card"),
        ({"outcome": "added"}, "Say whose it is"),
        ({"outcome": "dismissed"}, "Say why"),
        ({"outcome": "nonsense"}, "Choose one of"),
    ):
        answer = send(visitor, f"/sessions/{session}/taps/{first}", **fields)
        assert answer.status_code == 422 and told.lower() in answer.text.lower(), fields
    send(visitor, f"/sessions/{session}/taps/{first}", outcome="unknown-card", person=str(person))
    send(visitor, f"/sessions/{session}/taps/{second}", outcome="dismissed", reason="a visitor, or staff")
    page = plain(visitor.get(f"/sessions/{session}/taps").text)
    assert "the card of Student 003" in page and "nobody's here (Ada: a visitor, or staff)" in page.replace("’", "'").replace("&#39;", "'")  # fmt: skip
    assert [(row.person_id, row.code) for row in rows(school, schema.mark)] == [(person, "P")]


@pytest.mark.rule("LOUGH-14", "PORT-4")
def test_a_tap_that_is_said_to_be_somebodys_is_late_by_its_own_time(school, signed):
    session = school.session(starts_min=-20)
    person, (first, second, *_) = stranger(school), school.students
    board, ada = school.reader(), signed("ada")
    for uid, ago_min in ((UNKNOWN, 16), (CARD, 8), (bytes([4, 78, 78, 9]), 5)):
        school.tap(board, uid, ago_s=ago_min * 60)
    taps = {row.at_ms: row.swipe_id for row in rows(school, schema.reading)}
    early, walked, late = (taps[at] for at in sorted(taps))
    path = f"/sessions/{session}/taps"
    for swipe, fields in (
        (walked, {"outcome": "added"}),
        (early, {"outcome": "unknown-card", "person": str(first)}),
        (late, {"outcome": "unknown-card", "person": str(second)}),
    ):
        assert send(ada, f"{path}/{swipe}", **fields).status_code == 303
    found = [(row.person_id, row.code, row.late_min) for row in rows(school, schema.mark)]
    assert found == [(person, "L", 12), (first, "P", None), (second, "L", 15)]


def test_a_reason_and_a_note_of_full_length_are_kept_together(school, signed):
    session, person = school.session(starts_min=-2), stranger(school)
    school.tap(school.reader(), CARD)
    ada = signed("ada")
    swipe = re.search(r"/taps/(\d+)", ada.get(f"/sessions/{session}/taps").text)[1]
    fields = {"outcome": "added", "reason": "the same card again", "note": "x" * 500}
    assert send(ada, f"/sessions/{session}/taps/{swipe}", **fields).status_code == 303
    assert [(row.person_id, row.code) for row in rows(school, schema.mark)] == [(person, "P")]


def test_a_tap_overwrites_no_mark_that_somebody_was_given_meanwhile(school, signed):
    session = school.session(starts_min=-2)
    school.tap(school.reader(), UNKNOWN)
    ada, person = signed("ada"), school.students[0]
    swipe = re.search(r"/taps/(\d+)", ada.get(f"/sessions/{session}/taps").text)[1]
    send(ada, f"/sessions/{session}/marks", set=f"{person}.0.A")
    answer = send(ada, f"/sessions/{session}/taps/{swipe}", outcome="unknown-card", person=str(person))
    assert answer.status_code == 422 and "is marked A by now" in answer.text
    assert [row.code for row in rows(school, schema.mark)] == ["A"]
    assert rows(school, schema_work.swipe_resolution) == []


def test_whoever_was_absent_for_want_of_a_known_card_is_there_by_the_tap_that_is_said_to_be_theirs(school, signed):
    session = school.session(starts_min=-50, minutes=20, profile="port")
    board = school.world.reader("a-101", room=0)
    board.boot(at_ms=school.now_ms - 3 * HOUR)
    school.tap(board, UNKNOWN, ago_s=50 * 60)
    school.deliver(*board.lines, board.hello(), board.head(school.now_ms))
    school.world.settle()
    ada, person = signed("ada"), school.students[0]
    assert {row.code for row in rows(school, schema.mark)} == {"A"}
    page = ada.get(f"/sessions/{session}/taps").text
    assert f'<option value="{person}">' in page
    swipe = re.search(r"/taps/(\d+)", page)[1]
    answer = send(ada, f"/sessions/{session}/taps/{swipe}", outcome="unknown-card", person=str(person))
    assert answer.status_code == 303
    assert [row.code for row in rows(school, schema.mark) if row.person_id == person] == ["A", "P"]


def test_a_tap_at_another_sessions_door_is_not_to_be_resolved_here(school, signed):
    session, other = school.session(starts_min=-2), school.session(starts_min=-2, room=1)
    school.tap(school.reader("a-2", room=1), UNKNOWN)
    visitor = signed("ada")
    swipe = re.search(r"/taps/(\d+)", visitor.get(f"/sessions/{other}/taps").text)[1]
    answer = send(visitor, f"/sessions/{session}/taps/{swipe}", outcome="dismissed", reason="x")
    assert answer.status_code == 404 and rows(school, schema_work.swipe_resolution) == []
