"""Files that people attached, in a backup and back: sent through the form, copied, everything removed, put back, read."""

import gc
import shutil
import tarfile

import pytest

import muster
from server import backup_file
from server.backup_attachments import PREFIX
from server.store import attachments, schema_work
from server.store.engine import writing
from tests.server.filetypes.files import LETTER, png
from tests.server.pages.requesting import Corrected, ask, made
from tests.server.pages.school import Visitor

FILES = [("letter.pdf", LETTER), ("photo.png", png())]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs("postgres"))])
def url(request, tmp_path):
    if request.param == "postgres":
        return request.getfixturevalue("new_postgres")()
    shutil.copy(request.getfixturevalue("empty_sqlite"), tmp_path / "muster.db")
    return f"sqlite:///{tmp_path / 'muster.db'}"


@pytest.fixture
def school(tmp_path, url, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUSTER_DATABASE_URL", url)
    monkeypatch.setenv("MUSTER_DATA_DIR", str(tmp_path))
    (tmp_path / "server.key").write_text((b"k" * 32).hex())
    (tmp_path / "server.key").chmod(0o600)
    (tmp_path / "away").mkdir()
    found = Corrected(tmp_path, url=url)
    yield found
    found.close()


@pytest.fixture
def attached(school):
    """A request with two files, and the bytes that the store keeps, by their random names."""
    ada = Visitor(school.app())
    ada.sign_in("ada")
    number = made(ask(ada, school.aged(2), {school.students[0]: "P"}, reason="Was there", files=FILES))
    rows = school.world.all(schema_work.attachment)
    folder = attachments.folder_of(school.folder)
    return number, {row.stored_as: (folder / row.stored_as).read_bytes() for row in rows}


@pytest.fixture
def run(capsys):
    # What is there now stays, or is gone: `run` need not look through it again.
    gc.collect()
    gc.freeze()

    def run(*words):
        gc.collect()
        capsys.readouterr()
        status = muster.main([str(word) for word in words])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


def held(school) -> dict[str, bytes]:
    folder = attachments.folder_of(school.folder)
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_what_was_uploaded_is_downloaded_again_after_everything_was_removed_and_put_back(school, attached, run):
    _number, files = attached
    backup = school.folder / "away" / "b"
    status, said = run("backup", backup)
    assert (status, "2 files" in said) == (0, True), said
    assert run("backup", "--check", backup)[0] == 0
    assert not list(school.folder.glob(".muster-backup-*")), "no links are left"
    school.world.engine.dispose()
    shutil.rmtree(attachments.folder_of(school.folder))
    if school.world.engine.dialect.name == "sqlite":
        for path in school.folder.glob("muster.db*"):
            path.unlink()
    status, said = run("restore", backup, "--over")
    assert status == 0 and "[attachment" not in said, said
    assert held(school) == files
    ada = Visitor(school.app())
    ada.sign_in("ada")
    names = {row.id: row.file_name for row in school.world.all(schema_work.attachment)}
    for one, name in names.items():
        answer = ada.get(f"/attachments/{one}")
        assert (answer.status_code, answer.content) == (200, dict(FILES)[name])


def test_files_of_the_store_that_was_there_are_kept_beside_and_not_mixed_in(school, attached, run):
    _number, files = attached
    backup = school.folder / "away" / "b"
    assert run("backup", backup)[0] == 0
    ada = Visitor(school.app())
    ada.sign_in("ada")
    made(ask(ada, school.aged(3), {school.students[1]: "P"}, reason="Later", files=[("later.png", png())]))
    (victim, *_) = files
    (attachments.folder_of(school.folder) / victim).write_bytes(b"altered")
    everything = held(school)
    school.world.engine.dispose()
    status, said = run("restore", backup, "--over")
    assert status == 0, said
    assert held(school) == files, "as they were at the backup, the altered one too"
    (aside,) = school.folder.glob("attachments.before-*")
    assert aside.name in said
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == everything


def test_a_restore_that_is_refused_leaves_the_files_as_they_are(school, attached, run):
    backup = school.folder / "away" / "b"
    assert run("backup", backup)[0] == 0
    (victim, *_) = attached[1]
    (attachments.folder_of(school.folder) / victim).write_bytes(b"altered")
    there = held(school)
    with school.world.engine.connect() as connection:
        connection.execute(schema_work.attachment.select()).all()
        status, said = run("restore", backup, "--over")
    assert (status, "[store-in-use]" in said) == (1, True), said
    assert held(school) == there and not list(school.folder.glob("attachments.*"))


@pytest.mark.parametrize(("spoil", "why"), [("unlink", "missing"), ("write", "altered")])
def test_a_file_that_is_gone_or_altered_is_said_by_name_and_the_rest_is_backed_up(school, attached, run, spoil, why):
    (victim, other) = attached[1]
    path = attachments.folder_of(school.folder) / victim
    path.unlink() if spoil == "unlink" else path.write_bytes(b"altered")
    backup = school.folder / "away" / "b"
    status, said = run("backup", backup)
    assert status == 1 and f"attachments/{victim}: {why} [attachment-{why}]" in said
    manifest = backup_file.read(backup)
    assert manifest.lacks == {victim: why} and PREFIX + other in manifest.files
    assert run("backup", "--check", backup)[0] == 1
    school.world.engine.dispose()
    status, said = run("restore", backup, "--over")
    assert status == 0 and f"attachments/{victim}: is not in the backup" in said


def test_what_was_erased_is_in_no_backup(school, attached, run):
    (victim, _other) = attached[1]
    row = next(row for row in school.world.all(schema_work.attachment) if row.stored_as == victim)
    folder = attachments.folder_of(school.folder)
    with writing(school.world.engine) as connection:
        attachments.erase(connection, folder, school.world.institution_id, row.id, school.now_ms)
    backup = school.folder / "away" / "b"
    assert run("backup", backup)[0] == 0
    assert PREFIX + victim not in backup_file.read(backup).files


def test_a_file_that_is_erased_while_the_backup_runs_makes_it_begin_again(school, attached, run, monkeypatch):
    from server import backup_command

    (victim, other) = attached[1]
    row = next(row for row in school.world.all(schema_work.attachment) if row.stored_as == victim)
    copied = backup_command._copy
    times = []

    def copy(store, folder):
        found = copied(store, folder)
        if not times:
            with writing(school.world.engine) as connection:
                place = attachments.folder_of(school.folder)
                attachments.erase(connection, place, school.world.institution_id, row.id, school.now_ms)
        times.append(1)
        return found

    monkeypatch.setattr(backup_command, "_copy", copy)
    backup = school.folder / "away" / "b"
    status, said = run("backup", backup)
    assert (status, len(times)) == (0, 2), said
    names = {name.removeprefix(PREFIX) for name in backup_file.read(backup).files if name.startswith(PREFIX)}
    assert names == {other}


def test_a_backup_whose_files_are_not_those_of_its_database_is_refused(school, attached, run, url):
    if url.startswith("postgresql"):
        pytest.skip("a dump's rows are compared when it was restored")
    backup = school.folder / "away" / "b"
    assert run("backup", backup)[0] == 0
    manifest = backup_file.read(backup)
    left = school.folder / "away" / "left"
    left.mkdir()
    with tarfile.open(backup) as tar:
        # Python 3.11.4 and later can refuse what leads out of the folder; 3.11.2, Debian's, has no such word.
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(left)
    (victim, *_) = attached[1]
    members = {name: left / name for name in manifest.files if name != PREFIX + victim}
    backup_file.write(school.folder / "away" / "c", manifest, members)
    for words in (("backup", "--check"), ("restore", "--over")):
        status, said = run(*words, school.folder / "away" / "c")
        assert (status, "[backup-damaged]" in said) == (1, True), said
