"""In real Chromium: the fire roll-call on a phone whose network went, and what signing out leaves on it; the live board."""

import shutil

import pytest

from server.store import logins
from server.store.engine import writing
from tests.parts_chromium import Chromium
from tests.rules import rule
from tests.server.pages.browser import Tab
from tests.server.pages.home import DAY, HOUR, MIN, OPENS, Home
from tests.server.pages.person import Person
from tests.server.pages.serving import Serving

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(600)]


class Phone(Person):
    """A phone at a server that can go away."""

    def __init__(self, tab, serving) -> None:
        super().__init__(tab, serving.url)
        self.serving, self.there = serving, True

    def lose_network(self) -> None:
        """Nothing answers at the server's address any more."""
        self.there = False
        self.serving.close()


@pytest.fixture
def home(tmp_path, empty_sqlite):
    shutil.copy(empty_sqlite, tmp_path / "muster.db")
    made = Home(tmp_path)
    made.check_in(0, OPENS + HOUR)
    yield made
    made.close()


@pytest.fixture
def phone(home, need, tmp_path):
    serving = Serving(home.app)
    tab = Tab(Chromium(need("chromium"), tmp_path / "chromium"))
    tab.look(width=360, height=780)
    made = Phone(tab, serving)
    with writing(home.world.engine) as connection:
        token = logins.begin(connection, home.school.accounts["ros"], home.school.now_ms, hours=10).token
    made.enter(token)
    yield made
    tab.close()
    if made.there:
        serving.close()


def kept(phone) -> None:
    """Wait until this device keeps the list, and what it is shown with, and the worker stands before the pages."""
    phone.tab.run(
        "window.lists = -1; setInterval(async () => { const cache = await caches.open('muster-roll-call');"
        " window.lists = (await cache.keys()).length; }, 100)"
    )
    phone.tab.until("window.lists === 3 && !!navigator.serviceWorker.controller")


@rule("DDU-12")
def test_without_a_network_the_list_as_it_was_last_known_is_shown_and_ticked_off(home, phone):
    phone.open(f"/residence/houses/{home.house}")
    kept(phone)
    phone.lose_network()
    # Whatever page of the house is asked for: what can be shown is the roll-call.
    phone.open(f"/residence/houses/{home.house}/missing")
    phone.tab.until("!!document.getElementById('roll-call')")
    assert phone.path == f"/residence/houses/{home.house}/roll-call"
    phone.tab.until("document.getElementById('kept').textContent.startsWith('No network now')")
    sees = phone.sees
    assert "As known at 20:00:00" in sees and "Look for everybody" in sees and "0 of 6 ticked, 6 to find" in sees
    assert phone.tab.run("getComputedStyle(document.querySelector('.at')).fontSize") == "24px"
    phone.tab.run("document.querySelectorAll('#roll-call li input')[1].click()")
    assert "1 of 6 ticked, 5 to find" in phone.sees
    phone.tab.run("document.getElementById('only').click()")
    assert phone.tab.run("document.querySelectorAll('#roll-call li input')[1].offsetParent === null")
    phone.open(f"/residence/houses/{home.house}/roll-call")
    phone.tab.until("document.getElementById('count').textContent === '1 of 6 ticked, 5 to find'")


@rule("DDU-12")
def test_signing_out_leaves_no_list_and_no_tick_on_the_phone(home, phone):
    phone.open(f"/residence/houses/{home.house}/roll-call")
    kept(phone)
    phone.tab.run("document.querySelectorAll('#roll-call li input')[0].click()")
    assert phone.tab.run("Object.keys(localStorage).length") >= 1
    phone.open(f"/residence/houses/{home.house}/notes")
    phone.press("Sign out")
    phone.tab.until("location.pathname === '/sign-in'")
    phone.tab.run("window.left = null; caches.keys().then((found) => { window.left = found.length; })")
    phone.tab.until("window.left !== null")
    assert phone.tab.run("window.left") == 0
    assert phone.tab.run("Object.keys(localStorage).length") == 0


@rule("DDU-12")
def test_the_board_and_an_open_list_show_by_themselves_that_somebody_came_in(home, phone):
    phone.open(f"/residence/houses/{home.house}")
    assert "1 in" in phone.sees
    home.check_in(1, OPENS + 2 * HOUR - MIN)
    phone.tab.until("document.querySelector('#board').innerText.includes('19:59')", within_s=60)
    phone.open(f"/residence/houses/{home.house}/missing?day={DAY}")
    row = f"#r{home.people[3]} details"
    phone.tab.run(f"document.querySelector('{row}').open = true")
    home.check_in(2, OPENS + 2 * HOUR - MIN)
    phone.tab.until(f"!document.querySelector('#r{home.people[2]} button')", within_s=60)
    assert phone.tab.run(f"document.querySelector('{row}').open"), "what was open has stayed so"
