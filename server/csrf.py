"""The value that a form brings back to show that a page of ours sent it: printed under a new mask each time.

A page that is compressed and repeats what its address asked for tells by its length whether that text stands elsewhere
on it too, and so, guess by guess, what does (BREACH, Gluck, Harris and Prado 2013). A value that looks different each
time cannot be guessed that way, whoever compresses: this server, or a proxy before it.
"""

from __future__ import annotations

import base64
import hmac
import secrets


class Token(str):
    """A login's value. As text it is itself; a template prints it masked."""

    __slots__ = ()

    def __html__(self) -> str:
        """What stands in a page: `masked`, in characters that mean nothing in HTML."""
        return masked(self)


def masked(token: str) -> str:
    """Random bytes and the value XOR these, in URL-safe base64: another text at each call."""
    value = token.encode("utf-8", "replace")
    mask = secrets.token_bytes(len(value))
    return base64.urlsafe_b64encode(mask + _xor(mask, value)).decode("ascii")


def _unmasked(sent: str) -> str:
    """The value behind what `masked` made; anything for any other text."""
    try:
        both = base64.b64decode(sent.encode("ascii", "replace"), altchars=b"-_", validate=True)
    except ValueError:
        return ""
    half = len(both) // 2
    return _xor(both[:half], both[half:]).decode("utf-8", "replace") if len(both) == 2 * half else ""


def is_from(sent: str, token: str) -> bool:
    """Whether this is the value, masked or as a program that has a login's cookie was told it. Never for an empty one.

    The time that it takes says nothing of the value.
    """
    found = [hmac.compare_digest(one.encode("utf-8", "replace"), token.encode("utf-8", "replace"))
             for one in (sent, _unmasked(sent))]  # fmt: skip
    return bool(token) and any(found)


def _xor(mask: bytes, value: bytes) -> bytes:
    return (int.from_bytes(mask) ^ int.from_bytes(value)).to_bytes(len(value))
