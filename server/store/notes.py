"""Notes: what people write down, such as reasons and remarks. Erasable; history holds only their salted digests."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, case, select, update

from server.errors import TooMuch
from server.store.schema import note
from server.store.upsert import new_id

SALT_BYTES = 16
#: what pages show where a text was erased
ERASED = "(erased)"


def within(text: str, most: int) -> str:
    """The text, without blanks around it, if it has at most so many characters. Raises TooMuch(`text-long`): what
    somebody wrote is never cut off."""
    if len(text := text.strip()) > most:
        raise TooMuch("text-long", f"a text has {len(text)} characters, and {most} are taken: write less")
    return text


def shown() -> ColumnElement[str]:
    """A note's text as pages show it, in a query that joins `note`."""
    return case((note.c.erased_ms.is_not(None), ERASED), else_=note.c.text)


def add(connection: Connection, institution_id: int, text: str, account_id: int | None, now_ms: int) -> int:
    """Keep a text under a salt of its own. Returns the note's id."""
    made = connection.execute(
        note.insert().values(
            institution_id=institution_id,
            salt=secrets.token_bytes(SALT_BYTES),
            text=text,
            by_account_id=account_id,
            created_ms=now_ms,
        )
    )
    return new_id(made)


def erase(connection: Connection, institution_id: int, note_ids: Iterable[int], now_ms: int) -> int:
    """Empty text and salt of these notes. Without the salt nobody can find out from the digest what stood there.
    Returns how many were not erased yet."""
    done = connection.execute(
        update(note)
        .where(
            note.c.institution_id == institution_id, note.c.id.in_(sorted(set(note_ids))), note.c.erased_ms.is_(None)
        )
        .values(text="", salt=None, erased_ms=now_ms)
    )
    return done.rowcount


def cited(connection: Connection, note_ids: Iterable[int]) -> dict[int, list[int | str]]:
    """note id -> [id, digest], as history cites it. An erased note's digest is '': it was cited before, or never.

    A note from before there were salts is given one now: the digest of a bare text could be guessed.
    """
    wanted = sorted(set(note_ids))
    if not wanted:
        return {}
    found: dict[int, list[int | str]] = {}
    for row in connection.execute(
        select(note.c.id, note.c.salt, note.c.text, note.c.erased_ms).where(note.c.id.in_(wanted))
    ):
        salt = row.salt
        if salt is None and row.erased_ms is None:
            salt = secrets.token_bytes(SALT_BYTES)
            connection.execute(update(note).where(note.c.id == row.id).values(salt=salt))
        found[row.id] = [row.id, "" if salt is None else digest(salt, row.text)]
    return found


def digest(salt: bytes, text: str) -> str:
    """sha256 over salt and text, in hex: what history holds of a note."""
    return hashlib.sha256(bytes(salt) + text.encode()).hexdigest()
