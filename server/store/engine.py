"""The database: opened, checked, and its transactions.

SQLite (the default) runs in WAL mode with synchronous=FULL, which is read back: a receipt is a promise. Writers take
the lock at the start (BEGIN IMMEDIATE), so that two of them wait for one another instead of failing half way.
PostgreSQL runs at READ COMMITTED. What a database says when it cannot be written becomes `Unwritable`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, update
from sqlalchemy.exc import DBAPIError, OperationalError

from server.errors import BadSetting, Unwritable
from server.store.prepared import send
from server.store.schema import institution

BUSY_TIMEOUT_MS = 10_000
CHECKPOINT_PAGES = 1000  #: pages in SQLite's WAL after which it is carried over into the database
STATEMENTS = 512  #: that a connection to SQLite keeps parsed: those of the line in, each with lists of some lengths
#: what a commit writes, by measurement: so many pages, and one more for so many changed rows
COMMIT_PAGES, ROWS_OF_A_PAGE = 10, 16


def open_engine(url: str, *, checkpoint_pages: int = CHECKPOINT_PAGES) -> Engine:
    """The engine for `sqlite:///path` or `postgresql://...`. Makes the folder of an SQLite file. Closes with dispose().

    checkpoint_pages: SQLite's WAL is carried over when it has about so many. Raises BadSetting(`database-url`) for any
    other kind of database.
    """
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _sqlite(url, parsed.database, checkpoint_pages)
    if backend == "postgresql":
        # psycopg 3 is what is installed: `postgresql://` alone would look for psycopg2.
        # hide_parameters: an error's text goes to logs, and names and tokens are among the parameters.
        made = create_engine(
            parsed.set(drivername="postgresql+psycopg"), pool_size=8, max_overflow=8, hide_parameters=True
        )
        event.listen(made, "connect", _wait_with_an_end)
        _watch(made)
        made.update_execution_options(writes=Writes())
        return made
    raise BadSetting("database-url", f"the store runs on sqlite:/// or postgresql://, not on {backend}://")


def _wait_with_an_end(raw, _record) -> None:  # noqa: ANN001  SQLAlchemy's own untyped hook
    # A lock that somebody keeps would else hold every thread of the server, long after the gateways gave up. Where the
    # database or the role has a limit of its own, that one counts.
    with raw.cursor() as cursor:
        cursor.execute(
            f"SELECT set_config('lock_timeout', '{BUSY_TIMEOUT_MS}ms', false) "
            "WHERE current_setting('lock_timeout') = '0'"
        )
    raw.commit()


def _sqlite(url: str, path: str | None, checkpoint_pages: int) -> Engine:
    if not path or path == ":memory:":
        raise BadSetting("database-url", "the store needs a file: sqlite:///path/to/muster.db")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    # Nobody else's to read; the files that SQLite makes beside it get its mode. It says itself why it cannot be made.
    with suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    engine = create_engine(
        url,
        connect_args={
            "timeout": BUSY_TIMEOUT_MS / 1000,
            "isolation_level": None,
            "cached_statements": STATEMENTS,
        },
        hide_parameters=True,
    )

    #: unset: what stands in the WAL may never have been synced
    carried = threading.Event()

    @event.listens_for(engine, "connect")
    def _prepare(raw, _record) -> None:  # noqa: ANN001  SQLAlchemy's own untyped hook
        cursor = raw.cursor()
        try:
            mode = cursor.execute("PRAGMA journal_mode").fetchone()[0]
            if mode != "wal":
                mode = cursor.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            cursor.execute("PRAGMA synchronous=FULL")
            full = cursor.execute("PRAGMA synchronous").fetchone()[0]
            cursor.execute("PRAGMA wal_autocheckpoint=0")  # it keeps silent when its sync fails: see _carried_over
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
            cursor.execute("PRAGMA cache_size=-32000")
            # What a process left that was killed before its sync, or whose sync failed, reads well from the cache and
            # may not be on the disk. Delivered again it changes nothing, so nothing would sync it: it is done now.
            if not carried.is_set() and os.access(path, os.W_OK) and _written_anew(cursor, Path(path)):
                carried.set()
        finally:
            cursor.close()
        if mode != "wal" or full != 2:
            raise BadSetting(
                "database-durability", "SQLite does not keep WAL with synchronous=FULL on this file system"
            )

    # Within one process writers queue here: SQLite's own waiting is a sleep that may lose the race for long.
    # In place: an engine that is derived from another asks both for listeners at each statement.
    engine.update_execution_options(
        writer=threading.Lock(), carried=carried, wal=_Wal(checkpoint_pages), writes=Writes()
    )
    return engine


def _written_anew(cursor: Any, path: Path) -> bool:
    """The WAL written once more in place, synced, and carried into the database. False: another process writes, which
    did it when it began. A WAL of which only the beginning is on the disk would undo what is built on its end."""
    try:
        cursor.execute("BEGIN IMMEDIATE")  # nobody else writes the WAL meanwhile
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return False
        raise
    try:
        with suppress(FileNotFoundError), open(f"{path}-wal", "r+b") as file:
            at = 0
            while piece := os.pread(file.fileno(), 1 << 20, at):
                os.pwrite(file.fileno(), piece, at)
                at += len(piece)
            os.fsync(file.fileno())
        # SQLite syncs the folder for its WAL as well, and does not look whether it succeeded.
        handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise sqlite3.OperationalError(f"disk I/O error: {error.strerror}") from error
    finally:
        cursor.execute("ROLLBACK")
    cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
    return True


class _Wal:
    """How many pages stand in SQLite's WAL, about, and how many may. Counted by writers, under their lock."""

    def __init__(self, most: int) -> None:
        self.pages, self.most = 0, most


