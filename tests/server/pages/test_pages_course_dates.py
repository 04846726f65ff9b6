"""A course's marking deadline and lock: by its profile, set with a reason, told to the lecturer; and after the lock nothing
changes by any way."""

import pytest

from server.errors import Refused
from server.scope import Grant, Scope
from server.store import schema, walk_ins
from server.store.engine import writing
from server.store.hands import record
from server.store.wanted_marks import Wanted
from tests.rules import rule
from tests.server.pages.requesting import DAY, Corrected, ask, decide, hidden, made, send, told
from tests.server.pages.test_campus_pages import do, fill, said


@pytest.fixture
def school(tmp_path):
    made_ = Corrected(tmp_path)
    yield made_
    made_.close()


def ended(school, days: float) -> int:
    """A run that ended so long ago; nobody set its dates."""
    return school.course_run(starts_ms=school.now_ms - 90 * DAY, ends_ms=school.now_ms - int(days * DAY))


def run_row(school):
    return school.world.all(schema.course_run)[0]


@rule("STEP-20", "STEP-21", "STEP-1", "STEP-2")
@pytest.mark.parametrize(
    ("days", "cites", "may"),
    [(11.9, "STEP-1", False), (12.1, "STEP-15", True), (13.9, "STEP-15", True), (14.1, "STEP-3", False)],
)
def test_where_nobody_set_dates_they_are_the_profiles_from_the_courses_end_on(school, signed, days, cites, may):
    session = school.aged(days, profile="step", course_run_id=ended(school, days))
    page = signed("ada").get(f"/sessions/{session}/request")
    assert f"By rule {cites}." in page.text
    assert ('<button class="main">Ask</button>' in page.text) == may


@rule("STEP-3")
def test_after_the_lock_nothing_changes_by_any_way(school, signed):
    run = ended(school, 13)
    session = school.aged(13, profile="step", course_run_id=run)
    one, other = school.students[:2]
    guest = school.person("Guest Student")
    school.world.enrol(school.group, guest, from_ms=school.now_ms - DAY)
    open_ = made(ask(signed("ada"), session, {other: "P"}, reason="Was there"))
    school.now_ms += 2 * DAY
    ada, rita, admin = signed("ada"), signed("rita"), signed("admin")
    before = [(row.session_id, row.person_id, row.mark_id) for row in school.world.all(schema.mark_current)]
    marks = len(school.world.all(schema.mark))
    page = ada.get(f"/sessions/{session}").text
    assert "The records are final since" in page and 'id="verify"' not in page
    csrf = ada.csrf("/requests")
    seen = {f"seen-{one}": next(mark for where, who, mark in before if (where, who) == (session, one))}
    ways = [
        ada.post(f"/sessions/{session}/people/{one}", {"csrf": csrf, "code": "P", "seen": "0"}),
        ada.post(f"/sessions/{session}/marks", {"csrf": csrf, "code": "P", "person": str(one), **seen}),
        ada.post(f"/sessions/{session}/verify", {"csrf": csrf}),
        ada.post(f"/sessions/{session}/add", {"csrf": csrf, "person": str(guest)}),
        ada.post(f"/sessions/{session}/cancel", {"csrf": csrf, "reason": "Nobody came", "do": "cancel"}),
        send(
            ada,
            f"/sessions/{session}/request",
            {"csrf": csrf, "kind": "marks", f"mark-{one}": "P", "reason": "x", **seen},
        ),
        send(ada, f"/sessions/{session}/request", {"csrf": csrf, "kind": "cancellation", "reason": "x"}),
        decide(rita, open_, "apply"),
    ]
    for number, answer in enumerate(ways):
        assert answer.status_code in (200, 403, 409, 422), (number, answer.status_code, told(answer))
        assert "final" in answer.text, (number, told(answer))
    assert admin.post(f"/sessions/{session}/verify", {"csrf": admin.csrf("/today")}).status_code in (403, 404)
    with writing(school.world.engine) as connection, pytest.raises(Refused, match="final"):
        record(
            connection, school.world.institution_id, session, [Wanted(person_id=one, code="LOA")], source="leave",
            rule="t", authority=None, by_account_id=None, now_ms=school.now_ms, profiles=school.world.profiles,
        )  # fmt: skip
    assert [(row.session_id, row.person_id, row.mark_id) for row in school.world.all(schema.mark_current)] == before
    assert len(school.world.all(schema.mark)) == marks
    assert school.state(open_) == "open" and decide(rita, open_, "reject", "too late").status_code == 303


@rule("STEP-3", "STEP-23")
def test_a_walk_in_is_judged_where_it_is_written_not_only_on_the_page(school):
    session = school.aged(15, profile="step", course_run_id=ended(school, 15))
    scope = Scope(institution_id=school.world.institution_id, account_id=school.accounts["ada"], person_id=school.ada,
                  grants=(Grant(role="lecturer"),))  # fmt: skip
    guest = school.students[0]
    with writing(school.world.engine) as connection, pytest.raises(Refused, match="final"):
        walk_ins.add(connection, scope, school.world.profiles, session, guest, now_ms=school.now_ms)
    with writing(school.world.engine) as connection, pytest.raises(Refused, match="final"):
        walk_ins.end(connection, scope, school.world.profiles, session, guest, school.now_ms)


