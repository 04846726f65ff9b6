"""A programme's day submitted late, and the state body's quotas (DDU-5 to 8); a class cancelled by request; who verifies."""

import pytest

from server.store import schema, schema_work
from server.store.engine import writing
from tests.rules import rule
from tests.server.filetypes.files import LETTER
from tests.server.pages.requesting import DAY, Corrected, ask, decide, hidden, made, send, told
from tests.server.pages.test_campus_pages import said

PROOF = [("letter.pdf", LETTER)]


@pytest.fixture
def school(tmp_path):
    made_ = Corrected(tmp_path)
    yield made_
    made_.close()


def batch(school) -> int:
    return school.world.insert(schema.batch, code="b", starts_ms=school.now_ms - 50 * DAY)


def tapped(school, days: float, **values) -> int:
    """A shift whose marks came from the doors: not verified."""
    session = school.aged(days, profile="ddu", code="A", **values)
    with writing(school.world.engine) as connection:
        table = schema.mark
        connection.execute(table.update().where(table.c.session_id == session).values(verified=False, source="absence"))
    return session


def verified(school, session) -> bool:
    return any(row.session_id == session and row.verified_ms for row in school.world.all(schema.register))


def submit(school, visitor, session, files=PROOF):
    page = visitor.get(f"/sessions/{session}/request?kind=submission")
    assert page.status_code == 200, page.text
    return send(visitor, f"/sessions/{session}/request", hidden(page.text) | {"reason": "The office was closed"}, files)


@rule("DDU-5", "DDU-6")
def test_a_day_is_submitted_late_only_with_the_state_bodys_approval(school, signed):
    session = tapped(school, 4, batch_id=batch(school))
    ada, rita = signed("ada"), signed("rita")
    page = ada.get(f"/sessions/{session}").text
    assert "Later the state body must approve it" in page and "kind=submission" in page and 'id="verify"' not in page
    answer = ada.post(f"/sessions/{session}/verify", {"csrf": ada.csrf("/requests")})
    assert answer.status_code == 409 and not verified(school, session)
    # Nor by hand, one after the other.
    answer = ada.post(f"/sessions/{session}/people/{school.students[0]}",
                      {"csrf": ada.csrf("/requests"), "code": "P", "seen": "0"})  # fmt: skip
    assert answer.status_code in (409, 422) and "state body" in answer.text
    assert submit(school, ada, session, files=()).status_code == 422
    assert "0 of 2 late submissions" in said(ada.get(f"/sessions/{session}/request?kind=submission"))
    request = made(submit(school, ada, session))
    assert "0 of 2 late submissions" in said(rita.get(f"/requests/{request}"))
    assert decide(rita, request, "apply").status_code == 303
    assert verified(school, session)
    held = {row.mark_id for row in school.world.all(schema.mark_current) if row.session_id == session}
    marks = [row for row in school.world.all(schema.mark) if row.id in held]
    assert marks and all(row.verified and row.authority == f"request/{request}:DDU-6" for row in marks)
    # Submitted, a forgotten mark is corrected at once (DDU-7).
    one = next(row for row in marks if row.person_id == school.students[0])
    csrf = ada.csrf("/requests")
    answer = ada.post(f"/sessions/{session}/people/{one.person_id}", {"csrf": csrf, "code": "P", "seen": str(one.id)})
    assert answer.status_code == 303 and school.codes(session)[0] == "P"


@rule("DDU-5")
def test_in_time_the_centre_or_its_office_submits_by_itself(school, signed):
    session = tapped(school, 0.1, batch_id=batch(school))
    rita = signed("rita")
    page = rita.get(f"/sessions/{session}")
    assert 'id="verify"' in page.text and "kind=submission" not in page.text
    assert rita.post(f"/sessions/{session}/verify", {"csrf": rita.csrf("/requests")}).status_code == 303
    assert verified(school, session)
    answer = send(rita, f"/sessions/{session}/request",
                  {"csrf": rita.csrf("/requests"), "kind": "submission", "reason": "x"}, PROOF)  # fmt: skip
    assert answer.status_code == 409 and "no request is needed" in told(answer).lower()


@rule("DDU-6")
def test_a_third_late_submission_of_a_batch_is_refused_at_asking_and_at_applying(school, signed):
    of = batch(school)
    days = [tapped(school, number, batch_id=of) for number in (4, 5, 6, 7)]
    shift = tapped(school, 4.1, batch_id=of)
    elsewhere = tapped(school, 4)
    ada, rita = signed("ada"), signed("rita")
    asked = [made(submit(school, ada, session)) for session in days[:3]]
    assert decide(rita, asked[0], "apply").status_code == 303
    assert decide(rita, asked[1], "apply").status_code == 303
    answer = decide(rita, asked[2], "apply")
    assert answer.status_code == 409 and "2 of 2 late submissions" in told(answer) and "DDU-6" in told(answer)
    assert not verified(school, days[2]) and school.state(asked[2]) == "open"
    answer = submit(school, ada, days[3])
    assert answer.status_code == 409 and "2 of 2 late submissions" in told(answer)
    # Another shift of a day that was approved is the same day; another batch has its own.
    assert decide(rita, made(submit(school, ada, shift)), "apply").status_code == 303
    assert decide(rita, made(submit(school, ada, elsewhere)), "apply").status_code == 303


