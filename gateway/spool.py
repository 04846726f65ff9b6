"""The spool: the gateway's durable record of everything received. All SQL of the gateway stands here.

SQLite in WAL mode with synchronous=FULL, read back. `put` returns when it is on stable storage, and only then is MQTT
acknowledged. Writes that come together are one commit: whoever holds the lock does everybody's. Reads never wait for a
sync: while somebody writes they go over a connection of their own. A row is pending while `forwarded_ms` is NULL;
forwarded journal records and raw messages are kept for replay until they are pruned, other kinds are not kept. What is
asked for at each look reads what is pending, however much is kept.
"""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import aiosqlite

from gateway.arrival import WAITING_MOST, Arrival
from gateway.disk import sync_folder, written_anew
from gateway.errors import SpoolError, spool_failed

# Numbers are handed over as the text of a list, which is JSON too, and quicker made.
FORMAT = 1  #: in PRAGMA user_version
PRUNE_ROWS = 2000  #: at most so many in one commit, so that no swipe waits long for it
CHECKPOINT_ROWS = 1000  #: changes after which the WAL is carried over into the database

SCHEMA = """
CREATE TABLE IF NOT EXISTS spool (
    n INTEGER PRIMARY KEY AUTOINCREMENT, -- order of arrival
    id BLOB NOT NULL UNIQUE,             -- SHA-256 of what was received
    lane TEXT NOT NULL,                  -- site/reader/journal
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    passing INTEGER NOT NULL,            -- 1: only the newest few matter, sent first, not kept
    line TEXT NOT NULL,
    raw BLOB NOT NULL,
    topic TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    judged TEXT,
    due_ms INTEGER NOT NULL DEFAULT 0,   -- not sent before
    tries INTEGER NOT NULL DEFAULT 0,    -- times the store has answered without taking it
    refused TEXT,                        -- why the store refuses it: in quarantine here, tried again at due_ms
    forwarded_ms INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS pending ON spool (lane, seq) WHERE forwarded_ms IS NULL AND passing = 0;
CREATE INDEX IF NOT EXISTS passing ON spool (lane, n) WHERE forwarded_ms IS NULL AND passing = 1;
CREATE INDEX IF NOT EXISTS refused ON spool (n) WHERE refused IS NOT NULL;
CREATE INDEX IF NOT EXISTS place ON spool (lane, seq) WHERE passing = 0;
CREATE INDEX IF NOT EXISTS forwarded ON spool (forwarded_ms) WHERE forwarded_ms IS NOT NULL;
CREATE TABLE IF NOT EXISTS restored (at_ms INTEGER PRIMARY KEY) STRICT; -- restores of the store that were answered
"""
# What comes again after it was forwarded is forwarded again: its reader has no receipt yet.
PUT = """
INSERT INTO spool (id, lane, seq, kind, passing, line, raw, topic, received_ms, judged)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET forwarded_ms = NULL, due_ms = 0 WHERE forwarded_ms IS NOT NULL
"""
SUPERSEDE = """
DELETE FROM spool WHERE lane = ?1 AND forwarded_ms IS NULL AND passing = 1 AND n <= (
    SELECT n FROM spool WHERE lane = ?1 AND forwarded_ms IS NULL AND passing = 1 ORDER BY n DESC LIMIT 1 OFFSET ?2)
"""
# By its own choice SQLite takes the index `place` for these, which has everything that is kept: a look would read all that
# was forwarded in a month. What it is told to take has what is pending, and nothing else.
# A loose index scan: one seek for each lane, however long its backlog is. Without a name: there are passing rows.
WAITING = """
WITH RECURSIVE lane (name) AS (
    SELECT min(lane) FROM spool INDEXED BY pending WHERE forwarded_ms IS NULL AND passing = 0
    UNION ALL
    SELECT (SELECT min(s.lane) FROM spool s INDEXED BY pending
            WHERE s.forwarded_ms IS NULL AND s.passing = 0 AND s.lane > lane.name)
    FROM lane WHERE name IS NOT NULL)
SELECT name, (SELECT n FROM spool s INDEXED BY pending
              WHERE s.forwarded_ms IS NULL AND s.passing = 0 AND s.lane = name ORDER BY seq DESC LIMIT 1)
FROM lane WHERE name IS NOT NULL
UNION ALL
SELECT NULL, n FROM (SELECT n FROM spool INDEXED BY passing WHERE forwarded_ms IS NULL AND passing = 1 LIMIT 1)
"""
#: nothing is put off for longer, ms: a row that is was put off by a clock that has been set back since, and is due
PUT_OFF_MOST_MS = 3600 * 1000
ROW = "s.n, s.id, s.lane, s.seq, s.kind, s.line, s.raw, s.topic, s.received_ms, s.judged, s.tries"
OLDEST = f"""
SELECT {ROW} FROM json_each(?1) AS l CROSS JOIN spool s ON s.n IN (
    SELECT p.n FROM spool p INDEXED BY pending
    WHERE p.forwarded_ms IS NULL AND p.passing = 0 AND p.lane = l.value AND p.due_ms NOT BETWEEN ?2 + 1 AND ?2 + {PUT_OFF_MOST_MS}
    AND p.n NOT IN (SELECT value FROM json_each(?3)) ORDER BY p.seq LIMIT ?4)
"""  # noqa: S608  ROW is a constant above
NEWEST = f"""
SELECT {ROW} FROM json_each(?1) AS l CROSS JOIN spool s ON s.n IN (
    SELECT p.n FROM spool p INDEXED BY pending
    WHERE p.forwarded_ms IS NULL AND p.passing = 0 AND p.lane = l.value AND p.due_ms NOT BETWEEN ?2 + 1 AND ?2 + {PUT_OFF_MOST_MS}
    AND p.n NOT IN (SELECT value FROM json_each(?3)) ORDER BY p.seq DESC LIMIT ?4)
WHERE s.received_ms >= ?5 ORDER BY s.n
"""  # noqa: S608  ROW is a constant above
PASSING = f"""
SELECT {ROW} FROM spool s INDEXED BY passing WHERE s.forwarded_ms IS NULL AND s.passing = 1 AND s.due_ms NOT BETWEEN ?1 + 1 AND ?1 + {PUT_OFF_MOST_MS}
AND s.n NOT IN (SELECT value FROM json_each(?2)) ORDER BY s.n DESC LIMIT ?3
"""  # noqa: S608  ROW is a constant above
DONE = """
UPDATE spool SET forwarded_ms = ?1, refused = NULL
WHERE passing = 0 AND n IN (SELECT value FROM json_each(?2))
"""
DONE_PASSING = "DELETE FROM spool WHERE passing = 1 AND n IN (SELECT value FROM json_each(?1))"
LATER = """
UPDATE spool SET due_ms = ?1, tries = tries + 1, refused = ?2 WHERE n IN (SELECT value FROM json_each(?3))
"""
AGAIN = """
UPDATE spool SET forwarded_ms = NULL, due_ms = 0
WHERE lane = ?1 AND passing = 0 AND seq BETWEEN ?2 AND ?3 AND forwarded_ms IS NOT NULL
"""
SINCE = """
UPDATE spool SET forwarded_ms = NULL, due_ms = 0
WHERE passing = 0 AND forwarded_ms >= ?2 AND NOT EXISTS (SELECT 1 FROM restored WHERE at_ms >= ?1)
"""
RESTORED = "INSERT OR IGNORE INTO restored (at_ms) VALUES (?)"
RELEASE = "UPDATE spool SET due_ms = 0 WHERE refused IS NOT NULL"
PRUNE = """
DELETE FROM spool WHERE n IN (
    SELECT n FROM spool WHERE forwarded_ms IS NOT NULL AND forwarded_ms < ?1 ORDER BY forwarded_ms LIMIT ?2)
"""
DEPTH = """
SELECT (SELECT count(*) FROM spool INDEXED BY pending WHERE forwarded_ms IS NULL AND passing = 0)
     + (SELECT count(*) FROM spool INDEXED BY passing WHERE forwarded_ms IS NULL AND passing = 1),
       (SELECT count(*) FROM spool INDEXED BY refused WHERE refused IS NOT NULL)
"""
KEPT = "SELECT count(*) FROM spool WHERE forwarded_ms IS NOT NULL"


