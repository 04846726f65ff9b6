"""A release: what stands in its manifest, and who signed it. One format for both boards and for whoever makes it.

The manifest is ASCII, one fact a line, and is signed as it stands (RSA-3072, PKCS #1 v1.5, SHA-256: RFC 8017 8.2; it
verifies in a third of a second on an RP2040, where a curve would take a second):

    muster-release 1
    board pico
    version 0.2.0
    counter 7                 rises with each release: nothing goes back below the counter a reader has confirmed
    minimum 3                 a reader that has confirmed less must take another release first
    built 1793404800          epoch seconds: no clock of who runs this can be earlier
    key 1                     which of the settings' release keys signed it
    files 2
    <sha256, hex> 2310 firmware/pico/link.mpy
    <sha256, hex> 5863 firmware/pico/main.mpy

A *pack* is a release in one file: a head of 8 bytes (PACK), the manifest, the signature, then the files' bytes in the
manifest's order, and nothing after them.
"""

import hashlib
import struct
from collections import namedtuple

from firmware.contract.errors import Malformed, Misuse

MAGIC = b"MUP1"
PACK = "<4sHH"  #: magic, bytes of the manifest, bytes of the signature (0: none yet)
PACK_BYTES = 8
SIGNATURE_BYTES = 384
MANIFEST_MAX = 16_384
FILES_MAX = 400
NAME_MAX = 80
COUNTER_MAX = 1_000_000_000
#: A Pico's slot: two of them, the rosters and the settings stand on 344 KB.
PICO_BYTES = 96 * 1024
#: Everything else is refused before a byte of it is kept.
PI_BYTES = 8 * 1024 * 1024
SIZE_MAX = {"pico": PICO_BYTES, "pi": PI_BYTES}
TAG_BYTES = 8  #: of the manifest's SHA-256: which release a piece belongs to
PIECE_MAX = 1024  #: of the pack, in one message; the head comes in one of its own
_FIELDS = ("board", "version", "counter", "minimum", "built", "key", "files")
_NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/"
#: What stands before the digest in a signature's block: DigestInfo of SHA-256 (RFC 8017 9.2, note 1).
_DIGEST_INFO = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
_EXPONENT = 65537

#: entries: `Entry`s in the pack's order
Manifest = namedtuple("Manifest", ("board", "version", "counter", "minimum", "built_s", "key", "entries"))
#: offset: of the file's first byte behind the signature
Entry = namedtuple("Entry", ("name", "size", "sha256", "offset"))


def write(board, version, counter, minimum, built_s, key, files) -> bytes:
    """A manifest. files: (name, bytes) in the pack's order. Raises Misuse for what no reader would take."""
    lines = ["muster-release 1"]
    for name, value in zip(_FIELDS, (board, version, counter, minimum, built_s, key, len(files))):
        lines.append("%s %s" % (name, value))
    for name, data in files:
        lines.append("%s %d %s" % (hashlib.sha256(data).digest().hex(), len(data), name))
    text = ("\n".join(lines) + "\n").encode()
    try:
        read(text)
    except Malformed as error:
        raise Misuse(error.code, str(error))
    return text


