"""The student's page, absences and lost cards, through their real forms."""

import base64

import pytest
from fastapi.testclient import TestClient

from firmware.contract import roster
from server.store import gateways, registers, schema, schema_work
from server.store.engine import writing
from tests.rules import rule
from tests.server.pages.care_school import day, fill_in, form_to, marks, people, send, words
from tests.server.pages.school import HOSTILE

PAGES = ("/me", "/me/absence", "/me/card", "/absences", "/absences/new", "/trips", "/trips/new", "/paper")


@pytest.fixture
def school(school):
    people(school)
    return school


@rule("PORT-12")
def test_a_student_is_not_led_to_a_form_that_wants_no_report_of_one_class(school, signed):
    session = school.session(starts_min=60, profile="port")
    sam = signed("sam")
    page = sam.get("/me").text
    assert "I cannot come" not in page and "Report an absence" in page
    answer = fill_in(sam, f"/me/absence?session={session}", reason="Ill")
    assert answer.status_code == 422 and "This is not reported here. Up to 7 days need no report" in answer.text


@rule("LOUGH-19", "LOUGH-R")
def test_a_student_reports_an_absence_and_staff_of_the_class_approve_it_as_r(school, signed):
    session = school.session(starts_min=60)
    sam = signed("sam")
    assert "I cannot come" in sam.get("/me").text
    answer = fill_in(sam, f"/me/absence?session={session}", reason=HOSTILE)
    assert answer.headers["location"] == "/me?said=reported"
    assert "waits for a decision" in sam.get("/me").text
    ada = signed("ada")
    assert "yours to decide" in ada.get("/absences").text
    absence = school.world.all(schema_work.absence)[0].id
    shown = ada.get(f"/absences/{absence}").text
    assert "becomes R" in shown and "<script>alert" not in shown
    answer = send(ada, form_to(shown, f"/absences/{absence}/decide"), do="approve", comment="Get well")
    assert answer.headers["location"] == f"/absences/{absence}?said=approved"
    assert marks(school, session) == {school.students[0]: "R"}
    text = sam.get("/me").text
    assert "Your absence was approved" in text and "Get well" in text
    # The form sent again changes nothing.
    again = send(ada, form_to(shown, f"/absences/{absence}/decide"), do="approve", comment="Get well")
    assert again.status_code == 303
    assert len(school.world.all(schema.mark)) == 1


@rule("LOUGH-20", "LOUGH-21")
def test_a_call_is_logged_with_who_called_and_counts_from_when_it_came(school, signed):
    session = school.session(starts_min=-20)
    ada = signed("ada")
    assert "No student in your care" in fill_in(ada, "/absences/new", number="nobody").text
    found = fill_in(ada, "/absences/new", number="up0").headers["location"]
    answer = fill_in(
        ada, found, channel="parent", told_by="Their mother", told_time="08:30",
        first=day(school, 0), reason="Ill",
    )  # fmt: skip
    address = answer.headers["location"].partition("?")[0]
    shown = ada.get(address).text
    assert "Their mother" in shown and "told 08:30 by a parent or carer" in shown
    assert "Their mother" not in signed("sam").get(address).text
    send(ada, form_to(shown, f"{address}/decide"), do="approve")
    assert marks(school, session) == {school.students[0]: "R"}
    panel = ada.get(f"/sessions/{session}/people/{school.students[0]}", htmx=True).text
    assert f"absence approved by Ada · on absence {address.rpartition('/')[2]}" in panel


