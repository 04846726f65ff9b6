"""SQLite files that were filled once and are copied from then on: filling one takes longer than most tests.

A file is *fresh* while it holds the schema and nothing else, by its bytes. Whoever fills a fresh one leaves it here under
a key that says all that it was filled by; the next one with that key gets the same file, and what its maker remembered.
"""

from __future__ import annotations

import os
import tempfile
from collections import OrderedDict
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from server.store import migrations
from server.store.engine import Engine, open_engine, reading

#: filled files of a megabyte each: those that many tests ask for
MOST = 24
_kept: OrderedDict[tuple, tuple[bytes, Any]] = OrderedDict()


@cache
def _schema() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        engine = open_engine(f"sqlite:///{path}")
        migrations.upgrade(engine)
        engine.dispose()
        return path.read_bytes()


def make_fresh(path: Path) -> None:
    """Make an SQLite file with the schema."""
    _write(path, _schema())


def is_fresh(url: str) -> bool:
    """Whether this is an SQLite file with the schema and nothing else; it is made where there is none."""
    path = _path(url)
    if path is None:
        return False
    if not path.exists():
        make_fresh(path)
        return True
    return not path.with_name(f"{path.name}-wal").exists() and path.read_bytes() == _schema()


def again(url: str, key: tuple) -> Any:
    """Fill a fresh file as it was kept under this key. Returns what its maker remembered; None: it is to be filled."""
    path = _path(url)
    if path is None or key not in _kept:
        return None
    _kept.move_to_end(key)
    data, remembered = _kept[key]
    _write(path, data)
    return remembered


def keep(url: str, key: tuple, engine: Engine, remembered: Any) -> None:
    """The file, which was fresh, is filled: from now on `again` brings it back as it is."""
    path = _path(url)
    assert path is not None
    with reading(engine) as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    # Whoever closes a file loses all locks of its process on it (POSIX): another process would take this one's open
    # connections for gone, and remove the WAL under them.
    engine.dispose()
    _kept[key] = path.read_bytes(), remembered
    while len(_kept) > MOST:
        _kept.popitem(last=False)


def _path(url: str) -> Path | None:
    found = make_url(url)
    return Path(found.database) if found.get_backend_name() == "sqlite" and found.database else None


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
