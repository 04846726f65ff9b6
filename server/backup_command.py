"""The command `muster backup`: a whole, consistent copy of the store while it runs; and `--check` of one."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from server import backup_attachments, backup_file, pg_client
from server.audit_key import AuditKey
from server.backup_file import Manifest
from server.commands import DONE, FAILED, Store, open_store, run
from server.errors import StoreError
from server.store import attached, attachments, copies, migrations
from server.store.attached import Held
from server.store.engine import make_url, reading

#: how often a copy is taken again because a file was erased meanwhile
TRIES = 5


def main(argv: Sequence[str]) -> int:
    """`muster backup FILE|FOLDER`."""
    parser = argparse.ArgumentParser(
        prog="muster backup", description="Copy the store into one file, while the server runs."
    )
    parser.add_argument("place", type=Path, help="a file that is not there yet, or a folder: then named by its time")
    parser.add_argument("--with-key", action="store_true", help="put the server key in: then guard the file as the key")
    parser.add_argument("--keep", type=int, metavar="N", help="in a folder: keep the newest N backups, remove older")
    parser.add_argument("--check", action="store_true", help="read a backup through and say what is in it; write none")
    arguments = parser.parse_args(argv)
    return run(_check if arguments.check else _backup, arguments)


def _backup(arguments: argparse.Namespace) -> int:
    if arguments.keep is not None and (arguments.keep < 1 or not arguments.place.is_dir()):
        raise StoreError("usage", "--keep takes 1 or more, and a folder of backups")
    store = open_store().ready()
    path, manifest = take(store, arguments.place, with_key=arguments.with_key)
    # As a stranger would find it, from the disk and not from memory.
    look_through(path)
    print(f"{path}: {said_of(manifest)}")
    key_file = store.settings.server_key_file
    if arguments.with_key:
        print("The server key is in it: whoever has this file can speak as any reader. Guard it as the key.")
    else:
        print(
            f"The server key is NOT in it. Keep a copy of {key_file} (fingerprint {manifest.key}) in another place: "
            "without it this backup believes no reader."
        )
    if manifest.lacks:
        _say_lacks(manifest)
        # Older backups may have what this one lacks: none goes.
        return FAILED
    if arguments.keep is not None:
        for old in sorted(arguments.place.glob(f"muster-*{backup_file.SUFFIX}"))[: -arguments.keep]:
            old.unlink()
            print(f"{old}: removed, {arguments.keep} newer ones are kept")
    return DONE


def take(store: Store, place: Path, *, with_key: bool = False) -> tuple[Path, Manifest]:
    """Copy the store into a new file at, or in the folder, `place`. Answers the file and what it says of itself.

    Files that are not there any more, though nobody erased them, are named in it and left out: the rest is worth having.
    """
    made_ms = store.clock.now_ms()
    path = place / backup_file.name_at(made_ms) if place.is_dir() else place
    if path.exists():
        raise StoreError("backup-exists", f"{path} exists: a backup is never overwritten")
    key_file = store.settings.server_key_file
    _ = store.vault
    key = bytes.fromhex(key_file.read_text("ascii").strip())
    for again in range(TRIES):
        try:
            # Beside its place: that disk has the room, and may be the only one that has.
            beside = tempfile.TemporaryDirectory(prefix=".muster-backup-", dir=path.parent)
        except OSError as error:
            raise StoreError("backup-write", f"{path.parent} cannot be written: {error.strerror}") from error
        with beside as folder, _links(store, Path(folder)) as links:
            name, revision, rows, wanted = _copy(store, Path(folder))
            files = backup_attachments.stage(attachments.folder_of(store.settings.data_dir), wanted, links)
            if again + 1 < TRIES and files.lacks and _erased(store, files.lacks):
                continue
            assert revision is not None, "the store was ready: it has a schema"
            manifest = Manifest(
                muster=_version(),
                schema=revision,
                made_ms=made_ms,
                backend=store.engine.dialect.name,
                rows=rows,
                key=backup_file.fingerprint(key),
                settings=_settings(store),
                lacks=files.lacks,
            )
            members = {name: Path(folder) / name} | files.members | ({backup_file.KEY: key_file} if with_key else {})
            # It is sealed under the server key, as readers' keys in the database are.
            if (audit_key := AuditKey.file_in(store.settings.data_dir)).exists():
                members[backup_file.AUDIT_KEY] = audit_key
            return path, backup_file.write(path, manifest, members)
    raise AssertionError("the last try does not ask who erased")


def _copy(store: Store, folder: Path) -> tuple[str, str | None, dict[str, int], dict[str, Held]]:
    """Copy the database. Answers the member's name, the schema, the rows, and which files this state of it holds."""
    if copies.is_sqlite(store.engine):
        data = folder / backup_file.SQLITE
        revision, rows = copies.copy_file(store.engine, data)
        return backup_file.SQLITE, revision, rows, attached.held_of_file(data)
    data = folder / backup_file.POSTGRES
    with copies.snapshot(store.engine) as (snapshot, revision, rows):
        wanted = attached.held_in(store.engine, snapshot)
        pg_client.dump(store.engine, data, snapshot)
    return backup_file.POSTGRES, revision, rows, wanted


