"""Copies of the whole store: taken while it runs, looked at, and made fit to go on after a loss. Files: server/backup*.

A restored store is older than what the world has heard from it. `go_on` makes that harmless: class lists are issued anew,
logins on the web end, and the restore is written down, so that gateways are asked for what they have forwarded since.
What readers have freed and no gateway has, they are asked for when they next say what they hold (intake/answering.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, bindparam, create_engine, delete, func, inspect, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from server.errors import Refused, StoreError
from server.scope import Scope
from server.store import alarms, campus, institutions, migrations
from server.store.engine import reading
from server.store.prepared import Prepared
from server.store.schema import import_run, login, metadata, roster

#: `import_run.kind` of a restore: started_ms is when the backup was taken, finished_ms when it was put in place
RESTORE = "restore"
#: gateways keep forwarded rows for 30 days: they are told of a restore for as long
TOLD_MS = 30 * 24 * 3_600_000
#: what was forwarded so long before a backup is asked for as well: gateways' clocks may have been set meanwhile
MARGIN_S = 3600


def is_sqlite(engine: Engine) -> bool:
    """Whether the store is a file."""
    return engine.dialect.name == "sqlite"


def file_of(engine: Engine) -> Path:
    """The SQLite file."""
    assert engine.url.database is not None
    return Path(engine.url.database)


def rows(connection: Connection) -> dict[str, int]:
    """How many rows each table of ours has; tables that are not there are left out."""
    there = set(inspect(connection).get_table_names())
    return {
        table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in metadata.sorted_tables
        if table.name in there
    }


def is_empty(engine: Engine) -> bool:
    """Whether nobody has put anything in: no tables, or only the institution that `muster server migrate` makes."""
    with engine.connect() as connection:
        return not any(count for name, count in rows(connection).items() if name != "institution")


def copy_file(engine: Engine, target: Path) -> tuple[str | None, dict[str, int]]:
    """Copy an SQLite store that may be in use: one state of it, without what was deleted. Answers the copy's schema
    and rows.

    Writers go on meanwhile; what they commit after the begin is not in the copy.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with engine.connect() as connection:
        connection.exec_driver_sql("VACUUM INTO ?", (str(target),))
    sync(target)
    with _file(target) as connection:
        return migrations.revision(connection), rows(connection)


def look_at_file(path: Path) -> dict[str, int]:
    """Read every page of a copy. Its rows; raises StoreError(`backup-damaged`)."""
    try:
        with _file(path) as connection:
            said = connection.exec_driver_sql("PRAGMA integrity_check(5)").scalars().all()
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(1)
            if said != ["ok"] or broken:
                raise StoreError("backup-damaged", "the database in the backup is damaged: take another backup")
            return rows(connection)
    except DBAPIError as error:
        raise StoreError("backup-damaged", "the database in the backup cannot be read: take another") from error


@contextmanager
def _file(path: Path) -> Iterator[Connection]:
    # Not open_engine: that would turn the copy into a WAL database.
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool, hide_parameters=True)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def snapshot(engine: Engine) -> Iterator[tuple[str, str | None, dict[str, int]]]:
    """PostgreSQL: the id of a snapshot that pg_dump can share, and the schema and rows in it. It holds while the block
    runs."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        shared = connection.execute(text("select pg_export_snapshot()")).scalar_one()
        yield shared, migrations.revision(connection), rows(connection)


def leave_file(engine: Engine) -> None:
    """Fold the write-ahead log of an SQLite store into its file. Raises Refused(`store-in-use`) while anybody has it
    open: whoever went on with a file that was moved away would write where nobody looks."""
    path = file_of(engine)
    engine.dispose()
    try:
        with _file(path) as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout=2000")
            mode = connection.exec_driver_sql("PRAGMA journal_mode=DELETE").scalar_one()
    except DBAPIError as error:
        if "locked" not in str(error.orig) and "busy" not in str(error.orig):
            return  # too damaged to be folded: moved away as it is, with what lies beside it
        mode = "wal"
    if mode == "wal":
        raise Refused("store-in-use", f"{path} is in use: stop the server first, and every other muster command")


def need_alone(engine: Engine) -> None:
    """PostgreSQL: raise Refused(`store-in-use`) while anybody else is in the database."""
    query = text(
        "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        " and backend_type = 'client backend'"
    )
    engine.dispose()
    with engine.connect() as connection:
        if connection.execute(query).scalar_one():
            raise Refused("store-in-use", "others are connected to the database: stop the server first")
    engine.dispose()


def set_aside(engine: Engine, name: str) -> None:
    """PostgreSQL: the store's schema gets this name, and an empty one takes its place."""
    with engine.begin() as connection:
        connection.execute(text(f'alter schema public rename to "{name}"'))
        connection.execute(text("create schema public"))


