"""`muster audit`: what it prints, and that it says when something is not as it was written."""

import pytest
from sqlalchemy import update

from server import audit_command, heads_file
from server.clock import Clock
from server.jobs import Jobs
from server.store import registers, schema
from server.store.engine import writing
from tests.server.staff_world import staff
from tests.server.store_world import MIN, NINE, World


@pytest.fixture
def marked(new_sqlite, tmp_path, monkeypatch):
    """A store with one marked register, in the working folder's settings."""
    url = new_sqlite()
    world = World(url)
    session = world.session(profile="lough")
    world.now_ms = NINE + MIN
    wanted = [registers.Wanted(person_id=world.students[0], code="P")]
    scope = staff(world, "lecturer", session)
    with writing(world.engine) as connection:
        registers.set_marks(connection, scope, world.profiles, session, wanted, now_ms=world.now_ms)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUSTER_DATABASE_URL", url)
    monkeypatch.setenv("MUSTER_SERVER_KEY_FILE", str(tmp_path / "server.key"))
    (tmp_path / "server.key").write_text((b"k" * 32).hex())
    (tmp_path / "server.key").chmod(0o600)
    yield world, session
    world.close()


def test_what_heads_prints_is_what_verify_compares_with(marked, tmp_path, capsys):
    _world, session = marked
    assert audit_command.main(["heads"]) == 0
    kept = tmp_path / "kept.txt"
    kept.write_text(capsys.readouterr().out)
    assert [(one, seq) for one, seq, _ in heads_file.read(kept).lines] == [(session, 1)]
    assert audit_command.main(["verify", "--heads", str(kept)]) == 0
    said = capsys.readouterr().out
    assert "1 registers, 1 entries, 1 marks; compared with 1 heads kept" in said
    assert "Everything is as it was written." in said


def test_an_altered_mark_is_named_and_the_exit_status_says_so(marked, capsys):
    world, session = marked
    with writing(world.engine) as connection:
        connection.execute(update(schema.mark).values(code="A"))
    assert audit_command.main(["verify"]) == 1
    said = capsys.readouterr().out
    assert f"session {session}, entry 1: mark 1 of person {world.students[0]}: code was 'P', is 'A'" in said
    assert "1 registers are not as they were written." in said


def test_heads_that_are_not_there_are_said(marked, tmp_path, capsys):
    assert audit_command.main(["verify", "--heads", str(tmp_path)]) == 1
    assert "heads-file" in capsys.readouterr().err


def test_the_jobs_write_the_heads_each_day_and_say_when_they_cannot(marked, tmp_path):
    world, session = marked
    folder = tmp_path / "off-host"
    jobs = Jobs(world.engine, world.ring, world.profiles, Clock(real=lambda: world.now_ms / 1000), audit_dir=folder)
    jobs.step(everything=True)
    assert "job-failing" in world.alarms(), "the folder is not there: not mounted"
    folder.mkdir()
    jobs.step(everything=True)
    jobs.step(everything=True)
    (path,) = folder.iterdir()
    assert path.name == "heads-main-2026-09-21.txt"
    assert [one for one, _, _ in heads_file.read(path).lines] == [session]
