"""The command `muster audit`: is the registers' history as it was written (LOUGH-39), and where do its chains stand."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from server import audit_key, heads_check, heads_file
from server.audit_key import AuditKey
from server.commands import DONE, FAILED, open_store, run
from server.errors import StoreError
from server.store import chains, history_start, institutions
from server.store.engine import reading

#: so many breaks are printed, and the rest is counted
SHOWN = 200


def main(argv: Sequence[str]) -> int:
    """`muster audit heads|key|verify`."""
    parser = argparse.ArgumentParser(prog="muster audit", description="The registers' history: whole, and as written.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("heads", help="print where every register's chain stands: keep it off this machine")
    one.set_defaults(work=_heads)
    one = commands.add_parser(
        "key", help="print the public key that signs heads (made at first use): keep it elsewhere"
    )
    one.set_defaults(work=_key)
    one = commands.add_parser("verify", help="walk every chain, and compare the registers with it")
    one.add_argument(
        "--heads",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="heads that were kept, a file or a folder of them: what was cut off or written anew shows only so",
    )
    one.add_argument(
        "--key",
        metavar="PUBLIC",
        help="the public key that was kept, or a file with it: the heads must be signed with it, and none be missing",
    )
    one.set_defaults(work=_verify)
    arguments = parser.parse_args(argv)
    return run(arguments.work, arguments)


def _heads(_arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    key = AuditKey.of(store.settings.data_dir, store.vault)
    with reading(store.engine) as connection:
        here = institutions.named(connection, store.settings.institution)
        print(heads_file.text(heads_file.collect(connection, here, store.clock.now_ms(), key=key)), end="")
    return DONE


def _key(_arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    public = AuditKey.of(store.settings.data_dir, store.vault).public
    print(f"{public} muster heads {audit_key.fingerprint(public)}")
    return DONE


def _verify(arguments: argparse.Namespace) -> int:
    if arguments.key is not None and not arguments.heads:
        raise StoreError("usage", "--key is for heads that were kept: say --heads too")
    key = None if arguments.key is None else audit_key.public_key(arguments.key)
    store = open_store().ready()
    paths = [path for one in arguments.heads for path in heads_file.files(one)]
    kept = heads_file.kept(paths)
    with reading(store.engine) as connection:
        found = chains.walk(connection, kept)
        names = {one.id: one.name for one in institutions.every(connection)}
        starts = {names[one]: start for one, start in history_start.of(connection).items()}
    linked = any(one.is_dir() for one in arguments.heads)
    checked = heads_check.check(paths, key, starts, linked=linked)
    for fault in checked.faults[:SHOWN]:
        print(f"{fault.source}: {fault.text} [{fault.code}]")
    for one in found.breaks[:SHOWN]:
        about = "the store" if one.session_id is None else f"session {one.session_id}"
        entry = "" if one.seq is None else f", entry {one.seq}"
        print(f"{about}{entry}: {one.text} [{one.code}]")
    if (more := max(len(found.breaks) - SHOWN, 0) + max(len(checked.faults) - SHOWN, 0)) > 0:
        print(f"and {more} more")
    compared = (
        f"compared with {sum(map(len, kept.values()))} heads kept" if kept else "not compared with any heads kept"
    )
    print(f"{found.registers} registers, {found.entries} entries, {found.marks} marks; {compared}")
    if paths and key is None:
        print("Whether these heads are the store's own was not looked at: say --key with the public key that was kept.")
    elif paths:
        older = f"; {checked.older} are from before they were signed" if checked.older else ""
        print(f"{checked.signed} files of heads are signed, {checked.span[0]} to {checked.span[1]}{older}")
    if found.before:
        print(f"{found.before} registers are from before there was a history: it begins when one is next touched")
    broken = len({one.session_id for one in found.breaks if one.session_id is not None})
    if checked.faults:
        print(f"{len(checked.faults)} faults of the files of heads.")
    if not found.breaks:
        print(
            "Everything is as it was written." if not checked.faults else "The registers fit the heads that were read."
        )
    else:
        print(f"{broken} registers are not as they were written.")
    return FAILED if found.breaks or checked.faults else DONE
