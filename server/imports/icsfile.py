"""iCalendar bytes to its blocks, each with its line, so that one bad event is said with its place and hides no other.

Only the frame is read here (RFC 5545 section 3.1: lines, folding, BEGIN and END); what stands in a block is read by
the icalendar library in occurrences.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from server.imports.badrows import BadRows, quoted

_LINE = re.compile(r"([A-Za-z0-9-]+)\s*([;:].*)", re.DOTALL)
_SPECIAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
#: blocks that are read; others, such as alarms and to-dos, are no sessions
EVENT, ZONE, CALENDAR = "VEVENT", "VTIMEZONE", "VCALENDAR"
LARGEST_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Block:
    """One component as it stands in the file. lines: unfolded, BEGIN and END included."""

    name: str
    #: of its BEGIN
    line: int
    lines: tuple[str, ...]

    def text(self) -> bytes:
        """The component, for a parser."""
        return ("\r\n".join(self.lines) + "\r\n").encode()


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """A file. properties: the calendar's own, by name in capitals, without parameters."""

    name: str
    properties: dict[str, str]
    zones: tuple[Block, ...]
    events: tuple[Block, ...]
    #: (line, what was passed over)
    passed: tuple[tuple[int, str], ...]


def read(name: str, data: bytes, bad: BadRows) -> Calendar:
    """The file's blocks. A BOM, and LF instead of CRLF, are fine.

    Codes: ics-encoding, ics-too-large, ics-not-a-calendar, ics-structure, ics-cut, ics-character.
    """
    nothing = Calendar(name=name, properties={}, zones=(), events=(), passed=())
    if len(data) > LARGEST_BYTES:
        bad.add(name, 0, "ics-too-large", f"is larger than {LARGEST_BYTES} bytes")
        return nothing
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        bad.add(name, line, "ics-encoding", "is not UTF-8 from here on: export the calendar as UTF-8")
        return nothing
    return _Scan(name, bad).run(_unfolded(text))


def _unfolded(text: str) -> list[tuple[int, str]]:
    """(line number, whole line) with what was folded put together."""
    found: list[tuple[int, list[str]]] = []
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        if line[:1] in (" ", "\t") and found:
            found[-1][1].append(line[1:])
        elif line.strip():
            found.append((number, [line]))
    return [(number, "".join(parts)) for number, parts in found]


class _Scan:
    """Goes through the lines once."""

    def __init__(self, name: str, bad: BadRows) -> None:
        self._name, self._bad = name, bad
        #: open components: (name, line)
        self._open: list[tuple[str, int]] = []
        self._block: list[str] = []
        self._properties: dict[str, str] = {}
        self._zones: list[Block] = []
        self._events: list[Block] = []
        self._passed: list[tuple[int, str]] = []

    def run(self, lines: list[tuple[int, str]]) -> Calendar:
        calendars = 0
        for number, line in lines:
            if _SPECIAL.search(line):
                self._bad.add(self._name, number, "ics-character", "holds control characters")
                continue
            match = _LINE.fullmatch(line.strip())
            if match is None and not calendars:
                text = f"is no iCalendar file: it begins with {quoted(line)}"
                self._bad.add(self._name, number, "ics-not-a-calendar", text)
                return self._made()
            if match is None:
                # Some systems write lines that are none; an event does without.
                self._passed.append((number, f"passed over a line that is no property: {quoted(line)}"))
                continue
            word, rest = match[1].upper(), match[2]
            if word == "BEGIN":
                begun = rest[1:].strip().upper()
                if not self._open and begun != CALENDAR:
                    text = f"begins with {quoted(begun)}: an iCalendar file begins with BEGIN:VCALENDAR"
                    self._bad.add(self._name, number, "ics-not-a-calendar", text)
                    return self._made()
                calendars += begun == CALENDAR
                self._open.append((begun, number))
                self._keep("BEGIN:" + begun)
            elif word == "END":
                if not self._end(rest[1:].strip().upper(), number):
                    return self._made()
            elif not self._open:
                text = f"is no iCalendar file: it begins with {quoted(line)}"
                self._bad.add(self._name, number, "ics-not-a-calendar", text)
                return self._made()
            elif len(self._open) == 1:
                self._properties.setdefault(word, rest.rpartition(":")[2] if rest[0] == ";" else rest[1:])
            else:
                self._keep(word + rest)
        if self._open:
            begun, number = self._open[-1]
            text = f"is cut off: {begun} of this line has no END; export it again"
            self._bad.add(self._name, number, "ics-cut", text)
        elif not calendars:
            self._bad.add(self._name, 0, "ics-not-a-calendar", "holds no calendar (BEGIN:VCALENDAR)")
        return self._made()

    def _keep(self, line: str) -> None:
        if len(self._open) > 1:
            self._block.append(line)

    def _end(self, ended: str, number: int) -> bool:
        if not self._open or self._open[-1][0] != ended:
            begun = f"{self._open[-1][0]} of line {self._open[-1][1]}" if self._open else "nothing"
            self._bad.add(self._name, number, "ics-structure", f"ends {quoted(ended)} where {begun} is open")
            return False
        self._keep("END:" + ended)
        _, line = self._open.pop()
        if len(self._open) == 1:
            block = Block(name=ended, line=line, lines=tuple(self._block))
            self._block = []
            if ended == EVENT:
                self._events.append(block)
            elif ended == ZONE:
                self._zones.append(block)
        return True

    def _made(self) -> Calendar:
        return Calendar(
            name=self._name,
            properties=self._properties,
            zones=tuple(self._zones),
            events=tuple(self._events),
            passed=tuple(self._passed),
        )
