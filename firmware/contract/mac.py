"""Keys, tokens and MACs: HMAC-SHA256 in the few lines that both interpreters need.

MicroPython has `hashlib.sha256` and no `hmac`, so RFC 2104 stands here once. A MAC on the wire is the first
16 bytes of the HMAC (RFC 2104 section 5 allows it), a card token the first 8.
"""

import hashlib

from firmware.contract.errors import Misuse

MAC_BYTES = 16  #: of a MAC, on the wire 32 hex digits
TOKEN_BYTES = 8  #: of a card token
_BLOCK = 64


class Key:
    """A secret with its id. The id stands in everything that the secret MACs.

    id: 1 to 255. secret: 16 to 64 bytes. The padded halves are made once, because a reader MACs at every tap.
    """

    def __init__(self, id: int, secret: bytes):
        if not isinstance(id, int) or not 1 <= id <= 255:
            raise Misuse("key-id", f"a key id is 1 to 255, not {id}")
        if not 16 <= len(secret) <= _BLOCK:
            raise Misuse("key-length", f"a key has 16 to 64 bytes, not {len(secret)}")
        self.id = id
        padded = secret + bytes(_BLOCK - len(secret))
        self._inner = bytes(b ^ 0x36 for b in padded)
        self._outer = bytes(b ^ 0x5C for b in padded)

    def hmac(self, message: bytes) -> bytes:
        """HMAC-SHA256 of `message`, 32 bytes."""
        inner = hashlib.sha256(self._inner)
        inner.update(message)
        outer = hashlib.sha256(self._outer)
        outer.update(inner.digest())
        return outer.digest()

    def mac(self, message: bytes) -> bytes:
        """The MAC of `message` as it travels, 16 bytes."""
        return self.hmac(message)[:MAC_BYTES]

    def made(self, message: bytes, mac: bytes) -> bool:
        """Whether `mac` is this key's MAC of `message`; takes the same time wherever they differ."""
        return same(self.mac(message), mac)

    def token(self, uid: bytes) -> bytes:
        """The token of a card with this UID under this card key, 8 bytes. A UID never leaves the reader (PORT-1)."""
        return self.hmac(uid)[:TOKEN_BYTES]


def same(a: bytes, b: bytes) -> bool:
    """Whether two byte strings are equal, without telling by time where they differ."""
    if len(a) != len(b):
        return False
    different = 0
    for x, y in zip(a, b):
        different |= x ^ y
    return different == 0
