"""What was done to a register, read by whoever may: who, when, from what to what, why, on whose authority."""

from html import unescape

import pytest

from server.store import notes, schema, schema_work
from server.store.engine import writing
from tests.rules import rule
from tests.server.pages.register_desk import plain, send
from tests.server.pages.requesting import Corrected, ask, decide, made


@pytest.fixture
def school(tmp_path):
    made_ = Corrected(tmp_path)
    yield made_
    made_.close()


def told(visitor, session: int) -> str:
    """What the page says, from its heading on."""
    answer = visitor.get(f"/sessions/{session}/history")
    assert answer.status_code == 200, answer.text
    return unescape(plain(answer.text)).partition("History of the register")[2]


@rule("LOUGH-7", "LOUGH-39", "LOUGH-11")
def test_why_a_class_was_cancelled_is_told_also_where_no_mark_says_so(school, signed):
    session = school.session(profile="port")
    ada = signed("ada")
    assert "Nothing has happened" in told(ada, session)
    assert f'href="/sessions/{session}/history"' in ada.get(f"/sessions/{session}").text
    send(ada, f"/sessions/{session}/cancel", do="cancel", reason="no substitute found")
    text = told(signed("otto"), session)
    assert "the class was cancelled" in text and "by Ada" in text and "no substitute found" in text


@rule("LOUGH-7")
def test_marks_are_told_from_what_to_what_with_their_notes_and_the_newest_first(school, signed):
    session, one = school.session(), school.students[0]
    ada = signed("ada")
    send(ada, f"/sessions/{session}/people/{one}", code="P", seen="0", note="sat at the back")
    seen = str(school.world.all(schema.mark)[0].id)
    send(ada, f"/sessions/{session}/people/{one}", code="L", late_min="9", seen=seen, note="came in late")
    text = told(ada, session)
    first, last = text.index("P → L"), text.index("no mark → P")
    assert first < last and "Student 000" in text
    assert "sat at the back" in text and "came in late" in text


@rule("LOUGH-9", "LOUGH-7")
def test_handing_over_is_told_with_both_names_and_its_reason(school, signed):
    session = school.session()
    ada = signed("ada")
    send(ada, f"/sessions/{session}/cover", person=str(school.bob), do="give", reason="ill")
    send(ada, f"/sessions/{session}/cover", person=str(school.bob), do="end", reason="well again")
    text = told(ada, session)
    assert "handed over to Bob Lecturer in the place of Ada Lecturer" in text and "ill" in text
    assert "Bob Lecturer does not cover it any more, and is Ada Lecturer's again" in text


@rule("LOUGH-32", "LOUGH-35", "LOUGH-39")
def test_a_request_stands_there_with_who_asked_and_who_applied_it(school, signed):
    session, one = school.aged(2), school.students[0]
    request = made(ask(signed("ada"), session, {one: "P"}, reason="Sat in the last row"))
    decide(signed("rita"), request, "apply", "Seen on the paper list")
    text = told(signed("hedda"), session)
    assert f"request {request} was asked for" in text and "by Ada" in text and "Sat in the last row" in text
    assert f"request {request} was applied" in text and "Seen on the paper list" in text
    assert "A → P" in text and "present, on time" in text and f"by Rita · on request {request}" in text
    old = school.aged(32)
    bursary = made(ask(signed("hedda"), old, {one: "yes"}, kind="bursary", reason="Hardship"))
    decide(signed("fay"), bursary, "apply")
    assert "bursary is granted to Student 000; no mark changes" in told(signed("hedda"), old)


def test_an_erased_text_is_told_as_erased(school, signed):
    session = school.session(profile="port")
    ada = signed("ada")
    send(ada, f"/sessions/{session}/cancel", do="cancel", reason="the lecturer's operation")
    (note,) = school.world.all(schema.note)
    with writing(school.world.engine) as connection:
        notes.erase(connection, school.world.institution_id, [note.id], school.now_ms)
    text = told(ada, session)
    assert "operation" not in text and "the class was cancelled" in text and notes.ERASED in text


def test_it_is_for_those_alone_who_reach_the_register(school, signed):
    session = school.session()
    assert signed("bob").get(f"/sessions/{session}/history").status_code == 404
    for name in ("tess", "fay"):
        assert signed(name).get(f"/sessions/{session}/history").status_code in (403, 404), name
    assert school.world.all(schema_work.history) == []
