"""The register in real Chromium: marked by keys, verified by one, marked without scripts."""

import time

import pytest

from server.clock import Clock
from server.store import schema
from tests.server.pages.browser import Tab
from tests.server.pages.school import PASSWORD, School
from tests.server.pages.serving import Gateway, Serving

pytestmark = pytest.mark.needs("chromium")
STUDENTS = 30


@pytest.fixture
def live_school(tmp_path):
    made = School(tmp_path, students=STUDENTS, now_ms=int(time.time() * 1000), clock=Clock())
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


def tap(live_school, gateway, students, *, ago_s: int = 60, board=None) -> None:
    board = board or live_school.reader()
    now_ms = int(time.time() * 1000)
    gateway.deliver(*board.lines, board.hello())
    gateway.deliver(*(board.swipe(live_school.uids[n], now_ms - ago_s * 1000 + n) for n in students))


def held(live_school, session: int) -> dict[int, tuple[str | None, bool]]:
    """student number -> the mark that holds, and whether it is verified."""
    # In this order: a mark that is made in between belongs to no row that was read before it.
    current = live_school.world.all(schema.mark_current)
    marks = {row.id: row for row in live_school.world.all(schema.mark)}
    return {
        live_school.students.index(row.person_id): (marks[row.mark_id].code, bool(marks[row.mark_id].verified))
        for row in current
        if row.session_id == session
    }


def until(ready, *, within_s: float = 30) -> None:
    ends = time.monotonic() + within_s
    while not ready():
        assert time.monotonic() < ends, "it did not come to be so"
        time.sleep(0.05)


@pytest.mark.rule("STEP-18")
def test_thirty_with_three_exceptions_are_marked_and_verified_by_at_most_eight_keys(live_school, serving, gateway, tab):
    session = live_school.session(starts_min=-10, profile="step")
    exceptions = (4, 17, 25)
    tap(live_school, gateway, [n for n in range(STUDENTS) if n not in exceptions])
    until(lambda: len(held(live_school, session)) == STUDENTS - len(exceptions))
    sign_in(tab, serving.url, "ada")
    tab.go(f"{serving.url}/sessions/{session}")
    keys = ["j", "a", "a", "p", "v"]
    for key in keys:
        tab.press(key)
    assert len(keys) <= 8
    until(lambda: len(held(live_school, session)) == STUDENTS)
    tab.until("!document.getElementById('verify') && document.getElementById('summary').innerText.includes('Verified')")
    found = held(live_school, session)
    assert {n: found[n][0] for n in exceptions} == {4: "A", 17: "A", 25: "P"}
    assert all(found[n] == ("P", True) for n in range(STUDENTS) if n not in exceptions)
    assert all(verified for _, verified in found.values())
    assert tab.problems == []


@pytest.mark.rule("STEP-18")
def test_a_register_of_thirty_is_verified_by_one_key(live_school, serving, gateway, tab):
    session = live_school.session(starts_min=-10, profile="step")
    tap(live_school, gateway, range(STUDENTS))
    until(lambda: len(held(live_school, session)) == STUDENTS)
    sign_in(tab, serving.url, "ada")
    tab.go(f"{serving.url}/sessions/{session}")
    tab.press("v")
    tab.until("document.getElementById('told').innerText.includes('verified')")
    assert set(held(live_school, session).values()) == {("P", True)}