def _carried_over(engine: Engine, connection: Connection) -> Unwritable | None:
    """After a commit: SQLite's WAL carried over into the database where it is long. The commit stands whatever comes of
    that: None, or why it could not be."""
    wal = engine.get_execution_options().get("wal")
    if wal is None:
        return None
    changes = _counted(connection)
    wal.pages += COMMIT_PAGES + (changes - connection.info.get("changes", 0)) // ROWS_OF_A_PAGE
    connection.info["changes"] = changes
    if wal.pages < wal.most:
        return None
    wal.pages = 0
    try:
        with translated():
            connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").close()
    except Unwritable as error:
        return error
    return None


class Writes:
    """Whether the database can be written, as far as was seen. failed: what the last write that failed said, a
    checkpoint of SQLite's WAL among them; None again as soon as a change was committed."""

    def __init__(self) -> None:
        self.failed: Unwritable | None = None
        self.failures = 0


def _watch(engine: Engine) -> None:
    """Note for each connection whether a statement of SQLAlchemy's changes something. SQLite counts that by itself."""

    def _note(_cursor, _statement, _parameters, context) -> None:  # noqa: ANN001  SQLAlchemy's own untyped hook
        # None: `prepared.send`, which notes it itself.
        if context is not None and (context.isinsert or context.isupdate or context.isdelete):
            context.root_connection.info["changed"] = True

    # Its dialect is asked to execute, and only there is somebody listening: the engine's own events cost each statement
    # a tenth of its time.
    event.listen(engine, "do_execute", _note)
    event.listen(engine, "do_executemany", _note)


def _counted(connection: Connection) -> int:
    """How many rows SQLite has changed on this connection so far; 0 on PostgreSQL, which does not say."""
    return getattr(connection.connection.driver_connection, "total_changes", 0)


def writes(engine: Engine) -> Writes:
    """What is known of whether this engine's database can be written."""
    return engine.get_execution_options()["writes"]


