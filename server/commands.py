"""What every command of the store begins with: its settings, and how a refusal is said."""

from __future__ import annotations

import argparse
import os
import pwd
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from server import clock as clocks
from server import settings as settings_
from server.errors import StoreError
from server.scope import Scope
from server.settings import Settings
from server.store import accounts, cards, institutions, migrations, readers
from server.store.engine import Connection, DBAPIError, Engine, open_engine, reading, unwritable
from server.vault import Vault

DONE, FAILED, USAGE = 0, 1, 2


class Store:
    """What every command needs: settings, clock, an engine with the newest schema, the vault."""

    def __init__(self, made: Settings) -> None:
        self.settings = made
        self.clock = clocks.from_setting(made.clock)
        self.engine: Engine = open_engine(made.database_url)

    def ready(self) -> Store:
        """Raises StoreError(`schema-old`) where `muster server migrate` was not run, StoreError(`schema-newer`) where
        the database is too new for this Muster, BadSetting(`server-key`) where the database's keys do not open."""
        found, ours = migrations.at(self.engine), migrations.newest()
        if not migrations.fits(found, ours):
            if migrations.is_newer(found):
                raise StoreError("schema-newer", "the database is two releases newer than this Muster: start the new")
            raise StoreError(
                "schema-old",
                "the database has no schema or an old one: run `muster upgrade`, or `muster server migrate` at first",
            )
        with reading(self.engine) as connection:
            readers.need_key(connection, self.vault)
            cards.need_key(connection, self.vault)
        return self

    @property
    def vault(self) -> Vault:
        """The vault under the server key; the key is made at first use."""
        return Vault.from_file(self.settings.server_key_file)

    def institution(self, connection: Connection) -> institutions.Institution:
        """The institution that commands act on."""
        made = self.settings
        return institutions.ensure(connection, made.institution, made.time_zone, self.clock.now_ms())

    def console(self, connection: Connection) -> Scope:
        """Whoever runs this command, as the audit names them: no account, and the operating system's user."""
        return replace(accounts.at_the_console(self.institution(connection).id), console=who_runs())


def who_runs() -> str:
    """The user who runs the command; where they came by sudo, the one who said sudo. Whoever runs it can say another."""
    name = os.environ.get("SUDO_USER", "")
    if not name:
        try:
            name = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            # A container may run as a number that has no name.
            name = f"user {os.getuid()}"
    return name[:64]


def run(work: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """Do the work. What it refuses is said on standard error, with its code; answers the exit status.

    That is 1, or 2 for a StoreError(`usage`): the words of the command were wrong.
    """
    try:
        return work(arguments)
    except StoreError as error:
        refused = error
    except DBAPIError as error:
        found = unwritable(error) or _damaged(error)
        if found is None:
            raise
        refused = found
    print(f"muster: {refused} [{refused.code}]", file=sys.stderr)
    return USAGE if refused.code == "usage" else FAILED


def _damaged(error: DBAPIError) -> StoreError | None:
    said = str(error.orig).lower()
    if "not a database" in said or "malformed" in said or getattr(error.orig, "sqlstate", None) in ("XX001", "XX002"):
        return StoreError(
            "database-damaged",
            "the database is damaged, or the file is none: stop the server, keep the file, and put a backup in its place",
        )
    return None


def open_store() -> Store:
    """The store that `muster.toml` in the working folder and the environment name."""
    return Store(settings_.load(os.environ, Path.cwd()))
