"""A profile's later version brings or drops a ledger: everybody's attendance is shown, each session by its own rules."""

import pytest

from server.policy import profile
from server.store import accounts
from server.store.engine import writing
from tests.rules import rule
from tests.server.pages.requesting import Corrected
from tests.server.pages.school import HASHER, PASSWORD, Visitor
from tests.server.pages.test_campus_pages import said

PLAIN = 'name = "own"\nlike = "port"\ntitle = "Our own"\n'
#: a second ledger, in which presence and absence count
BURSARY = """
[ledgers.bursary]
rule = "Board"
not_required_leaves = { value = true, unit = "switch" }
[marks.P.effects]
bursary = { value = "attended", unit = "effect" }
[marks.A.effects]
bursary = { value = "did-not-attend", unit = "effect" }
"""
NO_BURSARY = "[ledgers]\nbursary = {}\n[marks.P.effects]\nbursary = {}\n[marks.A.effects]\nbursary = {}\n"
LATER = 'name = "own"\nfrom = {day}\ntitle = "Our own, later"\n'


@pytest.fixture
def shown(tmp_path):
    """`shown(first, later, day)`: what a student and the registry read, where the second version holds from that day on;
    absent four days ago, present yesterday."""
    made = []

    def show(first: str, later: str, day: str) -> tuple[str, str]:
        folder = tmp_path / "profiles"
        folder.mkdir()
        (folder / "own.toml").write_text(first)
        (folder / "later.toml").write_text(LATER.format(day=day) + later)
        school = Corrected(tmp_path)
        made.append(school)
        school.world.profiles = profile.read_all(own=folder, time_zone="Europe/London")
        school.aged(4, profile="own", code="A")
        school.aged(1, profile="own", code="P")
        with writing(school.world.engine) as connection:
            accounts.make(
                connection, school.world.institution_id, login_name="stu", shown_name="Stu", role="student",
                password_hash=HASHER.hash(PASSWORD), person_id=school.students[0], now_ms=school.now_ms,
            )  # fmt: skip
        app = school.app(profiles_dir=folder)
        return _read(app, "stu", "/me"), _read(app, "rita", f"/people/{school.students[0]}/attendance")

    yield show
    for school in made:
        school.close()


def _read(app, who: str, path: str) -> str:
    visitor = Visitor(app)
    visitor.sign_in(who)
    answer = visitor.get(path)
    assert answer.status_code == 200, answer.text
    return " ".join(said(answer).split())


@rule("LOUGH-39")
def test_a_ledger_that_a_version_still_to_come_brings_is_not_there_yet(shown):
    for text in shown(PLAIN, BURSARY, "2027-08-01"):
        assert "1/2 = 50.0 %" in text and "Bursary" not in text
        assert "Our own" in text and "Our own, later" not in text


@rule("LOUGH-39")
def test_a_ledger_counts_the_sessions_from_its_versions_day_on_and_none_before(shown):
    for text in shown(PLAIN, BURSARY, "2026-10-03"):
        assert "1/2 = 50.0 %" in text and "Bursary" in text and "1/1 = 100.0 %" in text
        assert "Our own, later" in text


@rule("LOUGH-39")
def test_a_ledger_that_a_version_drops_keeps_what_it_counted_before(shown):
    for text in shown(PLAIN + BURSARY, NO_BURSARY, "2026-10-03"):
        assert "1/2 = 50.0 %" in text and "Bursary" in text and "0/1 = 0.0 %" in text


@rule("LOUGH-39")
def test_one_that_is_dropped_in_a_year_is_whole_until_then(shown):
    for text in shown(PLAIN + BURSARY, NO_BURSARY, "2027-08-01"):
        assert "Bursary" in text and text.count("1/2 = 50.0 %") >= 2


@rule("LOUGH-39")
def test_days_of_a_programme_pay_where_their_version_has_one(shown):
    first = PLAIN.replace("port", "ddu")
    for text in shown(first, "programme = {}\n", "2026-10-03"):
        # Four days ago nobody was there; yesterday's rules know of no incentive.
        assert "To-and-fro" in text and "nothing counts yet" not in text and "0 of 1 day" in text
