"""Secrets at rest: AES-256-GCM under the server key, which stands in a file beside the database, never in it."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from server.errors import BadSetting

KEY_BYTES = 32
_NONCE_BYTES = 12


class Vault:
    """Seals and opens secrets. `about` says what a secret is for: a sealed one does not open as another."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @classmethod
    def from_file(cls, path: Path) -> Vault:
        """The vault for the key in this file; the file is made, with mode 0600, if it is not there.

        Raises BadSetting(`server-key`) if the file holds no key or may be read by others.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(handle, "w") as file:
                file.write(os.urandom(KEY_BYTES).hex() + "\n")
                file.flush()
                os.fsync(file.fileno())
        try:
            key = bytes.fromhex(path.read_text("ascii").strip())
        except (ValueError, UnicodeDecodeError) as error:
            raise BadSetting("server-key", f"{path} holds no key of {KEY_BYTES} bytes in hex") from error
        if len(key) != KEY_BYTES:
            raise BadSetting("server-key", f"{path} holds no key of {KEY_BYTES} bytes in hex")
        if path.stat().st_mode & 0o077:
            raise BadSetting("server-key", f"{path} may be read by others: chmod 600 {path}")
        return cls(key)

    def seal(self, secret: bytes, about: str) -> bytes:
        """The secret, encrypted: nonce, ciphertext, tag."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, about.encode())

    def open(self, sealed: bytes, about: str) -> bytes:
        """The secret. Raises BadSetting(`server-key`) where it was sealed under another key or for something else."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about.encode())
        except InvalidTag as error:
            raise BadSetting(
                "server-key",
                "a key in the database does not open: this is not the server key it was made under; put that one back",
            ) from error
