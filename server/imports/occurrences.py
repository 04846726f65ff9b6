"""Calendar blocks to single events in UTC: recurrence, exceptions, overrides, cancellations, zones.

The icalendar library reads a block, recurring-ical-events unrolls a series. An occurrence is known by (UID,
RECURRENCE-ID in UTC): the start that it had in its series, whatever it was moved to.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import icalendar
import recurring_ical_events

from server.imports.badrows import BadRows, quoted
from server.imports.icsfile import Block, Calendar

_DAY = datetime.timedelta(days=1)
#: a series that never ends is unrolled from so long before now to so long after, from month to month
ENDLESS_BEFORE, ENDLESS_AFTER = 400 * _DAY, 550 * _DAY
#: one that ends is unrolled whole, but no further than this
SERIES_SPAN = 3660 * _DAY
MOST_OCCURRENCES = 2_000
LONGEST = 7 * _DAY
LONGEST_UID = 255
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
#: what makes an event unusable when it cannot be read
#: what an event says once (RFC 5545, 3.6.1) and is read below as one value
_ONCE = ("UID", "DTSTART", "DTEND", "DURATION", "RECURRENCE-ID", "STATUS", "SEQUENCE")
_NEEDED = frozenset("UID DTSTART DTEND DURATION RRULE RDATE EXDATE EXRULE RECURRENCE-ID STATUS".split())
#: where a block's own line, and its DURATION in seconds, travel through the libraries
_LINE, _LASTS = "X-MUSTER-LINE", "X-MUSTER-LASTS"


@dataclass(frozen=True, kw_only=True)
class Occurrence:
    """One event at one time. recurrence_id: '' for an event that does not recur, else such as 20261026T090000Z."""

    line: int
    uid: str
    recurrence_id: str
    starts_ms: int
    ends_ms: int
    cancelled: bool
    summary: str
    description: str
    location: str
    categories: tuple[str, ...]

    def field(self, name: str) -> list[str]:
        """The texts of the property that a rule names: CATEGORIES has several."""
        if name == "CATEGORIES":
            return list(self.categories)
        return [{"SUMMARY": self.summary, "DESCRIPTION": self.description, "LOCATION": self.location}[name]]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a file says. all_day: (line) of events without a time of day, which are no sessions. odd: (line, what was
    done) with each local time that the clocks' change leaves out or repeats."""

    events: list[Occurrence]
    floating: int
    all_day: list[int]
    odd: list[tuple[int, str]]


class _Bad(Exception):
    """An event that cannot be used."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def floating_zone(calendar: Calendar, said: str | None, institution: str) -> tuple[str, str]:
    """The zone of starts that name none, and why: what was said, the file's own word, its only VTIMEZONE, ours."""
    if said:
        return said, "as was said"
    if _is_zone(name := calendar.properties.get("X-WR-TIMEZONE", "").strip()):
        return name, "the calendar's X-WR-TIMEZONE"
    names = {line[5:].strip() for zone in calendar.zones for line in zone.lines if line.upper().startswith("TZID:")}
    if len(names) == 1 and _is_zone(name := names.pop()):
        return name, "the file's only VTIMEZONE"
    return institution, "the institution's"


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return bool(name)


def read(calendar: Calendar, zone: ZoneInfo, now_ms: int, bad: BadRows) -> Found:
    """Every occurrence in the file. zone: for starts that name none. What cannot be used goes to `bad`.

    Codes: ics-event, ics-property, ics-zone, ics-no-uid, ics-uid, ics-uid-twice, ics-no-start, ics-no-end, ics-length,
    ics-rule, ics-too-many.
    """
    return _Reader(calendar, zone, now_ms, bad).run()