@rule("STEP-20", "STEP-21")
def test_the_registry_sets_a_runs_dates_with_a_reason_and_its_page_shows_what_holds(school, signed):
    session = school.aged(3, profile="step", course_run_id=ended(school, 3))
    run, course = run_row(school), school.world.all(schema.course)[0].id
    rita = signed("rita")
    page = said(rita.get(f"/registry/courses/{course}"))
    assert "12 days after its end" in page and "14 days after its end" in page
    path = f"/registry/course-runs/{run.id}/dates"
    looked, _ = fill(rita, path, deadline="2026-10-30", reason="Marks came late")
    assert "later than the guide" in said(looked) or "after the records are sent" in said(looked)
    assert run_row(school).marking_deadline_ms is None
    answer = rita.post(
        path, {**hidden(rita.get(path).text), "deadline": "2026-10-20", "lock": "", "reason": "", "do": "do"}
    )
    assert answer.status_code == 422 and "Fill in why" in said(answer)
    assert do(rita, path, deadline="2026-10-06", lock="2026-10-08", reason="TPG asked for it").status_code == 303
    page = said(rita.get(f"/registry/courses/{course}"))
    assert "as set" in page and "TPG asked for it" in page and "by the profile →" in page and "by Rita" in page
    school.now_ms += 2 * DAY
    assert "By rule STEP-15." in signed("ada").get(f"/sessions/{session}/request").text
    school.now_ms += 2 * DAY
    assert "By rule STEP-3." in signed("ada").get(f"/sessions/{session}/request").text
    rita = signed("rita")
    answer = rita.post(path, {**hidden(rita.get(path).text), "lock": "2026-12-30", "reason": "Open it", "do": "do"})
    assert answer.status_code == 422 and "final" in said(answer)
    assert "Set the dates" not in rita.get(f"/registry/courses/{course}").text


@rule("STEP-20")
def test_a_lock_in_the_past_and_dates_changed_meanwhile_are_refused(school, signed):
    school.aged(3, profile="step", course_run_id=ended(school, 3))
    rita, path = signed("rita"), f"/registry/course-runs/{run_row(school).id}/dates"
    stale = hidden(rita.get(path).text)
    answer = rita.post(path, stale | {"lock": "2026-10-01", "reason": "x", "do": "do"})
    assert answer.status_code == 422 and "still to come" in said(answer)
    assert do(rita, path, deadline="2026-10-20", reason="First").status_code == 303
    answer = rita.post(path, stale | {"deadline": "2026-10-21", "reason": "Second", "do": "do"})
    assert answer.status_code == 409 and run_row(school).marking_deadline_ms is not None


@rule("STEP-20", "STEP-18")
def test_the_lecturer_is_reminded_from_a_week_before_the_deadline_until_the_lock(school, signed):
    run = ended(school, 4)
    school.aged(4, profile="step", course_run_id=run)
    assert "marking deadline" not in signed("ada").get("/today").text
    school.now_ms += 2 * DAY
    text = said(signed("ada").get("/today"))
    assert "1 register of CS101 is not verified: the marking deadline is" in text and "final from" in text
    assert "marking deadline" not in signed("bob").get("/today").text
    school.now_ms += int(6.5 * DAY)
    assert "the marking deadline was" in said(signed("ada").get("/today"))
    school.now_ms += 3 * DAY
    assert "marking deadline" not in signed("ada").get("/today").text


@rule("STEP-20", "STEP-18")
def test_a_verified_register_reminds_nobody(school, signed):
    session = school.aged(7, profile="step", course_run_id=ended(school, 7))
    ada = signed("ada")
    assert "not verified" in said(ada.get("/today"))
    assert ada.post(f"/sessions/{session}/verify", {"csrf": ada.csrf(f"/sessions/{session}")}).status_code == 303
    assert "marking deadline" not in ada.get("/today").text


@rule("STEP-3", "STEP-21")
def test_once_final_a_run_stays_final_when_its_end_is_moved(school, app, signed):
    session = school.aged(15, profile="step", course_run_id=ended(school, 15))
    app.state.jobs.step(everything=True)
    assert run_row(school).lock_ms == run_row(school).ends_ms + 14 * DAY
    with writing(school.world.engine) as connection:
        connection.execute(schema.course_run.update().values(ends_ms=school.now_ms + 30 * DAY))
    assert "By rule STEP-3." in signed("ada").get(f"/sessions/{session}/request").text
    page = said(signed("rita").get(f"/registry/courses/{school.world.all(schema.course)[0].id}"))
    assert "final since the lock date" in page


@rule("STEP-21")
def test_a_run_whose_end_nobody_knows_is_never_final_and_its_page_says_so(school, signed):
    school.aged(40, profile="step", course_run_id=school.course_run())
    page = said(signed("rita").get(f"/registry/courses/{school.world.all(schema.course)[0].id}"))
    assert "nobody knows when it ends" in page


@rule("LOUGH-34")
def test_no_lock_ends_the_tiers_of_a_college(school, signed):
    session = school.aged(20, profile="lough", course_run_id=ended(school, 20))
    assert "By rule LOUGH-33." in signed("hedda").get(f"/sessions/{session}/request").text