def test_without_a_reader_all_are_marked_present_by_one_key_and_the_exceptions_by_two_each(live_school, serving, tab):
    session = live_school.session(starts_min=-10)
    sign_in(tab, serving.url, "ada")
    tab.go(f"{serving.url}/sessions/{session}")
    # The first three on the list are the exceptions; whoever has no mark then is here.
    keys = ["ArrowDown", "a", "l", "a", "P"]
    for key in keys:
        tab.press(key)
    until(lambda: len(held(live_school, session)) == STUDENTS)
    found = held(live_school, session)
    assert [found[n][0] for n in range(4)] == ["A", "L", "A", "P"]
    assert sorted(row.late_min for row in live_school.world.all(schema.mark) if row.code == "L") == [10]
    # A letter with nobody's row in focus marks nobody, and typing into a field is typing.
    tab.run("document.activeElement.blur()")
    tab.press("a")
    tab.run("document.getElementById('several').open = true; document.getElementById('bulk-note').focus()")
    tab.press("a")
    assert tab.run("document.getElementById('bulk-note').value") == "a"
    # Those selected are marked together, once the page shows what the store has: a row that changes is selected anew.
    tab.until("!document.querySelector('#rows tr[data-open]')")
    both = [f"s{live_school.students[n]}" for n in (5, 6)]
    tab.until(f"{both}.map(n => document.getElementById(n)).every(b => b.checked || (b.click(), false))")
    tab.run(f"document.getElementById('c{live_school.students[6]}').focus()")
    tab.press("e")
    until(lambda: held(live_school, session)[6][0] == "E")
    found = held(live_school, session)
    assert [found[n][0] for n in range(4, 8)] == ["P", "E", "E", "P"]
    # Switched off, letters do nothing.
    tab.until("!document.querySelector('#rows .tick input:checked')")
    tab.run("document.querySelector('.keys').open = true; document.getElementById('keys').click()")
    tab.run(f"document.getElementById('c{live_school.students[7]}').focus()")
    tab.press("a")
    tab.press("v")
    assert held(live_school, session)[7][0] == "P"
    assert tab.problems == []


def test_a_mark_changed_meanwhile_is_shown_and_not_overwritten(live_school, serving, tab):
    session = live_school.session(starts_min=-10, staff=[live_school.ada, live_school.bob])
    from tests.server.pages.school import Visitor

    bob, person = Visitor(live_school.app()), live_school.students[0]
    bob.sign_in("bob")
    sign_in(tab, serving.url, "ada")
    tab.go(f"{serving.url}/sessions/{session}")
    # The page is not refreshed while Bob marks.
    tab.run("document.getElementById('poll').remove()")
    fields = {"csrf": bob.csrf("/today"), "set": f"{person}.0.E"}
    assert bob.post(f"/sessions/{session}/marks", fields).status_code == 303
    tab.press("j")
    tab.press("a")
    tab.until("document.getElementById('told').innerText.includes('set to E by Bob')")
    tab.until(f"document.getElementById('p{person}').innerText.includes('exam')")
    assert held(live_school, session) == {0: ("E", True)}


def test_a_register_is_marked_without_scripts(live_school, serving, tab):
    session = live_school.session(starts_min=-10)
    tab.call("Emulation.setScriptExecutionDisabled", value=True)
    sign_in(tab, serving.url, "ada")
    tab.go(f"{serving.url}/sessions/{session}")
    tab.submit(f"#p{live_school.students[0]} .quick button.bad")
    assert "The marks are set" in tab.run("document.body.innerText")
    tab.run(f"document.getElementById('s{live_school.students[1]}').checked = true")
    tab.run("document.getElementById('bulk-code').value = 'E'")
    tab.submit("#bulk button.main")
    tab.run("document.getElementById('bulk-code').value = 'P'")
    tab.submit("#bulk button[name=all]")
    found = held(live_school, session)
    assert [found[n][0] for n in range(3)] == ["A", "E", "P"] and len(found) == STUDENTS
    tab.submit(f"#c{live_school.students[0]}")
    assert tab.run("!!document.querySelector('.panel form')")


@pytest.mark.rule("STEP-18")
def test_without_scripts_only_what_the_page_shows_is_verified(live_school, serving, gateway, tab):
    session = live_school.session(starts_min=-10, minutes=300, profile="ddu")
    board = live_school.reader()
    tap(live_school, gateway, range(3), board=board)
    until(lambda: len(held(live_school, session)) == 3)
    tab.call("Emulation.setScriptExecutionDisabled", value=True)
    sign_in(tab, serving.url, "ada")
    tab.go(f"{serving.url}/sessions/{session}")
    assert "Verify 3 marks" in tab.run("document.getElementById('verify').innerText")
    tap(live_school, gateway, range(3, STUDENTS), board=board)
    until(lambda: len(held(live_school, session)) == STUDENTS)
    tab.submit("#verify")
    assert "Nothing is verified yet" in tab.run("document.body.innerText")
    assert not any(verified for _, verified in held(live_school, session).values())
    assert f"Verify {STUDENTS} marks" in tab.run("document.getElementById('verify').innerText")
    tab.submit("#verify")
    assert set(held(live_school, session).values()) == {("P", True)}
