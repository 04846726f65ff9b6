"""Canary UIDs, and the search for them in whatever files a run has written.

Each is looked for as its bytes and in every way that a program may write them down: hex in small and capital letters,
plain and with separators, decimal from either end, base64 at each of its three alignments (and in its form for
addresses); bytes, hex and decimal forwards and backwards.

Every canary begins with 04, so that a search needs to look only where one can begin; at most 1 of 10 has 4 bytes. A
canary of 7 or 10 bytes is never there by chance. One of 4 bytes is, in files of random bytes: of those it is told
whether *more than chance* were found, in forms that are short.
"""

from __future__ import annotations

import base64
import random
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

FIRST = 0x04
#: of the canaries with 4 bytes so many may be found by chance, as a share of them
CHANCE = 0.1
_SEPARATORS = b":- _"
_DIGITS = re.compile(rb"(?<![0-9])[0-9]{8,25}(?![0-9])")
#: how base64 of what begins with 04 can begin, by how many bytes stand before it in its group of three: 0, 1, 2
_BASE64 = re.compile(rb"(?=((?:B[A-P]|[Q-T]|E)[A-Za-z0-9+/_-]{3,13}))")


def make(count: int, rng: random.Random) -> list[bytes]:
    """So many different UIDs: 8 of 10 have 7 bytes, 1 has 10, 1 has 4."""
    found: set[bytes] = set()
    while len(found) < count:
        size = {0: 10, 1: 4}.get(len(found) % 10, 7)
        found.add(bytes([FIRST]) + rng.randbytes(size - 1))
    made = sorted(found)
    rng.shuffle(made)
    return made


class Search:
    """Looks for canaries."""

    def __init__(self, canaries: Iterable[bytes]) -> None:
        self._canaries = list(canaries)
        #: form -> what it looks like -> whose it is
        self._bytes: dict[bytes, bytes] = {}
        self._text: dict[bytes, bytes] = {}
        self._numbers: dict[bytes, bytes] = {}
        self._coded: dict[bytes, bytes] = {}
        for uid in self._canaries:
            for turned in (uid, uid[::-1]):
                self._bytes[turned] = uid
                self._text[turned.hex().encode()] = uid
                self._numbers[str(int.from_bytes(turned, "big")).encode()] = uid
            for at in range(3):
                self._coded[_inner(uid, at)] = uid
            # Digit by digit from the end: no bytes turned, but the text.
            self._text[uid.hex()[::-1].encode()] = uid
        self._sizes = sorted({len(uid) for uid in self._canaries})
        self._lengths = sorted({len(coded) for coded in self._coded})

    def in_files(self, folder: Path) -> dict[str, set[bytes]]:
        """`file: form` -> the canaries that stand there. What is there by chance is left out."""
        found: dict[str, set[bytes]] = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                for form, uid in self.within(path.read_bytes()):
                    found.setdefault(f"{path.relative_to(folder)}: {form}", set()).add(uid)
        short = sum(len(uid) == 4 for uid in self._canaries)
        return {
            where: uids
            for where, uids in found.items()
            if any(len(uid) > 4 for uid in uids) or len(uids) > max(3, CHANCE * short)
        }

    def within(self, content: bytes) -> Iterator[tuple[str, bytes]]:
        """(form, canary) of each that stands in these bytes."""
        for data in (content, *_unpacked(content)):
            yield from self._at(data, bytes([FIRST]), 1, self._bytes, "bytes")
            for text, form in ((data, "hex"), (data.translate(None, _SEPARATORS), "hex with separators")):
                lower = text.lower()
                yield from self._at(lower, b"04", 2, self._text, form)
                yield from self._at(lower, b"40", 2, self._text, form)
            for match in _DIGITS.finditer(data):
                uid = self._numbers.get(match.group())
                if uid is not None:
                    yield "decimal", uid
            for match in _BASE64.finditer(data):
                said = match.group(1).replace(b"-", b"+").replace(b"_", b"/")
                for length in self._lengths:
                    uid = self._coded.get(said[:length])
                    if uid is not None:
                        yield "base64", uid

    def _at(
        self, data: bytes, mark: bytes, wide: int, forms: dict[bytes, bytes], form: str
    ) -> Iterator[tuple[str, bytes]]:
        """Those of `forms` that begin or end with this mark. wide: characters a byte."""
        at = data.find(mark)
        while at >= 0:
            for size in self._sizes:
                length = size * wide
                for part in (data[at : at + length], data[max(0, at + wide - length) : at + wide]):
                    uid = forms.get(part)
                    if uid is not None:
                        yield form, uid
            at = data.find(mark, at + 1)


def _inner(uid: bytes, at: int) -> bytes:
    """The characters of base64 that hold nothing but this UID where it begins `at` bytes into a group of three."""
    coded = base64.b64encode(bytes(at) + uid)
    first = (at * 8 + 5) // 6
    last = (at + len(uid)) * 8 // 6
    return coded[first:last]


def _unpacked(content: bytes) -> Iterator[bytes]:
    """What stands compressed in these bytes (gzip or zlib, from the beginning)."""
    for head, bits in ((b"\x1f\x8b", 31), (b"\x78", 15)):
        if content.startswith(head):
            try:
                yield zlib.decompressobj(bits).decompress(content)
            except zlib.error:
                return


def told(found: dict[str, set[bytes]]) -> Counter[str]:
    """Where how many were found, without saying which."""
    return Counter({where: len(uids) for where, uids in found.items()})
