"""The command `muster person`: everything about one person as a file, and erasing whoever has left."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from server.commands import DONE, Store, open_store, run
from server.errors import StoreError
from server.scope import Scope
from server.store import attachments, campus, people, person_erasure, person_export, profile_versions
from server.store.engine import Connection, reading, writing
from server.store.person_erasure import Erased


def main(argv: Sequence[str]) -> int:
    """`muster person export|erase`."""
    parser = argparse.ArgumentParser(prog="muster person", description="What is stored about one person.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("export", help="everything about them as JSON; docs/privacy.md has its schema")
    one.add_argument("number", help="their number, or any other external id of theirs")
    one.add_argument("--out", type=Path, help="the file, readable by you alone; standard output without it")
    one.set_defaults(work=_export)
    one = commands.add_parser("erase", help="say what would go and what stays; with --do: erase whoever has left")
    one.add_argument("number", help="their number, or any other external id of theirs")
    one.add_argument("--reason", required=True, help="kept in the history: do not repeat who they are")
    one.add_argument("--do", action="store_true", help="do it; it cannot be brought back")
    one.set_defaults(work=_erase)
    arguments = parser.parse_args(argv)
    return run(arguments.work, arguments)


def _found(store: Store, number: str) -> tuple[Scope, int]:
    """Whoever asks, and the person's id."""
    with writing(store.engine) as connection:
        scope = store.console(connection)
    with reading(store.engine) as connection:
        return scope, people.by_external_id(connection, scope.institution_id, number)


def _export(arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    scope, person_id = _found(store, arguments.number)
    now_ms = store.clock.now_ms()
    person_export.begin(store.engine, scope, person_id, now_ms)
    pieces = person_export.stream(store.engine, scope.institution_id, person_id, now_ms)
    if arguments.out is None:
        for piece in pieces:
            sys.stdout.write(piece)
        return DONE
    try:
        handle = os.open(arguments.out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise StoreError("export-file", f"{arguments.out} cannot be made: {error.strerror}; name a new file") from error
    with open(handle, "w", encoding="utf-8") as file:
        file.writelines(pieces)
    print(f"Everything about {arguments.number} is in {arguments.out}. Read the texts in it before you hand it over.")
    return DONE


def _erase(arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    scope, person_id = _found(store, arguments.number)
    now_ms = store.clock.now_ms()
    folder = attachments.folder_of(store.settings.data_dir)
    profiles = profile_versions.load(store.engine, store.settings.profiles_dir, store.settings.time_zone, now_ms)

    def work(connection: Connection) -> Erased:
        return person_erasure.erase(
            connection, folder, scope, profiles, person_id, reason=arguments.reason, now_ms=now_ms
        )

    if arguments.do:
        with writing(store.engine) as connection:
            found = work(connection)
    else:
        found = campus.tried(store.engine, work)
    print("Erased:" if arguments.do else "Would be erased (--do does it):")
    for what, many in found.goes.items():
        print(f"  {many:6}  {what}")
    print("Stays:")
    for one in found.kept:
        print(f"  {one}")
    return DONE
