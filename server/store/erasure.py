"""Erasing texts and files for good. That they were there, by whose hand and when, stays, and the history holds.

A register's chain cites a text by its salted digest only, and gets an entry that says which were erased and why
(`muster audit verify` goes on to hold). What belongs to no register stands in the audit.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import Connection, update

from server.errors import NotFound, StoreError
from server.scope import Scope
from server.store import attachments, campus, derivations, history, notes, texts
from server.store.schema_work import message
from server.store.texts import FILE, MESSAGE, NOTE, Kept

ERASE = "erase"
#: of one act
AT_ONCE = 200
REASON_MAX = 500


def of_session(
    connection: Connection,
    folder: Path,
    scope: Scope,
    session_id: int,
    keys: Iterable[str],
    *,
    reason: str,
    now_ms: int,
) -> int:
    """Erase these of a register's texts. Returns how many: what is erased already is not again.

    Raises NotFound(`session`, `text`), StoreError(`text-none`, `text-reason`).
    """
    found = _chosen(texts.of_session(connection, scope, session_id), keys)
    return _erase(connection, folder, scope, f"session/{session_id}", found, reason, now_ms)


def of_person(
    connection: Connection, folder: Path, scope: Scope, person_id: int, keys: Iterable[str], *, reason: str, now_ms: int
) -> int:
    """Erase these of the texts about a person. Returns and raises as `of_session`; NotFound(`person`)."""
    found = _chosen(texts.of_person(connection, scope, person_id, now_ms), keys)
    return _erase(connection, folder, scope, f"person/{person_id}", found, reason, now_ms)


def _chosen(there: list[Kept], keys: Iterable[str]) -> list[Kept]:
    by_key = {one.key: one for one in there}
    wanted = list(dict.fromkeys(keys))
    if not wanted:
        raise StoreError("text-none", "tick at least one text first")
    if len(wanted) > AT_ONCE:
        raise StoreError("text-none", f"erase at most {AT_ONCE} at once")
    if any(key not in by_key for key in wanted):
        raise NotFound("text", "one of these texts is not there, or not in your care: load the page again")
    return [by_key[key] for key in wanted if by_key[key].erased_ms is None]


def _erase(
    connection: Connection, folder: Path, scope: Scope, subject: str, found: list[Kept], reason: str, now_ms: int
) -> int:
    if not reason.strip():
        raise StoreError("text-reason", "say why they are erased, without repeating what stands in them")
    if not found:
        return 0
    why = notes.add(connection, scope.institution_id, reason.strip(), scope.account_id or None, now_ms)
    cited = notes.cited(connection, [why])[why]
    touched = sorted({place.session_id for one in found for place in one.places if place.session_id is not None})
    derivations.lock_registers(connection, scope.institution_id, touched)
    for session_id in touched:
        here = [one for one in found if any(place.session_id == session_id for place in one.places)]
        # A message is told of in the audit: it stands on no register.
        body = {
            "notes": [one.id for one in here if one.kind == NOTE],
            "files": [one.sha256 for one in here if one.kind == FILE],
        }
        if body["notes"] or body["files"]:
            history.append(
                connection,
                institution_id=scope.institution_id,
                session_id=session_id,
                kind=ERASE,
                body={**body, "note": cited},
                # 0: a command on the server's own machine
                by_account_id=scope.account_id or None,
                now_ms=now_ms,
            )
    _copies(connection, found, now_ms)
    notes.erase(connection, scope.institution_id, [one.id for one in found if one.kind == NOTE], now_ms)
    for one in found:
        if one.kind == FILE:
            attachments.erase(connection, folder, scope.institution_id, one.id, now_ms)
    _messages(connection, [one.id for one in found if one.kind == MESSAGE], now_ms)
    absences = {f"absence/{place.absence_id}" for one in found for place in one.places if place.absence_id is not None}
    keys = [one.key for one in found]
    for about in sorted({subject, *absences}):
        campus.write_down(connection, scope, "text.erase", about, now_ms, texts=keys, reason_note=why)
    derivations.touch(connection, touched)
    return len(found)


def _copies(connection: Connection, found: list[Kept], now_ms: int) -> None:
    """The comment on an absence was also sent to the student."""
    for one in found:
        for place in one.places:
            if one.kind == NOTE and place.what == "decision":
                connection.execute(
                    update(message)
                    .where(
                        message.c.to_person_id == place.person_id,
                        message.c.kind == "absence-decided",
                        message.c.text == one.text,
                        message.c.erased_ms.is_(None),
                    )
                    .values(text="", erased_ms=now_ms)
                )


def _messages(connection: Connection, ids: list[int], now_ms: int) -> None:
    connection.execute(
        update(message)
        .where(message.c.id.in_(ids), message.c.erased_ms.is_(None))
        .values(text="", subject="", erased_ms=now_ms)
    )