@rule("DDU-8")
def test_a_third_correction_of_a_candidate_in_a_month_is_refused_and_says_so(school, signed):
    of = batch(school)
    sessions = [school.aged(number, profile="ddu", batch_id=of) for number in (30, 31, 32, 33)]
    one, other = school.students[:2]
    ada, rita = signed("ada"), signed("rita")
    asked = [made(ask(ada, session, {one: "P"}, reason="CCTV", files=PROOF)) for session in sessions[:3]]
    for request in asked[:2]:
        assert decide(rita, request, "apply").status_code == 303
    answer = decide(rita, asked[2], "apply")
    assert answer.status_code == 409 and "2 of 2 corrections" in told(answer)
    assert school.codes(sessions[2])[0] == "A" and school.state(asked[2]) == "open"
    page = said(ada.get(f"/sessions/{sessions[3]}/request"))
    assert "At most 2 corrections of one candidate" in page and "1 of 5 have used them up" in page
    answer = ask(ada, sessions[3], {one: "P", other: "P"}, reason="CCTV", files=PROOF)
    assert answer.status_code == 409 and "Student 000: 2 of 2 corrections" in told(answer)
    # Another candidate's are their own, and the next month begins anew.
    assert (
        decide(rita, made(ask(ada, sessions[3], {other: "P"}, reason="CCTV", files=PROOF)), "apply").status_code == 303
    )
    school.now_ms += 31 * DAY
    assert decide(signed("rita"), asked[2], "apply").status_code == 303
    assert school.codes(sessions[2])[0] == "P"


# --- a class cancelled after its tier -------------------------------------------------------------------------------------


@rule("LOUGH-11", "LOUGH-D", "LOUGH-32")
def test_a_day_later_the_lecturer_asks_for_the_cancellation_and_the_registers_team_applies_it(school, signed):
    session = school.aged(2)
    ada, rita = signed("ada"), signed("rita")
    page = ada.get(f"/sessions/{session}/cancel").text
    assert "kind=cancellation" in page and 'name="do"' not in page
    form = ada.get(f"/sessions/{session}/request?kind=cancellation")
    assert "By rule LOUGH-32." in form.text and "The class did not take place" in form.text
    request = made(send(ada, f"/sessions/{session}/request", hidden(form.text) | {"reason": "No room was free"}))
    assert school.codes(session) == ["A"] * 5
    assert decide(signed("hedda"), request, "apply").status_code == 403
    assert decide(rita, request, "apply").status_code == 303
    assert school.codes(session) == ["D"] * 5
    row = next(one for one in school.world.all(schema.session) if one.id == session)
    assert row.cancelled_ms == school.now_ms and row.cancelled_by_account_id == school.accounts["rita"]
    held = {one.mark_id for one in school.world.all(schema.mark_current) if one.session_id == session}
    assert {one.authority for one in school.world.all(schema.mark) if one.id in held} == {f"request/{request}:LOUGH-32"}
    assert any(one.kind == "request-copy" for one in school.world.all(schema_work.message))


@rule("LOUGH-11", "LOUGH-33", "LOUGH-34")
@pytest.mark.parametrize(
    ("days", "who", "proof", "may"),
    [(0.5, "ada", False, False), (8, "ada", False, False), (8, "hedda", False, True), (33, "hedda", False, False),
     (33, "hedda", True, True)],
)  # fmt: skip
def test_a_cancellation_goes_by_the_tier_of_its_age(school, signed, days, who, proof, may):
    session, visitor = school.aged(days), signed(who)
    fields = {"csrf": visitor.csrf("/requests"), "kind": "cancellation", "reason": "No class was held"}
    answer = send(visitor, f"/sessions/{session}/request", fields, PROOF if proof else ())
    assert (answer.status_code == 303) == may, told(answer)
    assert len(school.world.all(schema_work.change_request)) == may


# --- who verifies -----------------------------------------------------------------------------------------------------------


@rule("STEP-18", "STEP-1", "LOUGH-9")
@pytest.mark.parametrize(
    ("profile", "who", "may"),
    [("step", "ada", True), ("step", "rita", False), ("step", "admin", False), ("ddu", "rita", True),
     ("ddu", "admin", True), ("lough", "rita", True), ("lough", "admin", True), ("lough", "ada", True)],
)  # fmt: skip
def test_page_form_and_interface_agree_on_who_verifies(school, signed, profile, who, may):
    session = tapped(school, 0.1) if profile == "ddu" else school.aged(0.1, profile=profile)
    visitor = signed(who)
    page = visitor.get(f"/sessions/{session}").text
    if profile == "ddu":
        assert ('id="verify"' in page) == may
    if not may:
        assert 'id="verify"' not in page
    answer = visitor.post(f"/sessions/{session}/verify", {"csrf": visitor.csrf("/today")})
    assert answer.status_code == (303 if may else 403)
    assert verified(school, session) == may
