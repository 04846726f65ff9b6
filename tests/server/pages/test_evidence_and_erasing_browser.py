"""In real Chromium: A becomes R with a file from the panel beside the register, and the registry erases the reason."""

import time

import pytest

from server.clock import Clock
from server.store import schema, schema_work
from tests.parts_chromium import Chromium
from tests.rules import rule
from tests.server.filetypes.files import LETTER
from tests.server.pages.browser import Tab
from tests.server.pages.person import Person
from tests.server.pages.requesting import Corrected
from tests.server.pages.school import PASSWORD
from tests.server.pages.serving import Serving

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(600)]


@pytest.fixture
def school(tmp_path):
    made = Corrected(tmp_path, now_ms=int(time.time() * 1000), clock=Clock())
    yield made
    made.close()


@pytest.fixture
def person(school, need, tmp_path):
    serving = Serving(school.app(data_dir=tmp_path / "data"))
    tab = Tab(Chromium(need("chromium"), tmp_path / "chromium"))
    yield Person(tab, serving.url)
    tab.close()
    serving.close()


def sign_in(person, name: str) -> None:
    person.enter(None)
    person.open("/sign-in")
    person.tab.run(f"document.getElementById('login').value = '{name}'")
    person.tab.run(f"document.getElementById('password').value = '{PASSWORD}'")
    person.tab.submit("form button.main")


@rule("LOUGH-22", "LOUGH-39")
def test_a_lecturer_attaches_evidence_beside_the_register_and_the_registry_erases_the_reason(school, person, tmp_path):
    lesson = school.aged(5 / 24)
    student = school.students[0]
    letter = tmp_path / "doctor.pdf"
    letter.write_bytes(LETTER)
    sign_in(person, "ada")
    person.open(f"/sessions/{lesson}")
    tab = person.tab
    tab.run(f"document.getElementById('c{student}').click()")
    tab.until("!!document.querySelector('#panel form input[type=file]')")
    # Without a file: the panel says what is missing, and keeps what was written.
    choose = "[...document.querySelectorAll('#panel input[name=code]')].find(one => one.value === 'R').click()"
    press = "[...document.querySelectorAll('#panel button')].find(one => one.innerText === 'Set mark').click()"
    tab.run(choose)
    tab.run("document.querySelector('#panel input[name=note]').value = 'Ambulance'")
    tab.run(press)
    tab.until("document.querySelector('#panel [role=alert]')?.innerText.includes('R needs evidence')")
    assert tab.run("document.querySelector('#panel input[name=note]').value") == "Ambulance"
    assert tab.run("document.querySelector('#panel input[name=code]:checked').value") == "R"
    tab.attach("#panel input[type=file]", letter)
    tab.run(press)
    tab.until("!document.getElementById('panel')")
    tab.until(f"document.getElementById('p{student}').innerText.includes('reported absence')")
    assert [row.file_name for row in school.world.all(schema_work.attachment)] == ["doctor.pdf"]
    person.open(f"/sessions/{lesson}/people/{student}")
    assert "doctor.pdf" in person.sees and tab.run("!!document.querySelector('main a[href^=\"/attachments/\"]')")

    sign_in(person, "rita")
    person.open(f"/sessions/{lesson}")
    person.press("Reasons and notes")
    person.fill_in("Ambulance", True)
    person.fill_in("doctor.pdf", True)
    person.fill_in("Why they are erased", "asked for by the student")
    person.press("See what would be erased")
    assert "Nothing is erased yet" in person.sees
    person.press("Erase for good")
    assert "They are erased." in person.sees and "Ambulance" not in person.sees and "doctor" not in person.sees
    assert {row.text for row in school.world.all(schema.note)} == {"", "asked for by the student"}
    person.open(f"/sessions/{lesson}/people/{student}")
    assert "(erased)" in person.sees and "a file that was erased" in person.sees
