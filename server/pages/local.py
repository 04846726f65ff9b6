"""Local time in words. The only place where pages turn epoch milliseconds into something to read."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
#: days that a page can show: outside of these, local time cannot be worked out everywhere
FIRST_DAY, LAST_DAY = date(1971, 1, 1), date(2900, 12, 31)
_LAST_MS = 29_000_000_000_000


class Local:
    """The institution's local time, seen from now."""

    def __init__(self, *, time_zone: str, now_ms: int) -> None:
        self._zone = ZoneInfo(time_zone)
        self.now_ms = now_ms
        #: minute -> its words: a page says few moments many times
        self._said: dict[int, str] = {}

    @property
    def zone(self) -> ZoneInfo:
        """The zone itself, for rules."""
        return self._zone

    def _at(self, at_ms: int) -> datetime:
        return datetime.fromtimestamp(min(max(at_ms, 0), _LAST_MS) / 1000, self._zone)

    def day(self, at_ms: int) -> date:
        """The local date."""
        return self._at(at_ms).date()

    def today(self) -> date:
        """The local date now."""
        return self.day(self.now_ms)

    def bounds(self, day: date) -> tuple[int, int]:
        """Epoch ms at which the local day begins and ends: 23, 24 or 25 hours apart."""
        midnights = (datetime.combine(one, time(), self._zone) for one in (day, day + timedelta(days=1)))
        begins, ends = (int(one.timestamp() * 1000) for one in midnights)
        return begins, ends

    def ms(self, day: date, clock: time) -> int | None:
        """Epoch ms of a local time; the first of two where clocks go back. None: the clocks' change leaves it out."""
        wanted = datetime.combine(day, clock, self._zone)
        at_ms = int(wanted.timestamp() * 1000)
        return at_ms if self._at(at_ms).time() == clock else None

    def typed(self, day: date | None, clock: str) -> int | None:
        """Epoch ms of a form's day and time; None: one of them is missing or none, or the clocks' change leaves it out."""
        try:
            at = time.fromisoformat(clock)
        except ValueError:
            return None
        return None if day is None or at.tzinfo is not None else self.ms(day, at)

    def iso(self, at_ms: int) -> tuple[str, str]:
        """Day and time as form fields have them: `2026-11-22`, `10:42`."""
        at = self._at(at_ms)
        return at.date().isoformat(), at.strftime("%H:%M")

    def dated(self, at_ms: int) -> str:
        """`Sun 22 Nov 2026`: a day, whatever today is."""
        at = self._at(at_ms)
        return f"{_DAYS[at.weekday()][:3]} {at.day} {_MONTHS[at.month - 1][:3]} {at.year}"

    def time(self, at_ms: int) -> str:
        """`10:42`."""
        return self._at(at_ms).strftime("%H:%M")

    def seconds(self, at_ms: int) -> str:
        """`10:42:07`."""
        return self._at(at_ms).strftime("%H:%M:%S")

    def moment(self, at_ms: int) -> str:
        """`10:42`, with its date unless that is today."""
        minute = at_ms // 60_000
        if (said := self._said.get(minute)) is None:
            said = self._said[minute] = self._moment(at_ms)
        return said

    def _moment(self, at_ms: int) -> str:
        at = self._at(at_ms)
        if at.date() == self.today():
            return at.strftime("%H:%M")
        year = f" {at.year}" if at.year != self.today().year else ""
        return f"{_DAYS[at.weekday()][:3]} {at.day} {_MONTHS[at.month - 1][:3]}{year}, {at:%H:%M}"

    def ago(self, at_ms: int) -> str:
        """How long ago, no finer than a minute: what is refreshed must not change each second."""
        gone_min = (self.now_ms - at_ms) // 60_000
        if gone_min < 1:
            return "less than a minute ago"
        if gone_min < 60:
            return f"{gone_min} min ago"
        if gone_min < 24 * 60:
            return f"{gone_min // 60} h ago"
        return f"{gone_min // 1440} {'day' if gone_min < 2880 else 'days'} ago"

    def lasting(self, ms: int) -> str:
        """`12 min`, `5 h`, `3 days`."""
        minutes = max(0, ms) // 60_000
        if minutes < 60:
            return f"{minutes} min"
        if minutes < 48 * 60:
            return f"{minutes // 60} h"
        return f"{minutes // 1440} days"


def words(day: date) -> str:
    """`Sunday 22 November 2026`."""
    return f"{_DAYS[day.weekday()]} {day.day} {_MONTHS[day.month - 1]} {day.year}"


def parse_day(text: str) -> date | None:
    """An ISO date that a page can show, or None."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if FIRST_DAY <= day <= LAST_DAY else None
