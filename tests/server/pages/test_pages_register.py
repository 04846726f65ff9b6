"""The live register: what stands on it, in what order, what changes while it is open, and marks set by hand."""

import re

from sqlalchemy import event

from server.store import page_register, schema
from server.store.engine import reading, writing
from tests.rules import rule
from tests.server.pages.school import HOSTILE, version_of
from tests.server.store_world import MIN


def line_of(text: str, person: int) -> str:
    """A student's row, without its tags."""
    row = re.search(rf'<tr id="p{person}".*?</tr>', text, re.S)[0]
    return " ".join(re.sub(r"<[^>]+>", " ", row).split())


def summary_of(text: str) -> str:
    found = re.search(r'<section id="summary".*?</section>', text, re.S)[0]
    return " ".join(re.sub(r"<[^>]+>", " ", found).split())


def shown(visitor, session: int):
    answer = visitor.get(f"/sessions/{session}")
    assert answer.status_code == 200
    return answer.text


def set_mark(visitor, session: int, person: int, **fields: str):
    """Open the panel and send its form."""
    path = f"/sessions/{session}/people/{person}"
    text = visitor.get(path, htmx=True).text
    hidden = dict(re.findall(r'name="(csrf|seen)" value="([^"]*)"', text))
    return visitor.post(path, hidden | fields)


@rule("LOUGH-6", "STEP-4")
def test_a_register_shows_full_names_course_code_title_start_and_end(school, signed):
    session = school.session("Compilers")
    text = shown(signed("ada"), session)
    for wanted in ("Student 000", "CS101", "Compilers", "10:00 – 11:00", "Monday 5 October 2026", "R0", "Ada Lecturer"):
        assert wanted in text


def test_students_stand_in_order_of_family_name(school, signed):
    people = [school.person(name) for name in ("Zoë Adams", "Ann Öz", "Bea adams")]
    for person in people:
        school.world.enrol(school.group, person)
    session = school.session()
    text = shown(signed("ada"), session)
    ids = [int(found) for found in re.findall(r'<tr id="p(\d+)"', text)]
    # The numbered ones; adams, Bea; adams, Zoë; Öz
    assert ids == [*school.students, people[2], people[0], people[1]]


def test_names_and_titles_are_text_whatever_they_hold(school, signed):
    school.world.enrol(school.group, school.person(HOSTILE))
    session = school.session(HOSTILE)
    visitor = signed("ada")
    person = max(school.world.all(schema.person_name, "person_id"))[0]
    set_mark(visitor, session, person, code="P", note=HOSTILE)
    with writing(school.world.engine) as connection:
        connection.execute(
            schema.person_external_id.insert().values(
                institution_id=school.world.institution_id, person_id=person, source="identifier", external_id=HOSTILE,
                from_ms=0,
            )
        )  # fmt: skip
    for path in ("/today", f"/sessions/{session}", f"/sessions/{session}/people/{person}"):
        text = visitor.get(path).text
        assert "<script>alert" not in text and "&lt;script&gt;alert" in text
        assert "{{7*7}}" in text and "49}" not in text
    live = visitor.get(f"/sessions/{session}/live?v=none", htmx=True).text
    assert "<script>alert" not in live and "&lt;script&gt;alert" in live


def test_an_open_register_is_answered_with_nothing_while_nothing_changes(school, signed):
    session = school.session()
    visitor = signed("ada")
    version = version_of(shown(visitor, session))
    answer = visitor.get(f"/sessions/{session}/live?v={version}", htmx=True)
    assert answer.status_code == 204 and answer.content == b""


def test_only_the_rows_that_changed_are_sent_and_newly_tapped_ones_say_so(school, signed):
    session = school.session(starts_min=-2)
    board = school.reader()
    school.tap(board, 0)
    visitor = signed("ada")
    version = version_of(shown(visitor, session))
    school.tap(board, 1)
    answer = visitor.get(f"/sessions/{session}/live?v={version}", htmx=True)
    assert answer.status_code == 200
    assert re.findall(r'<tr id="p(\d+)"', answer.text) == [str(school.students[1])]
    assert 'class="fresh"' in answer.text and "just now" in answer.text
    assert "P present, on time just now" in line_of(answer.text, school.students[1])
    assert summary_of(answer.text).startswith("Present 2 of 5")
    # And then nothing again, from the version that came with it.
    again = version_of(answer.text)
    assert again != version
    assert visitor.get(f"/sessions/{session}/live?v={again}", htmx=True).status_code == 204
    # Once loaded, nobody is new any more.
    assert "just now" not in shown(visitor, session)


