"""Open flags of what may be misuse that rest on taps of one session: for its register (PORT-9)."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, select

from server.policy import misuse
from server.scope import Scope
from server.store import misuse_flags
from server.store.schema import reading
from server.store.schema_misuse import misuse_flag, misuse_tap


def of_session(connection: Connection, scope: Scope, session_id: int, now_ms: int) -> dict[int, dict[int, str]]:
    """person -> flag -> what it is, in words: those that rest on a tap of theirs in this session. Only of flags that the
    scope reads, so mostly of none."""
    if not scope.may(misuse_flags.READ):
        return {}
    rows = connection.execute(_FLAGGED, {"session": session_id, "institution": scope.institution_id}).all()
    if not rows:
        return {}
    mine = misuse_flags.read_of(connection, scope, {row.id for row in rows}, now_ms)
    found: dict[int, dict[int, str]] = {}
    for row in rows:
        if row.id in mine:
            found.setdefault(row.person_id, {})[row.id] = misuse.WORDS.get(str(row.kind), str(row.kind))
    return found


_FLAGGED = (
    select(misuse_tap.c.person_id, misuse_flag.c.id, misuse_flag.c.kind)
    .select_from(reading)
    .join(misuse_tap, (misuse_tap.c.person_id == reading.c.person_id) & (misuse_tap.c.record_id == reading.c.swipe_id))
    .join(misuse_flag, misuse_flag.c.id == misuse_tap.c.flag_id)
    .where(
        reading.c.session_id == bindparam("session"),
        misuse_flag.c.institution_id == bindparam("institution"),
        misuse_flag.c.closed_ms.is_(None),
        misuse_flag.c.lapsed_ms.is_(None),
    )
    .distinct()
    .order_by(misuse_flag.c.id)
)
