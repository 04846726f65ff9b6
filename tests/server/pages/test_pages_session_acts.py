"""What is done with a register beside marking it: cancel, cover, reports, messages; and the class's view."""

import re
from email import message_from_bytes
from email.policy import default

import pytest

from server.outbox import Outbox
from server.store import schema, schema_work
from server.store.engine import writing
from tests.server.pages.register_desk import plain, rows, send
from tests.server.pages.registry_form import form_of
from tests.server.store_world import MIN

# --- what the door says otherwise -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "codes"), [("accept", ["A", "P"]), ("refuse", ["A"])])
def test_what_the_door_says_is_taken_or_not(school, signed, answer, codes):
    session = school.session(starts_min=-2)
    board, visitor, person = school.reader(), signed("ada"), school.students[0]
    path = f"/sessions/{session}/people/{person}"
    send(visitor, path, seen="0", code="A")
    school.tap(board, 0)
    panel = visitor.get(path, htmx=True).text
    assert "The door says <strong>P</strong>" in panel
    seen = re.search(r'name="seen" value="(\d+)"', panel)[1]
    wrong = send(visitor, f"{path}/proposal", answer=answer, seen="0")
    assert wrong.status_code == 409
    for _ in range(2):
        assert send(visitor, f"{path}/proposal", answer=answer, seen=seen).status_code == 303
    assert [row.code for row in rows(school, schema.mark)] == codes
    assert "The door says" not in visitor.get(path, htmx=True).text
    told = [row.kind for row in rows(school, schema_work.history)].count("refuse-proposal")
    assert told == (1 if answer == "refuse" else 0)


# --- cancel, cover, reports -------------------------------------------------------------------------------------------


@pytest.mark.rule("LOUGH-11", "LOUGH-D")
def test_a_class_is_cancelled_with_a_reason_and_that_is_taken_back(school, signed):
    session = school.session(starts_min=-7)
    visitor = signed("ada")
    answer = send(visitor, f"/sessions/{session}/cancel", do="cancel", reason=" ")
    assert answer.status_code == 422 and "Say why" in answer.text and rows(school, schema.mark) == []
    for _ in range(2):
        answer = send(visitor, f"/sessions/{session}/cancel", do="cancel", reason="no substitute")
        assert answer.headers["location"].endswith("said=cancelled")
    assert [row.code for row in rows(school, schema.mark)] == ["D"] * 5
    text = visitor.get(f"/sessions/{session}").text
    assert "Nobody has to be marked" in text and 'name="set"' not in text and "no substitute" not in text
    assert "This class is cancelled" in visitor.get(f"/sessions/{session}/class").text
    send(visitor, f"/sessions/{session}/cancel", do="restore", reason="she came after all")
    assert "not seen yet" in visitor.get(f"/sessions/{session}").text


@pytest.mark.rule("LOUGH-11")
@pytest.mark.parametrize("minutes", [-7, -200])
def test_on_the_register_of_a_cancelled_class_nobody_is_waited_for(school, signed, minutes):
    session = school.session(starts_min=minutes, profile="port", cancelled_ms=school.now_ms - 1)
    text = plain(signed("ada").get(f"/sessions/{session}").text)
    assert text.count("class cancelled") == len(school.students) and "not seen" not in text


@pytest.mark.rule("LOUGH-11")
def test_a_class_that_somebody_marks_meanwhile_is_not_cancelled_over_their_marks(school, signed):
    session = school.session(starts_min=-7, staff=[school.ada, school.bob])
    path, ada = f"/sessions/{session}/cancel", signed("ada")
    fields = form_of(ada.get(path).text, path) | {"do": "cancel", "reason": "nobody came"}
    send(signed("bob"), f"/sessions/{session}/marks", set=f"{school.students[0]}.0.P")
    answer = ada.post(path, fields)
    assert answer.status_code == 422 and "set by hand while you looked" in answer.text and "nobody came" in answer.text
    assert [row.code for row in rows(school, schema.mark)] == ["P"]
    again = form_of(answer.text, path) | {"do": "cancel"}
    assert ada.post(path, again).headers["location"].endswith("said=cancelled")
    assert {row.code for row in rows(school, schema.mark)} == {"P", "D"}


