"""Scheduled imports: set by the page, run by themselves, reported with their bad rows; refused ones change nothing."""

import csv
import io
import re
from datetime import datetime
from pathlib import Path

import pytest

from server.errors import StoreError
from server.schedules import Schedules, below
from server.store import schedules as stored
from server.store import schema
from server.store.engine import reading, writing
from server.store.schema_work import import_schedule
from tests.server.imports.imports_world import PACKAGE
from tests.server.pages.school import LONDON, Visitor
from tests.server.pages.test_campus_pages import do, fill, office, said  # noqa: F401  a fixture

MIN = 60_000


@pytest.fixture
def folder(tmp_path):
    """The folder for imports, with a package of the small college in it."""
    made = tmp_path / "imports"
    write(made / "nightly", PACKAGE)
    return made


@pytest.fixture
def app(school, folder):
    return school.app(import_dir=folder)


def write(path: Path, files) -> None:
    path.mkdir(parents=True, exist_ok=True)
    for name, lines in files.items():
        (path / f"{name}.csv").write_text("\n".join(lines) + "\n")


def schedule(browser, **values):
    return do(browser, "/registry/imports/new", path="nightly", day="2026-10-06", time="02:00", **values)


def runner(school, app) -> Schedules:
    return app.state.schedules


def later(app) -> Visitor:
    """The registrar signs in again: a day has passed."""
    browser = Visitor(app)
    browser.sign_in("reg")
    return browser


def rows(school) -> list:
    return school.world.all(import_schedule)


def people(school) -> set[str]:
    return {row.full_name for row in school.world.all(schema.person_name)}


def test_an_import_runs_at_its_time_and_its_report_stands_on_the_page(school, app, office):  # noqa: F811
    looked, _ = fill(office, "/registry/imports/new", path="nightly", day="2026-10-06", time="02:00")
    assert "It runs at Tue 6 Oct 2026, 02:00, and then every day" in said(looked)
    assert schedule(office).status_code == 303
    assert schedule(office).status_code == 303
    assert len(rows(school)) == 1
    assert runner(school, app).step() == 0
    school.now_ms += 24 * 60 * MIN
    assert runner(school, app).step() == 1
    assert "Ada Zuse" in people(school)
    text = " ".join(said(later(app).get("/registry/imports")).split())
    assert "persons: 5 added" in text and "done" in text
    row = rows(school)[0]
    assert row.next_ms > school.now_ms and row.last_outcome == "ok"
    assert runner(school, app).step() == 0


def test_a_refused_import_leaves_everything_and_its_bad_rows_can_be_fetched(school, app, office, folder, signed):  # noqa: F811
    broken = [*PACKAGE["enrollments"], "e9,k9,org,s1,student,,,", "e10,k1,org,=cmd,student,,,"]
    write(folder / "nightly", PACKAGE | {"enrollments": broken})
    schedule(office)
    before = people(school)
    page = office.get("/registry/imports").text
    run = re.search(r'action="(/registry/imports/\d+/run)"', page)[1]
    assert office.post(run, {"csrf": office.csrf("/registry/imports")}).headers["location"].endswith("said=asked")
    assert runner(school, app).step() == 1
    assert people(school) == before
    text = " ".join(said(office.get("/registry/imports")).split())
    assert "2 rows are not usable" in text and "refused: nothing was changed" in text
    answer = office.get(run.replace("/run", "/bad-rows"))
    found = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert [line[:2] for line in found[1:]] == [["enrollments.csv", "6"], ["enrollments.csv", "7"]]
    assert signed("ada").get(run.replace("/run", "/bad-rows")).status_code == 403
    assert signed("sci").get(run.replace("/run", "/bad-rows")).status_code == 403


def test_no_cell_of_the_file_of_bad_rows_is_a_formula(school, app, office):  # noqa: F811
    """What a row is called comes from somebody else's file."""
    schedule(office)
    key = rows(school)[0].id
    hostile = [
        ["=cmd|x.csv", 3, "user-role", "=HYPERLINK(1)"],
        ["@x", 4, "user-role", "a\t=1+1"],
        ["a.csv", 5, "x", "plain"],
    ]
    with writing(school.world.engine) as connection:
        stored.finish(connection, key, stored.REFUSED, {"bad": 3, "bad_rows": hostile})
    answer = office.get(f"/registry/imports/{key}/bad-rows")
    found = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert found[1:] == [
        ["'=cmd|x.csv", "3", "user-role", "'=HYPERLINK(1)"],
        ["'@x", "4", "user-role", "a\t'=1+1"],
        ["a.csv", "5", "x", "plain"],
    ]


def test_what_would_end_much_waits_for_somebodys_word(school, app, office, folder):  # noqa: F811
    schedule(office)
    path = f"/registry/imports/{rows(school)[0].id}/run"
    office.post(path, {"csrf": office.csrf("/registry/imports")})
    runner(school, app).step()
    write(folder / "nightly", PACKAGE | {"enrollments": PACKAGE["enrollments"][:2]})
    office.post(path, {"csrf": office.csrf("/registry/imports")})
    runner(school, app).step()
    held = sum(row.to_ms is None for row in school.world.all(schema.enrolment))
    text = " ".join(said(office.get("/registry/imports")).split())
    assert "It waits for somebody's word" in text and "would end or move" in text
    office.post(path, {"csrf": office.csrf("/registry/imports"), "confirm": "yes"})
    runner(school, app).step()
    assert sum(row.to_ms is None for row in school.world.all(schema.enrolment)) == held - 3


