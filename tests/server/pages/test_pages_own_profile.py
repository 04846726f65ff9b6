"""An institution's own profile, in a folder of its own, is what everything goes by: pages, interface, imports and jobs.

Whoever asked the shipped profiles would find neither its name nor its mark.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from server.store import schema, session_profiles
from server.store.engine import writing
from tests.rules import rule
from tests.server.imports.imports_world import PACKAGE, calendar, event
from tests.server.pages.requesting import DAY, ask, decide, made, told, with_profile
from tests.server.pages.school import Visitor
from tests.server.pages.test_campus_pages import do

OWN = """
name = "own"
like = "step"
title = "Our own"
[window]
opens_before = { value = 7, unit = "min", rule = "Board" }
[marks.X]
rule = "Board"
meaning = "on the ward"
effects.attendance = { value = "attended", unit = "effect" }
"""


@pytest.fixture
def school(tmp_path):
    made_ = with_profile(tmp_path, OWN)
    yield made_
    made_.close()


@pytest.fixture
def app(school):
    files = school.folder / "imports"
    (files / "nightly").mkdir(parents=True)
    for name, lines in PACKAGE.items():
        (files / "nightly" / f"{name}.csv").write_text("\n".join(lines) + "\n")
    (files / "week.ics").write_bytes(calendar(event("a", "20261012T090000", "20261012T100000")))
    return school.app(profiles_dir=school.folder / "profiles", import_dir=files)


@rule("STEP-18", "STEP-12")
def test_a_register_is_read_marked_and_verified_by_it(school, app, signed):
    session, one = school.aged(0.1, profile="own", code="P"), school.students[0]
    ada = signed("ada")
    for path in ("/today", f"/sessions/{session}", f"/sessions/{session}/people/{one}", f"/sessions/{session}/live",
                 f"/sessions/{session}/cancel", f"/sessions/{session}/request", f"/sessions/{session}/taps"):  # fmt: skip
        assert ada.get(path).status_code in (200, 204), path
    assert "on the ward" in ada.get(f"/sessions/{session}/people/{one}").text
    csrf = ada.csrf(f"/sessions/{session}")
    seen = school.world.all(schema.mark_current)[0].mark_id
    answer = ada.post(f"/sessions/{session}/people/{one}", {"csrf": csrf, "code": "X", "seen": str(seen)})
    assert answer.status_code == 303, told(answer)
    assert ada.post(f"/sessions/{session}/verify", {"csrf": csrf}).status_code == 303
    assert school.codes(session)[0] == "X"


@rule("STEP-18")
def test_the_interface_reads_and_verifies_by_it(school, app, signed):
    session = school.aged(0.1, profile="own", code="P")
    with writing(school.world.engine) as connection:
        connection.execute(schema.mark.update().values(verified=False, source="absence"))
    ada = signed("ada")
    csrf = {"x-csrf-token": ada.csrf("/today"), "origin": "http://testserver"}
    shown = ada.http.get(f"/api/v1/sessions/{session}/register")
    assert shown.status_code == 200 and not any(row["counts"] for row in shown.json()["rows"])
    answer = ada.http.post(f"/api/v1/sessions/{session}/verify", headers=csrf)
    assert answer.status_code == 200, answer.text
    assert answer.json()["verified"] == 5


@rule("STEP-15", "STEP-16")
def test_a_request_is_asked_and_applied_by_it(school, app, signed):
    run = school.course_run(ends_ms=school.now_ms - 13 * DAY)
    session = school.aged(13, profile="own", course_run_id=run)
    request = made(ask(signed("ada"), session, {school.students[0]: "X"}, reason="On the ward"))
    assert signed("rita").get(f"/requests/{request}").status_code == 200
    assert decide(signed("rita"), request, "apply").status_code == 303
    assert school.codes(session)[0] == "X"


@rule("PORT-2", "LOUGH-8")
def test_registrys_pages_reports_and_exports_know_it(school, app, signed):
    session = school.aged(0.1, profile="own", code="P")
    rita = signed("rita")
    course = school.world.all(schema.course)[0].id
    for path in ("/compliance", "/registry/profiles", f"/registry/courses/{course}", f"/registry/sessions/{session}",
                 f"/people/{school.students[0]}/attendance", "/emergency", f"/sessions/{session}"):  # fmt: skip
        assert rita.get(path).status_code == 200, path
    app.state.jobs.step(everything=True)


@rule("PORT-2")
def test_a_scheduled_import_plans_its_sessions_by_it(school, app):
    with writing(school.world.engine) as connection:
        session_profiles.assign(connection, school.world.institution_id, "institution", "", "own", 0)
    browser = Visitor(app)
    browser.sign_in("rita")
    # The registry's form, for both; then the time comes.
    do(browser, "/registry/imports/new", path="nightly", day="2026-10-05", time="11:00")
    school.now_ms += 60 * 60_000
    assert app.state.schedules.step() == 1
    browser = Visitor(app)
    browser.sign_in("rita")
    do(browser, "/registry/imports/new", path="week.ics", kind="timetable", day="2026-10-05", time="12:00")
    school.now_ms += 60 * 60_000
    assert app.state.schedules.step() == 1
    starts_ms = int(datetime(2026, 10, 12, 9, tzinfo=ZoneInfo("Europe/London")).timestamp() * 1000)
    row = next(row for row in school.world.all(schema.session) if row.starts_ms == starts_ms)
    assert row.profile == "own" and row.opens_ms == starts_ms - 7 * 60_000