def test_a_page_that_shows_what_the_server_forgot_gets_all_rows(school, signed):
    session = school.session()
    visitor = signed("ada")
    for version in ("", "x", "0123456789abcdef-0123456789ab", "-", "é" * 400):
        answer = visitor.http.get(f"/sessions/{session}/live", params={"v": version})
        assert answer.status_code == 200
        assert len(re.findall(r'<tr id="p', answer.text)) == 5
        assert 'id="rows"' in answer.text and 'hx-swap-oob="true"' in answer.text


def test_a_student_who_joins_the_list_appears_while_the_register_is_open(school, signed):
    session = school.session()
    visitor = signed("ada")
    version = version_of(shown(visitor, session))
    school.world.enrol(school.group, school.person("Late Comer"))
    # A change of lists need not raise the version at once: the page is read again all the same after some seconds.
    school.now_ms += 16_000
    answer = visitor.get(f"/sessions/{session}/live?v={version}", htmx=True)
    assert "Late Comer" in answer.text and len(re.findall(r'<tr id="p', answer.text)) == 6


def test_late_shows_its_minutes_where_the_profile_says_so(school, signed):
    # LOUGH-14; PORT-5: the same tap is never late elsewhere
    late, never = school.session(starts_min=-7), school.session(starts_min=-7, room=1, profile="port")
    school.tap(school.reader("a-1", room=0), 0)
    school.now_ms += 5 * MIN
    school.tap(school.reader("a-2", room=1), 0)
    visitor = signed("ada")
    assert "L late, 7 min" in line_of(shown(visitor, late), school.students[0])
    assert "P present 10:" in line_of(shown(visitor, never), school.students[0])
    assert "of them late 1" in summary_of(shown(visitor, late))
    assert "late" not in summary_of(shown(visitor, never))


def test_taps_that_marked_nobody_are_counted_and_never_named(school, signed):
    session = school.session(starts_min=-2)
    school.person("Stranger Danger", bytes([4, 99, 99, 9]))
    board = school.reader()
    school.tap(board, bytes([4, 99, 99, 9]))
    school.tap(board, bytes([4, 77, 77, 9]))
    text = shown(signed("ada"), session)
    assert "1 with a card that Muster does not know, 1 by somebody who is not on this list" in summary_of(text)
    assert "Stranger" not in text
    assert "Stranger" not in signed("ada").get(f"/sessions/{session}/class").text


def test_the_evidence_is_said_in_plain_words(school, signed):
    visitor = signed("ada")
    session = school.session(starts_min=-30, minutes=40, profile="port")
    assert "No reader stands at a door of this session" in summary_of(shown(visitor, session))
    board = school.reader()
    school.deliver(*board.lines, board.hello(), board.head(school.now_ms))
    assert "Marking is open until 10:30" in summary_of(shown(visitor, session))
    school.now_ms += 3 * MIN
    assert "The reader at R0 was last heard 10:20: cards tapped since then show" in summary_of(shown(visitor, session))
    school.now_ms += 10 * MIN
    said = summary_of(shown(visitor, session))
    assert "Absences are not known yet: the reader at R0 was last heard 10:20" in said
    assert "evidence pending" in visitor.get("/today").text
    coming = school.session("Later", starts_min=100)
    assert "Marking opens at 11:43: the light at the door turns blue" in summary_of(shown(visitor, coming))


def test_a_cancelled_session_asks_for_nothing(school, signed):
    session = school.session(cancelled_ms=1)
    visitor = signed("ada")
    assert "Nobody has to be marked" in summary_of(shown(visitor, session))
    assert "cancelled" in visitor.get("/today").text


