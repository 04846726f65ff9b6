"""Change requests through the real forms: who may ask by which tier, who decides, and what comes of it."""

import json

import pytest

from server.store import schema, schema_rights, schema_work
from server.store.engine import reading, writing
from server.store.hands import Wanted, record
from tests.server.filetypes.files import LETTER, docx, png
from tests.server.pages.requesting import DAY, Corrected, ask, decide, hidden, made, send, told

PROOF = [("letter.pdf", LETTER)]
MONTH = 32


@pytest.fixture
def school(tmp_path):
    made_ = Corrected(tmp_path)
    yield made_
    made_.close()


# --- the tiers of LOUGH -----------------------------------------------------------------------------------------------

#: age in days, who asks, with files?, may they?, and what the answer names
TIERS = [
    (0.5, "ada", False, False, "LOUGH-31"),
    (0.5, "hedda", False, False, "LOUGH-31"),
    (1.1, "ada", False, True, "LOUGH-32"),
    (1.1, "hedda", False, False, "LOUGH-32"),
    (6.9, "ada", False, True, "LOUGH-32"),
    (7.1, "ada", True, False, "LOUGH-33"),
    (7.1, "hedda", False, True, "LOUGH-33"),
    (MONTH, "ada", True, False, "LOUGH-34"),
    (MONTH, "hedda", False, False, "LOUGH-34"),
    (MONTH, "hedda", True, True, "LOUGH-34"),
]


@pytest.mark.rule("LOUGH-31", "LOUGH-32", "LOUGH-33", "LOUGH-34")
@pytest.mark.parametrize(("days", "who", "proof", "may", "rule"), TIERS)
def test_a_request_is_taken_in_its_tier_and_else_the_tier_that_applies_is_named(
    school, signed, days, who, proof, may, rule
):
    session = school.aged(days)
    visitor = signed(who)
    page = visitor.get(f"/sessions/{session}/request")
    assert page.status_code == 200 and f"What applies now: {rule}" in page.text
    asks = ask if may else ask_raw
    chosen, files = {school.students[0]: "P"}, PROOF if proof else ()
    answer = asks(visitor, session, chosen, kind="marks", reason="The reader was covered", files=files)
    if may:
        assert school.state(made(answer)) == "open"
        assert school.world.all(schema_work.change_request)[0].rule == rule
    else:
        assert answer.status_code in (403, 409, 422)
        assert rule in told(answer)
        assert school.world.all(schema_work.change_request) == []
    assert school.codes(session) == ["A"] * 5


@pytest.mark.rule("LOUGH-32")
def test_a_tutors_request_is_copied_to_the_head_checked_and_applied_with_its_authority(school, signed):
    session = school.aged(2)
    one, other = school.students[:2]
    request = made(
        ask(signed("ada"), session, {one: "P", other: "L"}, reason="Sat at the back", **{f"late-{other}": "7"})
    )
    (copy,) = school.world.all(schema_work.message)
    assert copy.kind == "request-copy" and copy.to_person_id == account(school, "hedda").person_id
    assert "Student" not in copy.text
    assert "Computing" in signed("hedda").get("/requests").text
    rita = signed("rita")
    assert "To decide" in rita.get("/requests").text and f"/requests/{request}" in rita.get("/requests").text
    answer = decide(rita, request, "apply", "Seen on the paper list")
    assert answer.headers["location"] == f"/requests/{request}?said=applied"
    assert school.codes(session) == ["P", "L", "A", "A", "A"]
    marks = [row for row in school.world.all(schema.mark) if row.source == "request"]
    assert {row.authority for row in marks} == {f"request/{request}:LOUGH-32"}
    assert {row.by_account_id for row in marks} == {school.accounts["rita"]}
    assert [(row.rule, row.day, row.mark_id) for row in school.world.all(schema.correction)] == [
        ("LOUGH-32", "2026-10-05", row.id) for row in marks
    ]
    page = signed("ada").get(f"/requests/{request}").text
    assert "Seen on the paper list" in page and "applied" in page and "copied to Hedda" in page
    kinds = [row.kind for row in school.world.all(schema_work.history) if row.session_id == session]
    assert kinds == ["mark", "request", "request-decide", "mark"]


