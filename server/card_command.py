"""The command `muster card`: cards that sign what they say, so that a copied number is seen (docs/cards.md)."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from server import card_signature
from server.commands import DONE, open_store, run
from server.errors import StoreError
from server.store import campus, cards, signed_cards
from server.store.engine import writing
from server.store.signed_cards import Signer

_HEX = re.compile(r"[0-9a-fA-F]+")
_BETWEEN = re.compile(r"[\s:.-]")


def main(argv: Sequence[str]) -> int:
    """`muster card sign|secret`."""
    parser = argparse.ArgumentParser(prog="muster card", description="Cards that sign what they say (NTAG 424 DNA).")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("sign", help="these cards sign: their numbers and keys are sealed in the store")
    one.add_argument(
        "file", type=Path, help="a line for each card: its number, and its key unless that is made of the secret"
    )
    one.set_defaults(work=_sign)
    one = commands.add_parser(
        "secret", help="the secret from which each card's key is made: for whoever writes the cards"
    )
    way = one.add_mutually_exclusive_group(required=True)
    way.add_argument("--out", type=Path, metavar="FILE", help="write it into this new file, readable by you alone")
    way.add_argument("--take", type=Path, metavar="FILE", help="take over one that was made elsewhere: 32 hex digits")
    one.set_defaults(work=_secret)
    arguments = parser.parse_args(argv)
    return run(arguments.work, arguments)


def _sign(arguments: argparse.Namespace) -> int:
    listed = list(_listed(_text(arguments.file)))
    store = open_store().ready()
    now_ms = store.clock.now_ms()
    with writing(store.engine) as connection:
        institution_id = store.institution(connection).id
        secret = signed_cards.secret(connection, store.vault, institution_id, now_ms)
        keys = cards.current_keys(connection, store.vault, institution_id, now_ms)
        for uid, key in listed:
            card_id = cards.make(connection, institution_id, cards.token_for(uid, keys), now_ms)
            signer = Signer(uid=uid, key=key or card_signature.diversified(secret, uid))
            signed_cards.register(connection, store.vault, institution_id, card_id, signer, now_ms)
        scope = store.console(connection)
        campus.write_down(connection, scope, "card.sign", "card", now_ms, cards=len(listed))
    print(f"{len(listed)} cards sign from now on. Remove the file: it holds their numbers, which Muster keeps sealed.")
    return DONE


def _secret(arguments: argparse.Namespace) -> int:
    taken = _text(arguments.take).strip() if arguments.take else ""
    if arguments.take and (not _HEX.fullmatch(taken) or len(taken) != 2 * card_signature.KEY_BYTES):
        raise StoreError("signing-key-length", "the secret has 16 bytes: a line of 32 hex digits")
    store = open_store().ready()
    now_ms = store.clock.now_ms()
    with writing(store.engine) as connection:
        institution_id = store.institution(connection).id
        scope = store.console(connection)
        if arguments.take:
            signed_cards.put_secret(connection, store.vault, institution_id, bytes.fromhex(taken), now_ms)
            print(f"The secret is sealed in the store. Remove {arguments.take}, or lock it away.")
        else:
            secret = signed_cards.secret(connection, store.vault, institution_id, now_ms)
            _write(arguments.out, secret.hex())
            print(f"{arguments.out} holds the secret: whoever has it can copy every card. Lock it away after use.")
        campus.write_down(connection, scope, "card.secret", "card", now_ms, way="take" if arguments.take else "out")
    return DONE


def _listed(text: str) -> Iterator[tuple[bytes, bytes]]:
    """(number, key or nothing) of each line. Raises StoreError(`card-list`): it names the line, not what stands there."""
    for place, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        uid, _, key = (_BETWEEN.sub("", part) for part in line.partition(","))
        sizes = (len(uid), len(key))
        hexes = _HEX.fullmatch(uid) and (not key or _HEX.fullmatch(key))
        if not hexes or sizes[0] != 2 * card_signature.UID_BYTES or sizes[1] not in (0, 2 * card_signature.KEY_BYTES):
            raise StoreError(
                "card-list",
                f"line {place}: a number of 14 hex digits stands there, and after a comma its key of 32, or nothing",
            )
        yield bytes.fromhex(uid), bytes.fromhex(key)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError("card-file", f"{path} cannot be read: name a text file that you may read") from error


def _write(path: Path, text: str) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise StoreError("card-file", f"{path} cannot be made: {error.strerror}; name a new file") from error
    with os.fdopen(handle, "w") as file:
        file.write(text + "\n")
