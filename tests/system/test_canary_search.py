"""The search for canaries finds a number in whatever way it was written down, and nothing where there is none."""

import base64
import random

import pytest

from tests.system.canaries import Search, make, told

FORMS = {
    "bytes": lambda uid: uid,
    "bytes, turned": lambda uid: uid[::-1],
    "small hex": lambda uid: uid.hex().encode(),
    "capital hex": lambda uid: uid.hex().upper().encode(),
    "hex, turned": lambda uid: uid[::-1].hex().encode(),
    "hex, letter by letter from the end": lambda uid: uid.hex()[::-1].encode(),
    "hex with colons": lambda uid: uid.hex(":").encode(),
    "hex with blanks, capital": lambda uid: uid.hex(" ").upper().encode(),
    "decimal": lambda uid: str(int.from_bytes(uid, "big")).encode(),
    "decimal, lowest byte first": lambda uid: str(int.from_bytes(uid, "little")).encode(),
    "base64": lambda uid: base64.b64encode(uid),
    "base64, behind one byte": lambda uid: base64.b64encode(b"x" + uid + b"yz"),
    "base64, behind two bytes": lambda uid: base64.b64encode(b"xy" + uid + b"z"),
    "base64 for addresses": lambda uid: base64.urlsafe_b64encode(uid),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_a_number_is_found_in_the_middle_of_a_file(tmp_path, rng, form):
    canaries = make(200, rng)
    search = Search(canaries)
    for n, uid in enumerate(canaries):
        (tmp_path / f"{n}").write_bytes(b"some text, " + FORMS[form](uid) + b" and more\n")
    found = set().union(*search.in_files(tmp_path).values())
    # Of four bytes one alone may be chance: it is not told.
    assert found >= {uid for uid in canaries if len(uid) > 4}


def test_of_short_numbers_a_few_are_chance_and_many_are_not(tmp_path, rng):
    canaries = make(200, rng)
    short = [uid for uid in canaries if len(uid) == 4]
    (tmp_path / "few").write_bytes(b"|".join(short[:2]))
    (tmp_path / "many").write_bytes(b"|".join(short))
    assert told(Search(canaries).in_files(tmp_path)) == {"many: bytes": len(short)}


def test_in_files_without_them_nothing_is_found(tmp_path):
    (tmp_path / "noise").write_bytes(random.Random(3).randbytes(1 << 20))
    (tmp_path / "text").write_bytes(random.Random(4).randbytes(1 << 18).hex().encode())
    (tmp_path / "coded").write_bytes(base64.b64encode(random.Random(5).randbytes(1 << 18)))
    assert told(Search(make(10_000, random.Random(7))).in_files(tmp_path)) == {}