class _Reader:
    """Reads one file."""

    def __init__(self, calendar: Calendar, zone: ZoneInfo, now_ms: int, bad: BadRows) -> None:
        self._calendar, self._zone, self._bad = calendar, zone, bad
        self._now = datetime.datetime.fromtimestamp(now_ms / 1000, datetime.UTC)
        self._floating = 0
        self._all_day: list[int] = []
        self._odd: dict[tuple[int, str], None] = {}

    def run(self) -> Found:
        # Zones that an earlier file defined under the same name must not be ours.
        icalendar.use_zoneinfo()
        for block in self._calendar.zones:
            self._parse(block, "ics-zone")
        series: dict[str, list[tuple[int, Any]]] = {}
        for block in self._calendar.events:
            event = self._parse(block, "ics-event")
            if event is None:
                continue
            try:
                uid = self._checked(block, event)
            except _Bad as error:
                self._say(block.line, error)
                continue
            if uid:
                series.setdefault(uid, []).append((block.line, event))
        found = [one for uid, parts in series.items() for one in self._series(uid, parts)]
        return Found(events=found, floating=self._floating, all_day=self._all_day, odd=list(self._odd))

    def _say(self, line: int, error: _Bad) -> None:
        self._bad.add(self._calendar.name, line, error.code, str(error))

    def _parse(self, block: Block, code: str) -> Any | None:
        whole = Block(name="", line=0, lines=("BEGIN:VCALENDAR", *block.lines, "END:VCALENDAR"))
        try:
            parsed = icalendar.Calendar.from_ical(whole.text())
            return next(iter(parsed.walk(block.name)))
        except Exception as error:  # noqa: BLE001  another's parser over any bytes: whatever it raises is the file's fault
            self._bad.add(self._calendar.name, block.line, code, f"{block.name} cannot be read: {_said(error)}")
            return None

    def _checked(self, block: Block, event: Any) -> str:
        """The event's UID; '' for one that is no session. Raises _Bad."""
        for name, said in event.errors:
            if name is None or name.upper() in _NEEDED:
                raise _Bad("ics-property", f"has a property that cannot be read: {quoted(str(said))}")
        for name in _ONCE:
            if isinstance(event.get(name), list):
                raise _Bad("ics-property", f"has more than one {name}, which may stand once (RFC 5545, 3.6.1)")
        uid = str(event.get("UID", ""))
        if not uid:
            raise _Bad("ics-no-uid", "has no UID: without one it cannot be known again")
        if len(uid) > LONGEST_UID:
            raise _Bad("ics-uid", f"has a UID longer than {LONGEST_UID} characters")
        if "DTSTART" not in event:
            if str(event.get("STATUS", "")).upper() == "CANCELLED" and "RECURRENCE-ID" in event:
                event["DTSTART"] = event["RECURRENCE-ID"]
            else:
                raise _Bad("ics-no-start", "has no DTSTART")
        for name in ("DTSTART", "DTEND", "RECURRENCE-ID"):
            value = event.get(name)
            if value is None:
                continue
            if not isinstance(value.dt, datetime.date):
                raise _Bad("ics-property", f"has a {name} that is neither a day nor a day and a time")
            if "TZID" in value.params and isinstance(value.dt, datetime.datetime) and value.dt.tzinfo is None:
                raise _Bad("ics-zone", f"is in a time zone that is not known: {quoted(str(value.params['TZID']))}")
        if not isinstance(event["DTSTART"].dt, datetime.datetime):
            self._all_day.append(block.line)
            return ""
        if event["DTSTART"].dt.tzinfo is None:
            self._floating += 1
        rule = event.get("RRULE")
        for one in rule if isinstance(rule, list) else [rule] if rule else []:
            if [str(f).upper() for f in one.get("FREQ", [])] not in [[f] for f in _FREQUENCIES]:
                raise _Bad("ics-rule", "recurs by a rule that no timetable has (RRULE: FREQ is DAILY to YEARLY)")
            if any(len(one.get(part, [])) > 1 for part in ("BYHOUR", "BYMINUTE", "BYSECOND")):
                raise _Bad("ics-rule", "recurs several times a day by one rule: write an event for each")
        event[_LINE] = str(block.line)
        if "DURATION" in event:
            if not isinstance(event["DURATION"].dt, datetime.timedelta):
                raise _Bad("ics-property", "has a DURATION that is none")
            event[_LASTS] = str(event["DURATION"].dt.total_seconds())
        return uid

    def _series(self, uid: str, parts: list[tuple[int, Any]]) -> Iterable[Occurrence]:
        newest: dict[str, tuple[int, Any]] = {}
        for line, event in parts:
            key = self._key(event)
            if key in newest:
                before_line, before = newest[key]
                mine, theirs = _revision(event), _revision(before)
                if mine == theirs:
                    error = _Bad("ics-uid-twice", f"has the UID of line {before_line}, and neither is newer (SEQUENCE)")
                    self._say(line, error)
                if mine <= theirs:
                    continue
            newest[key] = (line, event)
        events = list(newest.values())
        if len(events) == 1 and not {"RRULE", "RDATE"} & events[0][1].keys():
            line, event = events[0]
            return self._safely(line, lambda: [self._made(event, uid, "" if "RECURRENCE-ID" not in event else None)])
        return self._safely(events[0][0], lambda: self._unrolled(uid, [event for _, event in events]))

    def _safely(self, line: int, work: Any) -> list[Occurrence]:
        try:
            return list(work())
        except _Bad as error:
            self._say(line, error)
        except Exception as error:  # noqa: BLE001  another's recurrence over any rule: whatever it raises is the file's fault
            self._bad.add(
                self._calendar.name, line, "ics-rule", f"recurs by a rule that cannot be used: {_said(error)}"
            )
        return []

    def _unrolled(self, uid: str, events: list[Any]) -> list[Occurrence]:
        calendar = icalendar.Calendar()
        for event in events:
            calendar.add_component(event)
        starts = min(self._utc(event["DTSTART"].dt) for event in events)
        endless = any(
            "UNTIL" not in rule and "COUNT" not in rule for event in events for rule in _listed(event.get("RRULE"))
        )
        if endless:
            month = _month(self._now)
            first, last = _month(month - ENDLESS_BEFORE), _month(month + ENDLESS_AFTER)
        else:
            first, last = starts - _DAY, max(starts, self._now) + SERIES_SPAN
            first = max(first, self._now - SERIES_SPAN)
        query = recurring_ical_events.of(calendar)
        several = list(itertools.islice(query.between(first, last), MOST_OCCURRENCES + 1))
        if len(several) > MOST_OCCURRENCES:
            raise _Bad("ics-too-many", f"recurs more than {MOST_OCCURRENCES} times")
        alone = not any({"RRULE", "RDATE"} & event.keys() for event in events) and len(events) == 1
        return [self._made(one, uid, "" if alone else None) for one in several]

    def _made(self, event: Any, uid: str, recurrence_id: str | None) -> Occurrence:
        line = int(_first(event.get(_LINE)))
        local = event["DTSTART"].dt
        starts = self._utc(local)
        cancelled = str(event.get("STATUS", "")).upper() == "CANCELLED"
        if "DTEND" in event:
            if not isinstance(event["DTEND"].dt, datetime.datetime):
                raise _Bad("ics-no-end", "begins at a time and ends at a date")
            ends = self._end(event, local, starts)
        elif "DURATION" in event:
            ends = starts + event["DURATION"].dt
        elif cancelled:
            ends = starts
        else:
            raise _Bad("ics-no-end", "has no end (DTEND or DURATION): a session needs one")
        if not cancelled and not datetime.timedelta(0) < ends - starts <= LONGEST:
            raise _Bad("ics-length", f"ends before or as it begins, or lasts longer than {LONGEST.days} days")
        if not cancelled:
            # Where the start is moved the end goes with it.
            moved = self._note_odd(line, local, "starts")
            if "DTEND" in event and _LASTS not in event and not moved:
                self._note_odd(line, event["DTEND"].dt, "ends")
        if recurrence_id is None:
            recurrence_id = self._utc(event["RECURRENCE-ID"].dt).strftime("%Y%m%dT%H%M%SZ")
        return Occurrence(
            line=line,
            uid=uid,
            recurrence_id=recurrence_id,
            starts_ms=int(starts.timestamp() * 1000),
            ends_ms=int(ends.timestamp() * 1000),
            cancelled=cancelled,
            summary=_text(event.get("SUMMARY")),
            description=_text(event.get("DESCRIPTION")),
            location=_text(event.get("LOCATION")),
            categories=tuple(
                str(one) for group in _listed(event.get("CATEGORIES")) for one in getattr(group, "cats", [group])
            ),
        )

    def _end(self, event: Any, local: datetime.datetime, starts: datetime.datetime) -> datetime.datetime:
        """The end as the clock on the wall shows it, but: hours of a DURATION are hours (RFC 5545 3.3.6), and what
        starts at a time that is not there lasts as long as it says."""
        until = event["DTEND"].dt
        lasts = until.replace(tzinfo=None) - local.replace(tzinfo=None)
        exact = _LASTS in event and float(_first(event[_LASTS])) == lasts.total_seconds()
        if exact or (self._change(local) == "never" and until.tzinfo == local.tzinfo):
            return starts + lasts
        return self._utc(until)

    def _change(self, local: datetime.datetime) -> str:
        """`never` or `twice` where the clocks' change leaves this local time out or repeats it, else ''."""
        aware = local if local.tzinfo is not None else local.replace(tzinfo=self._zone)
        back = aware.astimezone(datetime.UTC).astimezone(aware.tzinfo)
        if back.replace(tzinfo=None) != aware.replace(tzinfo=None):
            return "never"
        return "twice" if aware.utcoffset() != aware.replace(fold=1).utcoffset() else ""

    def _note_odd(self, line: int, local: datetime.datetime, what: str) -> bool:
        """Tell of a local time that is not there, or twice. Whether it is not there."""
        change = self._change(local)
        if not change:
            return False
        shown = self._utc(local).astimezone(local.tzinfo or self._zone)
        said = f"{what} at {local:%Y-%m-%d %H:%M}, which the clocks' change "
        taken = f"{shown:%H:%M}" if shown.date() == local.date() else f"{shown:%Y-%m-%d %H:%M}"
        said += "repeats: the first is taken" if change == "twice" else f"leaves out: {taken} is taken"
        self._odd[line, said] = None
        return change == "never"

    def _utc(self, value: Any) -> datetime.datetime:
        if not isinstance(value, datetime.datetime):
            value = datetime.datetime.combine(value, datetime.time())
        if value.tzinfo is None:
            # RFC 5545 3.3.5: twice a year a local time is there twice or never; fold 0 is what it asks for in both.
            value = value.replace(tzinfo=self._zone)
        return value.astimezone(datetime.UTC)

    def _key(self, event: Any) -> str:
        if "RECURRENCE-ID" not in event:
            return ""
        return self._utc(event["RECURRENCE-ID"].dt).isoformat()


def _revision(event: Any) -> tuple[int, str]:
    stamp = event.get("DTSTAMP")
    return int(event.get("SEQUENCE", 0)), stamp.dt.isoformat() if stamp is not None and hasattr(stamp, "dt") else ""


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _first(value: Any) -> str:
    return str(_listed(value)[0])


def _text(value: Any) -> str:
    return str(_first(value)) if value is not None else ""


def _month(at: datetime.datetime) -> datetime.datetime:
    return at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _said(error: Exception) -> str:
    return quoted(f"{type(error).__name__}: {error}")
