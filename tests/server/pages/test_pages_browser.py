"""The pages in real Chromium: signing in, and a register that fills while it is looked at."""

import time
from pathlib import Path

import pytest

from server.clock import Clock
from server.store import schema
from server.store.engine import writing
from tests.server.pages.browser import Tab
from tests.server.pages.school import PASSWORD, School
from tests.server.pages.serving import Gateway, Serving

pytestmark = pytest.mark.needs("chromium")


@pytest.fixture
def live_school(tmp_path):
    made = School(tmp_path, students=12, now_ms=int(time.time() * 1000), clock=Clock())
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
    gateway.deliver(*board.lines, board.hello(), board.head(int(time.time() * 1000)))
    sign_in(tab, serving.url, "ada")
    assert tab.run("location.pathname") == "/today"
    tab.submit(".today a[href^='/sessions/']")
    assert tab.run("location.pathname") == f"/sessions/{session}"
    first, third = live_school.students[0], live_school.students[2]
    assert "not seen yet" in tab.run(f"document.getElementById('p{first}').innerText")
    # What must not be touched: the page itself, the other rows, and where the keyboard is.
    tab.run(f"window.same = document.getElementById('p{third}'); document.getElementById('c{first}').focus()")
    for student in (0, 1):
        gateway.deliver(board.swipe(live_school.uids[student], int(time.time() * 1000)))
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
    gateway.deliver(*board.lines, board.hello(), board.head(int(time.time() * 1000)))
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
    gateway.deliver(board.swipe(live_school.uids[0], int(time.time() * 1000)))
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


@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_is_wider_than_its_window(live_school, serving, tab, width):
    live_school.session("A long title of a session, which somebody wrote in full", starts_min=-30, profile="step")
    live_school.reader()
    tab.look(width=width, height=800)
    tab.go(f"{serving.url}/sign-in")
    paths = ["/sign-in"]
    assert tab.run("document.documentElement.scrollWidth") <= width
    sign_in(tab, serving.url, "admin")
    for path in ("/today", "/sessions/1", f"/sessions/1/people/{live_school.students[0]}", "/doors"):
        tab.go(serving.url + path)
        paths.append(path)
        assert tab.run("document.documentElement.scrollWidth") <= width, path
    assert tab.problems == []


def test_the_pages_pictures_can_be_taken(live_school, serving, tab, tmp_path):
    tab.look(width=1280, height=800, dark=True)
    tab.go(f"{serving.url}/sign-in")
    picture: Path = tab.picture(tmp_path / "sign-in.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
