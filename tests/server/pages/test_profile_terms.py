"""Profiles are given, planned, ended and taken back: what has begun keeps its rules, and no plan goes without a word."""

import re
from datetime import datetime

from sqlalchemy import select

from server.store import parts, schema, session_profiles
from server.store.engine import writing
from tests.rules import rule
from tests.server.pages.school import LONDON
from tests.server.pages.test_campus_pages import audits, do, fill, office, said  # noqa: F401  a fixture

HOUR_MIN = 60
NEW = "/registry/profiles/new"


def of(school, session: int) -> str:
    return next(row.profile for row in school.world.all(schema.session) if row.id == session)


def given(school) -> list:
    return school.world.all(schema.profile_assignment)


def coming(school, day: str) -> int:
    """A session at 10:00 on that day."""
    starts = datetime.fromisoformat(f"{day}T10:00").replace(tzinfo=LONDON).timestamp() * 1000
    return school.session(starts_min=int((starts - school.now_ms) // 60_000), profile="port")


def text_of(answer) -> str:
    return " ".join(said(answer).split())


@rule("PORT-2", "LOUGH-39")
def test_a_profile_given_from_today_on_leaves_what_has_begun_today(school, office):  # noqa: F811
    over, on = school.session(starts_min=-120, profile="port"), school.session(starts_min=-20, profile="port")
    next_ = school.session(starts_min=HOUR_MIN, profile="port")
    looked, fields = fill(office, NEW, where="institution:", profile="lough")
    assert "1 session from that day on: 1 is judged by lough" in text_of(looked)
    assert "2 sessions of that day have begun, and keep their profiles" in text_of(looked)
    assert office.post(NEW, {**fields, "do": "do"}).status_code == 303
    assert [of(school, one) for one in (over, on, next_)] == ["port", "port", "lough"]
    # Also when something else of them is changed afterwards, and when the form comes twice.
    assert do(office, f"/registry/sessions/{on}/room", rooms="R1").status_code == 303
    school.now_ms += 1000
    assert office.post(NEW, {**fields, "do": "do"}).status_code == 303
    assert [of(school, one) for one in (over, on, next_)] == ["port", "port", "lough"]
    assert len(given(school)) == 1


@rule("PORT-2")
def test_a_session_that_starts_this_very_moment_has_begun(school, office):  # noqa: F811
    now = school.session(starts_min=0, profile="port")
    assert do(office, NEW, where="institution:", profile="lough").status_code == 303
    assert of(school, now) == "port"
    looked, _ = fill(office, NEW, where=f"session:{now}", profile="lough")
    assert looked.status_code == 422


@rule("PORT-2")
def test_a_plan_stays_where_another_is_given_before_it(school, office):  # noqa: F811
    november, december, january = (
        coming(school, "2026-11-02"),
        coming(school, "2026-12-07"),
        coming(school, "2027-01-04"),
    )
    assert do(office, NEW, where="institution:", profile="step", day="2027-01-01").status_code == 303
    looked, fields = fill(office, NEW, where="institution:", profile="lough", day="2026-12-01")
    assert "1 session from that day on: 1 is judged by lough" in text_of(looked)
    assert "It holds until Fri 1 Jan 2027: from then on another one was planned" in text_of(looked)
    assert office.post(NEW, {**fields, "do": "do"}).status_code == 303
    assert [of(school, one) for one in (november, december, january)] == ["port", "lough", "step"]
    # Also when it is planned anew, since something else of it is changed.
    assert do(office, f"/registry/sessions/{january}/room", rooms="R1").status_code == 303
    assert of(school, january) == "step"
    # One on the plan's own day takes its place.
    assert do(office, NEW, where="institution:", profile="ddu", day="2027-01-01").status_code == 303
    assert [of(school, one) for one in (november, december, january)] == ["port", "lough", "ddu"]


@rule("PORT-2")
def test_a_plan_is_taken_back_and_what_held_before_it_goes_on(school, office):  # noqa: F811
    december, january = coming(school, "2026-12-07"), coming(school, "2027-01-04")
    do(office, NEW, where="institution:", profile="lough", day="2026-12-01")
    do(office, NEW, where="institution:", profile="step", day="2027-01-01")
    assert [of(school, one) for one in (december, january)] == ["lough", "step"]
    plan = next(row.id for row in given(school) if row.profile == "step")
    path = f"/registry/profiles/{plan}/end"
    looked, fields = fill(office, path)
    assert "step never holds there: what held before it goes on" in text_of(looked)
    assert "1 session is judged by lough then" in text_of(looked)
    assert of(school, january) == "step"
    assert office.post(path, {**fields, "do": "do"}).headers["location"] == "/registry/profiles?said=changed"
    assert office.post(path, {**fields, "do": "do"}).headers["location"] == "/registry/profiles?said=same"
    assert [of(school, one) for one in (december, january)] == ["lough", "lough"]
    shown = text_of(office.get("/registry/profiles"))
    assert (
        "taken back" in shown
        and "never held" in shown
        and "the profile step holds no more from Fri 1 Jan 2027" in shown
    )
    assert audits(school).count("profile.end") == 1
    assert path not in office.get("/registry/profiles").text


@rule("PORT-2", "LOUGH-39")
def test_one_that_holds_is_ended_from_a_day_on_and_the_wider_one_holds_again(school, office):  # noqa: F811
    course = school.world.all(schema.course)[0].id
    soon, december = coming(school, "2026-10-06"), coming(school, "2026-12-07")
    begun = school.session(starts_min=40, profile="port")
    do(office, NEW, where="institution:", profile="lough")
    do(office, NEW, where=f"course:{course}", profile="step")
    school.now_ms += HOUR_MIN * 60_000
    assert [of(school, one) for one in (begun, soon, december)] == ["step", "step", "step"]
    held = next(row.id for row in given(school) if row.profile == "step")
    path = f"/registry/profiles/{held}/end"
    assert path in office.get("/registry/profiles").text
    looked, _ = fill(office, path, day="2026-10-04")
    assert looked.status_code == 422 and "From today on" in text_of(looked)
    looked, fields = fill(office, path, day="2026-12-01")
    assert "step holds there no more from that day on" in text_of(looked)
    assert "1 session is judged by lough then" in text_of(looked)
    assert office.post(path, {**fields, "do": "do"}).status_code == 303
    assert [of(school, one) for one in (begun, soon, december)] == ["step", "step", "lough"]
    # Brought forward to today: what has begun keeps it. A later day than its last is none.
    assert do(office, path).status_code == 303
    assert [of(school, one) for one in (begun, soon, december)] == ["step", "lough", "lough"]
    looked, _ = fill(office, path, day="2027-02-01")
    assert "No session is judged by another profile" in text_of(looked)


@rule("PORT-2")
def test_an_end_is_not_moved_to_a_later_day(school, office):  # noqa: F811
    do(office, NEW, where="institution:", profile="lough")
    path = f"/registry/profiles/{given(school)[0].id}/end"
    assert do(office, path, day="2026-12-01").status_code == 303
    looked, _ = fill(office, path, day="2026-12-02")
    assert looked.status_code == 422 and "it ends before that day already" in text_of(looked).lower()


def test_an_end_of_what_was_changed_meanwhile_is_refused(school, office, signed):  # noqa: F811
    do(office, NEW, where="institution:", profile="lough", day="2026-12-01")
    path = f"/registry/profiles/{given(school)[0].id}/end"
    _, fields = fill(office, path)
    do(signed("reg"), NEW, where="institution:", profile="step", day="2026-12-24")
    before = given(school)
    answer = office.post(path, {**fields, "do": "do"})
    assert answer.status_code == 409 and given(school) == before


def test_a_department_ends_none_and_there_is_none_of_another_number(school, office, signed):  # noqa: F811
    do(office, NEW, where="institution:", profile="lough")
    path = f"/registry/profiles/{given(school)[0].id}/end"
    assert signed("sci").get(path).status_code == 403
    assert office.get("/registry/profiles/999/end").status_code == 404


@rule("PORT-2")
def test_a_class_that_moves_to_another_course_goes_by_its_profile_from_then_on(school, office):  # noqa: F811
    other = school.world.insert(schema.course, source="test", source_id="o", code="OTH", title="Other")
    do(office, NEW, where=f"course:{other}", profile="ddu")
    begun, next_ = school.session(starts_min=-20, profile="port"), school.session(starts_min=HOUR_MIN, profile="port")
    path = f"/registry/classes/{school.group}/change"
    looked, fields = fill(office, path, course_id=str(other))
    assert "1 coming session is judged by ddu from now on" in text_of(looked)
    assert of(school, next_) == "port"
    assert office.post(path, {**fields, "do": "do"}).status_code == 303
    assert [of(school, one) for one in (begun, next_)] == ["port", "ddu"]
    row = next(row for row in school.world.all(schema.session) if row.id == next_)
    wanted = school.world.profiles["ddu"].window(row.starts_ms, row.ends_ms)
    assert (row.opens_ms, row.closes_ms) == wanted


@rule("PORT-2")
def test_a_session_goes_by_the_course_of_the_class_that_it_has_now(school, office):  # noqa: F811
    other = school.world.insert(schema.course, source="test", source_id="o", code="OTH", title="Other")
    group = school.world.insert(
        schema.class_group, source="test", source_id="h", code="OTH-A", title="A", course_id=other
    )
    do(office, NEW, where=f"course:{school.world.all(schema.course)[0].id}", profile="step")
    do(office, NEW, where=f"course:{other}", profile="ddu")
    session = school.session(starts_min=HOUR_MIN, profile="port")
    with writing(school.world.engine) as connection:
        session_profiles.plan(connection, school.world.institution_id, [session], school.now_ms, school.world.profiles)
        assert connection.execute(select(schema.session.c.profile)).scalar_one() == "step"
        parts.set_classes(connection, school.world.institution_id, session, [group], school.now_ms)
        session_profiles.plan(connection, school.world.institution_id, [session], school.now_ms, school.world.profiles)
    assert of(school, session) == "ddu"
    looked, _ = fill(office, NEW, where=f"course:{school.world.all(schema.course)[0].id}", profile="lough")
    assert re.search(r"\b0 sessions from that day on", text_of(looked))


@rule("PORT-2", "LOUGH-39")
def test_what_has_begun_keeps_its_rules_where_its_class_has_moved_and_its_room_is_corrected(school, office):  # noqa: F811
    other = school.world.insert(schema.course, source="test", source_id="o", code="OTH", title="Other")
    with writing(school.world.engine) as connection:
        session_profiles.assign(connection, school.world.institution_id, "course", str(other), "ddu", 0)
    begun = school.session(starts_min=-20, profile="port")
    assert do(office, f"/registry/classes/{school.group}/change", course_id=str(other)).status_code == 303
    assert do(office, f"/registry/sessions/{begun}/room", rooms="R1").status_code == 303
    assert of(school, begun) == "port"
    row = next(row for row in school.world.all(schema.session) if row.id == begun)
    assert (row.opens_ms, row.closes_ms) == school.world.profiles["port"].window(row.starts_ms, row.ends_ms)
    # Where what its rules rest on is corrected, so are they.
    assert do(office, f"/registry/sessions/{begun}/change", kind="exam").status_code == 303
    assert of(school, begun) == "ddu"


@rule("PORT-2")
def test_what_was_ended_on_purpose_does_not_come_back_with_a_plan_that_is_taken_back(school, office):  # noqa: F811
    january, march = coming(school, "2027-01-04"), coming(school, "2027-03-01")
    do(office, NEW, where="institution:", profile="lough")
    first = next(row.id for row in given(school) if row.profile == "lough")
    do(office, f"/registry/profiles/{first}/end", day="2027-02-01")
    for day in ("2027-02-01", "2027-01-02"):
        do(office, NEW, where="institution:", profile="step", day=day)
        plan = max(row.id for row in given(school) if row.profile == "step")
        assert of(school, march) == "step"
        assert do(office, f"/registry/profiles/{plan}/end").status_code == 303
        # Cut by a plan it goes on, to the end that was set for it and no further.
        assert [of(school, one) for one in (january, march)] == ["lough", "port"], day