@pytest.mark.rule("LOUGH-32", "LOUGH-33")
def test_evidence_may_be_asked_for_later_and_then_it_is_waited_for(school, signed):
    session = school.aged(2)
    ada, rita = signed("ada"), signed("rita")
    request = made(ask(ada, session, {school.students[0]: "P"}, reason="Was there"))
    csrf = rita.csrf("/requests")
    assert rita.post(f"/requests/{request}/ask-evidence", {"csrf": csrf, "comment": ""}).status_code == 422
    rita.post(f"/requests/{request}/ask-evidence", {"csrf": csrf, "comment": "The paper list"})
    assert "The paper list" in ada.get(f"/requests/{request}").text
    answer = decide(rita, request, "apply")
    assert answer.status_code == 409 and "Evidence was asked for" in told(answer)
    fields = hidden(ada.get(f"/requests/{request}").text)
    assert send(ada, f"/requests/{request}/evidence", fields, [("list.png", png())]).status_code == 303
    # The same again is one.
    assert send(ada, f"/requests/{request}/evidence", fields, [("list.png", png())]).status_code == 303
    assert len(school.world.all(schema_work.attachment)) == 1
    assert decide(rita, request, "apply").status_code == 303
    assert school.codes(session)[0] == "P"
    # And after it was applied.
    rita.post(f"/requests/{request}/ask-evidence", {"csrf": csrf, "comment": "And the timetable"})
    assert send(ada, f"/requests/{request}/evidence", fields, PROOF).status_code == 303
    assert len(school.world.all(schema_work.attachment)) == 2


@pytest.mark.rule("LOUGH-34")
def test_the_oldest_tier_takes_no_evidence_later(school, signed):
    session = school.aged(MONTH)
    request = made(ask(signed("hedda"), session, {school.students[0]: "P"}, reason="Found the list", files=PROOF))
    rita = signed("rita")
    csrf = rita.csrf("/requests")
    answer = rita.post(f"/requests/{request}/ask-evidence", {"csrf": csrf, "comment": "more"})
    assert answer.status_code == 409 and "with the request" in told(answer)
    assert decide(rita, request, "apply").status_code == 303


@pytest.mark.rule("LOUGH-35", "LOUGH-37")
def test_bursary_alone_is_granted_by_student_finance_and_no_mark_changes(school, signed):
    session = school.aged(MONTH)
    one = school.students[0]
    hedda = signed("hedda")
    request = made(ask(hedda, session, {one: "yes"}, kind="bursary", reason="Hardship"))
    marks = school.world.all(schema.mark)
    assert decide(signed("rita"), request, "apply").status_code == 403
    fay = signed("fay")
    assert f"/requests/{request}" in fay.get("/requests").text
    assert decide(fay, request, "apply").status_code == 303
    (grant,) = school.world.all(schema_work.bursary_grant)
    assert (grant.person_id, grant.session_id, grant.request_id) == (one, session, request)
    assert grant.by_account_id == school.accounts["fay"]
    assert school.world.all(schema.mark) == marks
    younger = school.aged(20)
    answer = ask_raw(hedda, younger, {one: "yes"}, kind="bursary", reason="Hardship")
    assert answer.status_code == 409 and "LOUGH-33" in told(answer)
    answer = ask_raw(signed("ada"), session, {one: "yes"}, kind="bursary", reason="Hardship")
    assert answer.status_code == 403 and "LOUGH-35" in told(answer)


