"""Verifying by one key: what stood on the page is verified, and nothing that came since without being seen (STEP-18)."""

import re

import pytest

from server.pages import verifying
from server.store import schema, schema_work
from tests.rules import rule
from tests.server.pages.register_desk import plain, send
from tests.server.pages.registry_form import form_of
from tests.server.pages.school import version_of

pytestmark = rule("STEP-18")


@pytest.fixture
def shift(school):
    """A day of a programme whose marks come from the door: nobody has a mark beforehand."""
    return school.session(starts_min=-2, minutes=300, profile="ddu"), school.reader()


def form(visitor, session: int) -> tuple[str, dict[str, str]]:
    """The address and what the form sends from the page as it is now; v: the version that a script adds."""
    path = f"/sessions/{session}/verify"
    text = visitor.get(f"/sessions/{session}").text
    return path, form_of(text, path) | {"v": version_of(text)}


def verified(school) -> list[bool]:
    """Of the marks that hold, by student."""
    marks = {row.id: row for row in school.world.all(schema.mark)}
    held = {row.person_id: marks[row.mark_id] for row in school.world.all(schema.mark_current)}
    return [held[one].verified for one in school.students if one in held and held[one].code is not None]


def test_marks_that_came_since_the_page_was_loaded_are_not_verified_unseen(school, signed, shift):
    session, board = shift
    school.tap(board, 0)
    ada = signed("ada")
    path, fields = form(ada, session)
    for student in (1, 2):
        school.tap(board, student)
    answer = ada.post(path, fields)
    assert (
        answer.status_code == 409 and "the register has changed since you looked, and 3 marks wait now" in answer.text
    )
    assert verified(school) == [False] * 3
    assert not any(row.kind == "verify" for row in school.world.all(schema_work.history))
    # The answer is the page as it is now: its own button does it.
    assert "Verify 3 marks" in plain(answer.text) and "Student 002" in answer.text
    assert ada.post(path, form_of(answer.text, path)).status_code == 303
    assert verified(school) == [True] * 3
    # Sent once more it is done already.
    assert ada.post(path, form_of(answer.text, path)).status_code == 303


def test_a_mark_that_became_another_since_is_not_verified_unseen(school, signed, shift):
    session, board = shift
    school.tap(board, 0)
    ada = signed("ada")
    path, fields = form(ada, session)
    world = school.world
    (mark,) = world.all(schema.mark)
    other = world.insert(schema.mark, session_id=session, person_id=mark.person_id, code="H", source="swipe", rule="x",
                         ledgers="", created_ms=school.now_ms)  # fmt: skip
    with world.engine.begin() as connection:
        connection.execute(schema.mark_current.update().values(mark_id=other))
    answer = ada.post(path, fields)
    assert answer.status_code == 409 and verified(school) == [False], "as many wait as were seen, and it is another"


def test_what_came_just_before_the_key_costs_a_live_page_no_second_one(school, signed, shift):
    session, board = shift
    school.tap(board, 0)
    ada = signed("ada")
    path, fields = form(ada, session)
    school.tap(board, 1)
    school.now_ms += verifying.MEANWHILE_MS
    answer = ada.post(path, fields, htmx=True)
    assert answer.status_code == 200 and "The marks are verified" in answer.text
    assert verified(school) == [True] * 2


def test_a_page_with_scripts_that_stood_still_verifies_nothing_it_has_not_shown(school, signed, shift):
    """A laptop that slept: the first key brings the page up to date, the second verifies."""
    session, board = shift
    school.tap(board, 0)
    ada = signed("ada")
    path, fields = form(ada, session)
    school.tap(board, 1)
    school.now_ms += verifying.MEANWHILE_MS + 1
    answer = ada.post(path, fields, htmx=True)
    assert answer.status_code == 422 and 'role="alert"' in answer.text and verified(school) == [False] * 2
    assert f'<tr id="p{school.students[1]}"' in answer.text and 'id="summary"' in answer.text
    again = {"csrf": fields["csrf"], "seen": re.search(r'name="seen" value="([^"]*)"', answer.text)[1]}
    assert ada.post(path, again | {"v": version_of(answer.text)}, htmx=True).status_code == 200
    assert verified(school) == [True] * 2


def test_whoever_came_onto_the_list_since_is_not_present_unseen(school, signed):
    """STEP-18: whoever has no mark is verified as it is shown."""
    session = school.session(starts_min=-2, profile="step")
    ada = signed("ada")
    path, fields = form(ada, session)
    late = school.person("Late Starter")
    school.world.enrol(school.group, late)
    for htmx, status in ((False, 409), (True, 422)):
        answer = ada.post(path, fields, htmx=htmx)
        assert answer.status_code == status and "6 marks wait now" in answer.text
        assert school.world.all(schema.mark) == []
    path, fields = form(ada, session)
    assert ada.post(path, fields).status_code == 303
    assert late in {row.person_id for row in school.world.all(schema.mark)}


@pytest.mark.parametrize("seen", ["{newest}", "{before}.", "", "x.", "-1.", "{newest}.x"])
def test_a_form_that_does_not_say_what_was_shown_has_shown_nothing(school, signed, shift, seen):
    """Such as that of a page from before this was asked, which said how many waited."""
    session, board = shift
    school.tap(board, 0)
    newest = max(row.id for row in school.world.all(schema.mark))
    said = seen.format(newest=newest, before=newest - 1)
    answer = send(signed("ada"), f"/sessions/{session}/verify", seen=said)
    assert answer.status_code == 409 and verified(school) == [False]