def read(text: bytes) -> "Manifest":
    """What a manifest says. Nothing is believed of it before `signed`. Raises Malformed(`release`)."""
    if len(text) > MANIFEST_MAX:
        raise Malformed("release", "the manifest is too long")
    lines = _ascii(text).split("\n")
    if len(lines) < 9 or lines[0] != "muster-release 1" or lines[-1] != "":
        raise Malformed("release", "this is no manifest of a release, or of another version of Muster")
    found = {}
    for name, line in zip(_FIELDS, lines[1:8]):
        before, _, value = line.partition(" ")
        if before != name:
            raise Malformed("release", "the manifest lacks " + name)
        found[name] = value if name in ("board", "version") else _number(value)
    if found["board"] not in SIZE_MAX or not 1 <= len(found["version"]) <= 32:
        raise Malformed("release", "the manifest names no board or version that Muster knows")
    counter = found["counter"]
    if counter < 1 or counter > COUNTER_MAX or found["minimum"] > counter or not 1 <= found["key"] <= 255:
        raise Malformed("release", "the manifest's numbers do not fit together")
    if not 1 <= found["files"] <= FILES_MAX or found["files"] != len(lines) - 9:
        raise Malformed("release", "the manifest does not hold as many files as it says")
    entries = []
    offset = 0
    for line in lines[8:-1]:
        entry = _entry(line, offset)
        if entries and entry.name <= entries[-1].name:
            raise Malformed("release", "the manifest's files are not in order, or one stands there twice")
        entries.append(entry)
        offset += entry.size
    if offset > SIZE_MAX[found["board"]]:
        raise Malformed("release-size", "the release is larger than a slot of its board")
    return Manifest(
        found["board"],
        found["version"],
        found["counter"],
        found["minimum"],
        found["built"],
        found["key"],
        tuple(entries),
    )


def size(manifest: "Manifest") -> int:
    """Bytes of all its files."""
    last = manifest.entries[-1]
    return last.offset + last.size


def head(manifest: bytes, signature: bytes) -> bytes:
    """What stands before the files in a pack."""
    if len(signature) not in (0, SIGNATURE_BYTES) or len(manifest) > MANIFEST_MAX:
        raise Misuse("release", "a signature has 384 bytes, a manifest at most 16384")
    return struct.pack(PACK, MAGIC, len(manifest), len(signature)) + manifest + signature


def lengths(start: bytes) -> tuple:
    """(bytes of the manifest, bytes of the signature) by a pack's first 8 bytes. Raises Malformed(`release`)."""
    if len(start) < PACK_BYTES:
        raise Malformed("release", "this is no pack: it is too short")
    magic, manifest, signature = struct.unpack_from(PACK, start, 0)
    if magic != MAGIC or manifest > MANIFEST_MAX or signature not in (0, SIGNATURE_BYTES):
        raise Malformed("release", "this is no pack of a release")
    return manifest, signature


def signed(text: bytes, signature: bytes, key_id: int, keys) -> bool:
    """Whether the manifest `text` was signed by the key of this id. keys: things with `id` and `n` (the modulus)."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    for key in keys:
        if key.id == key_id:
            return _verifies(text, signature, key.n)
    return False


def block(text: bytes) -> int:
    """The number that a signature of `text` is the root of: who signs raises it to the private exponent."""
    padding = b"\xff" * (SIGNATURE_BYTES - 3 - len(_DIGEST_INFO) - 32)
    digest = hashlib.sha256(text).digest()
    return int.from_bytes(b"\x00\x01" + padding + b"\x00" + _DIGEST_INFO + digest, "big")


def _verifies(text, signature, n):
    number = int.from_bytes(signature, "big")
    # The whole block is compared: nothing in it is parsed, so there is nothing to hide a forgery in.
    return number < n and pow(number, _EXPONENT, n) == block(text)


def _ascii(text):
    for byte in text:
        if byte > 126 or (byte < 32 and byte != 10):
            raise Malformed("release", "a manifest is plain text")
    return bytes(text).decode()


def _number(text):
    if not 1 <= len(text) <= 10 or text.strip("0123456789") or (text[0] == "0" and text != "0"):
        raise Malformed("release", "a number of the manifest is none")
    return int(text)


def _entry(line, offset):
    parts = line.split(" ")
    if len(parts) != 3 or len(parts[0]) != 64 or parts[0].strip("0123456789abcdef"):
        raise Malformed("release", "a line of the manifest is no file")
    name = parts[2]
    steps = name.split("/")
    if not 1 <= len(name) <= NAME_MAX or name.strip(_NAME) or "" in steps or "." in steps or ".." in steps:
        raise Malformed("release", "a file of the manifest has a name that leads elsewhere")
    return Entry(name, _number(parts[1]), bytes.fromhex(parts[0]), offset)
