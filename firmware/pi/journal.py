"""The Pi's journal: the Storage of docs/wire.md on SQLite, and all SQL of the firmware.

One append is one transaction, synced before `append` returns (WAL, synchronous=FULL, both read back when it opens).
The first commit or sync that fails is final: on Linux a later sync may report success for what the failed one lost,
so nothing is written again by this process, and the light stays off green. The next start reads what the medium holds,
carries it from the WAL into the database, syncs it, and goes on with a new journal.

Files in the folder: `journal-1.db` (and its `-wal`). The highest number is the one in use. A database that is found
damaged is left where it lies, what can still be read of it is copied into the next number, and `alarms` says so.

What needs no SQL stands in ledger.py: what is held, what of it is freed, and what may be recycled.
"""

import re
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from firmware.contract.statement import Held, seal
from firmware.pi.disk import free_bytes, sync_folder, written_anew
from firmware.pi.ledger import COALESCE_MS, Kept, Ledger
from firmware.reader.errors import StorageFailed, StorageFull

CAPACITY = 200_000  #: records kept; some 50 MB
KEEP_FREED_MS = 72 * 3600 * 1000  #: freed records are kept this long where there is room
PERSIST_FREED_MS = 60_000  #: a crash forgets at most this much of what was freed: then it is offered once more
CHECKPOINT_EVERY = 256  #: commits after which the WAL is carried over between taps
CHECKPOINT_AT_LAST = 1024  #: commits after which it is carried over whatever happens: the WAL stays under some 12 MB
STEP = 256  #: records recycled at once
DISK_RESERVE_BYTES = 32 << 20  #: for the WAL and for everything else on the card
RECORD_BYTES = 1024  #: of disk for one record, generously
SCHEMA_VERSION = 1
APPLICATION_ID = 0x4D555354  # "MUST"

