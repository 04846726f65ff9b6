"""`muster audit`: what it prints, and that it says when something is not as it was written."""

import gc
import shutil
from functools import partial

import pytest
from sqlalchemy import update

from server import audit_command, heads_file
from server.audit_key import AuditKey
from server.clock import Clock
from server.jobs import Jobs
from server.store import history, history_start, registers, schema, schema_work
from server.store.engine import writing
from server.store.hands import record
from tests.rules import rule
from tests.server.staff_world import staff
from tests.server.store_world import HOUR, MIN, NINE, World


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


# --- signed heads -----------------------------------------------------------------------------------------------------


@pytest.fixture
def watched(marked, tmp_path, monkeypatch, capsys):
    """Three days of heads in a folder off the host, each with a new mark; and the public key that was kept."""
    monkeypatch.setenv("MUSTER_DATA_DIR", str(tmp_path))
    world, session = marked
    folder = tmp_path / "off-host"
    folder.mkdir()
    clock = Clock(real=lambda: world.now_ms / 1000)
    key = partial(AuditKey.of, tmp_path, world.vault)
    jobs = Jobs(world.engine, world.ring, world.profiles, clock, audit_dir=folder, audit_key=key)
    for code in "APB":
        with writing(world.engine) as connection:
            record(
                connection,
                world.institution_id,
                session,
                [registers.Wanted(person_id=world.students[1], code=code)],
                source="import",
                rule="test",
                authority=None,
                by_account_id=None,
                now_ms=world.now_ms,
                profiles=world.profiles,
            )
        jobs.heads()
        world.now_ms += 24 * HOUR
    monkeypatch.setenv("MUSTER_DATABASE_URL", f"sqlite:///{world.engine.url.database}")
    assert audit_command.main(["key"]) == 0
    public = capsys.readouterr().out
    (tmp_path / "kept.pub").write_text(public)
    return world, session, folder, tmp_path / "kept.pub"


def verified(watched, capsys, *more: str):
    _world, _session, folder, public = watched
    capsys.readouterr()
    status = audit_command.main(["verify", "--heads", str(folder), "--key", str(public), *more])
    said = capsys.readouterr()
    return status, said.out + said.err


def days(folder) -> list:
    return sorted(folder.glob("heads-*.txt"))


def rewrite(world) -> None:
    """Whoever can write the database: a mark is another, and the chain is written anew from there on, hashes fitting."""
    entries = schema_work.history
    with writing(world.engine) as connection:
        connection.execute(update(schema.mark).where(schema.mark.c.code == "A").values(code="P"))
        before = history.NOTHING
        for row in connection.execute(entries.select().order_by(entries.c.seq)).all():
            names = ("institution_id", "session_id", "seq", "kind", "at_ms", "by_account_id")
            body = row.body.replace('"code":"A"', '"code":"P"')
            before = history.entry_hash(before, body=body, **{name: row._mapping[name] for name in names})
            connection.execute(update(entries).where(entries.c.id == row.id).values(body=body, hash=before))


def forge(world, folder, key=None) -> None:
    """Whoever can write the folder as well: heads that fit, with the digests that fit them."""
    made = {}
    for path in days(folder):
        made[path] = heads_file.read(path)
        path.unlink()
    with writing(world.engine) as connection:
        from server.store import institutions

        here = institutions.one(connection, world.institution_id)
        for heads in made.values():
            heads_file.write_daily(connection, here, folder, heads_file._ms(heads.written), key)


@rule("LOUGH-39")
def test_heads_are_signed_and_each_names_the_one_before_it(watched, capsys):
    status, said = verified(watched, capsys)
    assert status == 0, said
    assert (
        "3 files of heads are signed, 2026-09-21 to 2026-09-23" in said and "Everything is as it was written." in said
    )
    first, second, _ = (heads_file.read(path) for path in days(watched[2]))
    assert (first.previous, len(second.previous or "")) == (None, 64)


def test_the_key_is_made_once_and_its_private_half_is_in_no_file_in_the_clear(watched, tmp_path, capsys):
    world, _, _, public = watched
    assert audit_command.main(["key"]) == 0
    assert capsys.readouterr().out == public.read_text()
    assert (tmp_path / "audit.key").stat().st_mode & 0o777 == 0o600
    private = AuditKey.of(tmp_path, world.vault)._key.private_bytes_raw()
    assert private.hex() not in (tmp_path / "audit.key").read_text()