class Row(NamedTuple):
    """One spooled thing, on its way to the store."""

    n: int
    id: bytes
    lane: str
    seq: int
    kind: str
    line: str
    raw: bytes
    topic: str
    received_ms: int
    judged: str | None
    #: times the store has answered without taking it
    tries: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Depth:
    """How much waits in the spool, in rows."""

    pending: int
    #: of the pending, those that the store refuses
    refused: int


class Connection(Protocol):
    """The part of aiosqlite.Connection that the spool uses; `gateway.testing` has one without a thread."""

    def execute(self, sql: str, parameters: Iterable[Any] | None = None, /) -> Awaitable[Any]: ...  # noqa: D102
    def executemany(self, sql: str, parameters: Iterable[Iterable[Any]], /) -> Awaitable[Any]: ...  # noqa: D102
    def execute_fetchall(self, sql: str, parameters: Iterable[Any] | None = None, /) -> Awaitable[Any]: ...  # noqa: D102
    def close(self) -> Awaitable[Any]: ...  # noqa: D102


class _Write:
    """One caller's part of a commit: statements with their rows, and whether they are committed."""

    __slots__ = ("committed", "changed", "steps")

    def __init__(self, steps: list[tuple[str, Sequence[tuple]]]) -> None:
        self.steps = steps
        self.changed = 0
        self.committed = False


