"""INSERT: the id of what was inserted, and ON CONFLICT, which SQLite and PostgreSQL spell alike and SQLAlchemy keeps apart."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Connection, CursorResult, Table, func
from sqlalchemy.dialects import postgresql, sqlite


def insert(connection: Connection, table: Table) -> Any:
    """The dialect's own insert, which has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return _insert(connection.dialect.name, table)


@cache
def _insert(dialect: str, table: Table) -> Any:
    # One for each table: a statement is never changed, and its `excluded` takes longer to make than a small delivery.
    return (sqlite if dialect == "sqlite" else postgresql).insert(table)


def lesser(connection: Connection, a: Any, b: Any) -> Any:
    """The lesser of two columns."""
    return (func.min if connection.dialect.name == "sqlite" else func.least)(a, b)


def greater(connection: Connection, a: Any, b: Any) -> Any:
    """The greater of two columns."""
    return (func.max if connection.dialect.name == "sqlite" else func.greatest)(a, b)


def new_id(result: CursorResult[Any]) -> int:
    """The id of the one row that was inserted."""
    key = result.inserted_primary_key
    assert key is not None, "one row, inserted by itself"
    return key[0]
