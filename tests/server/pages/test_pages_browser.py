"""The pages in real Chromium: signing in, and a register that fills while it is looked at."""

import time

import pytest

from server.clock import Clock
from server.store import schema
from server.store.engine import writing
from tests.server.pages.browser import Tab
from tests.server.pages.school import NOW, PASSWORD, School
from tests.server.pages.serving import Gateway, Serving

pytestmark = pytest.mark.needs("chromium")


@pytest.fixture
def live_school(tmp_path):
    # A Monday morning that runs on: at midnight a lesson that has begun was yesterday's.
    begun_s = time.time()
    made = School(tmp_path, students=12, clock=Clock(origin_s=begun_s, offset_s=NOW / 1000 - begun_s))
    yield made
    made.close()


@pytest.fixture
def serving(live_school):
    made = Serving(live_school.app(work=True))
    yield made
    made.close()


@pytest.fixture
def gateway(live_school, serving):
    made = Gateway(live_school, serving.url)
    yield made
    made.close()


@pytest.fixture
def tab(chromium):
    made = Tab(chromium)
    yield made
    made.close()


def sign_in(tab: Tab, url: str, name: str) -> None:
    tab.go(f"{url}/")
    tab.run(f"document.getElementById('login').value = '{name}'")
    tab.run(f"document.getElementById('password').value = '{PASSWORD}'")
    tab.submit("form button.main")


def test_a_tap_shows_on_the_open_register_within_two_seconds_without_loading_it_again(
    live_school, serving, gateway, tab
):
    session = live_school.session(starts_min=-2)
    board = live_school.reader()
    gateway.deliver(*board.lines, board.hello(), board.head(live_school.clock.now_ms()))
    sign_in(tab, serving.url, "ada")
    assert tab.run("location.pathname") == "/today"
    tab.submit(".today a[href^='/sessions/']")
    assert tab.run("location.pathname") == f"/sessions/{session}"
    first, third = live_school.students[0], live_school.students[2]
    assert "not seen yet" in tab.run(f"document.getElementById('p{first}').innerText")
    # What must not be touched: the page itself, the other rows, and where the keyboard is.
    tab.run(f"window.same = document.getElementById('p{third}'); document.getElementById('c{first}').focus()")
    for student in (0, 1):
        gateway.deliver(board.swipe(live_school.uids[student], live_school.clock.now_ms()))
        person = live_school.students[student]
        took_s = tab.until(f"document.getElementById('p{person}').innerText.includes('P present')", within_s=2)
        print(f"tap to register: {took_s:.2f} s")
        # htmx sets the class a moment after the row: only then does its animation start.
        tab.until(f"document.getElementById('p{person}').classList.contains('fresh')", within_s=1)
    assert tab.run(f"window.same === document.getElementById('p{third}')")
    assert tab.run("document.activeElement.id") == f"c{first}"
    assert tab.run("document.querySelector('#summary dd').innerText").startswith("2")
    assert "card tapped" in tab.run("document.getElementById('said').innerText")
    assert tab.problems == []


def test_a_mark_is_set_by_keyboard_while_cards_are_tapped(live_school, serving, gateway, tab):
    session = live_school.session(starts_min=-2)
    board = live_school.reader()
    gateway.deliver(*board.lines, board.hello(), board.head(live_school.clock.now_ms()))
    sign_in(tab, serving.url, "ada")
    tab.go(f"{serving.url}/sessions/{session}")
    one = live_school.students[1]
    tab.run(f"document.getElementById('c{one}').focus()")
    tab.press("Enter")
    tab.until(f"document.activeElement.id === 't{one}'")
    # Another student's panel takes the place of this one: there is one at a time.
    other = live_school.students[4]
    tab.run(f"document.getElementById('c{other}').click()")
    tab.until(f"document.activeElement.id === 't{other}'")
    assert tab.run("document.querySelectorAll('.panel').length") == 1
    tab.press("Escape")
    assert tab.run("document.querySelectorAll('.panel').length") == 0
    assert tab.run("document.activeElement.id") == f"c{other}"
    # An open form outlives what the poll replaces around it, also its own student's row.
    tab.run(f"document.getElementById('c{other}').click()")
    tab.until(f"document.activeElement.id === 't{other}'")
    tab.run(f"document.getElementById('w{other}').value = 'came without a card'")
    gateway.deliver(board.swipe(live_school.uids[0], live_school.clock.now_ms()))
    tab.until(f"document.getElementById('p{live_school.students[0]}').innerText.includes('P present')", within_s=2)
    assert tab.run(f"document.getElementById('w{other}').value") == "came without a card"
    tab.run(f"document.getElementById('w{other}').form.requestSubmit()")
    tab.until(f"document.getElementById('p{other}').innerText.includes('by hand')", within_s=2)
    assert tab.run("document.querySelectorAll('.panel').length") == 0
    tab.until(f"document.activeElement.id === 'c{other}'")
    assert tab.run("location.pathname") == f"/sessions/{session}"
    assert tab.problems == []


def test_an_open_register_asks_to_sign_in_again_and_says_when_the_server_is_gone(live_school, tab):
    session = live_school.session(starts_min=-2)
    app = live_school.app()
    serving = Serving(app)
    try:
        sign_in(tab, serving.url, "ada")
        tab.go(f"{serving.url}/sessions/{session}")
        assert tab.run("document.getElementById('stale').hidden")
        with writing(live_school.world.engine) as connection:
            connection.execute(schema.login.update().values(ended_ms=1))
        # Signed out elsewhere: the page goes to sign in, and comes back afterwards.
        tab.until("location.pathname === '/sign-in' && !!document.querySelector('input[name=next]')")
        assert tab.run("document.querySelector('input[name=next]').value") == f"/sessions/{session}"
        sign_in(tab, f"{serving.url}/sign-in?next=/sessions/{session}#", "ada")
        tab.go(f"{serving.url}/sessions/{session}")
    finally:
        serving.close()
    tab.until("!document.getElementById('stale').hidden")


def test_every_box_button_and_link_of_a_row_says_to_a_screen_reader_whose_it_is(live_school, serving, tab):
    session = live_school.session(starts_min=-2)
    sign_in(tab, serving.url, "ada")
    tab.go(f"{serving.url}/sessions/{session}")
    root = tab.call("DOM.getDocument")["root"]["nodeId"]

    def said(selector: str) -> dict[str, str]:
        node = tab.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        (found,) = tab.call("Accessibility.getPartialAXTree", nodeId=node, fetchRelatives=False)["nodes"]
        return {one: found[one]["value"] for one in ("role", "name", "description") if one in found}

    row = f"#p{live_school.students[3]}"
    link = said(f"{row} a.name")
    assert link == {"role": "link", "name": "Student 003", "description": "Explain or change the mark"}
    box = said(f"{row} .tick input")
    assert (box["role"], box["name"]) == ("checkbox", "Select Student 003")
    names = [said(f"{row} .quick button:nth-child({n})")["name"] for n in (1, 2, 3)]
    meanings = ("P (present, on time)", "L (late, or left early)", "A (unreported absence)")
    assert names == [f"{one} for Student 003" for one in meanings]
    assert tab.problems == []