class Spool:
    """The durable queue. Every method raises SpoolError where SQLite cannot do it now."""

    def __init__(
        self,
        open_connection: Callable[[], Awaitable[Connection]],
        *,
        path: Path | None = None,
        checkpoint_rows: int = CHECKPOINT_ROWS,
    ) -> None:
        self._open, self._path = open_connection, path
        self._checkpoint_rows, self._changed = checkpoint_rows, 0
        self._writer: Connection | None = None
        self._reader: Connection | None = None
        self._lock = asyncio.Lock()
        self._reading = asyncio.Lock()
        self._waiting: list[_Write] = []
        #: what was read last by these statements, while no write was begun since then; writes begun or ended
        self._known: dict[str, list[tuple]] = {}
        self._writes = 0

    @classmethod
    def at(cls, path: Path) -> "Spool":
        """The spool in this file, which is made where it is not there. `open` opens it."""

        async def connect() -> Connection:
            try:
                return await aiosqlite.connect(path, isolation_level=None, timeout=5.0)
            except sqlite3.Error:
                # Its thread ends by itself, but says so to this loop, which must not be closed before.
                await asyncio.sleep(0.05)
                raise

        return cls(connect, path=path)

    async def open(self) -> None:
        """Open it, and make sure that a commit will be durable. Raises SpoolError where that cannot be had."""
        self._wrote()
        try:
            self._writer = await self._ready(True)
            self._reader = await self._ready(False)
            if self._path is not None:
                await asyncio.to_thread(sync_folder, self._path.parent)
        except (sqlite3.Error, OSError) as error:
            await self.close()
            raise spool_failed(error) from error
        except SpoolError:
            await self.close()
            raise

    async def _ready(self, writes: bool) -> Connection:
        connection = await self._open()
        try:
            mode = await _one(connection, "PRAGMA journal_mode = WAL")
            await connection.execute("PRAGMA synchronous = FULL")
            await connection.execute("PRAGMA wal_autocheckpoint = 0")  # it keeps silent when its sync fails
            sync = await _one(connection, "PRAGMA synchronous")
            # An in-memory database, which only tests use, has no WAL.
            if mode not in ("wal", "memory") or sync != 2:
                raise SpoolError(
                    "spool-not-durable",
                    f"SQLite gives journal_mode={mode} and synchronous={sync} here, not wal and 2 (FULL): "
                    "put the spool on a local disk",
                )
            if writes:
                found = await _one(connection, "PRAGMA user_version")
                if found not in (0, FORMAT):
                    raise SpoolError(
                        "spool-format", f"this spool has format {found}, made by a newer gateway: start that one"
                    )
                for step in SCHEMA.split(";\n"):
                    await connection.execute(step)
                if found == 0:
                    await connection.execute(f"PRAGMA user_version = {FORMAT}")
                # What a sync that failed or never came left in the WAL reads well, and may not be on the disk.
                if self._path is not None:
                    await connection.execute("BEGIN IMMEDIATE")  # nobody else writes the WAL meanwhile
                    await asyncio.to_thread(written_anew, Path(f"{self._path}-wal"))
                    await connection.execute("COMMIT")
                if await _one(connection, "PRAGMA wal_checkpoint(TRUNCATE)"):
                    raise SpoolError("spool-busy", "another process reads the spool: end it first")
        except BaseException:
            await connection.close()
            raise
        return connection

    async def close(self) -> None:
        """Close both connections."""
        connections, self._writer, self._reader = (self._writer, self._reader), None, None
        for connection in connections:
            if connection is not None:
                with contextlib.suppress(sqlite3.Error, ValueError):
                    await connection.close()

    async def put(self, received: Sequence[tuple[Arrival, str | None]], received_ms: int) -> int:
        """Make these durable: each arrival with what it was judged, or None. Returns how many rows were written.

        The same arrival again changes nothing, except that one forwarded already is pending again.
        """
        rows = [
            (a.id, a.lane, a.seq, a.kind, int(a.kind in WAITING_MOST), a.line, a.raw, a.topic, received_ms, judged)
            for a, judged in received
        ]
        steps: list[tuple[str, Sequence[tuple]]] = [(PUT, rows)]
        waiting = {(a.lane, WAITING_MOST[a.kind]) for a, _ in received if a.kind in WAITING_MOST}
        if waiting:
            steps.append((SUPERSEDE, sorted(waiting)))
        return await self._write(steps)

    async def done(self, ns: Sequence[int], now_ms: int) -> None:
        """The store holds these rows."""
        numbers = str([*ns])
        await self._write([(DONE, [(now_ms, numbers)]), (DONE_PASSING, [(numbers,)])])

    async def later(self, ns: Sequence[int], due_ms: int, refused: str | None = None) -> None:
        """The store did not take these: not again before `due_ms`. refused: the code, where it refuses them."""
        await self._write([(LATER, [(due_ms, refused, str([*ns]))])])

    async def again(self, lane: str, first: int, last: int) -> int:
        """Deliver kept rows of a journal once more (the store lost them). Returns how many."""
        return await self._write([(AGAIN, [(lane, first, last)])])

    async def since(self, restored_ms: int, since_ms: int) -> int:
        """Deliver what was forwarded since then once more, unless that was done for this restore of the store, or a
        later one. Returns how many rows."""
        changed = await self._write([(SINCE, [(restored_ms, since_ms)]), (RESTORED, [(restored_ms,)])])
        return max(0, changed - 1)

    async def release(self) -> int:
        """Try everything that the store refused at once, as a gateway does when it starts. Returns how many."""
        return await self._write([(RELEASE, [()])])

    async def prune(self, before_ms: int) -> int:
        """Forget some rows that were forwarded before then, at most PRUNE_ROWS. Returns how many."""
        return await self._write([(PRUNE, [(before_ms, PRUNE_ROWS)])])

    async def lanes(self) -> list[tuple[str, int]]:
        """Lanes with pending rows that are no passing ones: name, and `n` of the row that stands last in it.

        Asked for at each look.
        """
        return [(name, n) for name, n in await self._unchanged(WAITING) if name is not None]

    async def is_empty(self) -> bool:
        """Whether nothing is pending, due or not: then there is nothing to do before the next write."""
        return not await self._unchanged(WAITING)

    async def oldest(self, lanes: Sequence[str], each: int, now_ms: int, but: Iterable[int]) -> list[Row]:
        """Up to `each` pending rows from the front of each of these lanes, in the lanes' order."""
        return _rows(await self._read(OLDEST, (json.dumps(lanes), now_ms, str([*but]), each)))

    async def newest(
        self, lanes: Sequence[str], each: int, now_ms: int, but: Iterable[int], since_ms: int
    ) -> list[Row]:
        """Up to `each` pending rows from the end of each lane that were received since then, oldest first."""
        return _rows(await self._read(NEWEST, (json.dumps(lanes), now_ms, str([*but]), each, since_ms)))

    async def passing(self, limit: int, now_ms: int, but: Iterable[int]) -> list[Row]:
        """Pending hellos, heads, statuses and healths, the newest first."""
        # Most looks find none of these, and the lanes are asked for next.
        if all(name is not None for name, _ in await self._unchanged(WAITING)):
            return []
        return _rows(await self._read(PASSING, (now_ms, str([*but]), limit)))

    async def depth(self) -> Depth:
        """How much waits."""
        if await self.is_empty():
            return Depth(pending=0, refused=0)
        pending, refused = (await self._unchanged(DEPTH))[0]
        return Depth(pending=pending, refused=refused)

    async def kept(self) -> int:
        """Forwarded rows that are kept for replay. Counts them all: not for every second."""
        return (await self._read(KEPT, ()))[0][0]

    async def _write(self, steps: list[tuple[str, Sequence[tuple]]]) -> int:
        mine = _Write(steps)
        self._waiting.append(mine)
        try:
            async with self._lock:
                if not mine.committed:
                    await self._commit(self._waiting)
        finally:
            if not mine.committed and mine in self._waiting:
                self._waiting.remove(mine)
        return mine.changed

    async def _commit(self, waiting: list[_Write]) -> None:
        # Everybody who waits for the lock gets into this commit. Who fails with it, raises for itself and goes;
        # the others try again when the lock is theirs.
        writes = list(waiting)
        connection = await self._connected()
        self._wrote()
        try:
            await connection.execute("BEGIN IMMEDIATE")
            for write in writes:
                write.changed = 0
                for sql, rows in write.steps:
                    cursor = await connection.executemany(sql, rows)
                    write.changed += max(cursor.rowcount, 0)
            await connection.execute("COMMIT")
        except BaseException as error:
            # A failed sync is final for its handle: nothing is taken to be written, and a new one begins from the disk.
            with contextlib.suppress(sqlite3.Error, ValueError):
                await connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error | ValueError | OSError):
                await self.close()
                raise spool_failed(error) from error
            raise
        finally:
            self._wrote()
        for write in writes:
            write.committed = True
            waiting.remove(write)
        self._changed += sum(write.changed for write in writes)
        if self._changed >= self._checkpoint_rows:
            self._changed = 0
            try:
                await connection.execute_fetchall("PRAGMA wal_checkpoint(PASSIVE)")
            except (sqlite3.Error, ValueError):
                await self.close()  # the commits stand in the WAL; this handle's word is not taken again

    def _wrote(self) -> None:
        self._writes += 1
        self._known.clear()

    async def _connected(self) -> Connection:
        if self._writer is None:
            await self.open()
        assert self._writer is not None
        return self._writer

    async def _unchanged(self, sql: str) -> list[tuple]:
        """What this says: read only where something was written since it was read. Nobody else writes this file."""
        found = self._known.get(sql)
        if found is None:
            writes = self._writes
            found = await self._read(sql, ())
            if writes == self._writes:
                self._known[sql] = found
        return found

    async def _read(self, sql: str, parameters: tuple) -> list[tuple]:
        async with self._reading:
            if self._reader is None:  # closed by a write that failed
                async with self._lock:
                    await self._connected()
            if self._reader is None:
                raise SpoolError("spool-closed", "the spool was closed again at once: another write failed")
            # Where nobody writes, the writer's connection answers at once, and knows the pages that it has written: the
            # other one, which is there so that no read waits for a sync, reads them again after each commit.
            connection = self._reader if self._lock.locked() or self._writer is None else self._writer
            try:
                return list(await connection.execute_fetchall(sql, parameters))
            except (sqlite3.Error, ValueError) as error:
                raise spool_failed(error) from error


async def _one(connection: Connection, sql: str) -> Any:
    return next(iter(await connection.execute_fetchall(sql)))[0]


def _rows(found: list[tuple]) -> list[Row]:
    return list(map(Row._make, found))
