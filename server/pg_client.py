"""PostgreSQL's own client programs, pg_dump and pg_restore, on the store's database."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from server.errors import StoreError
from server.store.engine import Engine

_MISSING = (
    "{name} is not installed: on Debian `apt install postgresql-client` (of the server's version or a newer one), "
    "then run this again"
)


def dump(engine: Engine, target: Path, snapshot: str) -> None:
    """Write the store's schema into `target`, in pg_dump's custom format, as the snapshot has it.

    Raises StoreError(`pg-client`, `pg-dump`).
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    words = ["--format=custom", "--schema=public", "--no-owner", "--no-privileges", f"--snapshot={snapshot}"]
    _run("pg_dump", engine, [*words, f"--file={target}"])


def restore(engine: Engine, source: Path) -> None:
    """Put a dump into the store's schema, which is empty: all of it or nothing. Raises StoreError as `dump`."""
    # The schema itself is there already.
    words = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "--schema=public"]
    _run("pg_restore", engine, [*words, str(source)])


def look_at(source: Path) -> None:
    """Read a dump's table of contents and all its data, without a database. Raises StoreError(`backup-damaged`)."""
    done = subprocess.run(
        [_find("pg_restore"), "--file=/dev/null", str(source)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise StoreError("backup-damaged", f"the dump in the backup cannot be read: {done.stderr.strip()[:300]}")


def _find(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise StoreError("pg-client", _MISSING.format(name=name))
    return found


def _run(name: str, engine: Engine, words: list[str]) -> None:
    url = engine.url
    # The password goes by the environment: every process on a machine can see the arguments.
    env = dict(os.environ) | ({"PGPASSWORD": str(url.password)} if url.password else {})
    plain = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    done = subprocess.run(
        [_find(name), f"--dbname={plain}", *words], capture_output=True, text=True, env=env, check=False
    )
    if done.returncode:
        raise StoreError(name.replace("_", "-"), f"{name} failed: {done.stderr.strip()[:600]}")