def ask_raw(visitor, session, chosen, *, kind, files=(), **fields):
    """The form of a kind that the page does not offer to this visitor."""
    page = visitor.get(f"/sessions/{session}/request?kind={kind}").text
    csrf = hidden(page)["csrf"]
    with_seen = {f"seen-{one}": seen_of(visitor, session, one) for one in chosen}
    values = {f"mark-{one}" if kind == "marks" else f"who-{one}": code for one, code in chosen.items()}
    return send(
        visitor, f"/sessions/{session}/request", {"csrf": csrf, "kind": kind} | with_seen | values | fields, files
    )


def seen_of(visitor, session, person) -> str:
    with reading(visitor.http.app.state.engine) as connection:
        row = connection.execute(
            schema.mark_current.select().where(
                schema.mark_current.c.session_id == session, schema.mark_current.c.person_id == person
            )
        ).first()
    return str(row.mark_id if row else 0)


@pytest.mark.rule("LOUGH-U")
def test_unknown_is_asked_for_by_registry_and_approved_by_the_curriculum_manager(school, signed):
    session = school.aged(0.2)
    rita = signed("rita")
    request = made(ask(rita, session, {school.students[0]: "U"}, reason="Nobody knows"))
    assert decide(signed("rolf"), request, "apply").status_code == 403
    assert decide(signed("cora"), request, "apply").status_code == 303
    assert school.codes(session)[0] == "U"
    answer = ask_raw(signed("ada"), session, {school.students[1]: "U"}, kind="marks", reason="Nobody knows")
    assert answer.status_code == 403 and "registers team" in told(answer)


@pytest.mark.rule("LOUGH-B")
def test_supported_absence_that_a_tutor_asks_for_needs_the_heads_approval_before_it_is_applied(school, signed):
    session = school.aged(2)
    request = made(ask(signed("ada"), session, {school.students[0]: "B"}, reason="Long illness", files=PROOF))
    answer = decide(signed("rita"), request, "apply")
    assert answer.status_code == 409 and "head of department" in told(answer)
    assert decide(signed("hedda"), request, "apply").headers["location"].endswith("approved")
    assert school.codes(session)[0] == "A"
    assert decide(signed("rita"), request, "apply").status_code == 303
    assert school.codes(session)[0] == "B"


# --- STEP ---------------------------------------------------------------------------------------------------------------


@pytest.mark.rule("STEP-2", "STEP-3", "STEP-15", "STEP-16", "STEP-22")
def test_requests_run_from_the_marking_deadline_to_the_lock_date(school, signed):
    run = school.course_run(marking_deadline_ms=school.now_ms + DAY, lock_ms=school.now_ms + 3 * DAY)
    session = school.aged(1, profile="step", course_run_id=run)
    ada, one = signed("ada"), school.students[0]
    answer = ask_raw(ada, session, {one: "P"}, kind="marks", reason="Was there")
    assert answer.status_code in (403, 409) and "STEP-1" in told(answer)
    school.now_ms += DAY
    ada, rita = signed("ada"), signed("rita")
    first = made(ask(ada, session, {one: "P"}, reason="Was there", files=PROOF))
    assert decide(rita, first, "apply").status_code == 303
    late = made(ask(ada, session, {school.students[1]: "P"}, reason="Was there"))
    school.now_ms += 2 * DAY
    ada, rita = signed("ada"), signed("rita")
    answer = decide(rita, late, "apply")
    assert answer.status_code == 409 and "final" in told(answer)
    answer = ask_raw(ada, session, {school.students[2]: "P"}, kind="marks", reason="Was there")
    assert answer.status_code == 403 and "STEP-3" in told(answer)
    for kind in ("removal", "transfer"):
        assert ask_raw(ada, session, {one: "yes"}, kind=kind, reason="x").status_code == 409
    assert school.codes(session) == ["P", "A", "A", "A", "A"]


# --- lists ----------------------------------------------------------------------------------------------------------------