def test_a_chain_written_anew_with_heads_written_anew_and_unsigned_is_caught(watched, capsys):
    world, _, folder, _ = watched
    rewrite(world)
    forge(world, folder)
    assert audit_command.main(["verify", "--heads", str(folder)]) == 0, "without the key it looks whole"
    status, said = verified(watched, capsys)
    assert (status, said.count("[heads-unsigned]")) == (1, 3), said


def test_a_chain_written_anew_with_heads_signed_by_another_key_is_caught(watched, capsys, tmp_path):
    world, _, folder, _ = watched
    rewrite(world)
    (tmp_path / "mine").mkdir()
    forge(world, folder, AuditKey.of(tmp_path / "mine", world.vault))
    status, said = verified(watched, capsys)
    assert (status, said.count("[heads-forged]")) == (1, 3), said


def test_a_chain_written_anew_beside_the_true_heads_is_caught(watched, capsys):
    world, session, _, _ = watched
    rewrite(world)
    status, said = verified(watched, capsys)
    assert (status, f"session {session}" in said, "[chain-rewritten]" in said) == (1, True, True), said


@pytest.mark.parametrize("place", [0, 1])
def test_a_heads_file_that_was_taken_away_is_missed_by_the_next(watched, capsys, place):
    days(watched[2])[place].unlink()
    status, said = verified(watched, capsys)
    assert (status, "[heads-missing]" in said) == (1, True), said


def test_a_signature_that_is_moved_to_another_text_is_none(watched, capsys):
    *_, last = days(watched[2])
    text = last.read_text()
    heads = heads_file.read(last)
    signature = heads_file.read(days(watched[2])[0]).signature
    last.write_text(text.replace(heads.signature or "?", signature or "?"))
    status, said = verified(watched, capsys)
    assert (status, f"{last.name}: was not signed with this key [heads-forged]" in said) == (1, True), said


def test_heads_from_before_they_were_signed_are_told_and_compared(watched, capsys):
    *_, folder, _ = watched
    old = heads_file.read(days(folder)[0])
    plain = heads_file.Heads(
        institution=old.institution, written="2026-09-20T03:00:00.000Z", since=None, digest="", lines=old.lines[:0],
        first=heads_file.FIRST_LINES[0],
    )  # fmt: skip
    made = heads_file.Heads(**{**vars(plain), "digest": heads_file._digest(plain)})
    (folder / "heads-main-2026-09-20.txt").write_text(heads_file.text(made))
    status, said = verified(watched, capsys)
    # The first signed one was written when this one was not there.
    assert (status, "[heads-missing]" in said, "1 are from before they were signed" in said) == (1, True, True), said


def test_what_is_from_before_the_history_stands_in_the_signed_heads(watched, capsys):
    world, *_ = watched
    with writing(world.engine) as connection:
        history_start.note(connection, world.institution_id, world.now_ms)
    status, said = verified(watched, capsys)
    assert (status, "[before-altered]" in said) == (1, True), said


def test_a_key_that_is_none_is_said(watched, capsys, tmp_path):
    assert audit_command.main(["verify", "--heads", str(watched[2]), "--key", "nonsense"]) == 1
    assert "[audit-key]" in capsys.readouterr().err
    assert audit_command.main(["verify", "--key", str(watched[3])]) == 2
    assert "[usage]" in capsys.readouterr().err


def test_the_audit_key_is_in_a_backup_and_comes_back(watched, tmp_path, capsys):
    import muster

    *_, public = watched
    assert muster.main(["backup", "b"]) == 0
    watched[0].engine.dispose()
    # As if the command had ended its process: its connections are closed.
    gc.collect()
    (tmp_path / "audit.key").unlink()
    shutil.rmtree(tmp_path / "attachments", ignore_errors=True)
    assert muster.main(["restore", "b", "--over"]) == 0
    capsys.readouterr()
    assert audit_command.main(["key"]) == 0
    assert capsys.readouterr().out == public.read_text()
