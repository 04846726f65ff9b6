"""A to R afterwards, with evidence, in the student's panel (LOUGH-22): attached, bounded, looked through, in scope only."""

import re

import pytest

from server.store import attachments, schema, schema_work
from server.store.chains import walk
from server.store.engine import reading
from tests.rules import rule
from tests.server.filetypes.files import LETTER, png
from tests.server.pages.requesting import Corrected, hidden
from tests.server.pages.school import HOSTILE

pytestmark = rule("LOUGH-22")


@pytest.fixture
def school(tmp_path):
    found = Corrected(tmp_path)
    yield found
    found.close()


@pytest.fixture
def lesson(school):
    """Ended five hours ago, everybody A: within the day in which the lecturer may still make it R."""
    return school.aged(5 / 24)


def panel(visitor, school, session, place=0) -> str:
    return visitor.get(f"/sessions/{session}/people/{school.students[place]}").text


def give(visitor, school, session, *, code="R", note="Ambulance", files=(), place=0, htmx=False):
    """Open the panel and send its form as a browser does, with its files."""
    path = f"/sessions/{session}/people/{school.students[place]}"
    fields = hidden(visitor.get(path).text) | {"code": code, "note": note}
    parts = [("files", (name, content)) for name, content in files] or [("files", ("", b""))]
    return visitor.http.post(path, data=fields, files=parts, headers={"HX-Request": "true"} if htmx else {})


def left(school) -> int:
    folder = attachments.folder_of(school.folder)
    return sum(path.is_file() for path in folder.rglob("*")) if folder.is_dir() else 0


def test_the_panel_takes_a_file_where_the_rule_needs_evidence_and_the_mark_becomes_r(school, signed, lesson):
    ada = signed("ada")
    shown = panel(ada, school, lesson)
    form = next(one for one in re.findall(r"<form.*?</form>", shown, re.S) if 'name="code"' in one)
    assert 'enctype="multipart/form-data"' in form and 'type="file"' in form and 'method="post"' in form
    assert form.index('name="csrf"') < form.index('type="file"'), "no byte of a file is kept before its token"
    for _ in range(2):  # sent twice, it is set and attached once
        answer = give(ada, school, lesson, files=[("doctor.pdf", LETTER)])
        assert answer.status_code == 303 and answer.headers["location"].endswith("said=mark")
    assert school.codes(lesson) == ["R", "A", "A", "A", "A"]
    newest = school.world.all(schema.mark)[-1]
    assert newest.rule == "lough.R.afterwards"
    (file,) = school.world.all(schema_work.attachment)
    assert (file.subject, file.subject_id, file.file_name) == ("mark", newest.id, "doctor.pdf")
    entry = school.world.all(schema_work.history)[-1]
    assert file.sha256 in entry.body and "doctor" not in entry.body
    assert "doctor.pdf" in panel(ada, school, lesson)
    with reading(school.world.engine) as connection:
        assert walk(connection).breaks == []


def test_the_same_mark_with_another_file_is_set_again_and_nothing_is_dropped(school, signed, lesson):
    ada = signed("ada")
    give(ada, school, lesson, files=[("doctor.pdf", LETTER)])
    answer = give(ada, school, lesson, files=[("more.png", png())])
    assert answer.status_code == 303
    shown = panel(ada, school, lesson)
    assert "doctor.pdf" in shown and "more.png" in shown


