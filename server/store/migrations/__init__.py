"""The schema's history (Alembic). `upgrade` brings a database to the newest, `at` says where it is.

Revisions are numbered, and a number says which release it came with: 00xx with the first, 01xx with the next, and so
on. A migration only adds (docs/operations.md): what is dropped was last used by the release before the last. So a
server may run on its own schema or on any of the next release, and not on one beyond that.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from server.errors import StoreError


def config(engine: Engine | None = None) -> Config:
    """Alembic's configuration; it needs no ini file. engine: what the migrations run on."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent))
    made.set_main_option("path_separator", "os")
    made.attributes["engine"] = engine
    return made


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the database to the newest schema. Safe to run again.

    Raises StoreError(`schema-newer`) where it has one that this copy of Muster does not know.
    """
    if is_newer(at(engine)):
        raise StoreError(
            "schema-newer", "the database has a newer schema than this Muster knows: nothing was changed; start the new"
        )
    command.upgrade(config(engine), revision)


def newest() -> str:
    """The newest revision that this copy of Muster knows."""
    return known()[-1]


def at(engine: Engine) -> str | None:
    """The database's revision; None: it has no schema."""
    with engine.connect() as connection:
        return revision(connection)


def revision(connection: Connection) -> str | None:
    """The same, on a connection."""
    return MigrationContext.configure(connection).get_current_revision()


@cache
def known() -> tuple[str, ...]:
    """Every revision that this copy knows, oldest first. They are one line: with two heads this raises."""
    script = ScriptDirectory.from_config(config())
    script.get_current_head()
    return tuple(one.revision for one in reversed(list(script.walk_revisions())))


def is_newer(found: str | None) -> bool:
    """Whether this copy of Muster does not know this revision."""
    return found is not None and found not in known()


def is_current(engine: Engine) -> bool:
    """Whether the database has the newest schema."""
    return at(engine) == newest()


def fits(found: str | None, ours: str) -> bool:
    """Whether a server whose newest revision is `ours` may run on a database at `found`: the same, or a later one of
    this release or the next."""
    if found is None or not (found.isdigit() and ours.isdigit()):
        return found is not None and found == ours
    return int(found) >= int(ours) and int(found) // 100 - int(ours) // 100 <= 1