@rule("LOUGH-22")
def test_told_afterwards_it_needs_evidence_and_the_page_says_so(school, signed):
    session = school.session(starts_min=-20)
    sam, ada = signed("sam"), signed("ada")
    panel = {"csrf": ada.csrf("/today"), "code": "A", "seen": "0"}
    assert ada.post(f"/sessions/{session}/people/{school.students[0]}", panel).status_code == 303
    fill_in(sam, f"/me/absence?session={session}", reason="The bus broke down")
    address = f"/absences/{school.world.all(schema_work.absence)[0].id}"
    assert "only with evidence" in ada.get(address).text
    token = sam.csrf("/me/absence")
    sent = sam.http.post(
        f"{address}/files",
        data={"csrf": token},
        files={"files": ("bus.pdf", b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n")},
    )
    assert sent.headers["location"] == f"{address}?said=attached", sent.text
    assert "bus.pdf" in ada.get(address).text
    assert "becomes R" in ada.get(address).text
    send(ada, form_to(ada.get(address).text, f"{address}/decide"), do="approve")
    assert marks(school, session) == {school.students[0]: "R"}


def test_only_who_decides_on_an_absence_opens_its_evidence(school, signed):
    session = school.session(starts_min=60)
    school.session("Of Bob", starts_min=200, staff=[school.bob])
    sam = signed("sam")
    token = sam.csrf("/me/absence")
    fields = {"csrf": token, f"session-{session}": "yes", "reason": "A letter"}
    letter = {"files": ("letter.pdf", b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n")}
    for _ in range(2):
        assert sam.http.post("/me/absence", data=fields, files=letter).headers["location"] == "/me?said=reported"
    files = school.world.all(schema_work.attachment)
    assert [one.file_name for one in files] == ["letter.pdf"]
    seen = {
        who: signed(who).get(f"/attachments/{files[0].id}").status_code
        for who in ("sam", "ada", "hel", "reg", "bob", "sue")
    }
    assert seen == {"sam": 200, "ada": 200, "hel": 200, "reg": 200, "bob": 404, "sue": 404}
    wrong = sam.http.post(
        "/me/absence", data={**fields, "reason": "Another"}, files={"files": ("x.pdf", b"MZ\x90\x00not a pdf")}
    )
    assert wrong.status_code == 422


def test_what_is_wrong_in_a_report_is_said_in_the_form_and_nothing_is_lost(school, signed):
    school.session(starts_min=60)
    sam = signed("sam")
    for values, told in (
        ({"first": day(school, 1)}, "Give the reason"),
        ({"reason": "Ill"}, "Choose the classes, or fill in the first day"),
        ({"reason": "Ill", "first": "soon"}, "Fill in days such as"),
        ({"reason": "Ill", "first": day(school, 2), "last": day(school, 1)}, "The last day is before the first"),
        ({"reason": "Ill", "first": day(school, -200)}, "too long ago"),
    ):
        answer = fill_in(sam, "/me/absence", **values)
        assert answer.status_code == 422, values
        assert told in answer.text
        assert values.get("reason", "") in answer.text
    assert school.world.all(schema_work.absence) == []


def test_nobody_sees_another_students_page_absence_or_card(school, signed):
    session = school.session(starts_min=60)
    fill_in(signed("sam"), f"/me/absence?session={session}", reason="Secret reason")
    absence = school.world.all(schema_work.absence)[0].id
    sue, bob = signed("sue"), signed("bob")
    for visitor in (sue, bob):
        token = visitor.csrf("/account")
        for path in (f"/absences/{absence}", f"/people/{school.students[0]}/attendance"):
            answer = visitor.get(path)
            assert answer.status_code == 404 and "Secret" not in answer.text
        for path in ("decide", "withdraw", "shorten"):
            answer = visitor.post(f"/absences/{absence}/{path}", {"csrf": token, "do": "approve"})
            assert answer.status_code in (403, 404), path
    assert bob.get("/me").status_code == 403
    assert sue.get("/absences").status_code == 403
    assert school.world.marks() == {}


def test_nobody_approves_an_absence_of_their_own(school, signed):
    school.session(starts_min=60)
    sam = signed("sam")
    fill_in(sam, "/me/absence", reason="Ill", first=day(school, 0))
    absence = school.world.all(schema_work.absence)[0].id
    answer = sam.post(f"/absences/{absence}/decide", {"csrf": sam.csrf("/me/absence"), "do": "approve"})
    assert answer.status_code == 403
    assert school.world.all(schema_work.absence)[0].state == "open"


@rule("PORT-12")
def test_a_short_illness_needs_no_report_where_the_rules_say_so(school, signed):
    school.session(starts_min=60, profile="port")
    answer = fill_in(signed("sam"), "/me/absence", reason="Ill", first=day(school, 0), last=day(school, 3))
    assert answer.status_code == 422
    assert "Up to 7 days need no report" in answer.text


@rule("PORT-13")
def test_over_a_week_it_is_asked_for_and_goes_to_the_head_and_not_to_the_lecturer(school, signed):
    session = school.session(starts_min=60, profile="port")
    fill_in(signed("sam"), "/me/absence", reason="A funeral abroad", first=day(school, 0), last=day(school, 10))
    row = school.world.all(schema_work.absence)[0]
    assert (row.kind, row.department_id) == ("authorised", school.world.all(schema.course)[0].department_id)
    assert signed("ada").get(f"/absences/{row.id}").status_code == 404
    hel = signed("hel")
    send(hel, form_to(hel.get(f"/absences/{row.id}").text, f"/absences/{row.id}/decide"), do="approve")
    assert marks(school, session) == {school.students[0]: "E"}


@rule("STEP-23")
def test_an_approved_leave_fills_the_register_and_taken_back_the_future_is_free_again(school, signed):
    session = school.session(starts_min=60 * 24 * 2, profile="step")
    sam, hel = signed("sam"), signed("hel")
    fill_in(sam, "/me/absence", reason="Agreed", first=day(school, 1), last=day(school, 12), leave="yes")
    address = f"/absences/{school.world.all(schema_work.absence)[0].id}"
    send(hel, form_to(hel.get(address).text, f"{address}/decide"), do="approve")
    assert marks(school, session) == {school.students[0]: "LOA"}
    answer = send(sam, form_to(sam.get(address).text, f"{address}/withdraw"))
    assert answer.headers["location"] == f"{address}?said=withdrawn"
    assert marks(school, session) == {school.students[0]: None}


@rule("LOUGH-36")
def test_the_page_explains_the_percentage_row_by_row(school, signed):
    ended = [school.session("Computing", starts_min=-60 * hour, minutes=50) for hour in range(20, 0, -1)]
    codes = ["P"] * 17 + ["R", "R", "A"]
    with writing(school.world.engine) as connection:
        for session, code in zip(ended, codes, strict=True):
            registers.record(
                connection, school.world.institution_id, session,
                [registers.Wanted(person_id=school.students[0], code=code)],
                source="import", rule="test", authority=None, by_account_id=None, now_ms=school.now_ms,
            profiles=school.world.profiles,
            )  # fmt: skip
    text = signed("sam").get("/me").text
    # 17 P, 2 R, 1 A: the bursary discounts R, attendance does not; both readings are shown.
    assert "17/18 = 94.4 %" in text and "19/20 = 95.0 %" in text and "17/20 = 85.0 %" in text
    assert "discounted, leaves the denominator" in text
    assert text.count("did not attend, counts against") >= 3


@rule("LOUGH-11")
def test_a_class_that_the_timetable_cancelled_counts_against_nobody(school, signed):
    held, gone = school.session(starts_min=-200), school.session(starts_min=-100)
    with writing(school.world.engine) as connection:
        for session, code in ((held, "P"), (gone, "A")):
            registers.record(
                connection, school.world.institution_id, session,
                [registers.Wanted(person_id=school.students[0], code=code)],
                source="person", rule="test", authority=None, by_account_id=school.accounts["ada"],
                now_ms=school.now_ms, profiles=school.world.profiles,
            )  # fmt: skip
        connection.execute(schema.session.update().where(schema.session.c.id == gone).values(cancelled_ms=1))
    text = words(signed("sam").get("/me").text)
    assert "1/1 = 100.0 %" in text and "1/2" not in text
    assert "the class was cancelled, does not count" in text


@rule("PORT-6", "PORT-2")
def test_the_page_says_when_the_light_is_blue_for_ones_own_sessions_only(school, signed):
    school.session("Mine", starts_min=60)
    other = school.world.class_group("X", [school.students[4]])
    theirs = school.session("Theirs", starts_min=60)
    with writing(school.world.engine) as connection:
        connection.execute(
            schema.session_class.update().where(schema.session_class.c.session_id == theirs).values(class_id=other)
        )
    text = signed("sam").get("/me").text
    assert "Mine" in text and "10:50 – 12:20" in text
    assert "Theirs" not in text


@rule("PORT-8")
def test_a_lost_card_is_stopped_after_it_was_confirmed_and_later_taps_credit_nobody(school, signed):
    session = school.session(starts_min=-5)
    board = school.reader()
    sam = signed("sam")
    asked = sam.get("/me/card").text
    assert "judged at the time of the swipe" in asked and "not connected now" in asked
    before = school.world.all(schema.institution)[0].campus_change
    answer = fill_in(sam, "/me/card")
    assert answer.headers["location"] == "/me?said=stopped"
    assert school.world.all(schema.institution)[0].campus_change > before
    assert fill_twice(sam) == "/me?said=none"
    school.now_ms += 1000
    school.tap(board, 0)
    assert marks(school, session) == {}
    assert [
        one.ended_why for one in school.world.all(schema.card_assignment) if one.person_id == school.students[0]
    ] == ["lost"]
    assert "You have no card that works: reported lost" in sam.get("/me").text


def fill_twice(visitor) -> str:
    return visitor.post("/me/card/lost", {"csrf": visitor.csrf("/me/absence")}).headers["location"]


@rule("LOUGH-16")
def test_staff_see_a_students_attendance_in_their_sessions_only_and_no_reasons(school, signed):
    mine, theirs = school.session("Of Ada"), school.session("Of Bob", staff=[school.bob])
    from server.store import registers

    with writing(school.world.engine) as connection:
        for session in (mine, theirs):
            registers.record(
                connection, school.world.institution_id, session,
                [registers.Wanted(person_id=school.students[0], code="L", late_min=9, remark="Overslept")],
                source="import", rule="test", authority=None, by_account_id=None, now_ms=school.now_ms,
            profiles=school.world.profiles,
            )  # fmt: skip
    path = f"/people/{school.students[0]}/attendance"
    ada, hel = signed("ada").get(path).text, signed("hel").get(path).text
    assert "Of Ada" in ada and "Of Bob" not in ada
    assert "Of Ada" in hel and "Of Bob" in hel
    assert "late, 9 min" in ada
    assert "Overslept" not in ada + hel + signed("sam").get("/me").text


def test_whoever_is_not_signed_in_is_led_to_sign_in(school, anonymous):
    for path in (*PAGES, "/absences/1", "/trips/1", "/people/1/attendance"):
        assert anonymous.get(path).status_code == 303, path
    for path in ("/me/absence", "/me/card/lost", "/absences/1/decide", "/trips/1/confirm", "/sessions/1/paper"):
        assert anonymous.post(path, {"csrf": "x"}).status_code in (303, 401, 403), path


def test_forms_without_the_logins_token_change_nothing(school, signed):
    session = school.session(starts_min=60)
    sam, ada = signed("sam"), signed("ada")
    assert sam.post("/me/absence", {"csrf": "no", "reason": "x", f"session-{session}": "yes"}).status_code == 403
    assert sam.post("/me/card/lost", {}).status_code == 403
    assert ada.post("/trips/new", {"title": "x"}).status_code == 403
    assert ada.post(f"/sessions/{session}/paper", {"do": "said"}).status_code == 403
    assert school.world.all(schema_work.absence) == [] and school.world.all(schema_work.trip) == []
    assert all(one.to_ms is None for one in school.world.all(schema.card_assignment))


def at_the_doors(school, app, gateway: str, boards) -> list[bool]:
    """Whether each door's list, as a gateway is handed it now, has the first student's card."""
    answer = TestClient(app).get("/api/gateway/v1/rosters", headers={"Authorization": f"Bearer {gateway}"})
    blobs = {one["reader"]: base64.b64decode(one["payload_b64"]) for one in answer.json()["rosters"]}
    cards = [token for _, token in school.world.tokens(school.uids[0])]
    found = []
    for board in boards:
        made = roster.decode(blobs[board.name], board.key, board.name)
        assert made.sessions, "the door has a list at all"
        found.append(any(made.find(one, card) >= 0 for one in made.sessions for card in cards))
    return found


@rule("PORT-8")
def test_a_lost_card_is_off_every_doors_list_with_the_next_step_of_the_store(school, app, signed):
    school.session("Running", starts_min=-5)
    school.session("Coming", starts_min=600, room=1)
    boards = [school.reader("a-101"), school.reader("a-102", room=1)]
    with writing(school.world.engine) as connection:
        gateway = gateways.add(connection, school.world.institution_id, "g1", school.now_ms)
    app.state.jobs.step()
    assert at_the_doors(school, app, gateway, boards) == [True, True]
    fill_in(signed("sam"), "/me/card")
    # No time passes, and nothing else happens: the report alone makes the lists anew.
    app.state.jobs.step()
    assert at_the_doors(school, app, gateway, boards) == [False, False]