@rule("STEP-18")
def test_marks_wait_for_verification_and_who_has_none_is_shown_present_until_then(school, signed):
    session = school.session(starts_min=-2, profile="step")
    board = school.reader()
    school.tap(board, 0)
    school.tap(board, 1)
    visitor = signed("ada")
    text = shown(visitor, session)
    assert "5 marks do not count yet" in summary_of(text) and "Verify 5 marks" in text
    assert "3 of them are P without a card" in summary_of(text)
    assert "to verify" in line_of(text, school.students[0])
    assert "not seen yet: present by default" in line_of(text, school.students[4])
    assert school.world.marks().get((session, school.students[4])) is None, "shown, and no mark"
    set_mark(visitor, session, school.students[3], code="A")
    assert "not verified" in visitor.get("/today").text
    token = visitor.csrf("/today")
    for _ in range(2):  # pressed twice
        answer = visitor.post(f"/sessions/{session}/verify", {"csrf": token})
        assert answer.headers["location"] == f"/sessions/{session}?said=verified"
    text = shown(visitor, session)
    assert "Verified 10:20 by Ada" in summary_of(text) and "to verify" not in text
    assert [school.world.marks()[session, one][0] for one in school.students] == ["P", "P", "P", "A", "P"]
    assert len(school.world.all(schema.mark)) == 7, "two taps, one by hand, two verified, two saved as shown: once"
    saved = [row for row in school.world.all(schema.mark) if row.rule == "step.shown"]
    assert len(saved) == 2 and all(row.verified and row.by_account_id == school.accounts["ada"] for row in saved)
    assert ">verified<" in visitor.get("/today").text
    assert len([row for row in school.world.all(schema.audit) if row.action == "register.verify"]) == 1
    # Whoever comes onto the list later waits again; a card that comes later changes nothing of what was saved.
    school.tap(board, 2)
    assert "do not count yet" not in summary_of(shown(visitor, session))
    school.world.enrol(school.group, school.person("Late Starter"))
    assert "1 mark does not count yet" in summary_of(shown(visitor, session))


def test_nothing_is_to_be_verified_where_the_profile_does_not_want_it(school, signed):
    session = school.session(profile="port")
    assert "verif" not in shown(signed("ada"), session)


def test_a_mark_set_by_hand_is_appended_with_who_and_why(school, signed):
    # LOUGH-7
    session = school.session(starts_min=-2)
    board = school.reader()
    school.tap(board, 0)
    visitor, person = signed("ada"), school.students[0]
    answer = set_mark(visitor, session, person, code="L", late_min="12", note="train stood still")
    assert answer.headers["location"] == f"/sessions/{session}?said=mark"
    text = shown(visitor, session)
    assert "L late, 12 min by hand" in line_of(text, person)
    panel = visitor.get(f"/sessions/{session}/people/{person}", htmx=True).text
    happened = panel.partition("<h3>What happened</h3>")[2]
    steps = [" ".join(re.sub(r"<[^>]+>", " ", step).split()) for step in re.findall(r"<li>.*?</li>", happened, re.S)]
    assert steps[0] == "10:20 · L – late, 12 min set by Ada · “train stood still”"
    assert steps[1].startswith("10:20 · P – present, on time card tapped at 10:20:00 · rule lough.present")
    assert [row.code for row in school.world.all(schema.mark)] == ["P", "L"]
    # LOUGH-16: the reason stands in the history only, not where the class may see it
    assert "train" not in text


def test_a_form_sent_twice_sets_one_mark(school, signed):
    session = school.session()
    visitor, person = signed("ada"), school.students[0]
    path = f"/sessions/{session}/people/{person}"
    hidden = dict(re.findall(r'name="(csrf|seen)" value="([^"]*)"', visitor.get(path, htmx=True).text))
    for _ in range(2):
        assert visitor.post(path, hidden | {"code": "P", "note": "x"}, htmx=True).status_code == 200
    assert len(school.world.all(schema.mark)) == 1


def test_a_mark_that_changed_meanwhile_is_asked_again(school, signed):
    session = school.session(starts_min=-2, staff=[school.ada, school.bob])
    ada, bob, person = signed("ada"), signed("bob"), school.students[0]
    path = f"/sessions/{session}/people/{person}"
    hidden = dict(re.findall(r'name="(csrf|seen)" value="([^"]*)"', ada.get(path, htmx=True).text))
    set_mark(bob, session, person, code="E")
    answer = ada.post(path, hidden | {"code": "A"}, htmx=True)
    assert answer.status_code == 422 and "Student 000 was set to E by Bob while you looked" in answer.text
    assert [row.code for row in school.world.all(schema.mark)] == ["E"]


