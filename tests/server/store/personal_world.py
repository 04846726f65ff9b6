"""A row in every table for each of two persons, with canaries: made from the tables themselves, so that none is left out."""

from __future__ import annotations

import itertools
import json
from typing import Any

from sqlalchemy import Boolean, Float, Integer, LargeBinary, SmallInteger, Table

from server.store.engine import writing
from server.store.inventory_all import EVERY
from server.store.schema import metadata

STAFF = "Quinbert Otherstaff"
#: stands in entries beside what they say of the person
ANOTHERS = "zqothersmark"
#: tables of which there is one row for both: nobody's, or the staff's
SHARED = "shared"
_NUMBERS = itertools.count(1)
#: what must be one of a few words, or fits another row
_FIXED: dict[str, dict[str, Any]] = {
    "person": {"ended_ms": 5},
    "message": {"erased_ms": None},
    "note": {"erased_ms": None},
    "attachment": {"subject": "absence", "erased_ms": None},
    "change_request": {"state": "applied"},
    "absence": {"state": "approved"},
    "template": {"state": "held"},
    "residence_leave": {"state": "approved"},
    "swipe": {"clock": "sync"},
    "institution": {"time_zone": "Europe/London"},
    "session": {"profile": "port"},
    # Of a pair it is about both.
    "misuse_flag": {"other_person_id": None},
}


def canary(table: str, whose: str) -> str:
    """The word that stands in everything of a table's row that can hold it."""
    return f"zq{whose}{list(EVERY).index(table):03d}"


class Personal:
    """Rows by table and by whose they are: `a`, `b` or shared."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.rows: dict[tuple[str, str], dict[str, Any]] = {}
        with writing(engine) as connection:
            self._connection = connection
            self._add(metadata.tables["institution"], SHARED)
            staff = metadata.tables
            self._add(staff["person"], "staff")
            self._add(staff["person_name"], "staff", full_name=STAFF)
            self._add(staff["account"], "staff", shown_name=STAFF, person_id=self.id("person", "staff"))
            for whose in ("a", "b"):
                for table in metadata.sorted_tables:
                    if EVERY[table.name].way is not None or table.name in ("record",):
                        self._made(table.name, whose)

    def id(self, table: str, whose: str) -> Any:
        """The row's key."""
        row = self.rows[table, whose]
        return row[next(iter(metadata.tables[table].primary_key.columns)).name]

    def key(self, table: str, whose: str) -> tuple:
        """The row's whole key."""
        return tuple(self.rows[table, whose][one.name] for one in metadata.tables[table].primary_key.columns)

    def _made(self, name: str, whose: str) -> dict[str, Any]:
        """The row, made if there is none yet: one of its own for a person where the table is about persons."""
        if EVERY[name].way is None:
            whose = SHARED
        if (name, whose) not in self.rows:
            self._add(metadata.tables[name], whose)
        return self.rows[name, whose]

    def _add(self, table: Table, whose: str, **values: Any) -> None:
        row: dict[str, Any] = {}
        for column in table.c:
            if column.name == "id" and not column.foreign_keys:
                continue
            row[column.name] = self._value(table, column, whose)
        row |= _FIXED.get(table.name, {}) | values
        if table.name == "attachment":
            row["subject_id"] = self._made("absence", whose)["id"]
        if table.name == "audit":
            row |= {"account_id": self.id("account", "staff"), "subject": f"person/{self.id('person', whose)}"}
        if table.name == "history":
            mine = {"id": 1, "person": self.id("person", whose), "code": canary("history", whose)}
            marks = [mine, {"id": 2, "person": self.id("person", "staff"), "code": ANOTHERS}]
            row["body"] = json.dumps({"marks": marks})
        if table.name in ("swipe", "check_in", "kiosk_event"):
            # A record of its own for each fact.
            self.rows.pop(("record", whose), None)
            row["id"] = self._made("record", whose)["id"]
            self.rows["record-of-" + table.name, whose] = self.rows["record", whose]
        made = self._connection.execute(table.insert().values(**row))
        for column, value in zip(table.primary_key.columns, made.inserted_primary_key or (), strict=True):
            row[column.name] = value
        self.rows[table.name, whose] = row

    def _value(self, table: Table, column: Any, whose: str) -> Any:
        kept = EVERY[table.name]
        target = next((key.column.table.name for key in column.foreign_keys), "")
        if target == "institution":
            return self.id("institution", SHARED)
        if column.name in kept.hands:
            return (
                self.id("person" if target == "person" else "account", "staff")
                if ("account", "staff") in self.rows
                else None
            )
        if target in ("person", "account"):
            return self.id(target, whose) if (target, whose) in self.rows else self._key(target, whose)
        if target:
            if column.nullable and target not in ("note",):
                return None
            if target == table.name:
                return None
            return self._key(target, whose)
        mark = canary(table.name, whose if whose in ("a", "b") else "s")
        if isinstance(column.type, Boolean):
            return False
        if isinstance(column.type, Float):
            return 1.0
        if isinstance(column.type, LargeBinary):
            return f"{column.name[:3]}{mark}{next(_NUMBERS)}".encode()
        if isinstance(column.type, SmallInteger):
            return next(_NUMBERS) % 255 + 1  # as a key's number is: they rise through all tests of a worker
        if isinstance(column.type, Integer) or column.name.endswith("_ms") or not hasattr(column.type, "length"):
            return next(_NUMBERS)
        if column.name in ("detail", "summary") and not column.type.length:
            return json.dumps({"x": mark})
        text = f"{mark}-{next(_NUMBERS)}"
        return text[: column.type.length] if column.type.length else f"{column.name} {text}"

    def _key(self, table: str, whose: str) -> Any:
        row = self._made(table, whose)
        return row[next(iter(metadata.tables[table].primary_key.columns)).name]
