"""Passwords as they are kept: hashed, slowly, on purpose. Nothing here knows an account."""

from __future__ import annotations

import functools

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from server.errors import StoreError

PASSWORD_MIN = 10


def of(hasher: PasswordHasher, password: str) -> str:
    """The password's hash. Slow on purpose, so whoever calls holds no transaction. Raises StoreError(`password-short`)."""
    if len(password) < PASSWORD_MIN:
        raise StoreError("password-short", f"a password has at least {PASSWORD_MIN} characters")
    return hasher.hash(password)


@functools.cache
def of_nobody(hasher: PasswordHasher) -> str:
    """A hash that nobody's password has: for a login that does not exist the work is the same."""
    # Made once: hashing it at each try would double the time, and time would tell that there is no such login.
    return hasher.hash("nobody has this password")


def is_right(hasher: PasswordHasher, hashed: str, password: str) -> bool:
    """Whether this is the password. Slow, as it must be."""
    try:
        return hasher.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False