def test_what_cannot_be_set_is_said_and_nothing_is_set(school, signed):
    session = school.session()
    visitor, person = signed("ada"), school.students[0]
    for fields, told in (
        ({"code": "XX"}, "Choose one of the marks"),
        ({"code": "L"}, "how many minutes"),
        ({"code": "L", "late_min": "-1"}, "whole number"),
        ({"code": "L", "late_min": "1e3"}, "whole number"),
        ({"code": "L", "late_min": "9999"}, "whole number"),
        ({"code": "L", "early_min": "٣"}, "whole number"),
    ):
        answer = set_mark(visitor, session, person, **fields)
        assert answer.status_code == 422 and told in answer.text, fields
    assert school.world.all(schema.mark) == []


def test_a_mark_can_be_taken_away_by_hand(school, signed):
    session = school.session()
    visitor, person = signed("ada"), school.students[0]
    set_mark(visitor, session, person, code="P")
    set_mark(visitor, session, person, code="", note="mixed up")
    assert "not seen" in line_of(shown(visitor, session), person) or "not marked" in line_of(
        shown(visitor, session), person
    )
    assert [row.code for row in school.world.all(schema.mark)] == ["P", None]


def test_somebody_who_is_not_on_the_register_cannot_be_marked(school, signed):
    session = school.session()
    visitor = signed("ada")
    outsider = school.person("Out Sider")
    assert visitor.get(f"/sessions/{session}/people/{outsider}").status_code == 404
    token = visitor.csrf("/today")
    answer = visitor.post(f"/sessions/{session}/people/{outsider}", {"csrf": token, "seen": "0", "code": "P"})
    assert answer.status_code == 404 and "Out Sider" not in answer.text
    assert school.world.all(schema.mark) == []


def test_covered_and_shared_sessions_stand_among_my_registers(school, signed):
    # LOUGH-9, LOUGH-10
    school.session("Shared", staff=[school.ada, school.bob])
    covered = school.session("Covered", starts_min=60)
    with writing(school.world.engine) as connection:
        connection.execute(
            schema.session_staff.update().where(schema.session_staff.c.session_id == covered).values(role="cover")
        )
    text = signed("ada").get("/today").text
    assert "Shared" in text and "with 1 more" in text and "Covered" in text and "<strong>cover</strong>" in text
    assert "Shared" in signed("bob").get("/today").text


def test_the_days_are_the_institutions_own(school, signed):
    # 23:30 UTC on Sunday is 00:30 on Monday in London's summer
    school.session("Night owl", starts_min=-590)
    visitor = signed("ada")
    assert "Night owl" in visitor.get("/today").text and "00:30" in visitor.get("/today").text
    assert "Night owl" not in visitor.get("/today?day=2026-10-04").text
    assert "Monday 5 October 2026" in visitor.get("/today?day=nonsense").text


def test_marks_by_hand_count_as_present_on_the_list_of_sessions(school, signed):
    session = school.session()
    visitor = signed("ada")
    set_mark(visitor, session, school.students[0], code="P")
    set_mark(visitor, session, school.students[1], code="A")
    assert ">1 of 5<" in visitor.get("/today").text


def test_a_register_takes_the_same_few_queries_however_long_it_is(school, signed):
    session = school.session(starts_min=-2)
    school.reader()
    visitor = signed("ada")
    counted = []
    event.listen(school.world.engine, "before_cursor_execute", lambda *args: counted.append(args[2]))
    lengths, polls = [], []
    for _ in range(2):
        counted.clear()
        version = version_of(shown(visitor, session))
        lengths.append(len(counted))
        counted.clear()
        assert visitor.get(f"/sessions/{session}/live?v={version}", htmx=True).status_code == 204
        polls.append(len(counted))
        for n in range(20):
            school.world.enrol(school.group, school.person(f"More {n}"))
    assert lengths[0] == lengths[1] <= 25
    assert polls[0] == polls[1] <= 8


def test_a_marks_history_never_leaves_its_session(school):
    session, other = school.session(), school.session(starts_min=100)
    with reading(school.world.engine) as connection:
        assert page_register.history(connection, session, school.students[0]) == []
        assert page_register.doors_of(connection, other) == []
