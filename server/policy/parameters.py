"""Reads a profile's parameters from a TOML table: each a `{ value, unit, rule }`, checked, and listed with its source.

`rule` cites the requirement that the value comes from; where it is left out, the table's own `rule` holds. What is
wrong is told as BadSetting(`profile`) that names the file and the field.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from server.errors import BadSetting

Value = int | bool | str | tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of a profile, for people to read."""

    #: where it stands, such as `tiers.24h.until`
    path: str
    value: Value
    unit: str
    #: the requirement it comes from, such as `LOUGH-31`
    rule: str


class Table:
    """One table of a profile's file. Every key must be read; `done` says which one nobody knows."""

    def __init__(self, file: str, path: str, table: Any, rule: str, found: list[Parameter]) -> None:
        self.file, self.path, self.found = file, path, found
        if not isinstance(table, dict):
            raise self.wrong(path, "is not a table")
        self._table = dict(table)
        self._inner: list[Table] = []
        self.rule = self._table.pop("rule", rule)

    def wrong(self, path: str, why: str) -> BadSetting:
        """The error about a field, to be raised."""
        return BadSetting("profile", f"{self.file}: {path} {why}")

    def __contains__(self, name: str) -> bool:
        return name in self._table

    def text(self, name: str) -> str:
        """Words for people: no parameter."""
        value = self._table.pop(name, None)
        if not isinstance(value, str) or not value:
            raise self.wrong(self._at(name), "is missing, or is no text")
        return value

    def table(self, name: str) -> Table:
        """The table of this name; an empty one where there is none."""
        made = Table(self.file, self._at(name), self._table.pop(name, {}), self.rule, self.found)
        self._inner.append(made)
        return made

    def tables(self, name: str) -> Iterator[tuple[str, Table]]:
        """The tables in this one, by their names."""
        outer = self.table(name)
        for inner in list(outer._table):
            yield inner, outer.table(inner)

    def number(self, name: str, *units: str) -> int:
        """A whole number that is not negative, in this unit."""
        return self.span(name, *units)[0]

    def span(self, name: str, *units: str) -> tuple[int, str]:
        """A whole number, and which of the units it counts."""
        value, unit = self._parameter(name, units)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.wrong(self._at(name), "must be a whole number, 0 or more")
        return value, unit

    def switch(self, name: str) -> bool:
        """True or false."""
        value, _ = self._parameter(name, ("switch",))
        if not isinstance(value, bool):
            raise self.wrong(self._at(name), "must be true or false")
        return value

    def word(self, name: str, unit: str, known: tuple[str, ...]) -> str:
        """One of the words known."""
        value, _ = self._parameter(name, (unit,))
        if value not in known:
            raise self.wrong(self._at(name), f"must be one of: {', '.join(known)}")
        return str(value)

    def words(self, name: str, unit: str, known: tuple[str, ...]) -> tuple[str, ...]:
        """A list of words known, each once."""
        value, _ = self._parameter(name, (unit,), a_list=True)
        if set(value) - set(known) or len(set(value)) != len(value):
            raise self.wrong(self._at(name), f"must list, each once, some of: {', '.join(known)}")
        return tuple(value)

    def done(self) -> None:
        """Raises BadSetting for what nobody has read, here or in an inner table."""
        for name in self._table:
            raise self.wrong(self._at(name), "is not known")
        for inner in self._inner:
            inner.done()

    def _at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def _parameter(self, name: str, units: tuple[str, ...], *, a_list: bool = False) -> tuple[Any, str]:
        where = self._at(name)
        about = self._table.pop(name, None)
        if not isinstance(about, dict) or set(about) - {"value", "unit", "rule"} or "value" not in about:
            raise self.wrong(where, "is missing, or is not `{ value = ..., unit = ..., rule = ... }`")
        value, unit, rule = about["value"], about.get("unit"), about.get("rule", self.rule)
        if unit not in units:
            raise self.wrong(where, f"has the unit {unit!r}; it must be: {', '.join(units)}")
        if not isinstance(rule, str) or not rule:
            raise self.wrong(where, "cites no rule")
        if a_list and not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
            raise self.wrong(where, "must be a list of words")
        self.found.append(
            Parameter(path=where, value=tuple(value) if isinstance(value, list) else value, unit=unit, rule=rule)
        )
        return value, unit
