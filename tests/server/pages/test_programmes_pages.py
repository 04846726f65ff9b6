"""Programmes on the registry's pages: made, given courses, given a profile; by a department for its own courses only."""

import pytest

from server.store import absences, campus_catalogue, schema, session_profiles
from server.store.campus import FieldRefused
from server.store.engine import reading, writing
from tests.rules import rule
from tests.server.pages.test_campus_pages import do, fill, said
from tests.server.store_world import HOUR


@pytest.fixture
def rita(enter):
    return enter("rita")


def made(visitor, path: str, /, **values) -> int:
    answer = do(visitor, path, **values)
    assert answer.status_code == 303, said(answer)
    return int(answer.headers["location"].partition("?")[0].rpartition("/")[2])


def of_course(there, number: int) -> int | None:
    return next(row.programme_id for row in there.world.all(schema.course) if row.id == there.courses[number])


def profile_of(there, session: int) -> str:
    return next(row.profile for row in there.world.all(schema.session) if row.id == session)


@rule("PORT-2")
def test_a_course_that_is_put_into_a_programme_goes_by_its_profile_from_then_on(there, rita):
    programme = made(rita, "/registry/programmes/new", code="ENG", title="Engineering")
    with writing(there.world.engine) as connection:
        session_profiles.assign(connection, there.world.institution_id, "programme", str(programme), "step", 0)
    coming = there.session("Later", starts_min=48 * 60, profile="port")
    begun = there.session("Begun", starts_min=-10, profile="port")
    assert profile_of(there, coming) == profile_of(there, begun) == "port"
    path = f"/registry/courses/{there.courses[1]}/change"
    looked, _ = fill(rita, path, programme_id=str(programme))
    assert "1 coming session is judged by step from now on: the profile of its programme" in said(looked)
    # What was looked at was not done, and what has begun keeps its rules.
    assert profile_of(there, coming) == "port" and of_course(there, 1) is None
    assert do(rita, path, programme_id=str(programme)).status_code == 303
    assert of_course(there, 1) == programme
    assert (profile_of(there, coming), profile_of(there, begun)) == ("step", "port")
    page = rita.get(f"/registry/programmes/{programme}")
    assert "C1" in said(page) and f'href="/registry/courses/{there.courses[1]}"' in page.text
    assert "changed: programme" in said(rita.get(f"/registry/courses/{there.courses[1]}"))
    assert do(rita, path, programme_id="").status_code == 303
    assert of_course(there, 1) is None and profile_of(there, coming) == "port"


def test_the_profiles_page_offers_it_and_the_preview_says_what_rests_on_it(there, rita):
    programme = made(rita, "/registry/programmes/new", code="ENG", title="Engineering")
    assert f'value="programme:{programme}"' in rita.get("/registry/profiles/new").text
    do(rita, f"/registry/courses/{there.courses[0]}/change", programme_id=str(programme))
    looked, _ = fill(rita, f"/registry/programmes/{programme}/change", ended="yes")
    assert "Still there: 1 courses" in said(looked)
    taken, _ = fill(rita, "/registry/programmes/new", code="eng", title="Again")
    assert taken.status_code == 422 and "here is a programme with this code already" in said(taken)


def test_a_departments_registry_has_its_own_programmes_and_puts_its_own_courses_into_them(there, enter, rita):
    rex, (one, two) = enter("rex"), there.departments
    whole = made(rita, "/registry/programmes/new", code="ALL", title="Of all", department_id="")
    others = made(rita, "/registry/programmes/new", code="P1", title="First", department_id=str(one))
    own = made(rex, "/registry/programmes/new", code="P2", title="Second", department_id=str(two))
    listed = rex.get("/registry/programmes").text
    assert "P2" in listed and "P1" not in listed and "ALL" not in listed
    for strange in (whole, others):
        assert rex.get(f"/registry/programmes/{strange}").status_code == 404
        assert rex.get(f"/registry/programmes/{strange}/change").status_code == 404
    path = f"/registry/courses/{there.courses[1]}/change"
    assert do(rex, path, programme_id=str(own)).status_code == 303 and of_course(there, 1) == own
    # Another's is not offered, and not taken from a form that names it all the same.
    refused, _ = fill(rex, path, programme_id=str(others))
    assert refused.status_code == 422 and of_course(there, 1) == own
    lost, _ = fill(rex, f"/registry/programmes/{own}/change", department_id=str(one))
    assert lost.status_code == 422


@rule("PORT-2")
def test_a_course_in_anothers_programme_stays_there_whatever_else_its_department_changes(there, enter, rita):
    whole = made(rita, "/registry/programmes/new", code="ALL", title="Of all")
    path = f"/registry/courses/{there.courses[1]}/change"
    do(rita, path, programme_id=str(whole))
    rex = enter("rex")
    assert "ALL – Of all" in rex.get(path).text
    assert do(rex, path, title="Another title").status_code == 303 and of_course(there, 1) == whole
    refused, _ = fill(rex, path, programme_id="")
    assert refused.status_code == 422 and of_course(there, 1) == whole
    # Nor past the form: the store asks for itself.
    with reading(there.world.engine) as connection:
        scope = absences.scope_of(connection, there.world.institution_id, there.accounts["rex"], there.now_ms)
        now = campus_catalogue.one(connection, scope, "course", there.courses[1], "campus.change")
    with writing(there.world.engine) as connection, pytest.raises(FieldRefused, match="not yours"):
        campus_catalogue.save(
            connection, scope, "course", now.id, {**now.values, "programme_id": None}, ended=False, seen=now.seen,
            once="0" * 32, now_ms=there.now_ms + HOUR, profiles=there.world.profiles,
        )  # fmt: skip
