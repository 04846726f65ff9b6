"""What could not be believed or used, kept as it came. The same thing again is counted, not kept twice."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, update

from server.store import upsert
from server.store.schema import quarantine


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """Something for quarantine."""

    #: why, stable: mac, reader-unknown, record-conflict, statement-field, raw, ...
    code: str
    #: the item's kind: record, hello, head, status, health, raw
    kind: str
    site: str
    reader: str
    topic: str
    content: bytes
    #: its MAC was right
    authentic: bool = False

    def digest(self) -> str:
        """What makes it the same: kind, topic, claimed reader and content. sha256 hex."""
        head = "\0".join((self.code, self.kind, self.site, self.reader, self.topic))
        return hashlib.sha256(head.encode("utf-8", "replace") + b"\0" + self.content).hexdigest()


def keep(
    connection: Connection, institution_id: int, suspects: Sequence[Suspect], gateway_id: int | None, now_ms: int
) -> None:
    """Commit these to quarantine."""
    if not suspects:
        return
    statement = upsert.insert(connection, quarantine)
    statement = statement.on_conflict_do_update(
        index_elements=[quarantine.c.digest],
        set_={"count": quarantine.c.count + 1, "last_ms": statement.excluded.last_ms},
    )
    rows = {
        (digest := suspect.digest()): {
            "institution_id": institution_id,
            "digest": digest,
            "code": suspect.code,
            "kind": suspect.kind,
            "site_name": _shown(suspect.site, 64),
            "reader_name": _shown(suspect.reader, 64),
            "topic": _shown(suspect.topic, 1024),
            "content": suspect.content,
            "authentic": suspect.authentic,
            "first_ms": now_ms,
            "last_ms": now_ms,
            "gateway_id": gateway_id,
        }
        for suspect in suspects
    }
    connection.execute(statement, [rows[digest] for digest in sorted(rows)])


def _shown(text: str, limit: int) -> str:
    # PostgreSQL takes no NUL in text, and neither takes lone surrogates; `content` holds the bytes as they were.
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")[:limit]


def of_unknown(connection: Connection, reader_name: str) -> list[Any]:
    """Rows (id, site, content) of the records that a reader sent while it was not known here, in order of arrival."""
    query = (
        select(quarantine.c.id, quarantine.c.site_name.label("site"), quarantine.c.content)
        .where(
            quarantine.c.code == "reader-unknown",
            quarantine.c.kind == "record",
            quarantine.c.reader_name == reader_name,
            quarantine.c.closed_ms.is_(None),
            # What the retention rule emptied cannot be looked at any more.
            quarantine.c.content != b"",
        )
        .order_by(quarantine.c.id)
    )
    return list(connection.execute(query))


def close(connection: Connection, ids: Sequence[int], now_ms: int) -> None:
    """These were looked at, and need nobody any more."""
    for start in range(0, len(ids), 500):
        connection.execute(
            update(quarantine).where(quarantine.c.id.in_(ids[start : start + 500])).values(closed_ms=now_ms)
        )


def counts(connection: Connection, institution_id: int) -> dict[str, int]:
    """How many different things are in quarantine, by code."""
    query = (
        select(quarantine.c.code, func.count())
        .where(quarantine.c.institution_id == institution_id, quarantine.c.closed_ms.is_(None))
        .group_by(quarantine.c.code)
        .order_by(quarantine.c.code)
    )
    return dict(connection.execute(query).all())


def counts_by_reader(connection: Connection, institution_id: int) -> dict[str, int]:
    """How many different things are in quarantine, by the reader's name that they claimed."""
    query = (
        select(quarantine.c.reader_name, func.count())
        .where(quarantine.c.institution_id == institution_id, quarantine.c.closed_ms.is_(None))
        .group_by(quarantine.c.reader_name)
    )
    return dict(connection.execute(query).all())
