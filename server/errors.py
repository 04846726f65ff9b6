"""The store's errors: one tree, stable codes, and texts that say what to do next.

An error that reaches the API leaves as `{"error": {"code", "text"}}` with its `status` (api/errors.py).
"""

from __future__ import annotations


class StoreError(Exception):
    """Base of the tree. `code` is stable and for machines, the text is for the person who has to act."""

    #: HTTP status that the API answers with
    status = 400

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code

    @property
    def mendable(self) -> bool:
        """Whether whoever sent a form can put it right there. All else is a page of its own, which tells no more."""
        return self.status in (400, 409, 413)


class NotFound(StoreError):
    """There is no such thing, or not for whoever asks."""

    status = 404


class Refused(StoreError):
    """Understood, and not done: it would break a rule."""

    status = 409


class NotSignedIn(StoreError):
    """Nobody is signed in, or the token is not one."""

    status = 401


class NotAllowed(StoreError):
    """Signed in, and not allowed this."""

    status = 403


class TooMuch(StoreError):
    """More at once than is taken."""

    status = 413


class TooOften(StoreError):
    """More often than is taken: wait."""

    status = 429


class Unwritable(StoreError):
    """The database cannot be written or reached now: read-only, full, locked, gone. Try again later."""

    status = 503


class BadSetting(StoreError):
    """A setting that cannot be used."""

    status = 500