def put_back(engine: Engine, name: str) -> None:
    """PostgreSQL: undo `set_aside`."""
    with engine.begin() as connection:
        connection.execute(text("drop schema public cascade"))
        connection.execute(text(f'alter schema "{name}" rename to public'))


def drop_aside(engine: Engine, name: str) -> None:
    """PostgreSQL: forget a schema that was empty."""
    with engine.begin() as connection:
        connection.execute(text(f'drop schema "{name}" cascade'))


def go_on(
    connection: Connection, *, made_ms: int, digest: str, summary: str, words: str, now_ms: int, by: str = ""
) -> None:
    """Make a restored store fit to go on. words: what the alarm says, for people. by: the user who restores it."""
    connection.execute(delete(roster))
    connection.execute(update(login).where(login.c.ended_ms.is_(None)).values(ended_ms=now_ms))
    for found in institutions.every(connection):
        institutions.campus_changed(connection, found.id)
        connection.execute(
            import_run.insert().values(
                institution_id=found.id,
                kind=RESTORE,
                source="backup",
                digest=digest,
                summary=summary,
                started_ms=made_ms,
                finished_ms=now_ms,
            )
        )
        # The command that restores is its only caller; whose store this was before does not say who runs it now.
        nobody = Scope(institution_id=found.id, account_id=0, person_id=None, console=by)
        campus.write_down(connection, nobody, "store.restore", "store", now_ms, made=made_ms)
        alarms.raise_(connection, found.id, "store-restored", "store", words, now_ms)


class Restores:
    """What gateways are told of restores. Looked up once: the server does not run while a backup is put in place."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[int, tuple[int, int] | None] = {}

    def of(self, institution_id: int, now_ms: int) -> tuple[int, int] | None:
        """When this store was last put back from a backup, and when the oldest of those backups was taken: a gateway
        may have missed an earlier restore. None: not within 30 days."""
        if institution_id not in self._known:
            with reading(self._engine) as connection:
                self._known[institution_id] = restored(connection, institution_id, now_ms)
        found = self._known[institution_id]
        return None if found is None or found[0] <= now_ms - TOLD_MS else found

    def told(self, institution_id: int, now_ms: int) -> dict[str, int] | None:
        """The same as gateways are told it (docs/wire.md, `restored`); None: nothing is to be told."""
        if (found := self.of(institution_id, now_ms)) is None:
            return None
        restored_ms, made_ms = found
        return {"at_ms": restored_ms, "age_s": (now_ms - made_ms) // 1000 + MARGIN_S}


_RESTORED = Prepared(
    select(func.max(import_run.c.finished_ms).label("at"), func.min(import_run.c.started_ms).label("made")).where(
        import_run.c.institution_id == bindparam("institution"),
        import_run.c.kind == RESTORE,
        import_run.c.finished_ms > bindparam("after_ms"),
    )
)


def restored(connection: Connection, institution_id: int, now_ms: int) -> tuple[int, int] | None:
    """As `Restores.of`, from the database."""
    row = _RESTORED.first(connection, {"institution": institution_id, "after_ms": now_ms - TOLD_MS})
    return None if row.at is None else (row.at, row.made)


def sync(path: Path) -> None:
    """Make a file and its name durable."""
    for one in (path, path.parent):
        handle = os.open(one, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
