"""The key that signs the heads of the registers' history: Ed25519, in a file of its own, sealed under the server key.

Whoever can write the database, and even the folder of heads, cannot sign without the server key as well. The public
half is printed by `muster audit key` and kept off this machine: with it anybody can check what was signed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from server.errors import BadSetting, StoreError
from server.vault import Vault

NAME = "audit.key"
ABOUT = "audit key"
#: what is signed begins with this: a signature over something else is none over heads
DOMAIN = b"muster heads|"


class AuditKey:
    """Signs."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @staticmethod
    def file_in(data_dir: Path) -> Path:
        """Where it lies."""
        return data_dir / NAME

    @classmethod
    def of(cls, data_dir: Path, vault: Vault) -> AuditKey:
        """The key of this store; it is made, with mode 0600, where there is none.

        Raises BadSetting(`audit-key`) where the file holds no key, BadSetting(`server-key`) where it was sealed under
        another server key.
        """
        path = cls.file_in(data_dir)
        if not path.exists():
            _make(path, vault)
        try:
            sealed = bytes.fromhex(path.read_text("ascii").strip())
        except (ValueError, UnicodeDecodeError) as error:
            raise BadSetting(
                "audit-key", f"{path} holds no key: put a backup's in its place, or move it away"
            ) from error
        return cls(Ed25519PrivateKey.from_private_bytes(vault.open(sealed, ABOUT)))

    @property
    def public(self) -> str:
        """The public half, base64 of 32 bytes."""
        return base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def sign(self, digest: str) -> str:
        """The signature over a file's digest, base64."""
        return base64.b64encode(self._key.sign(DOMAIN + digest.encode())).decode()


def _make(path: Path, vault: Vault) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sealed = vault.seal(Ed25519PrivateKey.generate().private_bytes_raw(), ABOUT)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(sealed.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        # Whoever comes second takes the first one's: a key that has signed is never replaced.
        os.link(part, path)
    except FileExistsError:
        pass
    finally:
        part.unlink()


def public_key(said: str) -> Ed25519PublicKey:
    """A public key as a person gives it: what `muster audit key` printed, or a file with that. Raises
    StoreError(`audit-key`)."""
    text = said.strip()
    if (path := Path(text)).is_file():
        text = next(iter(path.read_text("utf-8", "replace").split()), "")
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise StoreError(
            "audit-key", f"{said} is no public key, and no file with one: see `muster audit key`"
        ) from error


def fingerprint(public: str) -> str:
    """16 hex digits that a heads file names its key by."""
    return hashlib.sha256(base64.b64decode(public)).hexdigest()[:16]


def is_signed(key: Ed25519PublicKey, digest: str, signature: str) -> bool:
    """Whether this key signed this digest."""
    try:
        key.verify(base64.b64decode(signature, validate=True), DOMAIN + digest.encode())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
