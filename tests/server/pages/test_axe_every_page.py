"""Every page in real Chromium, as the role that uses it: axe finds nothing, nothing is wider than a phone, forms work.

One Chromium and one college for all of it: a browser for each page would take longer than all other tests of the pages.
"""

import shutil

import pytest

from server.store import schema, schema_rights, schema_work
from tests.parts_chromium import Chromium
from tests.rules import rule
from tests.server.filetypes.files import LETTER
from tests.server.pages import axe
from tests.server.pages.browser import Tab
from tests.server.pages.college import College
from tests.server.pages.person import Person
from tests.server.pages.school import PASSWORD
from tests.server.pages.serving import Serving
from tests.server.pages.visits import NOT_PAGES, pages_of, visits
from tests.server.walk.walk import routes_of

pytestmark = [pytest.mark.needs("chromium", "axe-core"), pytest.mark.timeout(900), pytest.mark.long(10)]
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 780, "dark": True}


@pytest.fixture(scope="module")
def college(tmp_path_factory, empty_sqlite):
    folder = tmp_path_factory.mktemp("college")
    shutil.copy(empty_sqlite, folder / "muster.db")
    made = College(folder)
    yield made
    made.close()


@pytest.fixture(scope="module")
def browser(college, need, tmp_path_factory):
    serving = Serving(college.served)
    tab = Tab(Chromium(need("chromium"), tmp_path_factory.mktemp("chromium")))
    axe.bring(tab)
    yield Person(tab, serving.url)
    tab.close()
    serving.close()


@pytest.fixture
def person(browser):
    """Somebody at a desk; the page's console has said nothing by the end."""
    browser.tab.look(**DESK)
    browser.tab.problems.clear()
    yield browser
    # Chromium writes down what a form was answered where something had to be corrected.
    assert [one for one in browser.tab.problems if "status of 422" not in one] == []


def wrong_with(tab: Tab, width: int, *, looks: bool = False) -> list[str]:
    """What axe says, and whether the page is too wide, as it is shown now with everything opened that opens."""
    tab.run("document.querySelectorAll('details:not(.keys)').forEach(one => { one.open = true })")
    wide = tab.run("document.documentElement.scrollWidth")
    return axe.problems(tab, looks=looks) + ([f"{wide} px wide of {width}"] if wide > width else [])


@pytest.mark.long(90)
def test_axe_finds_nothing_on_any_page_and_none_is_wider_than_a_phone(college, browser):
    """At a desk in the light, on a phone in the dark. A page that is in the routes is visited, or named as none."""
    tab, who, found, seen = browser.tab, "", {}, set()
    for visit in visits(college):
        seen.add(visit.name)
        if visit.who != who:
            who = visit.who
            browser.enter(college.cookie(who) if who else None)
        tab.problems.clear()
        tab.look(**DESK)
        browser.open(visit.address)
        wrong = [f"desk: {one}" for one in wrong_with(tab, 1280)]
        tab.look(**PHONE)
        wrong += [f"phone: {one}" for one in wrong_with(tab, 360, looks=True)]
        status = tab.run("performance.getEntriesByType('navigation')[0].responseStatus")
        at = tab.run("location.pathname + location.search")
        if (status, at) != (visit.status, visit.address):
            wrong.append(f"{status} at {at}")
        if tab.run("document.querySelectorAll('h1').length") != 1 or tab.run("document.title").startswith(" "):
            wrong.append("no title, or not one heading")
        wrong += [one for one in tab.problems if visit.status == 200 or "status of" not in one]
        if wrong:
            found[f"{visit.name} ({visit.address}) as {visit.who}"] = wrong
    assert found == {}, "\n".join(f"{name}: {'; '.join(wrong)}" for name, wrong in found.items())
    pages = {route.path for route in pages_of(college.served)}
    assert pages <= seen and len(pages) > 50
    assert set(NOT_PAGES) <= {route.path for route in routes_of(college.served)} - pages


