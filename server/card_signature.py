"""What a card signs, and with which key: NXP's Secure Dynamic Messaging (AN12196) with AES-128. No I/O.

    card's key  = CMAC(institution's secret, 01 | number | "muster")        diversified as in NXP's AN10922
    session key = CMAC(card's key, 3C C3 00 01 00 80 | number | counter, lowest byte first)
    MAC         = every second byte, from the second on, of CMAC(session key, "")

The MAC's input is empty: the card is to be set up with SDMMACInputOffset equal to SDMMACOffset, its number and counter
mirrored in plain. Both are in the session key already.
"""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC

KEY_BYTES = 16
#: a number of 7 bytes: no other card of this kind has another
UID_BYTES = 7
_SESSION = bytes.fromhex("3cc300010080")
_SYSTEM = b"muster"


def diversified(secret: bytes, uid: bytes) -> bytes:
    """A card's own key, 16 bytes. secret: the institution's, 16 bytes."""
    # AN10922: one byte that tells the length of the key, the number, a name of the system; at most 32 bytes together.
    return _cmac(secret, b"\x01" + uid + _SYSTEM)


def session_key(key: bytes, uid: bytes, counter: int) -> bytes:
    """The key under which a card's message with this counter is signed, 16 bytes."""
    return _cmac(key, _SESSION + uid + counter.to_bytes(3, "little"))


def message_mac(key: bytes, uid: bytes, counter: int) -> bytes:
    """The MAC that the card with this number and key writes at this counter, 8 bytes."""
    return _cmac(session_key(key, uid, counter), b"")[1::2]


def is_genuine(key: bytes, uid: bytes, counter: int, mac: bytes) -> bool:
    """Whether that card made this message."""
    return hmac.compare_digest(message_mac(key, uid, counter), mac)


def _cmac(key: bytes, message: bytes) -> bytes:
    made = CMAC(algorithms.AES(key))
    made.update(message)
    return made.finalize()
