"""The command `muster restore`: put a backup in the store's place, so that the line goes on as if nothing had been.

Order: look through the backup, refuse what cannot be, make the new store beside the old one, take over who may speak,
move the old one away and the new one in. A restore that breaks off leaves the old store in place, or no store and both
beside it; it is run again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from server import backup_file, pg_client
from server.audit_key import AuditKey
from server.backup_attachments import Returning
from server.backup_command import look_through, said_of
from server.backup_file import AUDIT_KEY, KEY, POSTGRES, SQLITE, Manifest
from server.commands import DONE, Store, open_store, run, who_runs
from server.errors import BadSetting, Refused, StoreError
from server.store import attached, attachments, cards, carried, carried_signers, copies, migrations, readers, rollouts
from server.store.carried import Carried, Changes
from server.store.engine import DBAPIError, Engine, open_engine, reading, writing
from server.vault import Vault


def main(argv: Sequence[str]) -> int:
    """`muster restore FILE`."""
    parser = argparse.ArgumentParser(
        prog="muster restore", description="Put a backup in the store's place. The server is stopped first."
    )
    parser.add_argument("file", type=Path, help="what `muster backup` wrote")
    parser.add_argument(
        "--over", action="store_true", help="the store is not empty: keep it beside, under another name"
    )
    return run(_restore, parser.parse_args(argv))


def _restore(arguments: argparse.Namespace) -> int:
    manifest = look_through(arguments.file)
    if migrations.is_newer(manifest.schema):
        raise StoreError(
            "backup-newer", f"{arguments.file} is of Muster {manifest.muster}, newer than this one: install that first"
        )
    print(said_of(manifest))
    store = open_store()
    if manifest.backend != store.engine.dialect.name:
        raise StoreError(
            "backup-backend",
            f"{arguments.file} is of {manifest.backend}, and the store is set to {store.engine.dialect.name}: "
            "set MUSTER_DATABASE_URL to a database of the backup's kind",
        )
    empty, old = _what_is_there(store)
    if not empty and not arguments.over:
        raise Refused(
            "store-not-empty", "there is a store already: say --over to put this one in its place (it is kept beside)"
        )
    stamp = datetime.fromtimestamp(store.clock.now_ms() / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    vault, key_file = _vault(store, arguments.file, manifest, stamp)
    put = _put_file if copies.is_sqlite(store.engine) else _put_schema
    folder = attachments.folder_of(store.settings.data_dir)
    files = Returning(arguments.file, manifest, folder, folder.with_name(f"{folder.name}.before-{stamp}"))
    try:
        files.bring(keep=not empty)
        changes, kept = put(store, arguments.file, manifest, vault, old, empty, stamp)
    except BaseException:
        files.undo()
        raise
    with reading(store.engine) as connection:
        files_kept, lacking = files.settle(attached.held(connection))
    if key_file is not None:
        _put_key(store.settings.server_key_file, key_file, stamp)
    _put_audit_key(store, arguments.file, manifest, stamp)
    _say(manifest, changes, " and ".join(str(one) for one in (kept, files_kept) if one), old is not None or empty)
    for name in lacking:
        print(f"attachments/{name}: is not in the backup [attachment-missing]")
    return DONE


def _what_is_there(store: Store) -> tuple[bool, Carried | None]:
    """Whether the store is empty; and what is to be taken over from it, None where it cannot be read."""
    if copies.is_sqlite(store.engine) and not copies.file_of(store.engine).exists():
        return True, None
    try:
        if copies.is_empty(store.engine):
            return True, None
        if not migrations.is_current(store.engine):
            return False, None
        with reading(store.engine) as connection:
            return False, carried.read(connection)
    except (DBAPIError, StoreError):
        # Damaged: that is why a backup is put in its place. A database that cannot be reached fails again below.
        return False, None


def _vault(store: Store, file: Path, manifest: Manifest, stamp: str) -> tuple[Vault, Path | None]:
    """The vault for the backup's keys; and the key taken out of the backup, where the one in place is another."""
    path = store.settings.server_key_file
    there = None
    if path.exists():
        vault = Vault.from_file(path)
        there = backup_file.fingerprint(bytes.fromhex(path.read_text("ascii").strip()))
        if there == manifest.key:
            return vault, None
    if KEY not in manifest.files:
        raise BadSetting(
            "server-key",
            f"the backup needs the server key with the fingerprint {manifest.key}; "
            + (f"{path} has {there}" if there else f"there is no {path}")
            + ": put a copy of the right one there, mode 0600",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    taken = path.with_name(f"{path.name}.restored-{stamp}")
    backup_file.take_out(file, KEY, taken)
    return Vault.from_file(taken), taken


def _put_key(path: Path, taken: Path, stamp: str) -> None:
    if path.exists():
        path.rename(path.with_name(f"{path.name}.before-{stamp}"))
    taken.rename(path)


def _put_audit_key(store: Store, file: Path, manifest: Manifest, stamp: str) -> None:
    """The key that signs the history's heads, unless there is one that opens."""
    if AUDIT_KEY not in manifest.files:
        return
    path = AuditKey.file_in(store.settings.data_dir)
    if path.exists():
        try:
            AuditKey.of(store.settings.data_dir, store.vault)
        except BadSetting:
            path.rename(path.with_name(f"{path.name}.before-{stamp}"))
        else:
            return
    backup_file.take_out(file, AUDIT_KEY, path)


def _finish(engine: Engine, manifest: Manifest, vault: Vault, old: Carried | None, digest: str, now_ms: int) -> Changes:
    """Bring a restored database to today: schema, who may speak, and what makes the line go on."""
    migrations.upgrade(engine)
    words = (
        f"the store was put back from a backup of {manifest.when()}: swipes come back by themselves; marks set by hand, "
        "imports and accounts of after that do not. Do those again, then close this"
    )
    with writing(engine) as connection:
        readers.need_key(connection, vault)
        cards.need_key(connection, vault)
        changes = Changes()
        if old is not None:
            changes = carried.apply(connection, old, now_ms)
            changes.signing = carried_signers.apply(connection, vault, old.signing)
        changes.rollouts = rollouts.stop_restored(connection, now_ms)
        copies.go_on(
            connection,
            made_ms=manifest.made_ms,
            digest=digest,
            summary=json.dumps({"schema": manifest.schema, "rows": manifest.rows}),
            words=words,
            now_ms=now_ms,
            by=who_runs(),
        )
    return changes


def _put_file(
    store: Store, file: Path, manifest: Manifest, vault: Vault, old: Carried | None, empty: bool, stamp: str
) -> tuple[Changes, str | None]:
    path = copies.file_of(store.engine)
    path.parent.mkdir(parents=True, exist_ok=True)
    there = path.exists()
    if there:
        copies.leave_file(store.engine)
    with tempfile.TemporaryDirectory(prefix=".muster-restore-", dir=path.parent) as folder:
        new = Path(folder) / SQLITE
        backup_file.take_out(file, SQLITE, new)
        engine = open_engine(f"sqlite:///{new}")
        try:
            changes = _finish(engine, manifest, vault, old, manifest.files[SQLITE][1], store.clock.now_ms())
            copies.leave_file(engine)
        finally:
            engine.dispose()
        beside = path.with_name(f"{path.name}.before-{stamp}") if there else None
        if beside is not None:
            for tail in ("-wal", "-shm", ""):
                if (one := path.with_name(path.name + tail)).exists():
                    one.rename(beside.with_name(beside.name + tail))
        new.rename(path)
        copies.sync(path)
    return changes, None if beside is None or empty else str(beside)


def _put_schema(
    store: Store, file: Path, manifest: Manifest, vault: Vault, old: Carried | None, empty: bool, stamp: str
) -> tuple[Changes, str | None]:
    copies.need_alone(store.engine)
    aside = f"before_{stamp.lower()}"
    with tempfile.TemporaryDirectory(prefix=".muster-restore-", dir=file.parent) as folder:
        dump = Path(folder) / POSTGRES
        backup_file.take_out(file, POSTGRES, dump)
        copies.set_aside(store.engine, aside)
        try:
            pg_client.restore(store.engine, dump)
            changes = _finish(store.engine, manifest, vault, old, manifest.files[POSTGRES][1], store.clock.now_ms())
        except BaseException:
            store.engine.dispose()
            copies.put_back(store.engine, aside)
            raise
    if empty:
        copies.drop_aside(store.engine, aside)
    return changes, None if empty else f"schema {aside} of the database"


def _say(manifest: Manifest, changes: Changes, kept: str, readable: bool) -> None:
    print(f"The store is as it was at {manifest.when()}.")
    if kept:
        print(f"What was there is kept: {kept}. Remove it when you are sure.")
    for what, names in (
        ("readers made since, taken over with their keys", changes.readers),
        ("readers with a newer key, taken over", changes.keys),
        ("readers moved since, taken over", changes.moved),
        ("gateways made since, taken over", changes.gateways),
        ("readers that are believed no more, here too", changes.revoked),
        ("changed or closed since, so here too", changes.closed),
        ("accounts made since: make them again", changes.unknown_accounts),
    ):
        if names:
            print(f"{what}: {', '.join(sorted(set(names)))}")
    if changes.rollouts:
        print(f"roll-outs that were under way then, and are stopped: {changes.rollouts}. Let them go on, or end them")
    if changes.card_keys:
        print(f"card keys made since, taken over: {changes.card_keys}")
    if changes.signing.secrets:
        print("the secret of which signing cards' keys are made was made since, taken over")
    if changes.signing.cards:
        print(f"cards that sign registered since, taken over: {changes.signing.cards}")
    if changes.signing.unread:
        print(
            f"{changes.signing.unread} of the cards that sign, or of their secrets, were sealed under another server key: "
            "register them again: muster card secret --take FILE, muster card sign FILE"
        )
    if not kept or not readable:
        print(
            "Nothing newer could be read, so look yourself: accounts, tokens and gateways that were closed since are open "
            "again; readers that were revoked since are believed again: muster reader revoke them once more; a release key that was trusted no more is trusted again: muster release distrust; a reader made since is unknown until `muster reader adopt` is given its settings file; cards that sign registered since must be registered again: muster card sign FILE, and before it muster card secret --take FILE if their secret was made since."
        )
    print(
        "Start the server. Gateways and readers bring by themselves what they gave since then. Marks set by hand and "
        "imports since then must be done again. What was erased since is there again: erase it again. Everybody signs "
        "in again."
    )
