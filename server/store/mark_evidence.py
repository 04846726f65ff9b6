"""Evidence that comes with a mark set by hand, such as A to R within a day (LOUGH-22): kept with that mark.

The history's entry of the mark cites each file by its digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection, select, update

from server.policy.profile import Profiles
from server.scope import LECTURER, Scope
from server.store import attachments, registers, sessions, standing
from server.store.attachments import Attached, Ready
from server.store.schema import mark, mark_current, session
from server.store.schema_work import attachment
from server.store.wanted_marks import Wanted

#: the subject's id while its mark is not made yet; never beyond the transaction
_NONE = 0


def set_mark(
    connection: Connection,
    folder: Path,
    scope: Scope,
    profiles: Profiles,
    session_id: int,
    wanted: Wanted,
    files: Sequence[Ready],
    *,
    now_ms: int,
) -> int:
    """Set one student's mark with these files as its evidence. Answers the mark's id.

    Raises what `registers.set_marks` does, and StoreError(`file-count`, `file-quota`).
    """
    ids = tuple(
        attachments.add(connection, folder, scope, attachments.MARK, _NONE, one.file_name, one, now_ms) for one in files
    )
    made = registers.set_marks(connection, scope, profiles, session_id, [replace(wanted, evidence=ids)], now_ms=now_ms)[
        wanted.person_id
    ]
    connection.execute(update(attachment).where(attachment.c.id.in_(ids)).values(subject_id=made))
    return made


def held(connection: Connection, institution_id: int, session_id: int, person_id: int) -> set[str]:
    """The digests of the files that came with the mark that holds."""
    query = select(mark_current.c.mark_id).where(
        mark_current.c.session_id == session_id, mark_current.c.person_id == person_id
    )
    mark_id = connection.execute(query).scalar()
    if mark_id is None:
        return set()
    return {one.sha256 for one in attachments.of(connection, institution_id, attachments.MARK, [mark_id])}


def of(connection: Connection, institution_id: int, mark_ids: Iterable[int]) -> dict[int, list[Attached]]:
    """mark id -> its files, erased ones too (without a name)."""
    found: dict[int, list[Attached]] = {}
    for one in attachments.of(connection, institution_id, attachments.MARK, mark_ids):
        found.setdefault(one.subject_id, []).append(one)
    return found


def may_read(connection: Connection, scope: Scope, session_id: int) -> bool:
    """Whether this scope opens the files of a session's marks: they may be about health, so it is whoever reads the
    register by more than teaching it. Whoever attached a file opens it anyhow."""
    query = select(session.c.id).where(session.c.id == session_id, sessions.visible(scope))
    if connection.execute(query).first() is None:
        return False
    return bool(standing.of(connection, scope, session_id, "register.read").roles - {LECTURER})


def session_of(connection: Connection, institution_id: int, mark_id: int) -> int | None:
    """The session of a mark."""
    query = select(mark.c.session_id).where(mark.c.id == mark_id, mark.c.institution_id == institution_id)
    return connection.execute(query).scalar()