@pytest.mark.rule("LOUGH-9")
def test_a_session_handed_over_is_on_the_colleagues_list_and_theirs_to_mark(school, signed):
    session = school.session("Handed over", starts_min=-7)
    ada, bob = signed("ada"), signed("bob")
    assert bob.get(f"/sessions/{session}").status_code == 404
    page = ada.get(f"/sessions/{session}/cover").text
    assert "Bob Lecturer" in page and "Ada Lecturer" not in page and "Student" not in page
    missing = send(ada, f"/sessions/{session}/cover", do="give")
    assert missing.status_code == 422 and "Choose the colleague" in missing.text
    for _ in range(2):
        answer = send(ada, f"/sessions/{session}/cover", person=str(school.bob), do="give", reason="ill")
        assert answer.headers["location"].endswith("said=covered")
    assert "Handed over" in bob.get("/today").text and "<strong>cover</strong>" in bob.get("/today").text
    assert send(bob, f"/sessions/{session}/marks", set=f"{school.students[0]}.0.P").status_code == 303
    # From then on Ada reads it: the page says so, and offers nothing that is Bob's now.
    text = ada.get(f"/sessions/{session}").text
    assert "handed this session over to Bob Lecturer" in plain(text) and "Take it back" in text
    assert 'name="set"' not in text and f"/sessions/{session}/cancel" not in text
    assert "<strong>handed over</strong>" in ada.get("/today").text
    assert send(ada, f"/sessions/{session}/marks", set=f"{school.students[1]}.0.P").status_code == 404
    assert ada.get(f"/sessions/{session}/people/{school.students[0]}").status_code == 200
    assert "Take it back" in ada.get(f"/sessions/{session}/cover").text
    send(ada, f"/sessions/{session}/cover", person=str(school.bob), do="end")
    assert send(ada, f"/sessions/{session}/marks", set=f"{school.students[1]}.0.P").status_code == 303
    assert [row.role for row in rows(school, schema.session_staff) if row.to_ms is None] == ["lecturer"]


def test_somebody_who_teaches_nothing_cannot_cover(school, signed):
    session = school.session()
    answer = send(signed("ada"), f"/sessions/{session}/cover", person=str(school.students[0]), do="give")
    assert answer.status_code == 422 and "choose a colleague" in answer.text.lower()


@pytest.mark.rule("LOUGH-5", "LOUGH-12")
@pytest.mark.parametrize(("kind", "said"), [("not-mine", "not my register"), ("it-fault", "IT fault")])
def test_one_click_tells_the_registers_team_and_a_second_tells_nothing_more(school, signed, kind, said):
    session = school.session()
    visitor = signed("ada")
    button = re.search(rf'<form method="post" action="([^"]*)">[^\n]*?<button name="kind" value="{kind}"', visitor.get(f"/sessions/{session}").text)  # fmt: skip
    for _ in range(2):
        assert send(visitor, button[1], kind=kind).headers["location"].endswith("said=told")
    assert [row.kind for row in rows(school, schema_work.register_report)] == [kind]
    assert f"{said} told by Ada, 10:20" in plain(visitor.get(f"/sessions/{session}").text)


@pytest.mark.rule("LOUGH-5")
def test_an_it_fault_is_told_to_those_who_tend_the_doors_too_until_it_is_seen_to(school, signed):
    session, other = school.session(room=1), school.session("Other")
    ada, admin, tess = signed("ada"), signed("admin"), signed("tess")
    send(ada, f"/sessions/{other}/report", kind="not-mine")
    assert "it-fault" not in tess.get("/doors").text
    send(ada, f"/sessions/{session}/report", kind="it-fault")
    page = tess.get("/doors").text
    assert "it-fault" in page and "a register at R1 cannot be marked" in page and "Ada" not in page
    shown = admin.get("/compliance/reports").text
    for path in re.findall(r'action="(/compliance/reports/\d+/close)"', shown):
        send(admin, path)
    assert "it-fault" not in tess.get("/doors").text


@pytest.mark.rule("STEP-12")
def test_a_remark_is_kept_once_and_not_for_the_class_to_see(school, signed):
    session = school.session()
    visitor = signed("ada")
    for _ in range(2):
        send(visitor, f"/sessions/{session}/remarks", text="fire alarm at half past")
    assert len(rows(school, schema_work.remark)) == 1
    assert "fire alarm at half past" in visitor.get(f"/sessions/{session}").text
    assert "fire alarm" not in visitor.get(f"/sessions/{session}/class").text


@pytest.mark.rule("LOUGH-C")
def test_a_completed_learner_is_told_of_in_the_registers_teams_inbox(school, signed):
    session = school.session("Computing", starts_min=-7)
    ada, admin = signed("ada"), signed("admin")
    send(ada, f"/sessions/{session}/marks", set=f"{school.students[0]}.0.C")
    shown = plain(admin.get("/compliance/reports").text)
    assert "Computing" in shown and "somebody has completed (C): tell the exams team" in shown
    assert "Student 000" not in shown
    assert "completed, for the exams team told by Ada" in plain(ada.get(f"/sessions/{session}").text)


