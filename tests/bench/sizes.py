"""How large a store grows: bytes of a swipe and of a mark, on SQLite and on PostgreSQL, rows and indexes apart.

    python -m tests.bench.sizes --swipes 300000 [--postgres postgresql://...] [--json FILE]

A store is filled with made-up swipes as the line would leave them (record, swipe, reading, credit, mark, current mark,
one door head a minute), bypassing the API: only what lies on the disk is looked at. docs/growing.md quotes it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import text

from server.store import migrations
from server.store.engine import open_engine

READERS, STUDENTS, PER_JOURNAL = 600, 20_000, 400
#: of the swipes, how many credit a session and so make a mark: the others are second taps and strangers
CREDITING = 0.8
START_MS = 1_790_000_000_000
NONE: tuple[Any, ...] = ()


def tables(swipes: int) -> Iterator[tuple[str, tuple[str, ...], Iterator[tuple]]]:
    """(table, columns, rows) in an order that foreign keys allow."""
    sessions, journals = swipes // 25 + 1, swipes // PER_JOURNAL + 1
    yield "institution", ("id", "name", "time_zone", "created_ms"), iter([(1, "main", "Europe/London", START_MS)])
    yield "site", ("id", "institution_id", "name"), iter([(1, 1, "main")])
    yield "room", ("id", "institution_id", "code"), ((n, 1, f"R{n}") for n in range(1, READERS + 1))
    yield "person", ("id", "institution_id", "created_ms"), ((n, 1, START_MS) for n in range(1, STUDENTS + 1))
    yield (
        "reader",
        ("id", "institution_id", "site_id", "name", "created_ms"),
        ((n, 1, 1, f"a-{n}", START_MS) for n in range(1, READERS + 1)),
    )
    yield (
        "session",
        ("id", "institution_id", "source", "uid", "title", "starts_ms", "ends_ms", "opens_ms", "closes_ms", "profile"),
        (
            (n, 1, "t", f"u{n}@timetable", "Lecture", START_MS + n, START_MS + n, START_MS + n, START_MS + n, "port")
            for n in range(1, sessions + 1)
        ),
    )
    yield (
        "journal",
        ("id", "institution_id", "reader_id", "journal", "up_to", "highest", "head", "opened_ms"),
        (
            (n, 1, n % READERS + 1, _hex(f"j{n}", 8), PER_JOURNAL, PER_JOURNAL, PER_JOURNAL, START_MS)
            for n in range(1, journals + 1)
        ),
    )
    yield (
        "record",
        ("id", "institution_id", "journal_id", "seq", "kind", "text", "mac", "received_ms"),
        (
            (n, 1, _journal(n), n % PER_JOURNAL, "swipe", _line(n), _bytes(f"m{n}", 16), _at(n) + 300)
            for n in _to(swipes)
        ),
    )
    yield (
        "swipe",
        (
            "id", "institution_id", "reader_id", "journal_id", "seq", "key_id", "token", "boot_ms", "wall_ms", "clock",
            "uncertainty_ms", "verdict", "session_shown", "roster_shown", "received_ms",
        ),
        (
            (
                n, 1, _journal(n) % READERS + 1, _journal(n), n % PER_JOURNAL, 1, _token(n), n, _at(n), "sync", 12,
                "green", n // 25 + 1, START_MS, _at(n) + 300,
            )
            for n in _to(swipes)
        ),
    )  # fmt: skip
    yield (
        "reading",
        (
            "swipe_id", "institution_id", "reader_id", "room_id", "person_id", "at_ms", "uncertainty_ms", "placed_by",
            "verdict", "session_id", "credits", "differs",
        ),
        (
            (n, 1, _journal(n) % READERS + 1, _journal(n) % READERS + 1, _person(n), _at(n), 12, "wall", "green",
             n // 25 + 1, _credits(n), False)
            for n in _to(swipes)
        ),
    )  # fmt: skip
    crediting = [n for n in _to(swipes) if _credits(n)]
    yield (
        "credit",
        ("id", "institution_id", "person_id", "session_id", "swipe_id", "at_ms", "uncertainty_ms", "created_ms"),
        ((n, 1, _person(n), n // 25 + 1, n, _at(n), 12, _at(n) + 500) for n in crediting),
    )
    yield (
        "mark",
        (
            "id", "institution_id", "session_id", "person_id", "code", "source", "verified", "rule", "ledgers",
            "credit_id", "created_ms",
        ),
        (
            (n, 1, n // 25 + 1, _person(n), "P", "swipe", False, "port.present", "attendance,bursary", n, _at(n) + 500)
            for n in crediting
        ),
    )  # fmt: skip
    yield (
        "mark_current",
        ("session_id", "person_id", "institution_id", "mark_id"),
        ((n // 25 + 1, _person(n), 1, n) for n in crediting),
    )
    heads = swipes // 2
    yield (
        "head",
        (
            "id", "institution_id", "reader_id", "nonce", "boot_ms", "wall_ms", "clock", "uncertainty_ms", "able",
            "journals", "received_ms", "held_ms",
        ),
        (
            (n, 1, n % READERS + 1, _hex(f"h{n}", 8), n, START_MS + 60_000 * n, "sync", 12, "ok",
             f"{_hex('a', 8)}:{n % 400}", START_MS + n, START_MS + n)
            for n in range(1, heads + 1)
        ),
    )  # fmt: skip


def _to(swipes: int) -> range:
    return range(1, swipes + 1)


def _bytes(of: str, size: int) -> bytes:
    return hashlib.sha256(of.encode()).digest()[:size]


def _hex(of: str, size: int) -> str:
    return _bytes(of, size).hex()


def _journal(n: int) -> int:
    return n // PER_JOURNAL + 1


def _person(n: int) -> int:
    return n * 7919 % STUDENTS + 1


def _token(n: int) -> bytes:
    return _bytes(f"t{_person(n)}", 8)


def _at(n: int) -> int:
    return START_MS + n * 1000


def _credits(n: int) -> bool:
    # Of 25 that belong to one session the first 20 are different persons: so is every current mark.
    return n % 25 < 25 * CREDITING


def _line(n: int) -> str:
    journal, token = _hex(f"j{_journal(n)}", 8), _token(n).hex()
    return f"1|swipe|a-{n % READERS}|1|{journal}|{n % PER_JOURNAL}|t1:{token}|{n * 1000}|{_at(n)}|sync|12|green|{n // 25 + 1}|{START_MS}"


def fill_sqlite(path: Path, swipes: int) -> dict[str, tuple[int, int, int]]:
    """table -> (rows, bytes of rows, bytes of indexes)."""
    engine = open_engine(f"sqlite:///{path}")
    migrations.upgrade(engine)
    engine.dispose()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    counts: dict[str, int] = {}
    for table, columns, rows in tables(swipes):
        connection.execute("BEGIN")
        sql = f"INSERT INTO {table} ({','.join(columns)}) VALUES ({','.join('?' * len(columns))})"
        cursor = connection.executemany(sql, rows)
        counts[table] = cursor.rowcount
        connection.execute("COMMIT")
    found = {}
    try:
        for table, count in counts.items():
            query = "SELECT sum(pgsize) FROM dbstat WHERE name = ? AND aggregate = TRUE"
            size = connection.execute(query, (table,)).fetchone()[0]
            names = connection.execute("SELECT name FROM sqlite_master WHERE type='index' AND tbl_name=?", (table,))
            indexes = sum(connection.execute(query, name).fetchone()[0] or 0 for name in names.fetchall())
            found[table] = (count, size, indexes)
    finally:
        connection.close()
    return found


def fill_postgres(url: str, swipes: int) -> dict[str, tuple[int, int, int]]:
    """The same, on an empty PostgreSQL database."""
    engine = open_engine(url)
    migrations.upgrade(engine)
    plain = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    found = {}
    with psycopg.connect(plain, autocommit=True) as connection:
        for table, columns, rows in tables(swipes):
            copy = f"COPY {table} ({','.join(columns)}) FROM STDIN"
            with connection.cursor() as cursor, cursor.copy(copy.encode()) as out:
                for row in rows:
                    out.write_row(row)
                found[table] = (-1, 0, 0)
    with engine.connect() as connection:
        for table in found:
            query = f"select (select count(*) from {table}), pg_table_size('{table}'), pg_indexes_size('{table}')"
            found[table] = tuple(connection.execute(text(query)).one())
    engine.dispose()
    return found


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sizes", description=__doc__.splitlines()[0])
    parser.add_argument("--swipes", type=int, default=300_000)
    parser.add_argument("--postgres", help="an empty database")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    os.environ.setdefault("TZ", "UTC")
    told: dict[str, dict[str, tuple[int, int, int]]] = {}
    with tempfile.TemporaryDirectory(prefix="muster-sizes-") as folder:
        told["sqlite"] = fill_sqlite(Path(folder) / "sizes.db", arguments.swipes)
    if arguments.postgres:
        told["postgresql"] = fill_postgres(arguments.postgres, arguments.swipes)
    for name, found in told.items():
        print(f"{name}, {arguments.swipes} swipes\n{'table':<14} {'rows':>9} {'B/row':>7} {'index B/row':>12}")
        for table, (count, size, indexes) in found.items():
            print(f"{table:<14} {count:>9} {size / count:>7.0f} {indexes / count:>12.0f}")
        for what, members in (
            ("a swipe", ("record", "swipe", "reading")),
            ("a mark", ("credit", "mark", "mark_current")),
        ):
            size, indexes = (sum(found[table][k] / found[table][0] for table in members) for k in (1, 2))
            print(f"{what}: {size:.0f} B of rows, {indexes:.0f} B of indexes, {size + indexes:.0f} B in all")
    if arguments.json:
        arguments.json.write_text(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