_FILE = re.compile(r"journal-(\d{1,6})\.db")
_SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS journal (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        freed INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS record (
        journal INTEGER NOT NULL REFERENCES journal (number),
        seq INTEGER NOT NULL,
        line TEXT NOT NULL,
        crc INTEGER NOT NULL,
        PRIMARY KEY (journal, seq)
    ) WITHOUT ROWID
    """,
)
_LIST = """
    SELECT j.number, j.id, j.freed, MIN(r.seq), MAX(r.seq), COUNT(*)
    FROM journal j JOIN record r ON r.journal = j.number
    GROUP BY j.number ORDER BY j.number
"""
_ADD_JOURNAL = "INSERT INTO journal (number, id, freed) VALUES (?, ?, ?)"
_ADD_RECORD = "INSERT INTO record (journal, seq, line, crc) VALUES (?, ?, ?, ?)"
_READ = "SELECT line FROM record WHERE journal = ? AND seq >= ? ORDER BY seq LIMIT ?"
_EVERY = "SELECT journal, seq, line, crc FROM record ORDER BY journal, seq"
_FREED = "UPDATE journal SET freed = ? WHERE number = ?"
_RECYCLE = "DELETE FROM record WHERE journal = ? AND seq >= ? AND seq <= ?"
_JOURNALS_EACH_WAY = (
    "SELECT number, id, freed FROM journal ORDER BY number ASC",
    "SELECT number, id, freed FROM journal ORDER BY number DESC",
)
_RECORDS_EACH_WAY = (
    "SELECT journal, seq, line, crc FROM record WHERE journal = ? ORDER BY seq ASC",
    "SELECT journal, seq, line, crc FROM record WHERE journal = ? ORDER BY seq DESC",
)
_FORGET = "DELETE FROM journal WHERE number = ?"


class _Damaged(Exception):
    """The database's content is not what was written; the text says how it was found."""


class SqliteJournal:
    """The journal in `folder` (made where it is missing), for one process at a time.

    uptime_ms: monotonic milliseconds; ages count within one run only, so a wrong wall clock recycles nothing early.
    disk_free_bytes: what the file system has left. Raises StorageFailed where it cannot be opened as it must be.
    """

    def __init__(
        self,
        folder: Path,
        *,
        capacity: int = CAPACITY,
        checkpoint_every: int = CHECKPOINT_EVERY,
        uptime_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
        disk_free_bytes: Callable[[], int] | None = None,
    ) -> None:
        self._folder = folder
        self._capacity = capacity
        self._checkpoint_every = checkpoint_every
        self._uptime_ms = uptime_ms
        self._disk_free_bytes = disk_free_bytes or (lambda: free_bytes(folder))
        self._failed: str | None = None
        self._commits = 0
        #: codes of what a technician should know about; `journal-damaged` after a database was set aside
        self.alarms: list[str] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._database, kept = self._open_latest()
        except (sqlite3.Error, OSError) as error:
            raise StorageFailed(
                f"the journal cannot be opened ({_name(error)}): check the SD card, then start again"
            ) from error
        self._ledger = Ledger(kept, uptime_ms())

    # -- the Storage of docs/wire.md -----------------------------------------------------------------------------

    def journals(self) -> list[Held]:
        """(journal, oldest kept, freed up to, head) of every journal, in order of opening."""
        return self._ledger.held()

    def append(self, journal: str, seq: int, text: str, mac: bytes) -> None:
        """Keep one record; on stable storage when this returns. Raises StorageFull or StorageFailed."""
        self._check()
        kept = self._ledger.get(journal)
        if seq != (0 if kept is None else kept.head + 1):
            raise self._fail(f"record {seq} is out of order")
        if self._commits >= CHECKPOINT_AT_LAST:
            self._checkpoint()
        if self._ledger.count() >= self._capacity and not self._recycle(0):
            raise StorageFull("the journal is full, and nothing of it has a receipt yet: connect the reader")
        number = kept.number if kept else self._ledger.next_number()
        line = seal(text, mac)
        with self._transaction() as database:
            if kept is None:
                database.execute(_ADD_JOURNAL, (number, journal, -1))
            database.execute(_ADD_RECORD, (number, seq, line, _crc(number, seq, line)))
        self._ledger.appended(journal, number, seq)

    def read(self, journal: str, first: int, limit: int) -> list[str]:
        """Sealed lines from `first` on, at most `limit`. After a failure too: what is kept can still be delivered."""
        kept = self._ledger.get(journal)
        if kept is None:
            return []
        try:
            rows = self._database.execute(_READ, (kept.number, first, limit)).fetchall()
        except sqlite3.Error as error:
            raise self._fail(_name(error)) from error
        return [str(line) for (line,) in rows]

    def free(self, journal: str, up_to: int) -> None:
        """These have a receipt. In memory at once, in the database within PERSIST_FREED_MS of idle time."""
        self._ledger.free(journal, up_to, self._uptime_ms())

    def unfree(self, journal: str, first: int) -> None:
        """The store lost what it had from `first` on: keep it until it has a receipt again."""
        self._ledger.unfree(journal, first, self._uptime_ms())

    def room(self) -> int:
        """Records that surely fit: by capacity, and by what the disk has left."""
        on_disk = (self._disk_free_bytes() - DISK_RESERVE_BYTES) // RECORD_BYTES
        return max(0, min(self._capacity - self._ledger.waiting() - 1, on_disk))

    def idle(self) -> bool:
        """At most one slow step: persist what was freed, carry the WAL over, or recycle. True if it did one."""
        if self._failed:
            return False
        try:
            since_ms = self._ledger.dirty_since_ms
            if since_ms is not None and self._uptime_ms() - since_ms >= PERSIST_FREED_MS:
                self._persist_freed()
                return True
            if self._commits >= self._checkpoint_every:
                self._checkpoint()
                return True
            squeezed = self._ledger.count() > self._capacity - max(STEP, self._capacity // 16)
            return self._recycle(0 if squeezed else KEEP_FREED_MS + COALESCE_MS) > 0
        except StorageFull:
            return False  # recycling needs a little disk too; the next append will say that there is none
        except StorageFailed:
            return True  # it is on record now: the next append raises it

    def close(self) -> None:
        """Persist what was freed and close the database. Never raises: what matters was durable before."""
        try:
            if not self._failed:
                self._persist_freed()
        except (StorageFull, StorageFailed):
            pass
        finally:
            self._database.close()

    # -- transactions --------------------------------------------------------------------------------------------

    @property
    def failed(self) -> str | None:
        """What failed, for the log; None while all is well."""
        return self._failed

    def _check(self) -> None:
        if self._failed:
            raise StorageFailed(
                f"the journal failed before ({self._failed}): restart the reader, then replace its card"
            )

    def _fail(self, why: str) -> StorageFailed:
        self._failed = self._failed or why
        return StorageFailed(f"the journal failed ({why}): restart the reader, then replace its card")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._check()
        database = self._database
        try:
            database.execute("BEGIN IMMEDIATE")
            yield database
            database.execute("COMMIT")
        except sqlite3.Error as error:
            full = _primary(error) == sqlite3.SQLITE_FULL
            try:
                if database.in_transaction:
                    database.execute("ROLLBACK")
            except sqlite3.Error:
                full = False
            if full:
                # No page reached the database and the WAL has no commit frame: this much is known, so it may go on.
                raise StorageFull("the disk is full: make room on the SD card") from error
            raise self._fail(_name(error)) from error
        self._commits += 1

    def _checkpoint(self) -> None:
        # Our own and not SQLite's automatic one, which keeps silent when its sync fails.
        self._check()
        try:
            busy, _, _ = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            if _primary(error) == sqlite3.SQLITE_FULL:
                raise StorageFull("the disk is full: make room on the SD card") from error
            raise self._fail(_name(error)) from error
        if busy:
            raise self._fail("another process holds the journal")
        self._commits = 0

    def _persist_freed(self) -> None:
        dirty = self._ledger.dirty()
        if dirty:
            with self._transaction() as database:
                database.executemany(_FREED, [(kept.freed, kept.number) for kept in dirty])
        self._ledger.persisted()

    def _recycle(self, older_than_ms: int) -> int:
        """Delete up to STEP freed records, oldest first, freed at least so long ago. Returns how many."""
        found = self._ledger.recyclable(self._uptime_ms(), older_than_ms, STEP)
        if found is None:
            return 0
        name, kept, up_to = found
        with self._transaction() as database:
            gone = database.execute(_RECYCLE, (kept.number, kept.oldest, up_to)).rowcount
            if up_to == kept.head:
                database.execute(_FORGET, (kept.number,))
            else:
                database.execute(_FREED, (kept.freed, kept.number))
        self._ledger.recycled(name, up_to, gone)
        return gone

    # -- opening -------------------------------------------------------------------------------------------------

    def _open_latest(self) -> tuple[sqlite3.Connection, dict[str, Kept]]:
        numbers = [int(m[1]) for path in self._folder.iterdir() if (m := _FILE.fullmatch(path.name))]
        latest = max(numbers, default=0)
        if latest:
            path = self._path(latest)
            try:
                database = _open(path)
                try:
                    return database, _load(database)
                except BaseException:
                    database.close()
                    raise
            except _Damaged:
                pass
            except sqlite3.Error as error:
                if _primary(error) not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                    raise
            self.alarms.append("journal-damaged")
        self._make(latest)
        database = _open(self._path(latest + 1))
        return database, _load(database)

    def _path(self, number: int) -> Path:
        return self._folder / f"journal-{number}.db"

    def _make(self, damaged: int) -> None:
        """Make the next database beside its name, with what can be read of the damaged one (0: none), then name it."""
        path = self._path(damaged + 1)
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        Path(f"{part}-journal").unlink(missing_ok=True)
        with closing(sqlite3.connect(part, isolation_level=None)) as database:
            database.execute("PRAGMA synchronous = EXTRA")
            database.execute("BEGIN IMMEDIATE")
            database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            for statement in _SCHEMA:
                database.execute(statement)
            if damaged:
                for table, rows in _salvage(self._path(damaged)):
                    database.executemany(table, rows)
            database.execute("COMMIT")
        part.rename(path)
        sync_folder(self._folder)


def _open(path: Path) -> sqlite3.Connection:
    """Open for this process alone, and see that every pragma holds. Heals what a failed sync may have left behind."""
    database = sqlite3.connect(path, isolation_level=None, timeout=2.0)
    try:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA wal_autocheckpoint = 0")
        asked = (
            ("journal_mode", "wal"),
            ("synchronous", 2),
            ("locking_mode", "exclusive"),
            ("wal_autocheckpoint", 0),
            ("application_id", APPLICATION_ID),
            ("user_version", SCHEMA_VERSION),
        )
        for name, wanted in asked:
            (got,) = database.execute(f"PRAGMA {name}").fetchone()
            if got != wanted:
                raise StorageFailed(
                    f"the journal's {name} is {got} and must be {wanted}: update the firmware, or replace the card"
                )
        (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise _Damaged(found)
        # All that the WAL holds goes through the database and a sync now. A record whose sync failed in the last run is
        # in the page cache but perhaps not on the medium; left there, a power cut would cut the WAL short at it.
        written_anew(Path(f"{path}-wal"))
        busy, _, _ = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise StorageFailed("another process has the journal open: end it first")
        sync_folder(path.parent)  # SQLite does that for its WAL as well, and does not look whether it succeeded
    except BaseException:
        database.close()
        raise
    return database


def _load(database: sqlite3.Connection) -> dict[str, Kept]:
    for number, seq, line, crc in database.execute(_EVERY):
        if _crc(number, seq, line) != crc:
            raise _Damaged("a record's checksum is wrong")
    return {
        name: Kept(number=number, freed=freed, oldest=oldest, head=head, count=count)
        for number, name, freed, oldest, head, count in database.execute(_LIST)
    }


def _salvage(path: Path) -> Iterator[tuple[str, list[tuple]]]:
    """What can be read of a damaged database: statements with their rows, each record only with the right checksum."""
    journals: dict[int, tuple] = {}
    records: dict[tuple[int, int], tuple] = {}
    with closing(sqlite3.connect(path, isolation_level=None, timeout=2.0)) as database:
        # From both ends: a damaged page stops a scan, and what lies behind it is reached from the other side.
        for query in _JOURNALS_EACH_WAY:
            for row in _rows(database, query):
                if isinstance(row[1], str) and isinstance(row[2], int):
                    journals[row[0]] = row
        for number in journals:
            for query in _RECORDS_EACH_WAY:
                for row in _rows(database, query, number):
                    if _crc(*row[:3]) == row[3]:
                        records[row[0], row[1]] = row
    yield _ADD_JOURNAL, [journals[number] for number in sorted({number for number, _ in records})]
    yield _ADD_RECORD, [records[key] for key in sorted(records)]


def _rows(database: sqlite3.Connection, query: str, *values: int) -> Iterator[tuple]:
    try:
        yield from database.execute(query, values)
    except sqlite3.DatabaseError:
        return


def _crc(number: int, seq: int, line: object) -> int:
    return zlib.crc32(f"{number}|{seq}|{line}".encode(errors="surrogateescape"))


def _primary(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _name(error: Exception) -> str:
    return getattr(error, "sqlite_errorname", None) or getattr(error, "strerror", None) or type(error).__name__