def test_no_path_leads_out_of_the_folder(school, office, folder, tmp_path):  # noqa: F811
    (tmp_path / "secret").mkdir()
    (folder / "link").symlink_to(tmp_path / "secret")
    for path in ("../secret", "/etc", "nightly/../../secret", "link", "..", ".", "", "nightly\\x", "missing", "a\0b"):
        with pytest.raises(StoreError):
            below(folder, path)
        looked, _ = fill(office, "/registry/imports/new", path=path, day="2026-10-06", time="02:00")
        assert looked.status_code == 422, path
    assert rows(school) == []
    with pytest.raises(StoreError, match="MUSTER_IMPORT_DIR"):
        below(Path(), "nightly")


def test_a_file_that_goes_missing_is_said_and_tried_again_at_its_next_time(school, app, office, folder):  # noqa: F811
    schedule(office)
    (folder / "nightly").rename(folder / "elsewhere")
    school.now_ms += 24 * 60 * MIN
    assert runner(school, app).step() == 1
    assert "there is no nightly in the folder" in said(later(app).get("/registry/imports"))
    (folder / "elsewhere").rename(folder / "nightly")
    school.now_ms += 24 * 60 * MIN
    assert runner(school, app).step() == 1
    assert rows(school)[0].last_outcome == "ok"


def test_one_that_is_switched_off_runs_only_when_asked_for(school, app, office):  # noqa: F811
    schedule(office, enabled="")
    school.now_ms += 48 * 60 * MIN
    assert runner(school, app).step() == 0
    path, browser = f"/registry/imports/{rows(school)[0].id}/run", later(app)
    browser.post(path, {"csrf": browser.csrf("/registry/imports")})
    assert runner(school, app).step() == 1


def test_one_that_is_asked_for_keeps_its_own_time(school, app, office):  # noqa: F811
    """Whoever tries it in the afternoon has it at night all the same."""
    schedule(office)
    before = rows(school)[0].next_ms
    path = f"/registry/imports/{rows(school)[0].id}/run"
    for ran in (1, 1):
        office.post(path, {"csrf": office.csrf("/registry/imports")})
        assert runner(school, app).step() == ran
        assert rows(school)[0].next_ms == before
    assert runner(school, app).step() == 0


def test_every_night_is_at_the_same_hour_when_the_clocks_have_changed(school, app, office):  # noqa: F811
    do(office, "/registry/imports/new", path="nightly", day="2026-10-24", time="02:00")
    for day in ("2026-10-24", "2026-10-25", "2026-10-26"):
        school.now_ms = rows(school)[0].next_ms + 5_000
        assert datetime.fromtimestamp(school.now_ms / 1000, LONDON).strftime("%Y-%m-%d %H:%M") == f"{day} 02:00"
        assert runner(school, app).step() == 1
    assert "02:00" in later(app).get("/registry/imports").text


def test_two_servers_do_not_run_the_same_import_twice(school, app, office, folder):  # noqa: F811
    schedule(office)
    school.now_ms += 24 * 60 * MIN
    one, two = (
        runner(school, app),
        Schedules(school.world.engine, school.clock, school.world.vault, folder, school.world.profiles),
    )
    with reading(school.world.engine) as connection:
        held = stored.due(connection, school.now_ms)
    assert one.step() == 1
    with school.world.engine.connect() as connection:
        assert not stored.claim(connection, held[0], school.now_ms)
    assert two.step() == 0


def test_a_lecturer_schedules_nothing(school, app):
    browser = Visitor(app)
    browser.sign_in("ada")
    assert browser.get("/registry/imports").status_code == 403
    assert browser.get("/registry/imports/new").status_code == 403


def test_a_run_that_was_asked_for_is_not_lost_with_the_process_that_was_asked(school, app, office, folder):  # noqa: F811
    schedule(office, enabled="")
    path = f"/registry/imports/{rows(school)[0].id}/run"
    office.post(path, {"csrf": office.csrf("/registry/imports")})
    assert "asked for: it runs in a moment" in said(office.get("/registry/imports"))
    # The server stops before its next look, and starts again.
    started = school.app(import_dir=folder).state.schedules
    assert started.step() == 1
    assert "Ada Zuse" in people(school)
    assert "asked for" not in said(office.get("/registry/imports"))
    assert started.step() == 0 and runner(school, app).step() == 0


def test_of_two_processes_one_runs_what_was_asked_for_and_what_is_asked_anew_is_not_swallowed(school, office):  # noqa: F811
    schedule(office)
    path = f"/registry/imports/{rows(school)[0].id}/run"
    csrf = office.csrf("/registry/imports")
    office.post(path, {"csrf": csrf})
    with writing(school.world.engine) as connection:
        (seen,) = stored.due(connection, school.now_ms)
    office.post(path, {"csrf": csrf, "confirm": "yes"})
    with writing(school.world.engine) as connection:
        assert not stored.claim(connection, seen, school.now_ms), "it was asked for otherwise since"
        (seen,) = stored.due(connection, school.now_ms)
        assert seen.asked_confirm is True
        assert stored.claim(connection, seen, school.now_ms)
        assert not stored.claim(connection, seen, school.now_ms)
        assert stored.due(connection, school.now_ms) == []