# --- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.rule("STEP-6")
def test_a_message_goes_to_each_student_once_and_says_who_has_no_address(school, signed, tmp_path):
    session = school.session(starts_min=-7)
    visitor, people = signed("ada"), school.students
    for person, address in ((people[0], "one@example.org"), (people[1], "two@example.org\nBcc: all@example.org")):
        school.world.insert(schema.person_contact, person_id=person, kind="email", value=address, from_ms=0)
    send(visitor, f"/sessions/{session}/marks", set=f"{people[4]}.0.A")
    fields = {"to": "unmarked", "subject": "Room\nchanged", "text": "We meet in R1. Café at 9."}
    for _ in range(2):
        answer = send(visitor, f"/sessions/{session}/notify", **fields)
        assert answer.headers["location"].endswith("said=sent")
    assert sorted(row.to_person_id for row in rows(school, schema_work.message)) == people[:4]
    outbox = Outbox(tmp_path / "outbox")
    assert outbox.work(school.world.engine, school.now_ms) == 1
    assert outbox.work(school.world.engine, school.now_ms) == 0
    (path,) = (tmp_path / "outbox").iterdir()
    mail = message_from_bytes(path.read_bytes(), policy=default)
    assert (mail["To"], mail["Subject"]) == ("one@example.org", "Room changed")
    assert "Café at 9." in mail.get_content()
    why = {row.to_person_id: row.failed_why for row in rows(school, schema_work.message)}
    assert why == {people[0]: None, people[1]: "bad-address", people[2]: "no-address", people[3]: "no-address"}
    assert "4 students; 3 have no mail address" in plain(visitor.get(f"/sessions/{session}/notify").text)


@pytest.mark.rule("STEP-6")
def test_the_same_words_to_others_go_to_those_and_to_nobody_twice(school, signed):
    session = school.session(starts_min=-7)
    ada, people = signed("ada"), school.students
    send(ada, f"/sessions/{session}/marks", set=f"{people[4]}.0.A")
    for to in ("absent", "all", "all"):
        answer = send(ada, f"/sessions/{session}/notify", to=to, subject="Room", text="R1")
        assert answer.headers["location"].endswith("said=sent")
    told = [row.to_person_id for row in rows(school, schema_work.message)]
    assert told == [people[4], *people[:4]]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"to": "all", "subject": "", "text": "x"}, "subject and a text"),
        ({"to": "everyone", "subject": "x", "text": "x"}, "choose to whom"),
        ({"to": "absent", "subject": "x", "text": "x"}, "nobody of whom"),
        ({"to": "all", "subject": "x" * 121, "text": "x"}, "121 characters, and 120 are taken"),
        ({"to": "all", "subject": "x", "text": "x" * 4001}, "4001 characters, and 4000 are taken"),
    ],
)
def test_a_message_that_cannot_go_says_why_and_keeps_its_text(school, signed, fields, told):
    session = school.session(starts_min=-7)
    answer = send(signed("ada"), f"/sessions/{session}/notify", **fields)
    assert answer.status_code == 422 and told in answer.text.lower()
    assert fields["text"] in answer.text
    assert rows(school, schema_work.message) == []


@pytest.mark.rule("STEP-6")
def test_a_message_of_full_length_goes_whole(school, signed):
    session = school.session(starts_min=-7)
    text = "A long message. " * 249 + "The end."
    answer = send(signed("ada"), f"/sessions/{session}/notify", to="all", subject="s" * 120, text=text)
    assert answer.headers["location"].endswith("said=sent")
    assert {(row.subject, row.text) for row in rows(school, schema_work.message)} == {("s" * 120, text)}


def test_a_mail_that_was_written_and_not_noted_is_written_to_the_same_file(school, tmp_path, signed):
    session = school.session(starts_min=-7)
    school.world.insert(schema.person_contact, person_id=school.students[0], kind="email", value="a@example.org",
                        from_ms=0)  # fmt: skip
    send(signed("ada"), f"/sessions/{session}/notify", to="all", subject="s", text="t")
    outbox = Outbox(tmp_path / "outbox")
    outbox.work(school.world.engine, school.now_ms)
    with writing(school.world.engine) as connection:  # a crash between the file and the commit
        connection.execute(schema_work.message.update().values(sent_ms=None))
    outbox.work(school.world.engine, school.now_ms)
    assert len(list((tmp_path / "outbox").iterdir())) == 1


# --- the class, the LMS, lateness -------------------------------------------------------------------------------------


