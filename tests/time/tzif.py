"""A second opinion on time zones: RFC 8536 files read by code of our own, so that `zoneinfo` is never its own judge.

From a zone file's bytes: its changes of offset, and the rule in its footer for the years after the last of them. From UTC
seconds the offset; from a wall clock's seconds (as if it were UTC) all instants at which the wall shows them.
"""

import os
import re
import struct
import zoneinfo
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib import resources

DAY_S = 86_400
#: changes that a footer's rule makes are written out up to here
LAST_YEAR = 2040
_NAME = r"(?:<[^>]+>|[A-Za-z]+)"
_OFFSET = r"[+-]?\d+(?::\d+)*"
_FOOTER = re.compile(rf"{_NAME}({_OFFSET})(?:{_NAME}({_OFFSET})?,([^/,]+)(?:/({_OFFSET}))?,([^/,]+)(?:/({_OFFSET}))?)?")


@dataclass(frozen=True, kw_only=True)
class Change:
    """At UTC second `at_s` the offset from UTC changes, in seconds east."""

    at_s: int
    before_s: int
    after_s: int

    @property
    def low_s(self) -> int:
        """Wall seconds at which what is left out, or what is there twice, begins."""
        return self.at_s + min(self.before_s, self.after_s)

    @property
    def high_s(self) -> int:
        """And at which it ends."""
        return self.at_s + max(self.before_s, self.after_s)


class Zone:
    """A zone by the bytes of its file."""

    def __init__(self, raw: bytes) -> None:
        times, offsets, self._first_s, footer = _read(raw)
        found = list(zip(times, offsets, strict=True))
        last_s = times[-1] if times else -(1 << 62)
        found += [(at_s, offset) for at_s, offset in _by_rule(footer) if at_s > last_s]
        if not found and footer and (match := _FOOTER.fullmatch(footer)):
            self._first_s = -_seconds(match[1])
        self._times = [at_s for at_s, _ in found]
        self._offsets = [offset for _, offset in found]

    def offset_s(self, at_s: int) -> int:
        """Seconds east of UTC at a UTC second."""
        place = bisect_right(self._times, at_s)
        return self._offsets[place - 1] if place else self._first_s

    def changes(self, from_s: int, until_s: int) -> list[Change]:
        """Every change of the offset in [from, until)."""
        found = []
        for at_s in self._times[bisect_right(self._times, from_s - 1) :]:
            if at_s >= until_s:
                break
            before_s, after_s = self.offset_s(at_s - 1), self.offset_s(at_s)
            if before_s != after_s:
                found.append(Change(at_s=at_s, before_s=before_s, after_s=after_s))
        return found

    def instants(self, wall_s: int) -> list[int]:
        """The UTC seconds at which the wall shows this: two where it is there twice, none where it is left out."""
        offsets = {self.offset_s(wall_s + hours * 3600) for hours in range(-30, 31)}
        return sorted(wall_s - offset for offset in offsets if self.offset_s(wall_s - offset) == offset)

    def moment(self, wall_s: int) -> tuple[int, str]:
        """The UTC second that RFC 5545 (3.3.5) takes, and what is odd with it: '', `twice` (the first is taken) or
        `never` (read by the offset before the change)."""
        instants = self.instants(wall_s)
        if instants:
            return instants[0], "twice" if len(instants) > 1 else ""
        [change] = [c for c in self.changes(wall_s - 3 * DAY_S, wall_s + 3 * DAY_S) if c.low_s <= wall_s < c.high_s]
        return wall_s - change.before_s, "never"


def raw(name: str) -> bytes:
    """The file that zoneinfo reads too: the system's, else the tzdata package's."""
    for folder in zoneinfo.TZPATH:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                return file.read()
    return resources.files("tzdata.zoneinfo").joinpath(name).read_bytes()


def every_name() -> list[str]:
    """All names of zones there are here."""
    return sorted(zoneinfo.available_timezones())


def one_name_each() -> list[str]:
    """One name of each different zone: names of one and the same file are left out."""
    seen: dict[bytes, str] = {}
    for name in every_name():
        seen.setdefault(raw(name), name)
    return sorted(seen.values())


def _read(data: bytes) -> tuple[list[int], list[int], int, str]:
    """Times, the offset from each on, the offset before the first, the footer."""
    if data[:4] != b"TZif" or data[4:5] < b"2":
        raise ValueError("no zone file of version 2 or later")
    begins = 44 + _size(data, 0, 4)
    isut, isstd, leaps, timed, types, letters = struct.unpack_from(">6l", data, begins + 20)
    at = begins + 44
    times = list(struct.unpack_from(f">{timed}q", data, at))
    indexes = data[at + 8 * timed : at + 9 * timed]
    at += 9 * timed
    offsets = [struct.unpack_from(">l", data, at + 6 * n)[0] for n in range(types)]
    at += 6 * types + letters + leaps * 12 + isstd + isut
    footer = data[at:].strip(b"\n").decode("ascii")
    return times, [offsets[n] for n in indexes], offsets[0], footer


def _size(data: bytes, begins: int, width: int) -> int:
    isut, isstd, leaps, timed, types, letters = struct.unpack_from(">6l", data, begins + 20)
    return timed * (width + 1) + types * 6 + letters + leaps * (width + 4) + isstd + isut


def _by_rule(footer: str) -> list[tuple[int, int]]:
    """(UTC second, offset from then on) for the years in which the footer's rule holds."""
    match = _FOOTER.fullmatch(footer)
    if match is None or match[3] is None:
        return []
    standard_s = -_seconds(match[1])
    summer_s = -_seconds(match[2]) if match[2] else standard_s + 3600
    found = []
    for year in range(1970, LAST_YEAR + 1):
        for day, at, before_s, after_s in (
            (match[3], match[4], standard_s, summer_s),
            (match[5], match[6], summer_s, standard_s),
        ):
            wall_s = _day_s(day, year) + (_seconds(at) if at else 7200)
            found.append((wall_s - before_s, after_s))
    return sorted(found)


def _day_s(rule: str, year: int) -> int:
    """The wall second at which a rule's day begins in a year: Mm.w.d, Jn or n (POSIX)."""
    if rule.startswith("M"):
        month, week, weekday = map(int, rule[1:].split("."))
        first = date(year, month, 1)
        found = first + timedelta(days=(weekday - first.isoweekday()) % 7 + 7 * (week - 1))
        while found.month != month:  # the fifth means the last
            found -= timedelta(days=7)
    elif rule.startswith("J"):
        found = date(2023, 1, 1) + timedelta(days=int(rule[1:]) - 1)  # as if no year were a leap year
        found = found.replace(year=year)
    else:
        found = date(year, 1, 1) + timedelta(days=int(rule))
    return int(datetime(found.year, found.month, found.day, tzinfo=UTC).timestamp())


def _seconds(text: str) -> int:
    parts = [int(one) for one in text.lstrip("+-").split(":")] + [0, 0]
    return (-1 if text.startswith("-") else 1) * (parts[0] * 3600 + parts[1] * 60 + parts[2])
