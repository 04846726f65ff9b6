"""Broker, database, store and gateways as processes that are killed and started again, and whose folders may go."""

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from simulator.processes import Part, PartFailed, free_port, wait_port
from tests.soak.lan import program

#: docs/gateway.md, The broker. It saves often, so that what it comes back with after a kill is old but not empty.
BROKER = ("max_queued_messages 0", "max_inflight_messages 200", "persistence true", "autosave_interval 2")
#: as Debian ships it, but for where it listens: what is committed is on the disk
POSTGRES = ("listen_addresses=127.0.0.1", "max_connections=60")
START_S = 40.0


class Broker:
    """Mosquitto with its data in a folder of its own."""

    def __init__(self, folder: Path, log: Path, address: str) -> None:
        self.port = free_port()
        self.data = folder / "broker"
        self.data.mkdir()
        self._config = folder / "mosquitto.conf"
        lines = [f"listener {self.port} {address}", "allow_anonymous true", "user root", "log_type error", *BROKER]
        self._config.write_text("\n".join([*lines, f"persistence_location {self.data}/"]) + "\n")
        self.part = Part("broker", [program("mosquitto"), "-c", str(self._config)], log=log)

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.data.mkdir(exist_ok=True)
        self.part.start()
        wait_port(self.port, self.part)

    def delete(self) -> None:
        """Its data folder goes, under its feet."""
        shutil.rmtree(self.data, ignore_errors=True)


class Database:
    """A PostgreSQL that syncs its commits. It may not be root: where we are, it becomes postgres."""

    def __init__(self, folder: Path, log: Path, *, root: bool) -> None:
        self.port = free_port()
        data = folder / "postgresql"
        data.mkdir()
        enter: list[str] = []
        if root:
            shutil.chown(data, "postgres", "postgres")
            for above in (folder, *folder.parents):
                if above.stat().st_uid == 0 and str(above).startswith(str(folder)):
                    above.chmod(0o755)
            enter = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
        bins = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        initdb = Path(shutil.which("initdb") or (bins[-1] if bins else program("initdb"))).resolve()
        command = [
            *enter,
            str(initdb),
            "-D",
            str(data / "db"),
            "-U",
            "muster",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=data)
        if done.returncode:
            raise PartFailed(f"initdb ended with status {done.returncode}: {done.stderr.strip()[-800:]}")
        options = [f"port={self.port}", f"unix_socket_directories={data}", *POSTGRES]
        self.part = Part(
            "database",
            [*enter, str(initdb.parent / "postgres"), "-D", str(data / "db"), *(w for o in options for w in ("-c", o))],
            log=log,
        )

    @property
    def url(self) -> str:
        """As the store takes it."""
        return f"postgresql+psycopg://muster@127.0.0.1:{self.port}/soak"

    def start(self) -> None:
        """Start it and wait until it answers. Backends of one that was killed may hold its memory for a moment."""
        deadline = time.monotonic() + START_S
        self.part.start()
        while time.monotonic() < deadline:
            if self.part.pid is None:
                time.sleep(0.1)
                self.part.start()
            try:
                psycopg.connect(f"postgresql://muster@127.0.0.1:{self.port}/postgres", connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.05)
        raise PartFailed(f"the database did not answer within {START_S:.0f} s. Its log ends: {self.part.last_words()}")

    def create(self) -> None:
        """The empty database that the store gets."""
        address = f"postgresql://muster@127.0.0.1:{self.port}/postgres"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("CREATE DATABASE soak")


class Gateway:
    """A gateway whose spool has a folder of its own. command(spool file): how it is started."""

    def __init__(
        self, name: str, folder: Path, log: Path, command: Callable[[Path], list[str]], env: dict[str, str]
    ) -> None:
        self.name = name
        self.spool = folder / f"spool-{name}"
        self.spool.mkdir()
        self.part = Part(f"gateway {name}", command(self.spool / "spool.db"), log=log, env=env)

    def start(self) -> None:
        """Start it, with a folder for its spool as systemd would make it."""
        self.spool.mkdir(exist_ok=True)
        self.part.start()

    def delete(self) -> None:
        """The spool's folder goes, under its feet."""
        shutil.rmtree(self.spool, ignore_errors=True)