@pytest.mark.parametrize(
    ("files", "status", "said"),
    [
        ([], 422, "R needs evidence"),
        ([("photo.png", b"<html><script>alert(1)</script></html>")], 422, "web page"),
        ([("letter.pdf", png())], 422, "is called .pdf and is a PNG picture"),
        ([("large.pdf", LETTER + bytes(attachments.SIZE_MOST))], 422, "larger than 10 MB"),
        ([(f"{n}.pdf", LETTER) for n in range(6)], 422, "at most 5 files"),
        ([("good.pdf", LETTER), ("bad.pdf", png())], 422, "is called .pdf"),
    ],
    ids=["none", "a page", "disguised", "too large", "too many", "one of two"],
)
@pytest.mark.parametrize("htmx", [False, True], ids=["no scripts", "htmx"])
def test_what_cannot_be_taken_is_said_in_the_panel_and_nothing_is_kept(
    school, signed, lesson, files, status, said, htmx
):
    answer = give(signed("ada"), school, lesson, files=files, htmx=htmx)
    assert answer.status_code == status and said in answer.text, answer.text[:500]
    assert 'value="Ambulance"' in answer.text, "what was written stays"
    assert ("Choose the files again" in answer.text) == bool(files)
    assert school.codes(lesson) == ["A"] * 5 and left(school) == 0
    assert school.world.all(schema_work.attachment) == []


def test_a_file_for_a_mark_that_is_refused_is_not_kept(school, signed, lesson):
    answer = give(signed("ada"), school, lesson, code="B", files=[("doctor.pdf", LETTER)])
    assert answer.status_code == 422 and "B is set by" in answer.text
    assert left(school) == 0 and school.world.all(schema_work.attachment) == []


def test_where_no_mark_needs_evidence_there_is_no_file_field(school, signed):
    ada = signed("ada")
    running = school.session(starts_min=-20)
    text = panel(ada, school, running)
    assert 'name="code"' in text and 'type="file"' not in text and "multipart" not in text
    old = school.aged(3)  # past the day after: by request, with its own files
    assert 'type="file"' not in panel(ada, school, old)


@pytest.mark.parametrize(
    ("name", "status"),
    [("ada", 200), ("rita", 200), ("hedda", 200), ("otto", 200), ("cora", 200), ("bob", 404), ("fay", 404)],
)
def test_the_file_is_handed_out_in_scope_only(school, signed, lesson, name, status):
    give(signed("ada"), school, lesson, files=[("doctor.pdf", LETTER)])
    file = school.world.all(schema_work.attachment)[0].id
    answer = signed(name).get(f"/attachments/{file}")
    assert answer.status_code == status
    if status == 200:
        assert answer.content == LETTER and answer.headers["content-disposition"].startswith("attachment")


def test_who_teaches_it_too_sees_that_there_is_evidence_and_does_not_open_it(school, signed):
    lesson = school.aged(5 / 24, staff=[school.ada, school.bob])
    give(signed("ada"), school, lesson, files=[("doctor.pdf", LETTER)])
    bob = signed("bob")
    shown = panel(bob, school, lesson)
    assert "evidence, for those who decide" in shown and "doctor.pdf" not in shown
    assert bob.get(f"/attachments/{school.world.all(schema_work.attachment)[0].id}").status_code == 404


def test_marking_several_says_to_open_the_student_and_htmx_opens_the_panel(school, signed, lesson):
    ada, student = signed("ada"), school.students[0]
    mark = next(row.id for row in school.world.all(schema.mark) if row.person_id == student)
    sent = {"csrf": ada.csrf("/today"), "set": f"{student}.{mark}.R"}
    answer = ada.post(f"/sessions/{lesson}/marks", sent)
    assert answer.status_code == 422 and "Open the student to give them" in answer.text
    answer = ada.post(f"/sessions/{lesson}/marks", sent, htmx=True)
    assert f"{student}.R" in answer.headers["hx-trigger-after-settle"]


def test_without_the_logins_token_nothing_of_the_file_is_kept(school, signed, lesson):
    ada = signed("ada")
    path = f"/sessions/{lesson}/people/{school.students[0]}"
    answer = ada.http.post(
        path, data={"csrf": "wrong", "code": "R", "note": HOSTILE, "seen": "0"}, files=[("files", ("a.pdf", LETTER))]
    )
    assert answer.status_code == 403 and left(school) == 0 and school.codes(lesson) == ["A"] * 5
