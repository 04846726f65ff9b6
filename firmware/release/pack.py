"""A pack on a technician's machine: put together of files, signed, and taken apart again with every check that a reader makes."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from firmware.contract import release
from firmware.contract.errors import ContractError
from firmware.reader.settings import RELEASE_KEY_BITS, ReleaseKey
from firmware.release.errors import ReleaseError


@dataclass(frozen=True, kw_only=True)
class Pack:
    """A pack that was taken apart. text: the manifest as it is signed; files: name -> bytes, in the pack's order."""

    manifest: release.Manifest
    text: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    files: dict[str, bytes] = field(repr=False)

    @property
    def tag(self) -> bytes:
        """Which release it is, 8 bytes: stands in each piece that is sent."""
        return hashlib.sha256(self.text).digest()[:8]


def put_together(
    files: Iterable[tuple[str, bytes]],
    *,
    board: str,
    version: str,
    counter: int,
    minimum: int = 0,
    built_s: int,
    key: int = 1,
    signature: bytes = b"",
) -> bytes:
    """A pack, not signed yet. files: (name, bytes) in any order. Raises ReleaseError(the contract's code)."""
    ordered = sorted(files)
    try:
        text = release.write(board, version, counter, minimum, built_s, key, ordered)
        return release.head(text, signature) + b"".join(data for _, data in ordered)
    except ContractError as error:
        raise ReleaseError(error.code, f"no reader would take this release: {error}") from None


def take_apart(pack: bytes) -> Pack:
    """What is in it, every file as its manifest says. Raises ReleaseError(`release`, `release-size`, `release-hash`)."""
    try:
        manifest, signature = release.lengths(pack)
        body = release.PACK_BYTES + manifest + signature
        text = pack[release.PACK_BYTES : release.PACK_BYTES + manifest]
        said = release.read(text)
    except ContractError as error:
        raise ReleaseError(error.code, f"{error}: make it anew with `muster release make`") from None
    if len(pack) != body + release.size(said):
        raise ReleaseError("release-size", "the pack is shorter or longer than its manifest says: copy it again")
    files = {}
    for entry in said.entries:
        data = pack[body + entry.offset : body + entry.offset + entry.size]
        if hashlib.sha256(data).digest() != entry.sha256:
            raise ReleaseError("release-hash", f"{entry.name} is not what the manifest says: copy the pack again")
        files[entry.name] = data
    return Pack(manifest=said, text=text, signature=pack[body - signature : body], files=files)


def public(key: RSAPrivateKey) -> int:
    """The modulus that readers' settings carry. Raises ReleaseError(`release-key`) for a key no reader would take."""
    numbers = key.public_key().public_numbers()
    if key.key_size != RELEASE_KEY_BITS or numbers.e != 65537:
        raise ReleaseError("release-key", "a release key is RSA of 3,072 bits with the exponent 65537")
    return numbers.n


def sign(pack: bytes, key: RSAPrivateKey) -> bytes:
    """The same pack with this key's signature. Raises ReleaseError where the pack is not whole or the key does not fit."""
    n = public(key)
    parts = take_apart(pack)
    # PKCS #1 v1.5 as the contract has it, so that what is signed is what readers compare (RFC 8017 8.2.1).
    number = pow(release.block(parts.text), key.private_numbers().d, n)
    signature = number.to_bytes(release.SIGNATURE_BYTES, "big")
    return release.head(parts.text, signature) + b"".join(parts.files.values())


def verify(pack: bytes, keys: Sequence[ReleaseKey]) -> Pack:
    """The pack, taken apart, if one of these keys signed it. Raises ReleaseError(`release-unsigned`) and `take_apart`'s."""
    parts = take_apart(pack)
    if not release.signed(parts.text, parts.signature, parts.manifest.key, keys):
        raise ReleaseError("release-unsigned", "no key that you trust signed this: ask whoever made it")
    return parts
