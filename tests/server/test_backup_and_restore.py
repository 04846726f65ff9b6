"""`muster backup`, `muster restore`, `muster upgrade`, as a person runs them; on SQLite and on PostgreSQL."""

import gc
import json
import os
import shutil
import stat
import threading
import time
from pathlib import Path

import pytest

import muster
from server import backup_file, settings
from server.store import copies, migrations, schema
from server.store.engine import open_engine, reading, writing
from server.store.schema_releases import firmware_release, rollout
from server.store.upsert import new_id


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs("postgres"))])
def run(request, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    # With the schema already: `migrate` makes what else belongs to a store.
    if request.param == "postgres":
        monkeypatch.setenv("MUSTER_DATABASE_URL", request.getfixturevalue("new_postgres")())
    else:
        (tmp_path / "muster-data").mkdir()
        shutil.copy(request.getfixturevalue("empty_sqlite"), tmp_path / "muster-data" / "muster.db")
    capsys.readouterr()
    # What is there now stays, or is gone: `_run` need not look through it again.
    gc.collect()
    gc.freeze()

    def _run(*words):
        # As if the command before had ended its process: its connections are closed.
        gc.collect()
        status = muster.main([str(word) for word in words])
        said = capsys.readouterr()
        return status, said.out + said.err

    assert _run("server", "migrate")[0] == 0
    assert _run("reader", "add", "a-1", "--room", "R1", "--new-room", "--out", "a-1.json")[0] == 0
    return _run


def engine():
    return open_engine(settings.load(os.environ, Path.cwd()).database_url)


def rows(table):
    made = engine()
    with reading(made) as connection:
        found = list(connection.execute(table.select()))
    made.dispose()
    return found


def test_a_backup_is_one_private_file_that_says_what_is_in_it(run, tmp_path):
    status, said = run("backup", "b.muster-backup")
    assert (status, "NOT in it" in said) == (0, True), said
    assert stat.S_IMODE((tmp_path / "b.muster-backup").stat().st_mode) == 0o600
    manifest = backup_file.read(Path("b.muster-backup"))
    assert (manifest.rows["reader"], manifest.rows["room"], manifest.schema) == (1, 1, migrations.newest())
    key = (tmp_path / "muster-data" / "server.key").read_text().strip()
    assert key.encode() not in (tmp_path / "b.muster-backup").read_bytes()
    assert run("backup", "b.muster-backup")[0] == 1, "never overwritten"
    assert run("backup", "--check", "b.muster-backup")[0] == 0
    assert not list(tmp_path.glob(".muster-*")) and not list(tmp_path.glob("*.part"))


def test_a_folder_of_backups_keeps_the_newest(run, tmp_path):
    (tmp_path / "b").mkdir()
    for n in range(3):
        (tmp_path / "b" / f"muster-2020010{n}T000000Z.muster-backup").write_bytes(b"old")
    status, said = run("backup", "b", "--keep", "2")
    names = sorted(path.name for path in (tmp_path / "b").iterdir())
    assert (status, len(names), names[0]) == (0, 2, "muster-20200102T000000Z.muster-backup"), said


def test_a_backup_of_which_a_bit_flipped_or_the_end_is_missing_is_refused(run, tmp_path):
    run("backup", "b")
    whole = (tmp_path / "b").read_bytes()
    for n, broken in enumerate(
        (whole[: len(whole) // 2], whole[:9000] + bytes([whole[9000] ^ 1]) + whole[9001:], b"x")
    ):
        (tmp_path / f"x{n}").write_bytes(broken)
        for words in (("backup", "--check"), ("restore", "--over")):
            status, said = run(*words, f"x{n}")
            assert (status, "[backup-" in said) == (1, True), said
    assert [row.name for row in rows(schema.reader)] == ["a-1"]


def test_a_store_that_is_not_empty_is_only_replaced_when_asked_and_then_kept(run, tmp_path):
    run("backup", "b")
    assert run("reader", "add", "a-2", "--room", "R1", "--out", "a-2.json")[0] == 0
    status, said = run("restore", "b")
    assert (status, "[store-not-empty]" in said) == (1, True)
    status, said = run("restore", "b", "--over")
    assert (status, "is kept" in said) == (0, True), said
    assert [alarm.code for alarm in rows(schema.alarm)] == ["store-restored"]


def test_readers_and_gateways_made_since_and_what_was_revoked_since_are_taken_over(run, tmp_path):
    run("gateway", "add", "g1")
    (tmp_path / "pw").write_text("correct horse battery\n")
    run("staff", "add", "tess", "--role", "technician", "--password-file", "pw")
    run("backup", "b")
    run("reader", "add", "a-2", "--room", "R2", "--new-room", "--out", "a-2.json")
    run("reader", "move", "a-1", "--room", "R2")
    run("gateway", "add", "g2")
    run("staff", "add", "new", "--role", "lecturer", "--password-file", "pw")
    made = engine()
    with writing(made) as connection:
        connection.execute(schema.gateway.update().where(schema.gateway.c.name == "g1").values(revoked_ms=5))
        connection.execute(schema.account.update().where(schema.account.c.login == "tess").values(disabled_ms=6))
    made.dispose()
    status, said = run("restore", "b", "--over")
    assert (status, "make them again: new" in said) == (0, True), said
    assert run("reader", "list")[1].split() == ["a-1", "main", "R2", "a-2", "main", "R2"]
    assert {row.name: row.revoked_ms for row in rows(schema.gateway)} == {"g1": 5, "g2": None}
    assert {row.login: row.disabled_ms for row in rows(schema.account)} == {"tess": 6}
    assert len(rows(schema.reader_key)) == 2
    # The keys open: the server starts on it.
    assert run("reader", "add", "a-3", "--room", "R1", "--out", "a-3.json")[0] == 0


def test_a_restore_into_nothing_brings_the_key_where_the_backup_has_it(run, tmp_path, monkeypatch, request):
    run("backup", "b", "--with-key")
    run("backup", "without")
    monkeypatch.setenv("MUSTER_DATA_DIR", str(tmp_path / "new"))
    if request.node.callspec.params["run"] == "postgres":
        made = engine()
        copies.set_aside(made, "gone")
        made.dispose()
    status, said = run("restore", "without")
    assert (status, "[server-key]" in said) == (1, True), said
    status, said = run("restore", "b")
    assert status == 0, said
    assert "adopt" in said and "open again" in said.replace("\n", " "), "nothing newer could be read: it is said"
    assert stat.S_IMODE((tmp_path / "new" / "server.key").stat().st_mode) == 0o600
    assert "a-1" in run("reader", "list")[1]


def test_a_backup_of_a_newer_muster_is_refused(run, tmp_path):
    run("backup", "b")
    made = backup_file.read(Path("b"))
    name = next(iter(made.files))
    backup_file.take_out(Path("b"), name, tmp_path / "data")
    backup_file.write(
        tmp_path / "n", backup_file.Manifest(**{**made.__dict__, "schema": "0999"}), {name: tmp_path / "data"}
    )
    status, said = run("restore", "n", "--over")
    assert (status, "[backup-newer]" in said) == (1, True), said


def test_a_store_in_use_is_not_pulled_away_from_under_its_server(run):
    run("backup", "b")
    made = engine()
    with made.connect() as connection:
        connection.execute(schema.reader.select()).all()
        status, said = run("restore", "b", "--over")
    made.dispose()
    assert (status, "[store-in-use]" in said) == (1, True), said
    assert run("restore", "b", "--over")[0] == 0


def test_a_backup_while_others_write_is_one_state(run):
    # Each transaction adds two rows that belong together: a copy with one of them would be torn.
    stop = threading.Event()
    before = len(rows(schema.audit))

    def write():
        made = engine()
        n = 0
        while not stop.is_set():
            n += 1
            with writing(made) as connection:
                for half in "ab":
                    connection.execute(
                        schema.audit.insert().values(institution_id=1, at_ms=n, action="pair", subject=f"{n}{half}")
                    )
        made.dispose()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        deadline = time.monotonic() + 30
        while len(rows(schema.audit)) == before and time.monotonic() < deadline:
            time.sleep(0.05)
        counts = []
        for n in range(3):
            assert run("backup", f"w{n}")[0] == 0
            counts.append(backup_file.read(Path(f"w{n}")).rows["audit"])
    finally:
        stop.set()
        writer.join()
    assert all((count - before) % 2 == 0 for count in counts) and counts[-1] > before, counts
    assert run("restore", "w2", "--over")[0] == 0
    assert len(rows(schema.audit)) == counts[-1] + 1, "and a line that it was restored"


def test_a_roll_out_that_was_under_way_in_the_backup_does_not_go_on_by_itself(run, tmp_path):
    made = engine()
    with writing(made) as connection:
        here = connection.execute(schema.institution.select()).first().id
        of = {"institution_id": here, "board": "pico", "version": "0.2", "counter": 2, "minimum": 0, "built_ms": 0}
        pack = {"key_number": 1, "tag": "aa" * 8, "head": 1, "size": 2, "pack": b"xx", "added_ms": 0}
        release_id = new_id(connection.execute(firmware_release.insert().values(**of, **pack)))
        out = {"percents": "100", "soak_ms": 0, "state": "running", "stage": 1, "began_ms": 0}
        connection.execute(rollout.insert().values(institution_id=here, release_id=release_id, **out))
    made.dispose()
    assert run("backup", "b.muster-backup")[0] == 0
    status, said = run("restore", "b.muster-backup", "--over")
    assert status == 0 and "roll-outs that were under way then, and are stopped: 1" in said
    assert [row.state for row in rows(rollout)] == ["stopped"]


def test_a_restored_store_issues_class_lists_anew_and_ends_logins(run):
    made = engine()
    with writing(made) as connection:
        connection.execute(
            schema.roster.insert().values(
                reader_id=1,
                institution_id=1,
                version_ms=9,
                valid_until_ms=9,
                digest="d",
                payload=b"p",
                change_no=7,
                built_ms=1,
            )
        )
        connection.execute(
            schema.account.insert().values(
                id=1, institution_id=1, login="x", shown_name="x", password_hash="h", role="admin", created_ms=1
            )
        )
        connection.execute(
            schema.login.insert().values(
                institution_id=1, account_id=1, token_hash=b"t", csrf="c", created_ms=1, seen_ms=1, expires_ms=1 << 60
            )
        )
    made.dispose()
    run("backup", "b")
    assert run("restore", "b", "--over")[0] == 0
    assert rows(schema.roster) == []
    assert [row.ended_ms is not None for row in rows(schema.login)] == [True]


def test_upgrade_takes_a_backup_and_brings_an_older_store_to_the_newest_schema(run, tmp_path, monkeypatch, request):
    assert "nothing to do" in run("upgrade")[1]
    if request.node.callspec.params["run"] == "postgres":
        made = engine()
        copies.set_aside(made, "newer")
    else:
        monkeypatch.setenv("MUSTER_DATABASE_URL", f"sqlite:///{tmp_path}/old.db")
        made = engine()
    migrations.upgrade(made, migrations.known()[0])
    with writing(made) as connection:
        connection.execute(schema.institution.insert().values(name="main", time_zone="Europe/London", created_ms=1))
    made.dispose()
    assert "[schema-old]" in run("reader", "list")[1]
    status, said = run("upgrade")
    assert (status, migrations.newest() in said) == (0, True), said
    assert len(list((tmp_path / "muster-data" / "backups").iterdir())) == 1
    assert run("reader", "list")[0] == 0
    assert [row.action for row in rows(schema.audit)] == ["store.upgrade"], "who did it stands in the audit"


def test_a_reader_made_after_the_backup_is_adopted_with_the_key_of_its_board(run, tmp_path, monkeypatch):
    run("reader", "add", "a-9", "--room", "R1", "--out", "a-9.json")
    secret = json.loads((tmp_path / "a-9.json").read_text())["key"]["secret"]
    made = engine()
    with writing(made) as connection:
        for table in (schema.placement, schema.reader_key, schema.reader_state):
            connection.execute(table.delete().where(table.c.reader_id == 2))
        connection.execute(schema.reader.delete().where(schema.reader.c.name == "a-9"))
    made.dispose()
    status, said = run("reader", "adopt", "a-9.json", "--room", "R1", "--from", "2026-01-01")
    assert status == 0, said
    (tmp_path / "again.json").unlink(missing_ok=True)
    assert "a-9" in run("reader", "list")[1]
    assert run("reader", "adopt", "a-9.json", "--room", "R1", "--from", "2026-01-01")[0] == 1, "known already"
    assert secret not in "".join(str(row) for row in rows(schema.reader_key)), "encrypted at rest"
