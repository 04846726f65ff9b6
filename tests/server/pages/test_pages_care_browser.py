"""The pages around one student in real Chromium: axe finds nothing, no page is wider than a phone, forms work by keys."""

import time

import pytest

from server.clock import Clock
from server.store import absences, schema_work, trips
from server.store.engine import writing
from tests.rules import rule
from tests.server.pages import axe
from tests.server.pages.browser import Tab
from tests.server.pages.care_school import people
from tests.server.pages.school import PASSWORD, School
from tests.server.pages.serving import Serving

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(600)]


@pytest.fixture
def school(tmp_path):
    made = School(tmp_path, now_ms=int(time.time() * 1000), clock=Clock())
    people(made)
    yield made
    made.close()


@pytest.fixture
def serving(school, tmp_path):
    made = Serving(school.app(data_dir=tmp_path / "data"))
    yield made
    made.close()


@pytest.fixture
def tab(chromium):
    made = Tab(chromium)
    yield made
    made.close()


def sign_in(tab: Tab, url: str, name: str) -> None:
    tab.call("Network.clearBrowserCookies")
    tab.go(f"{url}/sign-in")
    tab.run(f"document.getElementById('login').value = '{name}'")
    tab.run(f"document.getElementById('password').value = '{PASSWORD}'")
    tab.submit("form button.main")


def prepared(school) -> dict[str, list[str]]:
    """Something on every page. Who looks at which."""
    world = school.world
    session = school.session("Computing", starts_min=30)
    school.session("Before", starts_min=-300)
    with writing(world.engine) as connection:
        sam = absences.scope_of(connection, world.institution_id, school.accounts["sam"], school.now_ms)
        ada = absences.scope_of(connection, world.institution_id, school.accounts["ada"], school.now_ms)
        wanted = absences.Wanted(
            person_id=school.students[0], kind="reported", from_ms=school.now_ms, to_ms=school.now_ms + 86_400_000,
            session_ids=(session,), reason="Ill", channel="self", reported_ms=school.now_ms,
        )  # fmt: skip
        absence = absences.report(connection, sam, wanted, now_ms=school.now_ms)
        trip = trips.plan(
            connection, ada, title="Museum", from_ms=school.now_ms - 1000, to_ms=school.now_ms + 7_200_000,
            students=school.students, staff=[school.ada], now_ms=school.now_ms,
        )  # fmt: skip
    return {
        "sam": ["/me", "/me/absence", "/me/card", f"/absences/{absence}"],
        "ada": [
            "/absences", "/absences/new", "/absences/new?number=up1", f"/absences/{absence}", "/trips", "/trips/new",
            f"/trips/{trip}", f"/trips/{trip}/change", "/paper", f"/people/{school.students[0]}/attendance",
        ],
    }  # fmt: skip


def test_axe_finds_nothing_and_nothing_is_wider_than_a_phone(school, serving, tab):
    found = {}
    for who, paths in prepared(school).items():
        sign_in(tab, serving.url, who)
        for path in paths:
            for width in (1280, 360):
                tab.look(width=width, height=800)
                tab.go(serving.url + path)
                tab.run("document.querySelectorAll('details').forEach(one => { one.open = true })")
                wrong = axe.problems(tab)
                wide = tab.run("document.documentElement.scrollWidth")
                if wide > width:
                    wrong.append(f"{wide} px wide")
                if wrong:
                    found[path, width] = wrong
    assert found == {}
    assert tab.problems == []


@rule("LOUGH-19")
def test_a_student_reports_an_absence_in_the_browser(school, serving, tab):
    session = school.session("Computing", starts_min=30)
    sign_in(tab, serving.url, "sam")
    assert tab.run("location.pathname") == "/me"
    tab.submit(f"a[href='/me/absence?session={session}']")
    assert tab.run(f"document.getElementById('s{session}').checked")
    tab.run("document.getElementById('reason').value = 'Ill'")
    tab.submit("form[action='/me/absence'] button.main")
    assert tab.run("location.pathname") == "/me", tab.run("document.querySelector('main').innerText")
    assert "absence reported" in tab.run("document.body.innerText")
    assert [one.state for one in school.world.all(schema_work.absence)] == ["open"]
    assert tab.problems == []