def probe(engine: Engine) -> None:
    """Commit a change that changes nothing, so that `writes` says how it is. Raises Unwritable."""
    with writing(engine) as connection:
        connection.execute(update(institution).values(campus_change=institution.c.campus_change))


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection for one consistent read; nothing written on it is kept."""
    # Closed in the middle of its transaction it is rolled back.
    with translated(), engine.connect() as connection:
        _begin(connection, write=False)
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection inside one write transaction: committed at the end, rolled back on any exception.

    Raises Unwritable(`database-read-only`, `database-full`, `database-locked`, `database-unreachable`).
    """
    lock = engine.get_execution_options().get("writer") or nullcontext()
    try:
        with lock, translated(), engine.connect() as connection:
            connection.info.pop("changed", None)
            _begin(connection, write=True)
            counted = _counted(connection)
            try:
                yield connection
            except BaseException:
                _end(connection, commit=False)
                raise
            changed = connection.info.pop("changed", False) or _counted(connection) != counted
            _end(connection, commit=True)
            failed = _carried_over(engine, connection) if changed else None
    except Unwritable as error:
        _failed(engine, error)
        raise
    # A commit without a change writes nothing, and so says nothing.
    if changed:
        writes(engine).failed = None
    if failed is not None:
        _failed(engine, failed)


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """A part of a transaction: where it fails it is undone by itself, and the rest may go on."""
    send(connection, "SAVEPOINT part")
    try:
        yield
    except Exception:
        # Where not even this can be done the rest cannot go on either: its next statement says so.
        with suppress(DBAPIError):
            send(connection, "ROLLBACK TO SAVEPOINT part")
        raise
    send(connection, "RELEASE SAVEPOINT part")


def _failed(engine: Engine, error: Unwritable) -> None:
    seen = writes(engine)
    seen.failed = error
    seen.failures += 1
    if error.code != "database-unreachable":
        return
    # A failed sync is final for its handle: the next connection is a new one, and begins from the disk.
    carried = engine.get_execution_options().get("carried")
    if carried is not None:
        carried.clear()
    engine.dispose()


def _begin(connection: Connection, *, write: bool) -> None:
    # The driver is told to begin nothing itself: it would take SQLite's write lock late, at the first change.
    if connection.dialect.name == "sqlite":
        send(connection, "BEGIN IMMEDIATE" if write else "BEGIN")
    elif not write:
        send(connection, "SET TRANSACTION READ ONLY")


def _end(connection: Connection, *, commit: bool) -> None:
    if commit:
        connection.commit()
    else:
        connection.rollback()


@contextmanager
def translated() -> Iterator[None]:
    """Turns what a database says when it cannot be written or reached into Unwritable; lets all else pass."""
    try:
        yield
    except DBAPIError as error:
        found = unwritable(error)
        if found is None:
            raise
        raise found from error


def unwritable(error: DBAPIError) -> Unwritable | None:
    """The Unwritable that this database error stands for, or None where it is a fault of ours."""
    said = str(error.orig).lower()
    state = getattr(error.orig, "sqlstate", None) or ""
    if "readonly" in said or "read-only" in said or state == "25006":
        return Unwritable(
            "database-read-only", "the database is read-only: check the file's rights or the server's role"
        )
    if ("full" in said and "disk" in said) or state == "53100":
        return Unwritable("database-full", "the database's disk is full: make room; nothing was lost")
    if "locked" in said or "busy" in said or state in ("40001", "40P01", "55P03"):
        return Unwritable("database-locked", "the database is busy: try again")
    if "i/o error" in said or "unable to open" in said:
        return Unwritable("database-unreachable", "the database file cannot be read or written: check the disk")
    if error.connection_invalidated or state[:2] in ("08", "57", "53"):
        return Unwritable("database-unreachable", "the database does not answer: check that it runs")
    if (
        isinstance(error, OperationalError)
        and not state
        and error.connection_invalidated is False
        and "connect" in said
    ):
        return Unwritable("database-unreachable", "the database does not answer: check that it runs")
    return None
