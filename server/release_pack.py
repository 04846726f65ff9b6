"""A signed release as somebody hands it over: opened with every check that a reader makes, before it is kept."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from firmware.contract import release
from firmware.contract.errors import Malformed
from server.errors import StoreError, TooMuch

#: bits of a key that readers take (firmware/reader/settings.py)
KEY_BITS = 3072
#: what a reader can say of itself, and `muster release make` takes (firmware/release/command.py)
VERSION = re.compile(r"[A-Za-z0-9._+-]{1,32}")


class Key(NamedTuple):
    """A public key. n: its modulus."""

    id: int
    n: int


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A release that one of our keys signed. tag: 16 hex digits; head: bytes before the files."""

    board: str
    version: str
    counter: int
    minimum: int
    built_ms: int
    key_number: int
    tag: str
    head: int
    data: bytes = field(repr=False)


def opened(data: bytes, keys: Iterable[Key]) -> Opened:
    """The pack, if one of these keys signed it and every file is what was signed.

    Raises StoreError(`release-form`, `release-cut`, `release-unsigned`), TooMuch(`release-size`).
    """
    try:
        manifest, signature = release.lengths(data)
        head = release.PACK_BYTES + manifest + signature
        text = data[release.PACK_BYTES : release.PACK_BYTES + manifest]
        said = release.read(text)
    except Malformed as error:
        if error.code == "release-size":
            raise TooMuch(
                "release-size", "the release is larger than a slot of its board: leave something out"
            ) from None
        raise StoreError(
            "release-form", f"this is no release: {error}. Make one with `muster release make`, and sign it"
        ) from None
    # The signature first: of what nobody signed nothing more is said.
    if not release.signed(text, data[head - signature : head], said.key, tuple(keys)):
        raise StoreError(
            "release-unsigned",
            "no key that this store trusts signed this: `muster release sign` it, and `muster release trust` the key",
        )
    if not VERSION.fullmatch(said.version):
        raise StoreError(
            "release-form", "no reader could say this version in its hello: letters, digits and . _ + - only"
        )
    if len(data) != head + release.size(said):
        raise StoreError("release-cut", "the pack is shorter or longer than its manifest says: copy it again")
    for entry in said.entries:
        at = head + entry.offset
        if hashlib.sha256(data[at : at + entry.size]).digest() != entry.sha256:
            raise StoreError("release-cut", f"{entry.name} is not what was signed: copy the pack again")
    return Opened(
        board=said.board,
        version=said.version,
        counter=said.counter,
        minimum=said.minimum,
        built_ms=said.built_s * 1000,
        key_number=said.key,
        tag=hashlib.sha256(text).digest()[: release.TAG_BYTES].hex(),
        head=head,
        data=data,
    )