@pytest.mark.rule("LOUGH-18")
def test_a_learner_who_need_not_come_is_taken_off_the_list_on_request(school, signed):
    old, session = school.aged(10), school.aged(0.1)
    gone = school.students[0]
    request = made(ask(signed("ada"), session, {gone: "yes"}, kind="removal", reason="Has completed"))
    assert decide(signed("rita"), request, "apply").status_code == 303
    coming = school.session("Next", starts_min=60)
    visitor = signed("ada")
    assert f'id="p{gone}"' not in visitor.get(f"/sessions/{coming}").text
    assert f'id="p{school.students[1]}"' in visitor.get(f"/sessions/{coming}").text
    # Older registers keep the list that they had.
    assert "left the list" not in visitor.get(f"/sessions/{old}").text
    answer = decide(signed("rolf"), request, "apply")
    assert answer.status_code == 409 and "Rita has applied it" in told(answer)


@pytest.mark.rule("LOUGH-T")
def test_a_transfer_needs_its_form_and_puts_the_learner_on_the_other_list(school, signed):
    session = school.aged(0.1)
    other = school.world.insert(
        schema.class_group, source="test", source_id="h", code="CS101-B", title="B",
        course_id=school.world.all(schema.course)[0].id,
    )  # fmt: skip
    ada, moves = signed("ada"), school.students[0]
    assert "CS101-B" in ada.get(f"/sessions/{session}/request?kind=transfer").text
    chosen = {"kind": "transfer", "reason": "Clash"}
    answer = ask(ada, session, {moves: "yes"}, to_class="CS101-B", **chosen)
    assert answer.status_code == 422 and "transfer form" in told(answer)
    answer = ask(ada, session, {moves: "yes"}, to_class="NONE", files=PROOF, **chosen)
    assert answer.status_code == 422 and "No class has the code NONE" in told(answer)
    request = made(ask(ada, session, {moves: "yes"}, to_class="CS101-B", files=PROOF, **chosen))
    assert decide(signed("rita"), request, "apply").status_code == 303
    rows = [row for row in school.world.all(schema.enrolment) if row.person_id == moves]
    assert [(row.class_id, row.to_ms is None) for row in rows] == [(school.group, False), (other, True)]


# --- who ------------------------------------------------------------------------------------------------------------------


def account(school, name):
    return next(row for row in school.world.all(schema.account) if row.id == school.accounts[name])


def test_nobody_decides_their_own_request_by_whatever_account(school, signed):
    session = school.aged(0.2)
    rita = signed("rita")
    request = made(ask(rita, session, {school.students[0]: "U"}, reason="Nobody knows"))
    # The same person has a curriculum manager's account too.
    with writing(school.world.engine) as connection:
        connection.execute(
            schema.account.update()
            .where(schema.account.c.id == school.accounts["cora"])
            .values(person_id=account(school, "rita").person_id)
        )
    answer = decide(signed("cora"), request, "apply")
    assert answer.status_code == 403 and "their own" in told(answer)
    assert school.state(request) == "open"


def test_whoever_may_not_read_a_request_finds_nothing_there(school, signed):
    session = school.aged(2)
    request = made(ask(signed("ada"), session, {school.students[0]: "P"}, reason="Was there", files=PROOF))
    file = school.world.all(schema_work.attachment)[0].id
    department = school.world.insert(
        schema_rights.department, source="t", source_id="d", code="D", title="Another department"
    )
    school.regrant("hedda", "head", "department", department)
    for name in ("bob", "hedda", "fay", "tess"):
        visitor = signed(name)
        assert visitor.get(f"/requests/{request}").status_code in (403, 404), name
        assert visitor.get(f"/attachments/{file}").status_code in (403, 404), name
        csrf = {"csrf": visitor.csrf("/account")}
        for what in ("decide", "withdraw", "ask-evidence", "evidence"):
            assert visitor.post(f"/requests/{request}/{what}", csrf).status_code in (403, 404), (name, what)
        assert visitor.post(f"/sessions/{session}/request", csrf).status_code in (403, 404), name
        if name != "tess":
            assert f"/requests/{request}" not in visitor.get("/requests").text
    assert school.state(request) == "open"


