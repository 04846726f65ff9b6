"""Local time for rules: ends of days and weeks, and spans that a profile gives with their unit. Pure.

Hours and minutes are elapsed time. Days, months, and ends of days and weeks are the wall's: they keep the hour when the
clocks change, and a month from the 31st ends on the last day of a shorter one.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

MIN_MS, HOUR_MS = 60_000, 3_600_000
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: what a span's number may count
SPAN_UNITS = (
    "min from start",
    "min from end",
    "h from end",
    "days from end",
    "months from end",
    # 1: the end of the local day in which the session ended; 2: of the day after it
    "day ends",
    # 1: the end of Sunday of that week
    "week ends",
    # the hour of the working day after that day
    "h of next working day",
)


def local(ms: int, zone: ZoneInfo) -> datetime:
    """The wall's time."""
    return datetime.fromtimestamp(ms / 1000, zone)


def day_of(ms: int, zone: ZoneInfo) -> date:
    """The local day."""
    return local(ms, zone).date()


def instant(day: date, at: time, zone: ZoneInfo) -> int:
    """UTC epoch milliseconds of a wall time."""
    return int(datetime.combine(day, at, zone).timestamp() * 1000)


def day_end(ms: int, zone: ZoneInfo, days: int = 1) -> int:
    """The end of the local day of that moment; days=2: of the next one."""
    return instant(day_of(ms, zone) + timedelta(days=days), time.min, zone)


def plus_days(ms: int, zone: ZoneInfo, days: int) -> int:
    """The same wall time that many days later."""
    at = local(ms, zone)
    return instant(at.date() + timedelta(days=days), at.time(), zone)


def plus_months(ms: int, zone: ZoneInfo, months: int) -> int:
    """The same wall time that many calendar months later, on the month's last day where it has no such day."""
    at = local(ms, zone)
    return instant(month_later(at.date(), months), at.time(), zone)


def month_later(day: date, months: int) -> date:
    """The same day of the month, or its last one."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def said(ms: int, zone: ZoneInfo) -> str:
    """`Tue 13 Oct 2026 10:00`; midnight is the end of the day before."""
    at = local(ms, zone)
    if at.time() == time.min:
        return f"the end of {at - timedelta(minutes=1):%a %-d %b %Y}"
    return f"{at:%a %-d %b %Y %H:%M}"


@dataclass(frozen=True, kw_only=True)
class Span:
    """A length of time from a session on, as a profile gives it."""

    number: int
    #: one of SPAN_UNITS
    unit: str

    def after(
        self, *, starts_ms: int, ends_ms: int, zone: ZoneInfo, working_days: tuple[str, ...] = WEEKDAYS[:5]
    ) -> int:
        """When it is over."""
        number = self.number
        match self.unit:
            case "min from start":
                return starts_ms + number * MIN_MS
            case "min from end":
                return ends_ms + number * MIN_MS
            case "h from end":
                return ends_ms + number * HOUR_MS
            case "days from end":
                return plus_days(ends_ms, zone, number)
            case "months from end":
                return plus_months(ends_ms, zone, number)
            case "day ends":
                return day_end(ends_ms, zone, number)
            case "week ends":
                day = day_of(ends_ms, zone)
                return instant(day + timedelta(days=7 * number - day.weekday()), time.min, zone)
            case "h of next working day":
                day = day_of(ends_ms, zone) + timedelta(days=1)
                while WEEKDAYS[day.weekday()] not in working_days:
                    day += timedelta(days=1)
                return instant(day, time(hour=number), zone)
        raise ValueError(self.unit)
