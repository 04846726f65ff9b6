# ruff: noqa: PT017  a check says what holds for both outcomes, and pytest.raises allows only one
"""Fuzzed: what a registrar's files become."""

import io
import shutil
import tempfile
import weakref
import zipfile
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from server.errors import StoreError
from server.imports import bundle as bundles
from server.imports import cardlist, csvfile, icsfile, occurrences, oneroster
from server.imports.badrows import BadRows
from tests.fuzz.targets import Check
from tests.server.imports.imports_world import CARDS, OCTOBER, PACKAGE, calendar, event

LONDON = ZoneInfo("Europe/London")


def said_well(bad: BadRows, data: bytes) -> None:
    """Each bad row has a place in the file, a code and a text."""
    for row in bad.rows:
        assert row.code, row
        assert row.text, row
        assert 0 <= row.line <= data.count(b"\n") + data.count(b"\r") + 1, row


def a_csv() -> tuple[Check, Sequence[bytes]]:
    """A CSV is rows, or says where it is none."""

    def check(data: bytes) -> None:
        bad = BadRows()
        rows = csvfile.read("users.csv", data, ("sourcedId",), bad)
        said_well(bad, data)
        assert rows or bad or data.strip(), "nothing, and nothing said"

    return check, ["\n".join(lines).encode() for lines in PACKAGE.values()]


def a_card_list() -> tuple[Check, Sequence[bytes]]:
    """A list of cards is tokens or bad rows, and no bad row repeats a card's number."""

    def check(data: bytes) -> None:
        bad = BadRows()
        rows = cardlist.in_file("cards.csv", data, bad)
        cardlist.read(rows, lambda user: user != "nobody", lambda uid: [(1, uid.ljust(8)[:8])], complete=True, bad=bad)
        said_well(bad, data)
        for row in rows:
            assert len(row.uid) < 8 or row.uid not in row.user or all(row.uid not in b.text for b in bad.rows)

    return check, ["\n".join(CARDS).encode(), b"userSourcedId,uid\ns1,04:A1:B2:C3\ns1,zz\n"]


def a_package() -> tuple[Check, Sequence[bytes]]:
    """One file of a package is anything: the package is read, or refused with a code."""
    folder = Path(tempfile.mkdtemp(prefix="muster-fuzz-"))
    names = [*PACKAGE, "manifest"]
    for name, lines in PACKAGE.items():
        (folder / f"{name}.csv").write_text("\n".join(lines))
    whole = {name: (folder / f"{name}.csv").read_bytes() for name in PACKAGE}

    def check(data: bytes) -> None:
        name = names[data[0] % len(names)] if data else "users"
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for other, content in whole.items():
                archive.writestr(f"{other}.csv", data[1:] if other == name else content)
            if name == "manifest":
                archive.writestr("manifest.csv", data[1:])
        path = folder / "package.zip"
        path.write_bytes(data[1:] if data[:1] == b"\xff" else packed.getvalue())
        bad = BadRows()
        try:
            oneroster.read(bundles.read(path, bad), LONDON, bad)
        except StoreError as error:
            assert error.code, error
        for row in bad.rows:
            assert row.code, row

    weakref.finalize(check, shutil.rmtree, folder, True)
    manifest = b"\x07propertyName,value\nmanifest.version,1.0\noneroster.version,1.2\nfile.users,bulk\n"
    return check, [bytes([n]) + content for n, content in enumerate(whole.values())] + [
        manifest,
        b"\xff" + b"PK\x05\x06" + bytes(18),
    ]


def a_calendar() -> tuple[Check, Sequence[bytes]]:
    """A timetable is occurrences, or says where it is none; each occurrence ends after it begins."""

    def check(data: bytes) -> None:
        bad = BadRows()
        try:
            read = icsfile.read("timetable.ics", data, bad)
            found = occurrences.read(read, LONDON, OCTOBER, bad)
        except StoreError as error:
            assert error.code, error
            return
        said_well(bad, data)
        for one in found.events:
            assert one.ends_ms > one.starts_ms, one

    weekly = event("a", "20261005T090000", "20261005T100000", "RRULE:FREQ=WEEKLY;COUNT=3", "EXDATE:20261012T080000Z")
    moved = event("a", "20261013T090000", "20261013T100000", "RECURRENCE-ID;TZID=Europe/London:20261012T090000")
    zone = ["BEGIN:VTIMEZONE", "TZID:Ours", "BEGIN:STANDARD", "DTSTART:19700101T000000", "TZOFFSETFROM:+0100",
            "TZOFFSETTO:+0100", "END:STANDARD", "END:VTIMEZONE"]  # fmt: skip
    return check, [
        calendar(weekly),
        calendar(weekly, moved),
        calendar(event("b", "20261006T090000", "20261006T100000")),
        calendar(weekly, zone),
    ]
