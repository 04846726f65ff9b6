"""A real PostgreSQL: one cluster for the run (each worker its own), a fresh database for each test that asks.

The cluster lies in a folder of its own, listens on loopback only, and ends with the run. It does not fsync: tests of
durability use SQLite's and the journals' own.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pytest

from tests.parts_mosquitto import free_port

START_TIMEOUT_S = 30.0
#: since this version PostgreSQL copies a template by its rows, unless it is told otherwise
COPIES_ROWS = 150_000
SETTINGS = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "shared_buffers=32MB",
    "max_connections=60",
    "autovacuum=off",
    "jit=off",
    "listen_addresses=127.0.0.1",
)


class Cluster:
    """A running PostgreSQL. `url(database)` is what SQLAlchemy takes, `dsn(database)` what psycopg takes."""

    def __init__(self, bin_folder: Path, settings: Sequence[str] = SETTINGS) -> None:
        self.host = "127.0.0.1"
        #: for what is done beside the tests, once it runs
        self._own: psycopg.Connection | None = None
        self._version = 0
        self.port = free_port()
        # Not under pytest's tmp_path: that is root's own, and initdb refuses to be root.
        self.folder = Path(tempfile.mkdtemp(prefix="muster-pg-"))
        # Popen's and run's arguments: as root, become postgres (or nobody).
        self._as: dict = {"cwd": self.folder, "stdin": subprocess.DEVNULL}
        if os.geteuid() == 0:
            names = {entry.pw_name for entry in pwd.getpwall()}
            account = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
            os.chown(self.folder, account.pw_uid, account.pw_gid)
            self._as |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        data = self.folder / "data"
        initdb = [bin_folder / "initdb", "-D", data, "-U", "muster", "-A", "trust", "-E", "UTF8", "--locale=C"]
        done = subprocess.run([*initdb, "--no-sync"], capture_output=True, text=True, **self._as)
        if done.returncode:
            raise RuntimeError(f"initdb failed:\n{done.stdout}{done.stderr}")
        options = [f"port={self.port}", f"unix_socket_directories={self.folder}", *settings]
        command = [bin_folder / "postgres", "-D", data, *(word for option in options for word in ("-c", option))]
        self._log = self.folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, **self._as)
        self._wait()

    def dsn(self, database: str) -> str:
        """A libpq address of the database."""
        return f"postgresql://muster@{self.host}:{self.port}/{database}"

    def url(self, database: str) -> str:
        """SQLAlchemy's address of the database, through psycopg."""
        return f"postgresql+psycopg://muster@{self.host}:{self.port}/{database}"

    def execute(self, statement: str) -> None:
        """One statement outside a transaction, in the database postgres. Its connection is kept: two for each test cost."""
        if self._own is None or self._own.closed:
            self._own = psycopg.connect(self.dsn("postgres"), autocommit=True)
        self._own.execute(statement.encode())

    def copy(self, template: str, name: str) -> None:
        """A new database like this one, which nobody is connected to: its files copied, not its rows."""
        how = " STRATEGY FILE_COPY" if self._version >= COPIES_ROWS else ""
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}{how}")

    def end(self) -> None:
        """Fast shutdown, then the folder goes."""
        if self._own is not None:
            self._own.close()
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self._own = psycopg.connect(self.dsn("postgres"), connect_timeout=2, autocommit=True)
                self._version = self._own.info.server_version
                return
            except psycopg.OperationalError:
                time.sleep(0.05)
        log = self._log.read_text()
        self.end()
        raise RuntimeError(f"postgres did not start:\n{log}")


@pytest.fixture(scope="session")
def postgres_cluster(need) -> Iterator[Cluster]:
    """The worker's cluster. Most tests want `postgres_url`."""
    cluster = Cluster(Path(need("postgres")).resolve().parent)
    yield cluster
    cluster.end()


@pytest.fixture(scope="session")
def _database_names() -> Iterator[str]:
    return (f"test_{number}" for number in range(1_000_000))


@pytest.fixture
def postgres_url(postgres_cluster, _database_names) -> Iterator[str]:
    """A fresh, empty database of the test's own: `postgresql+psycopg://...`. Dropped after, connections and all."""
    name = next(_database_names)
    postgres_cluster.execute(f"CREATE DATABASE {name}")
    yield postgres_cluster.url(name)
    postgres_cluster.execute(f"DROP DATABASE {name} WITH (FORCE)")