def test_a_student_open_on_the_register_passes_axe_too(college, browser):
    browser.enter(college.cookie("ada"))
    for size in (DESK, PHONE):
        browser.tab.look(**size)
        browser.open(f"/sessions/{college.now}")
        browser.tab.run(f"document.getElementById('c{college.students[8]}').click()")
        browser.tab.until("!!document.querySelector('#panel form')")
        assert wrong_with(browser.tab, size["width"]) == []


def test_the_registry_adds_a_person_and_ends_them(college, person):
    person.enter(college.cookie("rita"))
    person.open("/registry")
    person.press("Add a person")
    person.fill(Given_names="Zoë", Family_name="Newcomer")
    person.fill_in("E-mail address", "no address")
    person.tab.run("document.querySelector('form.asks').noValidate = true")
    person.press("See what follows")
    assert "This is no e-mail address" in person.sees
    assert person.tab.run("document.querySelector('[aria-invalid]').labels[0].innerText").startswith("E-mail")
    person.fill_in("E-mail address", "zoe@college.example")
    person.press("See what follows")
    assert "Nothing is changed yet" in person.sees
    person.press("Add this person")
    assert "It is made" in person.sees and "made by hand" in person.sees
    person.press("Has left")
    person.press("See what follows")
    person.press("They have left")
    assert "has left" in person.sees or "left" in person.tab.run("document.querySelector('.head').innerText")
    (one,) = [row.person_id for row in college.world.all(schema.person_name) if row.full_name == "Zoë Newcomer"]
    assert [row.ended_ms for row in college.world.all(schema.person) if row.id == one] == [college.now_ms]


def test_a_late_starter_is_two_clicks_in_the_browser(college, person):
    person.enter(college.cookie("rita"))
    person.open(college.found("rita", "/registry", "latestarter"))
    person.fill_in("Class for Bao Latestarter", "CS101-A")
    person.press("Enrol from today")
    assert "What follows".casefold() in person.sees.casefold()
    person.press("Enrol")
    assert person.clicks == 2 and "on the class list" in person.sees
    held = [row.person_id for row in college.world.all(schema.enrolment)]
    assert college.late_starter in held


@rule("LOUGH-7")
def test_a_changed_room_is_two_clicks_in_the_browser(college, person):
    person.enter(college.cookie("rita"))
    person.open(college.found("rita", "/registry", "Tutorial"))
    assert "cancelled" in person.sees
    person.open(college.found("rita", "/registry", "Compilers"))
    person.fill_in("Another room for Compilers", "BK 1.04")
    person.press("Move")
    assert "BK 0.12" in person.sees and "BK 1.04" in person.sees
    person.press("Move")
    assert person.clicks == 2 and "The change is made" in person.sees and "kept by hand" in person.sees


@rule("LOUGH-32")
def test_a_change_is_asked_for_with_a_file_and_decided_by_another(college, person, tmp_path):
    student, session = college.students[7], college.asked_about
    proof = tmp_path / "letter.pdf"
    proof.write_bytes(LETTER)
    person.enter(college.cookie("ada"))
    person.open(f"/sessions/{session}/request")
    person.tab.run(f"document.getElementById('mark-{student}').value = 'P'")
    person.fill(Reason="Sat in the last row")
    person.attach("#files", proof)
    person.press("Ask")
    assert "letter.pdf" in person.sees
    address = person.path
    person.enter(college.cookie("rita"))
    person.open(address)
    person.fill(Comment="Seen on the paper list")
    person.press("Approve and apply")
    assert "applied" in person.sees.casefold()
    assert college.world.marks()[session, student][0] == "P"


def test_a_profile_is_given_from_a_day_on(college, person):
    person.enter(college.cookie("rita"))
    person.open("/registry/profiles")
    person.press("Give a profile")
    person.fill(Where="a course", Profile="step")
    person.press("See what follows")
    person.press("Let it hold")
    assert "The change is made" in person.sees
    assert person.path == "/registry/profiles"
    person.press("End")
    person.press("See what follows")
    person.press("End it")
    assert "The change is made" in person.sees
    assert "the profile step holds no more" in person.sees and person.path == "/registry/profiles"


