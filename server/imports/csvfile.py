"""CSV bytes to rows with their lines. RFC 4180, as OneRoster asks for it: UTF-8, a header, quotes doubled."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from server.imports.badrows import BadRows, quoted

#: no file of a campus has a cell this long; without a limit one open quote would take the whole file
LONGEST_CELL = 20_000
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row. cells: by column name in small letters, without blanks around."""

    file: str
    line: int
    cells: Mapping[str, str] = field(repr=False)

    def __getitem__(self, column: str) -> str:
        """The cell, '' where the file has no such column."""
        return self.cells.get(column.lower(), "")


def read(name: str, data: bytes, required: tuple[str, ...], bad: BadRows) -> list[Row]:
    """The rows of a CSV file; what is wrong goes to `bad`. A BOM, CRLF or LF, and columns in any order are fine.

    Codes: csv-encoding, csv-header, csv-syntax, csv-columns, csv-character.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        bad.add(name, line, "csv-encoding", "is not UTF-8 from here on: save the file as 'CSV UTF-8'")
        return []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    header: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            begins, line = line, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = _header(name, begins, cells, required, bad)
                if header is None:
                    return []
                continue
            if len(cells) != len(header):
                bad.add(name, begins, "csv-columns", f"has {len(cells)} cells where the header has {len(header)}")
                continue
            if any(_CONTROL.search(cell) or len(cell) > LONGEST_CELL for cell in cells):
                bad.add(
                    name, begins, "csv-character", "has a cell with control characters, or one that is far too long"
                )
                continue
            rows.append(
                Row(file=name, line=begins, cells={key: cell.strip() for key, cell in zip(header, cells, strict=True)})
            )
    except csv.Error as error:
        bad.add(name, max(line, reader.line_num), "csv-syntax", f"cannot be read from here on: {error}")
        return rows
    if header is None:
        bad.add(name, 0, "csv-header", "is empty: it needs at least its header")
    return rows


def _header(name: str, line: int, cells: list[str], required: tuple[str, ...], bad: BadRows) -> list[str] | None:
    header = [cell.strip().lower() for cell in cells]
    missing = [column for column in required if column.lower() not in header]
    if missing:
        bad.add(name, line, "csv-header", f"has no column {', '.join(map(quoted, missing))}")
        return None
    if len(set(header)) != len(header):
        bad.add(name, line, "csv-header", "names a column twice")
        return None
    return header
