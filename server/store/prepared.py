"""Statements that are made once, and run past SQLAlchemy's own way of executing.

On the way of every swipe stand some dozens of small statements. SQLAlchemy takes ten times as long to hand one over as
SQLite does to answer it, and spells a list out anew for each length, so that neither database knows the statement again.
A `Prepared` is compiled once for each database, and its text stays the same: both then keep what they made of it.

    SQLAlchemy's statement --compile, once--> text with named places -+-> sqlite3:  lists padded to a power of two
                                                                      +-> psycopg:  lists as arrays, inserts by unnest

Transactions, errors and events stay SQLAlchemy's. Where somebody listens to the engine's statements, they take its way.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Boolean, Connection, Executable
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.dml import Insert, UpdateBase
from sqlalchemy.types import TupleType

#: a list as SQLAlchemy's compiler leaves it for later
_LIST = re.compile(r"(NOT )?IN \(__\[POSTCOMPILE_(\w+)\]\)")
#: a tuple of columns that is compared with one
_TUPLES = re.compile(r"\(([\w.]+(?:, [\w.]+)+)\) IN \(__\[POSTCOMPILE_(\w+)\]\)")
_VALUES = re.compile(r" VALUES \(.*?\)(?= ON CONFLICT | RETURNING |$)", re.DOTALL)
_PLACE = re.compile(r"%\((\w+)\)s")
_NAME = re.compile(r":(\w+)")
_NAMED = sqlite_dialect(paramstyle="named")
_NOTHING: Mapping[str, Any] = {}
#: so many rows SQLite gets in one INSERT that returns something: few texts, each of which it knows again
_AT_ONCE = (64, 16, 4, 1)


class Prepared:
    """One statement. statement: SQLAlchemy's, or what makes it for a dialect's name. columns: those that an INSERT's rows
    give, all of them.

    Lists are parameters with `expanding=True`; a tuple of columns may be compared with a list of tuples.
    """

    def __init__(self, statement: Executable | Callable[[str], Executable], columns: Sequence[str] = ()) -> None:
        self._statement, self._columns = statement, tuple(columns)
        self._made: dict[str, _Compiled] = {}

    def _for(self, connection: Connection) -> _Compiled:
        dialect = connection.dialect
        found = self._made.get(dialect.name)
        if found is None:
            statement = self._statement if isinstance(self._statement, Executable) else self._statement(dialect.name)
            kind = _Sqlite if dialect.name == "sqlite" else _Postgresql
            found = self._made[dialect.name] = kind(statement, self._columns, dialect)
        return found

    def all(self, connection: Connection, values: Mapping[str, Any] = _NOTHING) -> list[Any]:
        """Every row, as a named tuple of its columns."""
        return self._for(connection).rows(connection, values)

    def tuples(self, connection: Connection, values: Mapping[str, Any] = _NOTHING) -> list[tuple]:
        """Every row as it comes, without names: for thousands of them, of columns that hold no truths."""
        return self._for(connection).tuples(connection, values)

    def first(self, connection: Connection, values: Mapping[str, Any] = _NOTHING) -> Any:
        """The first row, or None."""
        found = self._for(connection).rows(connection, values)
        return found[0] if found else None

    def scalars(self, connection: Connection, values: Mapping[str, Any] = _NOTHING) -> list[Any]:
        """The first column of every row."""
        return [row[0] for row in self._for(connection).rows(connection, values)]

    def scalar(self, connection: Connection, values: Mapping[str, Any] = _NOTHING) -> Any:
        """The first column of the first row; None where there is none."""
        found = self._for(connection).rows(connection, values)
        return found[0][0] if found else None

    def run(self, connection: Connection, values: Mapping[str, Any] = _NOTHING) -> None:
        """A statement that gives no rows."""
        self._for(connection).run(connection, values)

    def each(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """The same for each of these; nothing where there is none. An INSERT's rows do not meet one another."""
        if rows:
            self._for(connection).each(connection, rows)

    def added(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """INSERT of these, and what it returns of those that were inserted."""
        return self._for(connection).added(connection, rows) if rows else []


class _Compiled(ABC):
    """A statement's text for one database, and how it is sent there."""

    def __init__(self, statement: Any, columns: tuple[str, ...], dialect: Any) -> None:
        is_insert = isinstance(statement, Insert)
        if is_insert and not statement._returning:
            statement = statement.inline()
        made = statement.compile(dialect=dialect, column_keys=list(columns) if is_insert else None)
        self.text: str = made.string
        self.changes = isinstance(statement, UpdateBase)
        #: parameters that the statement brings along
        self.fixed = {name: bind.value for name, bind in made.binds.items() if not bind.required and "%" not in name}
        self.known = frozenset(made.binds)
        self.lists: dict[str, Any] = {name: bind.type for name, bind in made.binds.items() if bind.expanding}
        shown = made._result_columns
        # Past `_make`, which counts the columns of each row: they are the statement's own.
        self._row: Any = partial(tuple.__new__, namedtuple("Row", [one.keyname for one in shown])) if shown else None
        # Of the types that the schema has, SQLite alone returns one as another: truth as a number.
        self._truths = [at for at, one in enumerate(shown) if isinstance(one.type, Boolean)]

    @abstractmethod
    def bound(self, values: Mapping[str, Any]) -> tuple[str, Any]:
        """The text and its parameters."""

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> list[Any]:
        return self.named(self._sent(connection, *self.bound(values)).fetchall())

    def tuples(self, connection: Connection, values: Mapping[str, Any]) -> list[tuple]:
        assert not self._truths
        return self._sent(connection, *self.bound(values)).fetchall()

    def run(self, connection: Connection, values: Mapping[str, Any]) -> None:
        self._sent(connection, *self.bound(values))

    def each(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        self._sent(connection, self.text, [{**self.fixed, **row} for row in rows] if self.fixed else list(rows))

    @abstractmethod
    def added(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """What an INSERT of these returns of those that were inserted."""

    def _sent(self, connection: Connection, text: str, given: Any, *, heard: bool = True) -> Any:
        return send(connection, text, given, changes=self.changes, heard=heard)

    def named(self, found: Iterable[Sequence[Any]]) -> list[Any]:
        for at in self._truths:
            found = [(*row[:at], None if row[at] is None else bool(row[at]), *row[at + 1 :]) for row in found]
        return list(map(self._row, found))


class _Sqlite(_Compiled):
    """sqlite3 prepares a text once and finds it again: a list is written out, padded with its last value so that there
    are few lengths."""

    def __init__(self, statement: Any, columns: tuple[str, ...], dialect: Any) -> None:
        super().__init__(statement, columns, _NAMED)
        #: how many places each list has -> the text and the names of its places in order; and the names of each list's
        self._spelt: dict[tuple[int, ...], tuple[str, list[str], list[list[str]]]] = {}
        self._inserts: dict[int, tuple[str, list[str]]] = {}
        self._numbered = _numbered(self.text)
        # A colon that stood in a text's own words would be taken for a place.
        assert set(self._numbered[1]) <= self.known, f"{set(self._numbered[1]) - self.known} is no parameter"

    def bound(self, values: Mapping[str, Any]) -> tuple[str, tuple]:
        if not self.lists:
            text, names = self._numbered
            one = {**self.fixed, **values} if self.fixed else values
            return text, tuple([one[name] for name in names])
        sizes = tuple([_padded(len(values[name])) for name in self.lists])
        spelt = self._spelt.get(sizes)
        if spelt is None:
            text, listed = self._spell(dict(zip(self.lists, sizes, strict=True)))
            spelt = self._spelt[sizes] = *_numbered(text), listed
        text, names, listed = spelt
        given = {**self.fixed, **values}
        for name, size, places in zip(self.lists, sizes, listed, strict=True):
            many = given.pop(name)
            if isinstance(self.lists[name], TupleType):
                flat = [one for row in many for one in row]
                given.update(zip(places, flat + list(many[-1]) * (size - len(many)) if size else (), strict=True))
            else:
                given.update(zip(places, [*many, *[many[-1]] * (size - len(many))] if size else (), strict=True))
        return text, tuple([given[name] for name in names])

    def each(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        text, names = self._numbered
        given = [{**self.fixed, **row} for row in rows] if self.fixed else rows
        self._sent(connection, text, [tuple([row[name] for name in names]) for row in given])

    def _spell(self, sizes: dict[str, int]) -> tuple[str, list[list[str]]]:
        places = {
            name: [f"{name}_{n}" for n in range(size * (len(kind.types) if isinstance(kind, TupleType) else 1))]
            for (name, size), kind in zip(sizes.items(), self.lists.values(), strict=True)
        }

        def spell(found: re.Match) -> str:
            name = found[2]
            many = [f":{place}" for place in places[name]]
            if not many:
                listed = "SELECT NULL WHERE 0"
            elif isinstance(kind := self.lists[name], TupleType):
                width = len(kind.types)
                listed = "VALUES " + ", ".join(
                    f"({', '.join(many[at : at + width])})" for at in range(0, len(many), width)
                )
            else:
                listed = ", ".join(many)
            return f"{found[1] or ''}IN ({listed})"

        def either(found: re.Match) -> str:
            # With more than one tuple to compare SQLite would read the whole table, whatever index there is.
            columns, many = found[1].split(", "), [f":{place}" for place in places[found[2]]]
            rows = [many[at : at + len(columns)] for at in range(0, len(many), len(columns))]
            said = [" AND ".join(map(" = ".join, zip(columns, row, strict=True))) for row in rows]
            return f"({' OR '.join(said) or '1 = 0'})"

        return _LIST.sub(spell, _TUPLES.sub(either, self.text)), list(places.values())

    def added(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        # A text for each number of rows would be parsed each time: so many at once, and the rest by fewer.
        found: list[Any] = []
        at = 0
        while at < len(rows):
            many = next(size for size in _AT_ONCE if size <= len(rows) - at)
            text, names = self._insert(many)
            given = tuple([row[name] for row in rows[at : at + many] for name in names])
            found += self._sent(connection, text, given, heard=at == 0).fetchall()
            at += many
        return self.named(found)

    def _insert(self, many: int) -> tuple[str, list[str]]:
        """The INSERT of so many rows, and the columns of each in the order of their places."""
        made = self._inserts.get(many)
        if made is None:
            values = _VALUES.search(self.text)
            assert values is not None
            row, names = _numbered(values[0].removeprefix(" VALUES "))
            text = self.text.replace(values[0], f" VALUES {', '.join([row] * many)}")
            made = self._inserts[many] = text, names
        return made


class _Postgresql(_Compiled):
    """psycopg prepares on the server what it has sent five times: a list is one array, whatever its length, and an INSERT
    takes its rows from arrays, so that any number of them is one statement and one way there and back."""

    def __init__(self, statement: Any, columns: tuple[str, ...], dialect: Any) -> None:
        super().__init__(statement, columns, dialect)
        self._columns = columns
        compile_type = dialect.type_compiler_instance.process

        def array(kind: Any) -> str:
            # Without its length: a cast would cut off silently what is too long.
            return compile_type(kind).partition("(")[0] + "[]"

        def spell(found: re.Match) -> str:
            name, kind = found[2], self.lists[found[2]]
            if isinstance(kind, TupleType):
                parts = (f"unnest(%({name}_{n})s::{array(one)})" for n, one in enumerate(kind.types))
                return f"{found[1] or ''}IN (SELECT {', '.join(parts)})"
            return f"{'<> ALL' if found[1] else '= ANY'} (%({name})s::{array(kind)})"

        self.text = _LIST.sub(spell, self.text)
        self._unnested = ""
        if isinstance(statement, Insert):

            def unnest(found: re.Match) -> str:
                # In the order of the text, which is the table's.
                arrays = (f"%({name})s::{array(statement.table.c[name].type)}" for name in _PLACE.findall(found[0]))
                return f" SELECT * FROM unnest({', '.join(arrays)})"  # noqa: S608  names of ours

            self._unnested = _VALUES.sub(unnest, self.text, count=1)

    def bound(self, values: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        given = {**self.fixed, **values}
        for name, kind in self.lists.items():
            many = list(given.pop(name))
            if isinstance(kind, TupleType):
                given |= {f"{name}_{n}": [row[n] for row in many] for n in range(len(kind.types))}
            else:
                given[name] = many
        return self.text, given

    def each(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        if self._unnested:
            self._sent(connection, self._unnested, self._arrays(rows))
        else:
            super().each(connection, rows)

    def added(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        return self.named(self._sent(connection, self._unnested, self._arrays(rows)).fetchall())

    def _arrays(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {**self.fixed, **{name: [row[name] for row in rows] for name in self._columns}}


def _numbered(text: str) -> tuple[str, list[str]]:
    """The text with `?` for each named place, and the names in their order: sqlite3 looks each named one up, in a list
    of all of them."""
    return _NAME.sub("?", text), _NAME.findall(text)


def _padded(size: int) -> int:
    """The next power of two."""
    return 1 << (size - 1).bit_length() if size else 0


def send(connection: Connection, text: str, given: Any = (), *, changes: bool = False, heard: bool = True) -> Any:
    """Hand a text over to the driver. given: its parameters, or a list of them for as many executions. changes: whether
    it may change something. Returns the driver's cursor, or SQLAlchemy's, which has the same methods."""
    if not connection.in_transaction():
        connection.begin()
    if changes:
        connection.info["changed"] = True
    if connection._has_events or connection.engine._has_events or connection._echo:
        return connection.exec_driver_sql(text, given)
    many = type(given) is list
    dialect: Any = connection.dialect
    raw: Any = connection.connection.dbapi_connection
    cursor = raw.cursor()
    try:
        if heard and dialect._has_events:
            for listener in dialect.dispatch.do_executemany if many else dialect.dispatch.do_execute:
                listener(cursor, text, given, None)
        if many:
            cursor.executemany(text, given)
        else:
            cursor.execute(text, given)
    except dialect.loaded_dbapi.Error as error:
        gone = dialect.is_disconnect(error, raw, cursor)
        if gone:
            connection.invalidate(error)
        raise DBAPIError.instance(
            text,
            None,
            error,
            dialect.loaded_dbapi.Error,
            hide_parameters=True,
            connection_invalidated=gone,
            dialect=dialect,
        ) from error
    return cursor
