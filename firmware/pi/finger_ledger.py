"""The kiosk's ledger on SQLite: whose template is in which slot, wrong PINs, and what was last said of the kiosk itself.

One change is one transaction, synced before the call returns. No template is here, and no PIN: a row names a slot of the
sensor and a card's token; tries stand beside the keyed hash that the store made. The first failure is final until the
board opens it anew. A file that is damaged is set aside: what the sensor then holds is unknown to it, and is erased.
"""

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

from firmware.pi.disk import sync_folder
from firmware.reader.errors import StorageFailed, StorageFull
from firmware.reader.slots import Row

FILE, ASIDE = "kiosk.db", "kiosk.damaged.db"
APPLICATION_ID = 0x4D55534B  # "MUSK"
SCHEMA_VERSION = 1

_SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS slot (
        slot INTEGER PRIMARY KEY, generation INTEGER, subject TEXT, staff TEXT, state TEXT NOT NULL,
        listed_ms INTEGER NOT NULL, event TEXT, detail TEXT
    )
    """,
    "CREATE TABLE IF NOT EXISTS pin (token BLOB PRIMARY KEY, hash BLOB NOT NULL, tries INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS said (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
)
_ROWS = "SELECT slot, generation, subject, staff, state, listed_ms, event, detail FROM slot ORDER BY slot"
_PUT = "INSERT OR REPLACE INTO slot VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_DROP = "DELETE FROM slot WHERE slot = ?"
_TRIES = "SELECT tries FROM pin WHERE token = ? AND hash = ?"
_TRIED = "INSERT OR REPLACE INTO pin VALUES (?, ?, ?)"
_FORGIVE = "DELETE FROM pin WHERE token = ?"
_PINS = "SELECT token, hash FROM pin ORDER BY token"
_SAID = "SELECT value FROM said WHERE name = ?"
_SAY = "INSERT OR REPLACE INTO said VALUES (?, ?)"


class FingerLedger:
    """The ledger in `folder` (made where it is missing), for one process at a time. Methods may raise StorageFailed.

    One that cannot be opened fails at every call: then no finger is compared and no PIN taken, and a witness is enough.
    """

    def __init__(self, folder: Path) -> None:
        #: `kiosk-ledger-damaged` after a file was set aside
        self.alarms: list[str] = []
        self._failed: str | None = None
        self._database: sqlite3.Connection | None = None
        path = folder / FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                self._database, self._rows = _open(path)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                self.alarms.append("kiosk-ledger-damaged")
                path.replace(folder / ASIDE)
                for tail in ("-wal", "-shm"):
                    with suppress(FileNotFoundError):
                        Path(f"{path}{tail}").replace(f"{folder / ASIDE}{tail}")
                self._database, self._rows = _open(path)
            sync_folder(folder)
        except (sqlite3.Error, OSError) as error:
            self._failed = type(error).__name__
            self.alarms.append("kiosk-ledger-not-open")
            self._rows = {}

    @property
    def failed(self) -> str | None:
        """What failed, for the log; None while all is well."""
        return self._failed

    @property
    def was_open(self) -> bool:
        """Whether it could be opened at all: then opening it anew may help."""
        return self._database is not None

    def rows(self) -> list[Row]:
        """Every slot that is not simply empty."""
        self._check()
        return [self._rows[slot] for slot in sorted(self._rows)]

    def put(self, rows: list[Row]) -> None:
        """Keep these rows, all or none."""
        self._commit(_PUT, [tuple(row) for row in rows])
        self._rows.update({row.slot: row for row in rows})

    def drop(self, slot: int) -> None:
        """Nothing is to be said of this slot any more."""
        self._commit(_DROP, [(slot,)])
        self._rows.pop(slot, None)

    def tries(self, token: bytes, pin: bytes) -> int:
        """How often in a row a wrong PIN was given for this card since this one (its hash) was set."""
        found = self._one(_TRIES, (token, pin))
        return int(found) if found is not None else 0

    def tried(self, token: bytes, pin: bytes) -> int:
        """One more, durable before anybody learns whether it was right. Returns how many."""
        tries = self.tries(token, pin) + 1
        self._commit(_TRIED, [(token, pin, tries)])
        return tries

    def forgive(self, token: bytes) -> None:
        """The PIN was right: none of them counts any more."""
        self._commit(_FORGIVE, [(token,)])

    def pins(self) -> list[tuple[bytes, bytes]]:
        """Every card and PIN (its hash) of which wrong tries are counted."""
        return [(bytes(token), bytes(pin)) for token, pin in self._all(_PINS)]

    def forget(self, tokens: list[bytes]) -> None:
        """Nothing of these cards' PINs is in the file any more, nor in its log."""
        self._commit(_FORGIVE, [(token,) for token in tokens])
        # The deleted row is overwritten (secure_delete), and the log that had it is emptied.
        self._all("PRAGMA wal_checkpoint(TRUNCATE)")

    def said(self, name: str) -> str | None:
        """What a record last said of this part of the kiosk, or None."""
        found = self._one(_SAID, (name,))
        return None if found is None else str(found)

    def say(self, name: str, value: str) -> None:
        """A record has said this of it."""
        self._commit(_SAY, [(name, value)])

    def close(self) -> None:
        """Close the file. What matters was durable before."""
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()

    def _one(self, statement: str, values: tuple) -> Any:
        database = self._check()
        try:
            row = database.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            raise self._fail(error) from error
        return None if row is None else row[0]

    def _all(self, statement: str) -> list[tuple]:
        database = self._check()
        try:
            return database.execute(statement).fetchall()
        except sqlite3.Error as error:
            raise self._refused(error) from error

    def _commit(self, statement: str, rows: list[tuple]) -> None:
        database = self._check()
        try:
            database.execute("BEGIN IMMEDIATE")
            database.executemany(statement, rows)
            database.execute("COMMIT")
        except sqlite3.Error as error:
            try:
                if database.in_transaction:
                    database.execute("ROLLBACK")
            except sqlite3.Error:
                raise self._fail(error) from error
            raise self._refused(error) from error

    def _refused(self, error: sqlite3.Error) -> StorageFailed | StorageFull:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL:
            return StorageFull("the disk is full: make room on the SD card")
        return self._fail(error)

    def _check(self) -> sqlite3.Connection:
        if self._failed or self._database is None:
            raise StorageFailed(f"the kiosk's ledger failed ({self._failed}): restart the kiosk, then replace its card")
        return self._database

    def _fail(self, error: sqlite3.Error) -> StorageFailed:
        self._failed = type(error).__name__
        return StorageFailed(f"the kiosk's ledger failed ({self._failed}): restart the kiosk, then replace its card")


def _open(path: Path) -> tuple[sqlite3.Connection, dict[int, Row]]:
    database = sqlite3.connect(path, isolation_level=None, timeout=2.0)
    try:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        (application,) = database.execute("PRAGMA application_id").fetchone()
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if (application, version) not in ((0, 0), (APPLICATION_ID, SCHEMA_VERSION)):
            raise sqlite3.OperationalError("this ledger is of another release: update the firmware")
        (mode,) = database.execute("PRAGMA journal_mode = WAL").fetchone()
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA secure_delete = ON")
        (kept,) = database.execute("PRAGMA synchronous").fetchone()
        if (mode, kept) != ("wal", 2):
            raise sqlite3.OperationalError("the disk does not keep a log, or does not sync")
        if not application:
            database.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                database.execute(statement)
            database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            database.execute("COMMIT")
        (sound,) = database.execute("PRAGMA quick_check").fetchone()
        if sound != "ok":
            raise sqlite3.DatabaseError("damaged")
        return database, {row[0]: Row(*row) for row in database.execute(_ROWS).fetchall()}
    except BaseException:
        database.close()
        raise
