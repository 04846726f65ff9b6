"""Messages whose letters lie in the outbox folder (server/outbox.py): which of them are to go."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, select

from server.store.schema_work import message

CHUNK = 500


def erased(connection: Connection, ids: Iterable[int]) -> list[int]:
    """Of these messages those that were erased, in order."""
    return _among(connection, ids, message.c.erased_ms.is_not(None))


def sent_before(connection: Connection, ids: Iterable[int], before_ms: int) -> list[int]:
    """Of these messages those that were sent before then, in order. One that the store does not know is not among them."""
    return _among(connection, ids, message.c.sent_ms < before_ms)


def _among(connection: Connection, ids: Iterable[int], where: ColumnElement[bool]) -> list[int]:
    wanted = sorted(set(ids))
    found: list[int] = []
    for start in range(0, len(wanted), CHUNK):
        query = select(message.c.id).where(message.c.id.in_(wanted[start : start + CHUNK]), where)
        found += connection.execute(query.order_by(message.c.id)).scalars()
    return found
