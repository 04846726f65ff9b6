"""The command `muster audit`: is the registers' history as it was written (LOUGH-39), and where do its chains stand."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from server import heads_file
from server.commands import DONE, FAILED, open_store, run
from server.store import chains, institutions
from server.store.engine import reading

#: so many breaks are printed, and the rest is counted
SHOWN = 200


def main(argv: Sequence[str]) -> int:
    """`muster audit heads|verify`."""
    parser = argparse.ArgumentParser(prog="muster audit", description="The registers' history: whole, and as written.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("heads", help="print where every register's chain stands: keep it off this machine")
    one.set_defaults(work=_heads)
    one = commands.add_parser("verify", help="walk every chain, and compare the registers with it")
    one.add_argument(
        "--heads",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="heads that were kept, a file or a folder of them: what was cut off or written anew shows only so",
    )
    one.set_defaults(work=_verify)
    arguments = parser.parse_args(argv)
    return run(arguments.work, arguments)


def _heads(_arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    with reading(store.engine) as connection:
        here = institutions.named(connection, store.settings.institution)
        print(heads_file.text(heads_file.collect(connection, here, store.clock.now_ms())), end="")
    return DONE


def _verify(arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    kept = heads_file.kept([path for one in arguments.heads for path in heads_file.files(one)])
    with reading(store.engine) as connection:
        found = chains.walk(connection, kept)
    for one in found.breaks[:SHOWN]:
        entry = "" if one.seq is None else f", entry {one.seq}"
        print(f"session {one.session_id}{entry}: {one.text} [{one.code}]")
    if len(found.breaks) > SHOWN:
        print(f"and {len(found.breaks) - SHOWN} more")
    compared = (
        f"compared with {sum(map(len, kept.values()))} heads kept" if kept else "not compared with any heads kept"
    )
    print(f"{found.registers} registers, {found.entries} entries, {found.marks} marks; {compared}")
    if found.before:
        print(f"{found.before} registers are from before there was a history: it begins when one is next touched")
    broken = len({one.session_id for one in found.breaks})
    print("Everything is as it was written." if not broken else f"{broken} registers are not as they were written.")
    return FAILED if broken else DONE
