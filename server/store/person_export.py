"""Everything about one person as JSON, in pieces: every row of every table that is about them, by the inventory.

Other persons stand in it as "another"; what would open something or is about somebody else is withheld and says so.
The schema is in docs/privacy.md. `VERSION` goes up when a reader of an older file would misread it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, select

from server.scope import Scope
from server.store import campus, notes, people
from server.store.engine import Engine, reading, writing
from server.store.inventory import BYTES, ID, TEXT, TOKEN, WITHHELD, Kept, Me
from server.store.inventory_all import EVERY
from server.store.inventory_groups import GROUPS
from server.store.schema import account, audit, note, person_name, session
from server.store.schema_residence import house
from server.store.schema_work import attachment, history, message

ACT = "person.export"
FORMAT, VERSION = "muster-person", 1
YOU, ANOTHER = "you", "another"
AT_ONCE = 500


def begin(engine: Engine, scope: Scope, person_id: int, now_ms: int, *, own: bool = False) -> None:
    """Write down that it is asked for. own: by the person themselves.

    Raises NotFound(`person`), NotAllowed, also to a department for somebody who only takes a class of its own."""
    with writing(engine) as connection:
        if not (own and person_id == scope.person_id):
            people.need_whole(connection, scope, person_id, ACT, now_ms)
        campus.write_down(connection, scope, "person.export", f"person/{person_id}", now_ms, own=own)


def stream(engine: Engine, institution_id: int, person_id: int, now_ms: int) -> Iterator[str]:
    """The export in pieces of JSON, from one consistent read. `begin` was called before."""
    with reading(engine) as connection:
        made = _Export(connection, institution_id, person_id)
        yield _head(person_id, now_ms)
        first = True
        for name, kept in EVERY.items():
            if kept.way is None:
                continue
            about = GROUPS[kept.group]
            said = {"holds": kept.holds, "why": about.why, "keep": about.keep}
            yield ("" if first else ",\n") + f" {json.dumps(name)}: " + json.dumps(said)[:-1] + ', "rows": ['
            first = False
            yield from _joined(made.rows(kept))
            yield "]}"
        yield '\n},\n"did": {'
        yield from _joined(made.did())
        yield '},\n"sessions": ['
        yield from _joined(made.sessions())
        yield '],\n"houses": ['
        yield from _joined(made.houses())
        yield "]}\n"


def _head(person_id: int, now_ms: int) -> str:
    head = {"format": FORMAT, "version": VERSION, "made_ms": now_ms, "person_id": person_id}
    return json.dumps(head)[:-1] + ',\n"kept": {\n'


def _joined(found: Iterator[Any]) -> Iterator[str]:
    """JSON values with commas between; a pair is a name and a value."""
    first = True
    for one in found:
        text = f"{json.dumps(one[0])}: {json.dumps(one[1])}" if isinstance(one, tuple) else json.dumps(one)
        yield ("\n  " if first else ",\n  ") + text
        first = False


class _Export:
    """What is known while one export is made."""

    def __init__(self, connection: Connection, institution_id: int, person_id: int) -> None:
        self._connection = connection
        self.me = Me(person_id, institution_id)
        self._accounts = set(connection.execute(self.me.accounts).scalars())
        self._sessions: set[int] = set()
        self._houses: set[int] = set()
        self._others = self._names()

    def _names(self) -> list[str]:
        """What other persons are called."""
        named = select(person_name.c.full_name, person_name.c.person_id).where(
            person_name.c.institution_id == self.me.institution
        )
        shown = select(account.c.shown_name, account.c.id).where(account.c.institution_id == self.me.institution)
        mine: set[str] = set()
        found: set[str] = set()
        for row in self._connection.execute(named):
            (mine if row.person_id == self.me.person else found).add(row.full_name.strip())
        for row in self._connection.execute(shown):
            (mine if row.id in self._accounts else found).add(row.shown_name.strip())
        return sorted((one for one in found - mine if len(one) > 1), key=len, reverse=True)

    def without_names(self, text: str) -> str:
        """A text in which other persons' names, as they are kept here, are left out."""
        folded = text.casefold()
        for one in self._others:
            if one.casefold() in folded:
                text = re.sub(rf"(?<!\w){re.escape(one)}(?!\w)", "(another person)", text, flags=re.IGNORECASE)
        return text

    def rows(self, kept: Kept) -> Iterator[dict[str, Any]]:
        """The rows of a table that are about the person."""
        assert kept.way is not None
        keys = list(kept.table.primary_key.columns)
        query = select(kept.table).where(kept.way(self.me)).order_by(*keys).execution_options(yield_per=AT_ONCE)
        for row in self._connection.execute(query):
            found = self._shown(kept, row._mapping)
            if kept.table is history:
                found = self._entry(row, found)
            if found is not None:
                yield found

    def _shown(self, kept: Kept, row: Any) -> dict[str, Any]:
        hands = kept.hands
        found: dict[str, Any] = {}
        for column in kept.table.c:
            name, value = column.name, row[column.name]
            what = kept.column_class(name)
            if value is None:
                found[name] = None
            elif name in hands:
                found[name] = self._who(name, value)
            elif name in kept.own and name == "person_id" and value != self.me.person:
                # Found by another of its columns: of a pair, the other one.
                found[name] = ANOTHER
            elif what in WITHHELD:
                found[name] = WITHHELD[what]
            elif what in (BYTES, TOKEN):
                found[name] = bytes(value).hex()
            elif what == TEXT:
                found[name] = self.without_names(value)
            else:
                found[name] = value
                if what == ID and name == "session_id":
                    self._sessions.add(value)
                if what == ID and name == "house_id":
                    self._houses.add(value)
        if kept.table in (note, message, attachment) and row["erased_ms"] is not None:
            found["text" if "text" in found else "file_name"] = notes.ERASED
        if kept.table is audit:
            self._act(row, found)
        return found

    def _who(self, name: str, value: int) -> str:
        mine = value == self.me.person if name.endswith("person_id") else value in self._accounts
        return YOU if mine else ANOTHER

    def _act(self, row: Any, found: dict[str, Any]) -> None:
        """An act is told with who did it; what somebody did to another is told without whom."""
        found["account_id"] = None if row["account_id"] is None else self._who("account_id", row["account_id"])
        if row["subject"] not in (f"person/{self.me.person}", f"person:{self.me.person}"):
            found["subject"] = re.split("[/:]", row["subject"])[0]
        told = json.loads(row["detail"])
        if isinstance(told, dict) and told.pop("console", None):
            # Who ran a command on the server's machine is that person's, not theirs.
            found["detail"] = json.dumps(told, sort_keys=True)

    def _entry(self, row: Any, found: dict[str, Any]) -> dict[str, Any] | None:
        """What an entry of a register's history says of this person; None: nothing."""
        marks = json.loads(row.body).get("marks")
        mine = [one for one in marks if one.get("person") == self.me.person] if isinstance(marks, list) else []
        return {**found, "body": {"marks": [_facts(one) for one in mine]}} if mine else None

    def did(self) -> Iterator[tuple[str, list[list[int | None]]]]:
        """What the person did themselves: table.column -> number and time of each row, without whom it is about."""
        for name, kept in EVERY.items():
            for hand in kept.hands:
                column = kept.table.c[hand]
                times = [one for one in kept.table.c if one.name in ("created_ms", "at_ms", "given_ms", "asked_ms")]
                key = next(iter(kept.table.primary_key.columns))
                mine = column == self.me.person if hand.endswith("person_id") else column.in_(self.me.accounts)
                query = select(key, *times[:1]).where(mine).order_by(key)
                if found := [list(row) for row in self._connection.execute(query)]:
                    yield f"{name}.{hand}", found

    def sessions(self) -> Iterator[dict[str, Any]]:
        """The sessions that rows named."""
        wanted = sorted(self._sessions)
        for start in range(0, len(wanted), AT_ONCE):
            query = select(session.c.id, session.c.title, session.c.starts_ms, session.c.ends_ms)
            for row in self._connection.execute(query.where(session.c.id.in_(wanted[start : start + AT_ONCE]))):
                yield {**row._mapping, "title": self.without_names(row.title)}

    def houses(self) -> Iterator[dict[str, Any]]:
        """The residence's houses that rows named."""
        query = select(house.c.id, house.c.code, house.c.name).where(house.c.id.in_(sorted(self._houses)))
        for row in self._connection.execute(query.order_by(house.c.id)):
            yield dict(row._mapping)


def _facts(mark: dict[str, Any]) -> dict[str, Any]:
    """A mark's facts without the hand in them."""
    return {name: value for name, value in mark.items() if name != "by"}
