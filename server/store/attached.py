"""Which files a state of the store holds: what a backup must have with it, and a restored store must find."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Engine, create_engine, inspect, select, text
from sqlalchemy.pool import NullPool

from server.store.schema_work import attachment

#: the name of a file's bytes (attachments.py): anything else would be a way out of the folder
NAME = re.compile(r"[0-9a-f]{32}")


class Held(NamedTuple):
    """One file as its row has it."""

    size: int
    #: hex
    sha256: str


def held(connection: Connection) -> dict[str, Held]:
    """stored_as -> the file, of every attachment that was not erased. Empty for a schema from before there were any."""
    if not inspect(connection).has_table(attachment.name):
        return {}
    query = select(attachment.c.stored_as, attachment.c.size, attachment.c.sha256).where(
        attachment.c.erased_ms.is_(None)
    )
    return {row.stored_as: Held(row.size, row.sha256) for row in connection.execute(query.order_by(attachment.c.id))}


def held_of_file(path: Path) -> dict[str, Held]:
    """The same, of a copy of an SQLite store."""
    # Not open_engine: that would turn the copy into a WAL database.
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool, hide_parameters=True)
    try:
        with engine.connect() as connection:
            return held(connection)
    finally:
        engine.dispose()


def held_in(engine: Engine, snapshot: str) -> dict[str, Held]:
    """The same, of a snapshot of a PostgreSQL store that is open elsewhere (`copies.snapshot`)."""
    if not re.fullmatch(r"[0-9A-F-]+", snapshot):
        raise ValueError(f"no id of a snapshot: {snapshot!r}")
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        connection.execute(text(f"set transaction snapshot '{snapshot}'"))
        return held(connection)


def erased(connection: Connection, names: Iterable[str]) -> set[str]:
    """Those of these files that have been erased meanwhile."""
    wanted = sorted(names)
    found: set[str] = set()
    for start in range(0, len(wanted), 500):
        query = select(attachment.c.stored_as).where(
            attachment.c.stored_as.in_(wanted[start : start + 500]), attachment.c.erased_ms.is_not(None)
        )
        found.update(connection.execute(query).scalars())
    return found