@contextmanager
def _links(store: Store, beside: Path) -> Iterator[Path]:
    """A folder for links to the files: on their own disk where that can be written, else beside the backup."""
    data_dir = store.settings.data_dir
    backup_attachments.sweep(data_dir)
    try:
        made = Path(tempfile.mkdtemp(prefix=backup_attachments.STAGING, dir=data_dir))
    except OSError:
        made = beside / "attachments"
        made.mkdir(mode=0o700)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _erased(store: Store, lacks: dict[str, str]) -> bool:
    with reading(store.engine) as connection:
        return bool(attached.erased(connection, lacks))


def _settings(store: Store) -> dict[str, str]:
    made = store.settings
    return {
        "institution": made.institution,
        "time_zone": made.time_zone,
        "database_url": make_url(made.database_url).render_as_string(hide_password=True),
        "server_key_file": str(made.server_key_file),
    }


def look_through(path: Path) -> Manifest:
    """Read a backup through: digests, every page of the database, and the counts. Raises StoreError."""
    manifest = backup_file.read(path)
    with tempfile.TemporaryDirectory(prefix=".muster-check-", dir=path.parent) as folder:
        name = backup_file.SQLITE if manifest.backend == "sqlite" else backup_file.POSTGRES
        data = Path(folder) / name
        backup_file.take_out(path, name, data)
        if manifest.backend == "sqlite":
            if copies.look_at_file(data) != manifest.rows:
                raise StoreError("backup-damaged", f"{path}: the rows are not those that it says; take another backup")
            if manifest.format > 1:
                held = attached.held_of_file(data)
                backup_attachments.need_same(path, manifest.files, held, manifest.lacks)
        else:
            # Its rows are compared with its files when it was restored.
            pg_client.look_at(data)
    return manifest


def _check(arguments: argparse.Namespace) -> int:
    manifest = look_through(arguments.place)
    print(f"{arguments.place}: {said_of(manifest)}")
    print(f"It needs the server key with the fingerprint {manifest.key}: ", end="")
    print("it is in it." if backup_file.KEY in manifest.files else "it is NOT in it.")
    if migrations.is_newer(manifest.schema):
        raise StoreError("backup-newer", "it is whole, and of a newer Muster than this one: restore it with that one")
    if manifest.lacks:
        _say_lacks(manifest)
        return FAILED
    return DONE


def _say_lacks(manifest: Manifest) -> None:
    for name, why in sorted(manifest.lacks.items()):
        print(f"attachments/{name}: {why} [attachment-{why}]")
    print(
        f"{len(manifest.lacks)} files of requests and absences were not there as they were attached, so they are not in it: "
        "look for them in older backups. The rest is whole"
    )


def said_of(manifest: Manifest) -> str:
    """A backup in a line."""
    swipes, people = manifest.rows.get("swipe", 0), manifest.rows.get("person", 0)
    size = sum(size for size, _ in manifest.files.values())
    files = sum(name.startswith(backup_attachments.PREFIX) for name in manifest.files)
    return (
        f"whole; taken {manifest.when()} by Muster {manifest.muster}, {manifest.backend}, schema {manifest.schema}, "
        f"{swipes} swipes, {people} persons, {sum(manifest.rows.values())} rows, {files} files, {size / 1e6:.1f} MB"
    )


def _version() -> str:
    try:
        return version("muster")
    except PackageNotFoundError:
        return "of a copy"
