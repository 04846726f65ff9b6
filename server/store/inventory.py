"""What is stored of whom and why: one line for each table, and a class for each column. A table without a line fails a test.

Three things are made from it: the page that says it to students (server/pages/privacy.py), the export of everything
about one person (store/person_export.py), and what erasing a person leaves (store/person_erasure.py). `way` says which
rows are about a person. Columns that name an account or a person and are no way are *hands*: who did something; in
somebody's export they say "you" or "another", never who.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, ColumnElement, LargeBinary, Select, Table, Text, select

from server.store.schema import account, card_assignment, mark, reading
from server.store.schema_residence import check_in_reading, kiosk_event
from server.store.schema_work import absence, change_request_line, message

#: whose data a table holds
STUDENTS, STAFF, EVERYBODY, NOBODY = "students", "staff", "students and staff", "nobody"

#: classes of columns. number: an id of ours, opaque outside; time; value: a count, a yes or no; word: a code or a short
#: word; name: says who somebody is; text: written by people; secret: opens something; token: stands for a card;
#: others: says something of somebody else; wire: as it came, said again in other columns; bytes: digests and MACs
ID, TIME, VALUE, WORD, NAME, TEXT, SECRET, TOKEN, OTHERS, WIRE, BYTES = CLASSES = (
    "number", "time", "value", "word", "name", "text", "secret", "token", "others", "wire", "bytes",
)  # fmt: skip
#: what an export says of them instead of what they hold
WITHHELD = {
    SECRET: "(withheld: it opens something)",
    OTHERS: "(withheld: it is about somebody else)",
    WIRE: "(withheld: what it says stands in other fields)",
}


@dataclass(frozen=True, kw_only=True)
class Group:
    """Tables with one purpose."""

    title: str
    #: in plain words, to whoever it is about
    why: str
    #: the institution names its own: docs/privacy.md
    basis: str
    seen_by: str
    keep: str


@dataclass(frozen=True)
class Me:
    """The person whose rows are looked for, for `way`."""

    person: int
    institution: int

    def of(self, column: Column, where: ColumnElement[bool]) -> Select[Any]:
        """Ids in a column of the rows where this holds."""
        return select(column).where(where)

    @property
    def accounts(self) -> Select[Any]:
        """Their accounts."""
        return self.of(account.c.id, account.c.person_id == self.person)

    @property
    def cards(self) -> Select[Any]:
        """Cards that they have or had."""
        return self.of(card_assignment.c.card_id, card_assignment.c.person_id == self.person)

    @property
    def swipes(self) -> Select[Any]:
        """Swipes that are taken to be theirs."""
        return self.of(reading.c.swipe_id, reading.c.person_id == self.person)

    @property
    def check_ins(self) -> Select[Any]:
        """Check-ins that are taken to be theirs."""
        return self.of(check_in_reading.c.check_in_id, check_in_reading.c.person_id == self.person)

    @property
    def kiosk_events(self) -> Select[Any]:
        """What happened at kiosks with their card."""
        return self.of(kiosk_event.c.id, kiosk_event.c.person_id == self.person)

    @property
    def marks(self) -> Select[Any]:
        """Their marks."""
        return self.of(mark.c.id, mark.c.person_id == self.person)

    @property
    def absences(self) -> Select[Any]:
        """Their absences."""
        return self.of(absence.c.id, absence.c.person_id == self.person)

    @property
    def requests(self) -> Select[Any]:
        """Change requests in which they are named."""
        return self.of(change_request_line.c.request_id, change_request_line.c.person_id == self.person)

    @property
    def sole_requests(self) -> Select[Any]:
        """Those that name nobody else: their texts and files are about them alone."""
        others = select(change_request_line.c.request_id).where(change_request_line.c.person_id != self.person)
        return self.requests.where(change_request_line.c.request_id.not_in(others))

    @property
    def messages(self) -> Select[Any]:
        """Messages to them."""
        return self.of(message.c.id, message.c.to_person_id == self.person)


Way = Callable[[Me], ColumnElement[bool]]


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One table. Without a way no row is about one person; `whose` may still say that it holds data of people."""

    table: Table
    #: in plain words
    holds: str
    group: str
    whose: str = NOBODY
    way: Way | None = None
    #: columns by which the way finds a person: these are no hands
    own: tuple[str, ...] = ()
    #: column -> class, where its type does not say it
    columns: Mapping[str, str] = field(default_factory=dict)
    #: the rows go when the person is erased, or so the columns -> what they become; neither: they stay, with ids only
    goes: bool = False
    becomes: Mapping[str, object] = field(default_factory=dict)

    def column_class(self, name: str) -> str:
        """The class of a column. Raises KeyError where neither its type nor the table's line says it."""
        if name in self.columns:
            return self.columns[name]
        column = self.table.c[name]
        if name == "id" or column.foreign_keys or name.endswith("_id"):
            return ID
        if name.endswith("_ms"):
            return TIME
        if isinstance(column.type, Text | LargeBinary):
            raise KeyError(f"{self.table.name}.{name}: say what stands in it")
        return WORD if hasattr(column.type, "length") else VALUE

    @property
    def hands(self) -> tuple[str, ...]:
        """Columns that name an account or a person who did something."""
        found = []
        for column in self.table.c:
            target = next((key.column.table.name for key in column.foreign_keys), "")
            named = target in ("account", "person") or column.name.endswith("account_id")
            if named and column.name not in self.own:
                found.append(column.name)
        return tuple(found)


def of(column: Column) -> Way:
    """The rows whose column names the person."""
    return lambda me: column == me.person


def of_account(column: Column) -> Way:
    """The rows whose column names an account of the person's."""
    return lambda me: column.in_(me.accounts)
