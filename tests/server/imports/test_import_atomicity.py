"""Everything or nothing: whatever happens while an import writes, the store is as before, or as after."""

import signal
import subprocess
import sys

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from server.imports import run
from server.imports.rules import Rules
from server.store.engine import writing
from tests.server.imports.imports_world import CARDS, OCTOBER, Office, calendar, event, here

WEEKLY = event("w", "20261005T090000", "20261005T100000", "RRULE:FREQ=WEEKLY;COUNT=9")
ROSTER_STEPS = ["people", "ids and addresses", "courses and classes", "class lists", "cards", "registers", "the end"]
TIMETABLE_STEPS = ["rooms", "sessions", "windows", "rooms of sessions", "staff", "registers", "the end"]


class Cut(Exception):
    """What a test raises in the middle."""


def stays_as_it_was(office: Office, work) -> None:
    """Whatever the work raises, the store is as it was."""
    before = office.everything()
    with pytest.raises((Cut, DBAPIError)):
        work()
    assert office.everything() == before, "a part of the import stayed"


def cut_at(word: str):
    def step(_connection, here_word):
        if here_word == word:
            raise Cut(word)

    return step


@pytest.mark.parametrize("word", ROSTER_STEPS)
def test_a_roster_that_is_cut_anywhere_leaves_nothing(each_office, word):
    stays_as_it_was(each_office, lambda: each_office.roster(cards=CARDS, step=cut_at(word)))
    assert each_office.roster(cards=CARDS).applied


@pytest.mark.parametrize("word", TIMETABLE_STEPS)
def test_a_timetable_that_is_cut_anywhere_leaves_nothing(each_office, word):
    each_office.roster()
    stays_as_it_was(each_office, lambda: each_office.timetable(calendar(WEEKLY), step=cut_at(word)))
    assert each_office.timetable(calendar(WEEKLY)).applied


def test_every_step_that_is_cut_above_is_a_step_of_the_import(office):
    words: list[str] = []
    office.roster(cards=CARDS, step=lambda _, word: words.append(word))
    assert words == ROSTER_STEPS
    words.clear()
    office.timetable(calendar(WEEKLY), step=lambda _, word: words.append(word))
    assert words == TIMETABLE_STEPS


def test_an_import_that_commits_as_it_goes_would_be_caught(office):
    # The saboteur: it commits before each part, so that what came before the cut stays.
    def step(connection, word):
        connection.commit()
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        if word == "cards":
            raise Cut(word)

    with pytest.raises(AssertionError, match="a part of the import stayed"):
        stays_as_it_was(office, lambda: office.roster(cards=CARDS, step=step))


@pytest.mark.parametrize("table", ["person_name", "class_group", "enrolment", "card_assignment", "import_run"])
def test_a_database_error_in_any_table_leaves_nothing(office, table):
    with writing(office.engine) as connection:
        connection.execute(
            text(f"CREATE TRIGGER broken BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'broken on purpose'); END")
        )
    stays_as_it_was(office, lambda: office.roster(cards=CARDS))
    with writing(office.engine) as connection:
        connection.execute(text("DROP TRIGGER broken"))
    assert office.roster(cards=CARDS).applied


KILLED = """
import os, signal, sys
from pathlib import Path
from server.imports import run
from server.imports.rules import Rules
from tests.server.imports.imports_world import Office

url, folder, path, word = sys.argv[1:]
office = Office(url, Path(folder))

def step(_connection, here):
    if here == word:
        os.kill(os.getpid(), signal.SIGKILL)

if path.endswith(".ics"):
    run.import_timetable(office.store, Path(path), Rules(), step=step)
else:
    run.import_oneroster(office.store, Path(path), step=step)
"""


def killed(office: Office, path, word: str) -> None:
    before = office.everything()
    done = subprocess.run(
        [sys.executable, "-c", KILLED, office.url, str(office.folder), str(path), word],
        env=here(), cwd=here()["PYTHONPATH"], capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert office.everything() == before


@pytest.mark.parametrize("word", ["class lists", "the end"])
def test_a_killed_roster_import_leaves_nothing(office, word):
    killed(office, office.package(cards=CARDS), word)
    assert office.roster(cards=CARDS).applied


def test_a_killed_timetable_import_leaves_nothing(college):
    path = college.folder / "t.ics"
    path.write_bytes(calendar(WEEKLY))
    killed(college, path, "the end")
    assert run.import_timetable(college.store, path, Rules()).applied
    assert college.now_ms == OCTOBER
