"""Timetables around a zone's changes, through the import's own code, held against `tzif`'s opinion.

For each change of a zone's offset: weekly series whose middle week falls before, into, over and after what the change
leaves out or repeats. What is compared is the door's window (PORT-2) in UTC epoch milliseconds, for every week.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from server.imports import icsfile, occurrences
from server.imports.badrows import BadRows
from server.policy import profile
from tests.time.tzif import DAY_S, Change, Zone, raw

WEEK_S = 7 * DAY_S
WEEKS = 3
MIN_S = 60
#: the registrar's words in the import's report, for what tzif calls it
SAID = {"never": "leaves out", "twice": "repeats"}
PORT = profile.read_all()["port"]
#: what an endless series would be unrolled around; the ones here end
NOW_MS = 1_800_000_000_000


@dataclass(frozen=True, kw_only=True)
class Series:
    """Weekly, three weeks; the middle one starts at wall second `middle_s`. exact: its length is a DURATION. floating:
    its times name no zone."""

    middle_s: int
    minutes: int
    exact: bool = False
    floating: bool = False


@dataclass(kw_only=True)
class Checked:
    """What was looked at in one zone, and what was wrong."""

    changes: int = 0
    windows: int = 0
    #: wall times that are there `twice` or `never`
    odd: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    #: odd times that the import did not tell
    silent: list[str] = field(default_factory=list)


def around(change: Change) -> list[Series]:
    """The series that a change could disturb."""
    low_s, high_s = change.low_s, change.high_s
    middle_s = (low_s + high_s) // 2 // MIN_S * MIN_S
    across_min = (high_s - low_s) // MIN_S + 60
    nine_s = low_s // DAY_S * DAY_S + 9 * 3600
    return [
        Series(middle_s=low_s - 30 * MIN_S, minutes=60),
        Series(middle_s=low_s - 30 * MIN_S, minutes=across_min),
        Series(middle_s=low_s - 30 * MIN_S, minutes=across_min, exact=True),
        Series(middle_s=low_s - MIN_S, minutes=30),
        Series(middle_s=low_s, minutes=60),
        Series(middle_s=middle_s, minutes=60, floating=True),
        Series(middle_s=middle_s, minutes=60, exact=True),
        Series(middle_s=middle_s, minutes=10),
        Series(middle_s=high_s - MIN_S, minutes=90),
        Series(middle_s=high_s, minutes=60, floating=True),
        Series(middle_s=nine_s, minutes=60),
    ]


def calm() -> list[Series]:
    """Series for a zone that does not change: one in each year."""
    first_s = int(datetime(2020, 3, 2, 9, tzinfo=UTC).timestamp())
    return [Series(middle_s=first_s + n * 52 * WEEK_S, minutes=60) for n in range(18)]


def check(name: str, from_s: int, until_s: int, read=occurrences.read) -> Checked:
    """Every change of a zone in [from, until), UTC seconds. read: the import's, or a saboteur in its place."""
    zone = Zone(raw(name))
    changes = zone.changes(from_s, until_s)
    series = [one for change in changes for one in around(change)] or calm()
    found = Checked(changes=len(changes))
    bad = BadRows()
    calendar = icsfile.read("weekly.ics", _file(name, series), bad)
    made = read(calendar, ZoneInfo(name), NOW_MS, bad)
    found.wrong += [f"{name}: refused: {row.text}" for row in bad.rows]
    told = Counter((line, text) for line, text in made.odd)
    windows: dict[int, list[tuple[int, int]]] = {}
    for one in made.events:
        windows.setdefault(int(one.uid), []).append(PORT.window(one.starts_ms, one.ends_ms))
    lines = {int(one.uid): one.line for one in made.events}
    for number, one in enumerate(series):
        expected = []
        for week in range(-1, WEEKS - 1):
            starts_s = one.middle_s + week * WEEK_S
            window, odd = _expected(zone, starts_s, one)
            expected.append(window)
            for what, wall_s in odd:
                found.odd[what] += 1
                shown = datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%d %H:%M")
                if not any(line == lines.get(number) and shown in text and SAID[what] in text for line, text in told):
                    found.silent.append(f"{name}: {shown} is there {what}, and the import says nothing")
        found.windows += len(expected)
        if sorted(windows.get(number, [])) != sorted(expected):
            got = sorted(windows.get(number, []))
            found.wrong.append(f"{name}: {one}: {_told(got)} and not {_told(expected)}")
    return found


def _expected(zone: Zone, starts_s: int, one: Series) -> tuple[tuple[int, int], list[tuple[str, int]]]:
    """The window in epoch ms by the rule of docs/imports.md, and what is odd: (what, wall second)."""
    ends_s = starts_s + one.minutes * MIN_S
    begins, odd = zone.moment(starts_s)
    until, odd_end = zone.moment(ends_s)
    told = [(odd, starts_s)] if odd else []
    if one.exact or odd == "never":
        until = begins + one.minutes * MIN_S
    if odd_end and not one.exact and odd != "never":
        told.append((odd_end, ends_s))
    return (begins * 1000 - 30 * MIN_S * 1000, until * 1000), told


def _file(name: str, series: list[Series]) -> bytes:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//tests//time//EN"]
    for number, one in enumerate(series):
        zone = "" if one.floating else f";TZID={name}"
        first_s = one.middle_s - WEEK_S
        ends = f"DTEND{zone}:{_ics(first_s + one.minutes * MIN_S)}"
        if one.exact:
            ends = f"DURATION:PT{one.minutes}M"
        lines += ["BEGIN:VEVENT", f"UID:{number}", "DTSTAMP:20200101T000000Z", f"DTSTART{zone}:{_ics(first_s)}", ends]
        lines += [f"RRULE:FREQ=WEEKLY;COUNT={WEEKS}", "SUMMARY:weekly", "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


def _ics(wall_s: int) -> str:
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y%m%dT%H%M%S")


def _told(windows: list[tuple[int, int]]) -> str:
    return ", ".join(
        f"{datetime.fromtimestamp(a / 1000, UTC):%Y-%m-%d %H:%M}-{datetime.fromtimestamp(b / 1000, UTC):%H:%M}Z"
        for a, b in windows
    )
