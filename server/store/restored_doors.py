"""Doors of a restored store whose board was replaced since its backup: the end of what the old board recorded is told by
nobody, and gateways that have it bring it when they do.

Where the board is the one that the backup knew, its heads and the chain of its journals tell what is missing
(`heads.settle`). Another board's know nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from server.store import copies
from server.store.prepared import Prepared
from server.store.schema import head, journal

#: a swipe made just after the restore may have been credited to the lesson before, for want of the one that was lost
MARGIN_MS = 3_600_000

_READER = bindparam("reader")
_UNSURE = func.coalesce(head.c.uncertainty_ms, 0).label("unsure_ms")
_HEAD = select(head.c.journals, head.c.wall_ms, head.c.boot_ms, _UNSURE).where(
    head.c.reader_id == _READER, head.c.clock != "none"
)
#: what the reader named last before the backup, and since the restore
_BEFORE = Prepared(
    _HEAD.where(head.c.wall_ms <= bindparam("made_ms"), head.c.received_ms <= bindparam("made_ms"))
    .order_by(head.c.wall_ms.desc())
    .limit(1)
)
_SINCE = Prepared(
    _HEAD.where(head.c.wall_ms > bindparam("restored_ms") - MARGIN_MS, head.c.received_ms > bindparam("restored_ms"))
    .order_by(head.c.wall_ms.desc())
    .limit(1)
)
_JOURNALS = Prepared(
    select(journal.c.journal, journal.c.before_journal, journal.c.opened_ms).where(journal.c.reader_id == _READER)
)


def replaced(connection: Connection, institution_id: int, reader_ids: Iterable[int], now_ms: int) -> dict[int, int]:
    """reader id -> until when what its door recorded may be missing: readers that name nothing, since the store was
    restored, that follows what they named before the backup."""
    wanted = sorted(set(reader_ids))
    restored = copies.restored(connection, institution_id, now_ms) if wanted else None
    if restored is None:
        return {}
    restored_ms, made_ms = restored
    values = {"restored_ms": restored_ms, "made_ms": made_ms}
    return {one: restored_ms + MARGIN_MS for one in wanted if not _goes_on(connection, {"reader": one, **values})}


def _goes_on(connection: Connection, values: dict[str, int]) -> bool:
    since = _SINCE.first(connection, values)
    if since is None:
        return True  # nothing is known of its door yet
    known = {row.journal: row for row in _JOURNALS.all(connection, values)}
    reached: set[str] = set()
    waiting = _names(since)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting |= {known[name].before_journal} - {None} if name in known else set()
    before = _BEFORE.first(connection, values)
    if before is not None and since.wall_ms - since.boot_ms + since.unsure_ms < before.wall_ms - before.unsure_ms:
        return True  # it has not been started since
    if before is not None and before.journals:
        return _names(before) <= reached
    return any(known[name].opened_ms <= values["made_ms"] for name in reached if name in known)


def _names(row: Any) -> set[str]:
    return {part.partition(":")[0] for part in filter(None, row.journals.split(","))}
