"""What is wrong in a file: where, why, and nothing secret. A run collects them all before it says no."""

from __future__ import annotations

import re
from dataclasses import dataclass

from server.errors import StoreError
from server.imports.summary import Summary

#: how a text that is too long, or not a text, is cut in a message
_SHOWN = 60


@dataclass(frozen=True, kw_only=True, order=True)
class BadRow:
    """One thing that cannot be read or believed. line: 1 is the file's first, 0 the file as a whole."""

    file: str
    line: int
    #: stable, for machines
    code: str
    #: for the registrar: what is wrong and what to do
    text: str

    def __str__(self) -> str:
        return f"{self.file}{f':{self.line}' if self.line else ''}: {self.text} [{self.code}]"


class BadRows:
    """The bad rows of a run, in the order of file and line; each once."""

    def __init__(self) -> None:
        self._rows: set[BadRow] = set()

    def add(self, file: str, line: int, code: str, text: str) -> None:
        """Keep one."""
        self._rows.add(BadRow(file=file, line=line, code=code, text=text))

    def __bool__(self) -> bool:
        return bool(self._rows)

    def unread(self, file: str) -> bool:
        """Whether a part of the file could not be read at all: what it lacks then says nothing."""
        return any(row.file == file and row.code.startswith("csv-") for row in self._rows)

    @property
    def rows(self) -> list[BadRow]:
        """All of them, sorted."""
        return sorted(self._rows)


class ImportRefused(StoreError):
    """The import cannot be done; nothing was changed."""


class RowsRefused(ImportRefused):
    """There are bad rows: nothing was changed."""

    def __init__(self, bad: BadRows) -> None:
        count = len(bad.rows)
        said = "1 row is" if count == 1 else f"{count} rows are"
        super().__init__("import-bad-rows", f"{said} not usable: put them right and import again; nothing was changed")
        self.rows = bad.rows


class NeedsConfirmation(ImportRefused):
    """More would end or move than happens by itself: a person has to say so."""

    def __init__(self, stops: list[str], summary: Summary) -> None:
        super().__init__(
            "import-needs-confirmation",
            f"{'; '.join(stops)}. Look at it, and add --confirm if it is right; nothing was changed",
        )
        self.stops, self.summary = stops, summary


def quoted(text: str) -> str:
    """A cell or property as a message may repeat it: short, printable. Never for card UIDs: see masked."""
    shown = "".join(ch if ch.isprintable() else "?" for ch in text)
    return f"'{shown[:_SHOWN]}…'" if len(shown) > _SHOWN else f"'{shown}'"


def masked(uid: str) -> str:
    """A card's UID as a message may show it: the first and the last byte where it is a UID, else nothing of it."""
    digits = re.sub(r"[\s:.-]", "", uid)
    if re.fullmatch(r"[0-9A-Fa-f]{8,20}", digits):
        return f"{digits[:2].upper()}••••{digits[-2:].upper()}"
    return "••••"
