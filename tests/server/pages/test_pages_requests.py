"""Change requests through the real forms: who may ask by which tier, who decides, and what comes of it."""

import pytest

from server.store import schema, schema_work
from server.store.engine import reading
from tests.server.filetypes.files import LETTER, png
from tests.server.pages.requesting import DAY, Corrected, ask, decide, hidden, made, send, told

PROOF = [("letter.pdf", LETTER)]
MONTH = 32


@pytest.fixture
def school(tmp_path):
    made_ = Corrected(tmp_path)
    yield made_
    made_.close()


def account(school, name):
    return next(row for row in school.world.all(schema.account) if row.id == school.accounts[name])


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
    assert page.status_code == 200 and f"By rule {rule}." in page.text
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


@pytest.mark.rule("LOUGH-32", "LOUGH-7")
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
    # The mark's own history names the hand that applied it, and the request (LOUGH-7).
    panel = signed("ada").get(f"/sessions/{session}/people/{one}", htmx=True).text
    assert f"applied by Rita · on request {request} · rule lough.tier.7d" in panel and "verified by" not in panel
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


@pytest.mark.rule("LOUGH-W", "LOUGH-18")
def test_whoever_has_withdrawn_is_taken_off_the_list_with_the_form(school, signed):
    session = school.aged(0.1, code="W")
    ada, gone = signed("ada"), school.students[0]
    page = ada.get(f"/sessions/{session}/request?kind=removal").text
    assert "for whoever is marked T or W, the form attached" in page
    answer = ask(ada, session, {gone: "yes"}, kind="removal", reason="Has withdrawn")
    assert answer.status_code == 422 and "attach the form" in told(answer).lower()
    request = made(ask(ada, session, {gone: "yes"}, kind="removal", reason="Has withdrawn", files=PROOF))
    assert decide(signed("rita"), request, "apply").status_code == 303
    assert all(row.to_ms for row in school.world.all(schema.enrolment) if row.person_id == gone)


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