def test_a_co_teacher_reads_the_request_and_not_its_files(school, signed):
    session = school.aged(2, staff=[school.ada, school.bob])
    request = made(ask(signed("ada"), session, {school.students[0]: "P"}, reason="Was there", files=PROOF))
    file = school.world.all(schema_work.attachment)[0].id
    bob = signed("bob")
    page = bob.get(f"/requests/{request}")
    assert page.status_code == 200 and "letter.pdf" not in page.text and "Decide" not in page.text
    assert bob.get(f"/attachments/{file}").status_code == 404
    assert decide(bob, request, "apply").status_code == 403
    assert bob.post(f"/requests/{request}/withdraw", {"csrf": bob.csrf("/requests")}).status_code == 403


def test_a_file_is_handed_out_to_be_saved_and_never_shown(school, signed):
    session = school.aged(2)
    made(ask(signed("ada"), session, {school.students[0]: "P"}, reason="x", files=[("Attest März.docx", docx())]))
    row = school.world.all(schema_work.attachment)[0]
    answer = signed("rita").get(f"/attachments/{row.id}")
    assert answer.content == docx()
    assert (
        answer.headers["content-disposition"].startswith("attachment;")
        and "M%C3%A4rz" in answer.headers["content-disposition"]
    )
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["cache-control"] == "no-store"
    stored = school.folder / "attachments" / row.stored_as
    assert stored.stat().st_mode & 0o777 == 0o600 and "Attest" not in str(stored)
    stored.write_bytes(b"something else")
    assert signed("rita").get(f"/attachments/{row.id}").status_code == 409


# --- twice, at once, meanwhile -----------------------------------------------------------------------------------------------


def test_the_same_form_sent_twice_is_one_request(school, signed):
    session = school.aged(2)
    ada = signed("ada")
    shown = hidden(ada.get(f"/sessions/{session}/request").text)
    fields = shown | {f"mark-{school.students[0]}": "P", "reason": "Was there"}
    first, again = (made(send(ada, f"/sessions/{session}/request", fields, PROOF)) for _ in range(2))
    assert first == again and len(school.world.all(schema_work.change_request)) == 1
    assert len(school.world.all(schema_work.attachment)) == 1
    answer = send(ada, f"/sessions/{session}/request", fields | {"reason": "Another reason"})
    assert answer.status_code == 409 and f"request {first}" in told(answer)
    csrf = {"csrf": shown["csrf"]}
    for _ in range(2):
        assert ada.post(f"/requests/{first}/withdraw", csrf).status_code == 303
    assert school.state(first) == "withdrawn"
    assert made(send(ada, f"/sessions/{session}/request", fields)) != first


def test_a_mark_that_was_changed_meanwhile_is_shown_and_not_overwritten(school, signed):
    session = school.aged(2)
    one, other = school.students[:2]
    request = made(ask(signed("ada"), session, {one: "P", other: "P"}, reason="Were there"))
    stale = hidden(signed("ada").get(f"/sessions/{session}/request").text)
    with writing(school.world.engine) as connection:
        record(
            connection, school.world.institution_id, session, [Wanted(person_id=other, code="R")], source="absence",
            rule="test", authority=None, by_account_id=None, now_ms=school.now_ms,
        )  # fmt: skip
    rita = signed("rita")
    page = rita.get(f"/requests/{request}").text
    assert "A mark was changed after this was asked for" in page and "now R" in page and "Approve and apply" not in page
    assert decide(rita, request, "apply").status_code == 409
    assert school.codes(session)[:2] == ["A", "R"] and school.state(request) == "open"
    answer = send(signed("ada"), f"/sessions/{session}/request", stale | {"csrf": signed("ada").csrf("/requests")})
    assert answer.status_code == 403  # of another login
    ada = signed("ada")
    fields = stale | {"csrf": ada.csrf("/requests"), f"mark-{other}": "P", "reason": "Was there"}
    answer = send(ada, f"/sessions/{session}/request", fields)
    assert answer.status_code == 409 and "changed while you looked" in told(answer)
    assert decide(rita, request, "reject").status_code == 422
    assert decide(rita, request, "reject", "Look again").status_code == 303
    assert school.state(request) == "rejected"


