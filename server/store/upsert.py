"""INSERT: the id of what was inserted, and ON CONFLICT, which SQLite and PostgreSQL spell alike and SQLAlchemy keeps apart."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Connection, CursorResult, Table, func
from sqlalchemy.dialects import postgresql, sqlite


def insert(connection: Connection, table: Table) -> Any:
    """The dialect's own insert, which has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return insert_of(connection.dialect.name, table)


@cache
def insert_of(dialect: str, table: Table) -> Any:
    """The same, by the dialect's name: for statements that are made once."""
    # One for each table: a statement is never changed, and its `excluded` takes longer to make than a small delivery.
    return (sqlite if dialect == "sqlite" else postgresql).insert(table)


def unless_there(
    connection: Connection, table: Table, unique: tuple[str, ...] = (), returning: tuple[str, ...] = ()
) -> Any:
    """INSERT of what is not there, by these unique columns or by any; what is there stays. It returns those columns of
    what was inserted."""
    return unless_there_of(connection.dialect.name, table, unique, returning)


@cache
def unless_there_of(dialect: str, table: Table, unique: tuple[str, ...] = (), returning: tuple[str, ...] = ()) -> Any:
    """The same, by the dialect's name."""
    elements = [table.c[name] for name in unique]
    made = insert_of(dialect, table).on_conflict_do_nothing(index_elements=elements or None)
    return made.returning(*(table.c[name] for name in returning)) if returning else made


def over(connection: Connection, table: Table, unique: tuple[str, ...], columns: tuple[str, ...]) -> Any:
    """INSERT; where one with the same unique columns is there, these columns of it become the new one's."""
    return over_of(connection.dialect.name, table, unique, columns)


@cache
def over_of(dialect: str, table: Table, unique: tuple[str, ...], columns: tuple[str, ...]) -> Any:
    """The same, by the dialect's name."""
    made = insert_of(dialect, table)
    return made.on_conflict_do_update(
        index_elements=[table.c[name] for name in unique],
        set_={name: made.excluded[name] for name in columns},
    )


def lesser(dialect: str, a: Any, b: Any) -> Any:
    """The lesser of two columns."""
    return (func.min if dialect == "sqlite" else func.least)(a, b)


def greater(dialect: str, a: Any, b: Any) -> Any:
    """The greater of two columns."""
    return (func.max if dialect == "sqlite" else func.greatest)(a, b)


def new_id(result: CursorResult[Any]) -> int:
    """The id of the one row that was inserted."""
    key = result.inserted_primary_key
    assert key is not None, "one row, inserted by itself"
    return key[0]
