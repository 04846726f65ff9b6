"""The real parts that a measurement runs on: brokers and databases, with durable settings, ended with the block."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.parts_mosquitto import Mosquitto
from tests.parts_postgres import Cluster

#: docs/gateway.md, The broker
BROKER = ("max_queued_messages 0", "max_inflight_messages 200", "log_type none")
#: as Debian ships it, but for where it listens: what is committed is on the disk
POSTGRES = ("listen_addresses=127.0.0.1", "max_connections=60")


class Missing(RuntimeError):
    """A part that is not installed here: said in the table instead of a number."""


@contextmanager
def mosquitto(folder: Path) -> Iterator[Mosquitto]:
    """Debian's Mosquitto on loopback. Raises Missing."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        raise Missing("mosquitto is not installed: `make setup` does it")
    place = Path(tempfile.mkdtemp(prefix="broker-", dir=folder))
    broker = Mosquitto(program, place, persistence=False, lines=BROKER)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


@contextmanager
def postgres(database: str) -> Iterator[Cluster]:
    """A PostgreSQL cluster that syncs its commits, with a database of that name. Raises Missing."""
    bins = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = shutil.which("initdb") or (bins[-1] if bins else None)
    if initdb is None:
        raise Missing("postgresql is not installed: `make setup` does it")
    cluster = Cluster(Path(initdb).resolve().parent, settings=POSTGRES)
    try:
        cluster.execute(f"CREATE DATABASE {database}")
        yield cluster
    finally:
        cluster.end()