def test_of_two_who_decide_one_wins_and_the_other_is_told(school, signed):
    session = school.aged(2)
    request = made(ask(signed("ada"), session, {school.students[0]: "P"}, reason="Was there"))
    rita, rolf = signed("rita"), signed("rolf")
    assert decide(rita, request, "apply").status_code == 303
    # Pressed twice: no harm, and nothing more.
    assert decide(rita, request, "apply").status_code == 303
    answer = decide(rolf, request, "reject", "No")
    assert answer.status_code == 409 and "Rita has applied it already" in told(answer)
    assert len([row for row in school.world.all(schema.mark) if row.source == "request"]) == 1


# --- what a form may hold -----------------------------------------------------------------------------------------------------


def test_a_form_that_lacks_something_names_it_keeps_the_rest_and_changes_nothing(school, signed):
    session = school.aged(2)
    ada, one = signed("ada"), school.students[0]
    for chosen, fields, said in (
        ({}, {"reason": "x"}, "Choose at least one student"),
        ({one: "P"}, {"reason": "  "}, "Write the reason"),
        ({one: "A"}, {"reason": "x"}, "has this mark already"),
        ({one: "L"}, {"reason": "x"}, "how many minutes"),
        ({one: "L"}, {"reason": "x", f"late-{one}": "seven"}, "whole number"),
        ({one: "L"}, {"reason": "x", f"late-{one}": "9999"}, "whole number"),
        ({one: "Q"}, {"reason": "x"}, "Choose one of the marks"),
        ({one: "D"}, {"reason": "x"}, "cancel the class"),
        ({one: "V"}, {"reason": "x"}, "trip"),
        (dict.fromkeys(school.students, "H"), {"reason": "x"}, "never for the whole class"),
        ({one: "P"}, {"reason": "x" * 2001}, "at most 2000"),
        ({one: "P"}, {"reason": "x", "seen-999999": "0", "mark-999999": "P"}, "not on the register"),
    ):
        answer = ask(ada, session, chosen, **fields)
        assert answer.status_code in (403, 422), said
        assert said in told(answer), (said, told(answer))
        assert 'role="alert"' in answer.text and ("reason" not in fields or fields["reason"].strip() in answer.text)
    assert school.world.all(schema_work.change_request) == []


def test_history_cites_reasons_by_digest_and_files_by_sha256_only(school, signed):
    session = school.aged(2)
    request = made(ask(signed("ada"), session, {school.students[0]: "P"}, reason="A secret illness", files=PROOF))
    decide(signed("rita"), request, "reject", "No proof of it")
    bodies = [row.body for row in school.world.all(schema_work.history)]
    file = school.world.all(schema_work.attachment)[0]
    assert any(file.sha256 in json.loads(body).get("files", ()) for body in bodies)
    for secret in ("illness", "letter.pdf", "No proof", file.stored_as, "Student"):
        assert not any(secret in body for body in bodies)


def test_the_form_for_one_student_begins_with_the_mark_that_was_chosen_on_the_register(school, signed):
    session = school.aged(2)
    one, other = school.students[:2]
    text = signed("ada").get(f"/sessions/{session}/request?person={one}&code=B").text
    assert f'name="mark-{one}"' in text and f'name="mark-{other}"' not in text
    assert text.count(" selected>") == 1 and '<option value="B" selected>' in text
    odd = signed("ada").get(f"/sessions/{session}/request?person=9999&code=%00%3Cb%3E&kind=nothing")
    assert odd.status_code == 200 and f'name="mark-{other}"' in odd.text
