"""Where the history began: which marks are from before it, noted once by the migration that made this note.

A mark up to this number needs no entry, so nobody may put one below it afterwards: how many there were, and a digest
over all they say, stand beside the number, and in every file of heads (server/heads_file.py). A store that was made
with its history has no such note: nothing of it is from before.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from sqlalchemy import Connection, select, text

from server.store.schema_work import history_start

CHUNK = 5_000
#: every column that a mark had then, as it stands in the digest. A column that comes later is not among them
_MARKS = text(
    "select id, session_id, person_id, code, late_min, early_min, source, by_account_id, authority, verified, rule,"
    " ledgers, flag, credit_id, note_id, created_ms from mark"
    " where institution_id = :institution and id > :after and id <= :last order by id limit :most"
)
_LAST = text("select max(id) from mark where institution_id = :institution")
_REGISTERS = text("select count(*) from register where institution_id = :institution")


class Start(NamedTuple):
    """What is from before."""

    #: the newest mark from before; 0: there was none
    mark_id: int
    marks: int
    #: sha256 hex over those marks
    digest: str
    at_ms: int

    def said(self) -> str:
        """As a file of heads has it."""
        return f"{self.mark_id} {self.marks} {self.digest}"


def digest(connection: Connection, institution_id: int, last: int) -> tuple[int, str]:
    """How many marks an institution has up to this number, and sha256 hex over what they say."""
    made, count, after = hashlib.sha256(), 0, 0
    while True:
        values = {"institution": institution_id, "after": after, "last": last, "most": CHUNK}
        rows = connection.execute(_MARKS, values).all()
        for row in rows:
            made.update(("|".join("" if one is None else str(_plain(one)) for one in row) + "\n").encode())
        count += len(rows)
        if len(rows) < CHUNK:
            return count, made.hexdigest()
        after = rows[-1][0]


def _plain(value: object) -> object:
    # One database has 1 where the other has true.
    return int(value) if isinstance(value, bool) else value


def note(connection: Connection, institution_id: int, now_ms: int) -> None:
    """Note that everything which is there now is from before. For the migration, once."""
    last = connection.execute(_LAST, {"institution": institution_id}).scalar()
    registers = connection.execute(_REGISTERS, {"institution": institution_id}).scalar_one()
    if last is None and not registers:
        return
    marks, made = digest(connection, institution_id, last or 0)
    connection.execute(
        history_start.insert().values(
            institution_id=institution_id, mark_id=last or 0, marks=marks, digest=made, at_ms=now_ms
        )
    )


def of(connection: Connection) -> dict[int, Start]:
    """institution id -> what is from before its history."""
    return {
        row.institution_id: Start(row.mark_id, row.marks, row.digest, row.at_ms)
        for row in connection.execute(select(history_start))
    }
