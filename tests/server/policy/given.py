"""What a case gives, and how it says a time; what both kinds of questions begin with."""

from datetime import datetime
from zoneinfo import ZoneInfo

from server.policy import moments

LONDON = ZoneInfo("Europe/London")
STARTS, ENDS = "Mon 2026-10-12 09:00", "Mon 2026-10-12 10:00"


class Given:
    """What a case gives; all of it must be read."""

    def __init__(self, given):
        self._given = dict(given)

    def __call__(self, name, default=None):
        return self._given.pop(name, default)

    def ms(self, name, default=None):
        text = self(name, default)
        return None if text is None or text == "" else at(text)

    def roles(self, name):
        return frozenset(self(name, ()))

    def done(self):
        assert not self._given, f"nobody asks for {self._given}"


def at(text):
    """UTC epoch milliseconds of `Mon 2026-10-12 09:05`, in London."""
    weekday, _, rest = text.partition(" ")
    moment = datetime.fromisoformat(rest).replace(tzinfo=LONDON)
    assert f"{moment:%a}" == weekday, f"{text}: that day is a {moment:%A}"
    return int(moment.timestamp() * 1000)


def said(ms):
    return "" if ms is None else f"{moments.local(ms, LONDON):%a %Y-%m-%d %H:%M}"


def age(given):
    """The age of a session."""
    return {"ends_ms": given.ms("ends", ENDS), "now_ms": given.ms("now", ENDS), "zone": LONDON}