@pytest.mark.rule("LOUGH-16")
def test_what_a_class_may_see_names_who_is_here_and_no_mark_minute_or_reason(school, signed):
    session = school.session(starts_min=-7)
    visitor, people = signed("ada"), school.students
    school.tap(school.reader(), 0)
    send(visitor, f"/sessions/{session}/people/{people[1]}", seen="0", code="L", late_min="9", note="overslept")
    send(visitor, f"/sessions/{session}/people/{people[2]}", seen="0", code="A", note="no message")
    text = visitor.get(f"/sessions/{session}/class").text
    assert "Student 000" in text and "Student 001" in text
    assert "Student 002" not in text
    shown = plain(text[text.index("<main") :]).lower()
    for hidden in ("late", "overslept", "9 min", "no message", "absen", "10:20"):
        assert hidden not in shown, hidden
    # On the register itself no reason stands either.
    assert "overslept" not in visitor.get(f"/sessions/{session}").text
    version = re.search(r"\?v=([0-9a-f]+)", text)[1]
    assert visitor.get(f"/sessions/{session}/class/live?v={version}").status_code == 204


@pytest.mark.rule("STEP-7")
@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://lms.example.org/course?id=7", True),
        ("http://lms.example.org/", False),
        ("javascript:alert(1)", False),
        ("https:\\\\evil", False),
        (None, False),
    ],
)
def test_a_link_leads_to_the_lms_if_it_is_safe(school, signed, address, shown):
    session = school.session()
    with writing(school.world.engine) as connection:
        connection.execute(schema.course.update().values(lms_url=address))
    text = signed("ada").get(f"/sessions/{session}").text
    assert ("Open the LMS" in text) is shown
    assert "javascript:" not in text


@pytest.mark.rule("LOUGH-15")
def test_whoever_is_late_again_and_again_is_reported_without_reasons_and_to_their_own_staff_only(school, signed):
    ada, bob = signed("ada"), signed("bob")
    person, other = school.students[:2]
    for n in range(3):
        session = school.session(f"Lesson {n}", starts_min=-7 - n * 30, minutes=25)
        for one in (person,) if n else (person, other):
            send(ada, f"/sessions/{session}/people/{one}", seen="0", code="L", late_min="7", note="bus")
    text = ada.get("/lateness").text
    assert "Student 000" in text and "Student 001" not in text and "bus" not in text
    assert "Late 3 times or more in 28 days" in plain(text) and "two ledgers" not in plain(text)
    assert "Student 001" in ada.get("/lateness?all=1").text
    assert "Student 000" not in bob.get("/lateness?all=1").text
    # 28 days later it is past.
    assert "Student 000" not in ada.get("/lateness?day=2026-11-02&all=1").text


@pytest.mark.rule("LOUGH-15")
def test_whoever_left_early_was_not_late(school, signed):
    ada, person = signed("ada"), school.students[0]
    for n in range(3):
        session = school.session(f"Lesson {n}", starts_min=-37 - n * 30, minutes=25)
        send(ada, f"/sessions/{session}/people/{person}", seen="0", code="L", early_min="9")
    assert "Student 000" not in ada.get("/lateness?all=1").text
    for late_min, listed in (("4", False), ("6", True)):
        send(ada, f"/sessions/{session}/people/{person}", seen=str(len(rows(school, schema.mark))), code="L",
             late_min=late_min, early_min="9")  # fmt: skip
        assert ("Student 000" in ada.get("/lateness?all=1").text) == listed, "late is from five minutes on (LOUGH-14)"


def test_a_reader_that_was_down_is_a_fact_on_the_register(school, signed):
    session = school.session(starts_min=-30)
    board = school.reader()
    school.deliver(*board.lines)
    (reader,) = (row.id for row in rows(school, schema.reader))
    school.world.insert(schema.outage, session_id=session, reader_id=reader, from_ms=school.now_ms - 20 * MIN,
                        to_ms=school.now_ms - 5 * MIN, why="dead", created_ms=school.now_ms)  # fmt: skip
    said = plain(signed("ada").get(f"/sessions/{session}").text)
    assert "The reader a-101 was off from 10:00 to 10:15. This is never held against a student." in said


PATHS = ("add", "taps", "cancel", "cover", "notify", "class", "report", "remarks", "marks", "verify")


@pytest.mark.parametrize("path", PATHS)
def test_none_of_this_is_for_somebody_elses_session(school, signed, path):
    session = school.session(starts_min=-7)
    bob = signed("bob")
    if path not in ("report", "remarks", "marks", "verify"):
        assert bob.get(f"/sessions/{session}/{path}").status_code == 404
    if path not in ("taps", "class"):
        assert send(bob, f"/sessions/{session}/{path}", kind="not-mine").status_code == 404


@pytest.mark.parametrize("path", ["add", "cancel", "cover", "notify", "report", "remarks", "marks", "verify"])
def test_a_form_from_another_login_changes_nothing(school, signed, path):
    session = school.session(starts_min=-7)
    answer = signed("ada").post(f"/sessions/{session}/{path}", {"csrf": "x", "kind": "not-mine", "reason": "x"})
    assert answer.status_code == 403
    assert rows(school, schema.mark) == [] and rows(school, schema_work.register_report) == []