@rule("LOUGH-39")
def test_a_batch_is_made_in_the_browser_and_stands_in_the_audit(college, person):
    person.enter(college.cookie("rita"))
    person.open("/registry")
    person.press("Batches")
    person.press("Add a batch")
    person.fill(Code="B-2026", Classes="MA101-A")
    person.fill_in("First day", "2026-09-20")
    person.press("See what follows")
    assert "Nothing is changed yet" in person.sees and "None of these classes' sessions go by rules" in person.sees
    person.press("Add this batch")
    assert "It is made" in person.sees and "MA101-A" in person.sees
    person.enter(college.cookie("otto"))
    person.open("/registry")
    person.press("Audit")
    person.fill(by="Rita", about="sessions and what they consist of")
    person.press("Show")
    assert "batch B-2026: its days or classes set" in person.sees


def test_an_account_is_made_given_a_role_and_disabled(college, person):
    person.enter(college.cookie("admin"))
    person.open("/accounts")
    person.fill(Login="nils", Password="a sentence of his own")
    person.fill_in("Shown to other staff as", "Nils Technician")
    person.fill(Role="technician")
    person.press("Make the account")
    person.fill(Role="auditor")
    person.press("Give this role")
    assert "auditor" in person.sees
    person.press("Disable this account")
    assert "nobody signs in with it" in person.sees
    row = next(row for row in college.world.all(schema.account) if row.login == "nils")
    held = [one.role for one in college.world.all(schema_rights.account_role) if one.account_id == row.id]
    assert sorted(held) == ["auditor", "technician"]


def test_one_signs_in_by_keys_ends_another_login_and_changes_the_password(college, person):
    college.cookie("bob")
    person.enter(None)
    person.open("/account")
    assert person.path == "/sign-in"
    # The first field has the focus: only keys from here.
    person.tab.call("Input.insertText", text="bob")
    person.tab.press("Tab")
    person.tab.call("Input.insertText", text=PASSWORD)
    person.tab.press("Enter")
    person.tab.until("location.pathname === '/account' && document.readyState === 'complete'")
    assert person.tab.run("document.querySelectorAll('li form[action^=\"/account/logins/\"]').length") == 2
    person.tab.submit("li:not(:has(.calm)) form[action^='/account/logins/'] button")
    assert "That login has ended" in person.sees
    assert person.tab.run("document.querySelectorAll('li form[action^=\"/account/logins/\"]').length") == 1
    person.fill_in("Password now", PASSWORD)
    person.fill_in("New password, at least", "another horse battery")
    person.fill_in("New password once", "another horse battery")
    person.press("Change the password")
    assert person.path == "/sign-in" and "password" in person.tab.run("document.querySelector('.notice').innerText")
    person.fill(Login="bob", Password="another horse battery")
    person.press("Sign in")
    assert person.path == "/today"


def test_an_import_is_scheduled_and_a_report_closed(college, person):
    person.enter(college.cookie("rita"))
    person.open("/registry/imports")
    person.press("Schedule an import")
    person.fill_in("Name of the system", "mis")
    person.fill_in("File or folder", "nightly")
    person.press("See what follows")
    assert "Nothing is changed yet" in person.sees or "is not there" in person.sees
    person.open("/compliance/reports")
    person.press("Close the report")
    assert "The report is closed" in person.sees
    assert [row.closed_ms is not None for row in college.world.all(schema_work.register_report)] == [True]


@rule("LOUGH-19")
def test_a_student_reports_an_absence_in_the_browser(college, person):
    person.enter(college.cookie("sam"))
    person.open("/me")
    person.tab.submit(f"a[href='/me/absence?session={college.tomorrow}']")
    assert person.tab.run(f"document.getElementById('s{college.tomorrow}').checked")
    person.fill(Reason="Ill")
    person.press("Send the report")
    assert person.path == "/me" and "absence reported" in person.sees
    named = [(row.state, one.session_id) for row in college.world.all(schema_work.absence)
             for one in college.world.all(schema_work.absence_session) if one.absence_id == row.id]  # fmt: skip
    assert ("open", college.tomorrow) in named
