"""`muster import`: what a registrar sees, and what a program reads."""

import json
import subprocess
import sys

import pytest

from server.imports import command
from server.imports.progress import Progress
from server.store import schema
from tests.server.imports.imports_world import CARDS, ENROLLMENTS, PACKAGE, calendar, event, here

MONDAY = event("a", "20261005T090000", "20261005T100000")


@pytest.fixture
def environ(office, tmp_path):
    """The settings that name the office's store."""
    return {
        "MUSTER_DATABASE_URL": office.url,
        "MUSTER_DATA_DIR": str(tmp_path / "data"),
        "MUSTER_SERVER_KEY_FILE": str(tmp_path / "data" / "server.key"),
    }


@pytest.fixture
def muster(environ, monkeypatch, tmp_path, capsys):
    """`muster("timetable", path)` runs the command on the office's store: (exit status, stdout, stderr)."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        try:
            status = command.main([str(one) for one in arguments])
        except SystemExit as left:
            status = left.code
        return status, *capsys.readouterr()

    return run


def test_the_command_runs_from_a_shell(office, environ, repo, tmp_path):
    done = subprocess.run(
        [sys.executable, repo / "muster.py", "import", "oneroster", office.package(), "--json"],
        env=here() | environ, cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, json.loads(done.stdout)["applied"]) == (0, True), done.stderr


def test_a_dry_run_then_the_import_then_nothing_to_change(office, muster):
    path = office.package(cards=CARDS)
    status, out, _ = muster("oneroster", path, "--dry-run")
    assert status == 0
    assert "persons: 5 added" in out and "added: person s1" in out and "dry run: nothing was changed" in out
    assert office.count(schema.person) == 0
    status, out, err = muster("oneroster", path, "--progress")
    assert (status, "done (" in out) == (0, True)
    assert "writing class lists" in err
    status, out, _ = muster("oneroster", path)
    assert (status, "nothing to change" in out) == (0, True)


def test_bad_rows_are_printed_all_with_status_1_and_no_uid_is_shown(office, muster):
    files = PACKAGE | {"enrollments": [*ENROLLMENTS, "e9,k9,org,s1,student,,,"]}
    status, out, err = muster("oneroster", office.package(files, cards=[*CARDS, "s1,08A1B2C3"]))
    assert (status, out) == (1, "")
    assert "enrollments.csv:6: there is no class 'k9' [enrolment-class]" in err
    assert "cards.csv:5: 08••••C3:" in err and "08A1B2C3" not in err
    assert "2 rows are not usable" in err and "[import-bad-rows]" in err


def test_json_says_it_to_programs_also_when_it_asks_for_confirmation(office, muster):
    office.roster(cards=None)
    path = office.folder / "t.ics"
    path.write_bytes(calendar(MONDAY))
    status, out, _ = muster("timetable", path, "--json")
    said = json.loads(out)
    assert (status, said["applied"], said["error"]) == (0, True, None)
    assert said["counts"] == {"sessions": {"added": 1}, "rooms": {"added": 1}}
    path.write_bytes(calendar(event("a", "20261005T110000", "20261005T120000")))
    status, out, _ = muster("timetable", path, "--json")
    said = json.loads(out)
    assert (status, said["applied"], said["error"]["code"]) == (3, False, "import-needs-confirmation")
    assert said["needs_confirmation"] == ["1 of 1 sessions would end or move"]
    assert said["counts"] == {"sessions": {"moved": 1}}
    assert muster("timetable", path, "--confirm")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("oneroster", "nowhere"), 1, "[oneroster-path]"),
        (("timetable", "nowhere.ics"), 1, "[import-path]"),
        (("timetable", "x.ics", "--zone", "Mars/Base"), 1, "[time-zone]"),
        (("timetable", "x.ics", "--rules", "nowhere.toml"), 1, "[rules-file]"),
        (("oneroster", "x", "--source", "identifier"), 1, "[import-source]"),
        (("oneroster",), 2, "usage:"),
        ((), 2, "usage:"),
        (("marks", "x"), 2, "invalid choice"),
    ],
)
def test_what_cannot_be_done_says_so_with_its_code(muster, arguments, status, said):
    done = muster(*arguments)
    assert done[0] == status
    assert said in done[2]


class Terminal:
    """A stream that says it is a terminal."""

    def __init__(self) -> None:
        self.said = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.said += text
        return len(text)

    def flush(self) -> None:
        pass


def test_on_a_terminal_progress_is_one_line_that_is_written_over():
    stream = Terminal()
    progress = Progress(stream)  # type: ignore[arg-type]
    progress.step("matching", 1, 4)
    progress.step("matching", 1, 4)
    progress.step("matching", 4, 4)
    progress.end()
    assert stream.said == "\r\x1b[Kmatching  25 %\r\x1b[Kmatching 100 %\r\x1b[K"
