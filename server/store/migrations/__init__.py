"""The schema's history (Alembic). `upgrade` brings a database to the newest, `current` says where it is."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine


def config(engine: Engine | None = None) -> Config:
    """Alembic's configuration; it needs no ini file. engine: what the migrations run on."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent))
    made.set_main_option("path_separator", "os")
    made.attributes["engine"] = engine
    return made


def upgrade(engine: Engine) -> None:
    """Bring the database to the newest schema. Safe to run again."""
    command.upgrade(config(engine), "head")


def is_current(engine: Engine) -> bool:
    """Whether the database has the newest schema."""
    with engine.connect() as connection:
        at = MigrationContext.configure(connection).get_current_revision()
    return at == ScriptDirectory.from_config(config()).get_current_head()
