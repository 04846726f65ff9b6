"""The commands `muster release trust` and `muster release distrust`: whose releases the store carries (docs/updates.md)."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from server.commands import DONE, open_store, run
from server.errors import StoreError
from server.release_pack import Key
from server.store import releases, rollouts
from server.store.engine import writing


def trust(argv: Sequence[str]) -> int:
    """`muster release trust FILE`. argv: what follows `release trust`."""
    parser = argparse.ArgumentParser(prog="muster release trust", description="Take releases that these keys signed.")
    parser.add_argument("file", type=Path, help="what `muster release keys` printed: public keys")
    return run(_trust, parser.parse_args(argv))


def distrust(argv: Sequence[str]) -> int:
    """`muster release distrust NUMBER`. argv: what follows `release distrust`."""
    parser = argparse.ArgumentParser(
        prog="muster release distrust",
        description="Take no more releases of a key. Readers still know it: those that are made from now on do not.",
    )
    parser.add_argument("number", type=int, help="the key's number")
    return run(_distrust, parser.parse_args(argv))


def _trust(arguments: argparse.Namespace) -> int:
    found = _keys(arguments.file)
    store = open_store().ready()
    now_ms = store.clock.now_ms()
    with writing(store.engine) as connection:
        scope = store.console(connection)
        new = [key.id for key in found if releases.trust(connection, scope, key, now_ms)]
    told = ", ".join(map(str, new))
    print(f"Trusted from now on: key {told}." if new else "It is trusted already: nothing was changed.")
    print(
        "Readers that are made from now on take its releases; those that are there know the keys they were made with."
    )
    return DONE


def _distrust(arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    with writing(store.engine) as connection:
        ended = rollouts.distrust(connection, store.console(connection), arguments.number, store.clock.now_ms())
    print(
        f"Key {arguments.number} is trusted no more. Releases that it signed stay here, and none of them is sent out. "
        f"Roll-outs of them that ended now: {ended}"
    )
    return DONE


def _keys(path: Path) -> list[Key]:
    try:
        data: Any = json.loads(path.read_text("utf-8-sig"))
        listed = data["release"]["keys"]
        found = [Key(id=int(one["id"]), n=int(one["n"], 16)) for one in listed]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            "release-key-file", f"{path} holds no release keys: name the file with what `muster release keys` printed"
        ) from error
    if not found:
        raise StoreError("release-key-file", f"{path} names no key")
    return found
