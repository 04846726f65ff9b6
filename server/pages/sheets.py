"""Registers as files: CSV that no spreadsheet takes for formulas, and XLSX whose texts are texts. Pure: lines in, bytes out."""

from __future__ import annotations

import csv
import io
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

import xlsxwriter
from xlsxwriter.worksheet import Worksheet

from server.pages.local import Local
from server.store.exports import Line

CSV, XLSX, PRINT = FORMS = ("csv", "xlsx", "print")
MEDIA = {CSV: "text/csv; charset=utf-8", XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
HEADINGS = (
    "Full name", "Number", "Course code", "Course", "Session", "Day", "Start", "End", "Room", "Staff", "Classes",
    "Cancelled", "Mark", "Meaning", "Minutes late", "Minutes early", "Verified", "Counts", "Tapped", "Set by",
)  # fmt: skip
#: what a spreadsheet may take for a formula at the begin of a cell, after blanks or none; the full-width ones are such in
#: some languages
_FORMULA = r"[\s\u200b\ufeff]*[=+\-@＝＋－＠]"
_RISKY = re.compile(rf"[\t\r\n]|{_FORMULA}")
#: where other spreadsheets part cells, and a formula follows
_PARTED = re.compile(rf"(?<=[;|\t\r\n])(?={_FORMULA})")
_CHUNK = 64 * 1024
#: a file that is larger goes from memory to disk
_IN_MEMORY = 4 * 1024 * 1024


def guarded(text: str) -> str:
    """A cell that is text and nothing else: what might be a formula gets an apostrophe before it.

    Blanks before a formula are dropped by some spreadsheets, so they do not hide one. Where a country's spreadsheets part
    cells by a semicolon or a tab, what stands after one begins a cell of its own, and gets its apostrophe too.
    """
    text = _PARTED.sub("'", text)
    return f"'{text}" if _RISKY.match(text) else text


def cells(one: Line, local: Local) -> list[str | int]:
    """A line's cells, in the order of HEADINGS."""
    day, starts = local.iso(one.starts_ms)
    return [
        one.full_name, one.number, one.course_code, one.course_title, one.title, day, starts, local.iso(one.ends_ms)[1],
        one.rooms, one.staff, one.classes, "yes" if one.cancelled else "", one.code, one.meaning,
        "" if one.late_min is None else one.late_min, "" if one.early_min is None else one.early_min,
        "yes" if one.verified else "", "yes" if one.counts else "",
        "" if one.tapped_ms is None else local.seconds(one.tapped_ms), one.source,
    ]  # fmt: skip


def as_csv(lines: Iterable[Line], local: Local) -> Iterator[bytes]:
    """RFC 4180 in UTF-8 with a BOM (spreadsheets need it), piece by piece."""
    into = io.StringIO()
    writer = csv.writer(into, lineterminator="\r\n")
    into.write("\ufeff")
    writer.writerow(HEADINGS)
    for one in lines:
        writer.writerow([guarded(cell) if isinstance(cell, str) else cell for cell in cells(one, local)])
        if into.tell() > _CHUNK:
            yield into.getvalue().encode()
            into.seek(0)
            into.truncate()
    yield into.getvalue().encode()


def as_xlsx(lines: Iterable[Line], local: Local) -> Iterator[bytes]:
    """An Excel workbook, made row by row in a file of its own that goes when it was sent. Every text is a string."""
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        _write_xlsx(file, lines, local)
        file.seek(0)
        while part := file.read(_CHUNK):
            yield part


def _write_xlsx(file: IO[bytes], lines: Iterable[Line], local: Local) -> None:
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False,
               "strings_to_numbers": False}  # fmt: skip
    book = xlsxwriter.Workbook(file, options)
    sheet = book.add_worksheet("Registers")
    bold = book.add_format({"bold": True})
    sheet.freeze_panes(1, 1)
    sheet.set_column(0, 0, 28)
    sheet.set_column(1, len(HEADINGS) - 1, 14)
    for column, heading in enumerate(HEADINGS):
        sheet.write_string(0, column, heading, bold)
    for number, one in enumerate(lines, start=1):
        _write_row(sheet, number, cells(one, local))
    book.close()


def _write_row(sheet: Worksheet, number: int, row: Sequence[str | int]) -> None:
    for column, cell in enumerate(row):
        if isinstance(cell, int):
            sheet.write_number(number, column, cell)
        elif cell:
            # A cell takes 32,767 characters.
            sheet.write_string(number, column, cell[:32_000])


def table(form: str, headings: Sequence[str], rows: Iterable[Sequence[str | int]], title: str) -> bytes:
    """A small table of any columns as a file: CSV or XLSX, guarded as registers are."""
    if form == CSV:
        into = io.StringIO()
        into.write("\ufeff")
        writer = csv.writer(into, lineterminator="\r\n")
        writer.writerow(headings)
        writer.writerows([guarded(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
        return into.getvalue().encode()
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False,
                                      "strings_to_numbers": False})  # fmt: skip
    sheet = book.add_worksheet(title)
    bold = book.add_format({"bold": True})
    sheet.freeze_panes(1, 1)
    sheet.set_column(0, 0, 28)
    for column, heading in enumerate(headings):
        sheet.write_string(0, column, heading, bold)
    for number, row in enumerate(rows, start=1):
        _write_row(sheet, number, row)
    book.close()
    return file.getvalue()
