"""The command `muster upgrade`: a backup first, then the schema, then a look whether all is well.

The migrations only add, so servers of the release before go on beside it and are replaced one after the other.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from server.backup_command import look_through, said_of, take
from server.commands import DONE, open_store, run
from server.errors import StoreError
from server.store import campus, copies, migrations
from server.store.engine import writing


def main(argv: Sequence[str]) -> int:
    """`muster upgrade`."""
    parser = argparse.ArgumentParser(
        prog="muster upgrade", description="Bring the store to this release's schema; a backup is taken first."
    )
    parser.add_argument(
        "--backup", type=Path, metavar="FOLDER", help="where the backup goes (backups in the data folder)"
    )
    return run(_upgrade, parser.parse_args(argv))


def _upgrade(arguments: argparse.Namespace) -> int:
    store = open_store()
    found, ours = migrations.at(store.engine), migrations.newest()
    if found is None:
        raise StoreError("schema-old", "there is no store yet: `muster server migrate` makes one")
    if migrations.is_newer(found):
        raise StoreError("schema-newer", f"the store has schema {found}, newer than this Muster's {ours}")
    if found == ours:
        store.ready()
        print(f"The store has schema {ours} already: nothing to do.")
        return DONE
    folder = arguments.backup or store.settings.data_dir / "backups"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path, manifest = take(store, folder)
    look_through(path)
    print(f"{path}: {said_of(manifest)}")
    migrations.upgrade(store.engine)
    store.ready()
    with store.engine.connect() as connection:
        after = copies.rows(connection)
    fewer = [name for name, count in manifest.rows.items() if after.get(name, 0) < count and name in KEPT]
    if fewer:
        raise StoreError("upgrade-lost", f"there are fewer rows than before in {', '.join(fewer)}: restore {path}")
    with writing(store.engine) as connection:
        now_ms = store.clock.now_ms()
        campus.write_down(connection, store.console(connection), "store.upgrade", "store", now_ms, was=found, now=ours)
    print(f"Schema {found} -> {ours}. Servers and gateways of the release before may go on; replace them one by one.")
    return DONE


#: tables that never get shorter while a server runs beside
KEPT = ("record", "swipe", "mark", "credit", "person", "session", "reader", "reader_key", "journal", "audit")
