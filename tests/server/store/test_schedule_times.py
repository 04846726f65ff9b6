"""When a scheduled import runs next: days and weeks keep the clock on the wall, hours are elapsed time."""

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.store import schedules

LONDON = ZoneInfo("Europe/London")
MIN, DAY = 60_000, 1440


def ms(text: str, fold: int = 0) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=LONDON, fold=fold).timestamp() * 1000)


def wall(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, LONDON).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    "every, held, now, then",
    [
        (DAY, "2026-10-23 02:00", "2026-10-23 02:00", "2026-10-24 02:00"),
        # The clocks go back on the 25th, and forward on 28 March.
        (DAY, "2026-10-24 02:00", "2026-10-24 02:03", "2026-10-25 02:00"),
        (DAY, "2026-10-25 02:00", "2026-10-25 02:03", "2026-10-26 02:00"),
        (DAY, "2027-03-27 02:30", "2027-03-27 02:31", "2027-03-28 02:30"),
        (DAY, "2027-03-28 02:30", "2027-03-28 02:31", "2027-03-29 02:30"),
        # A time that is there twice is the first of the two; one that is left out is passed over.
        (DAY, "2026-10-24 01:30", "2026-10-24 01:31", "2026-10-25 01:30"),
        (DAY, "2026-10-25 01:30", "2026-10-25 01:31", "2026-10-26 01:30"),
        (DAY, "2027-03-27 01:30", "2027-03-27 01:31", "2027-03-29 01:30"),
        (7 * DAY, "2026-10-20 06:15", "2026-10-20 06:15", "2026-10-27 06:15"),
        (7 * DAY, "2027-03-23 06:15", "2027-03-23 06:15", "2027-03-30 06:15"),
        # The server was off: the next that is to come, at its hour.
        (DAY, "2026-10-20 02:00", "2026-10-27 01:59", "2026-10-27 02:00"),
        (DAY, "2026-03-01 23:30", "2026-11-27 23:30", "2026-11-28 23:30"),
        (7 * DAY, "2026-10-20 06:15", "2026-11-10 06:14", "2026-11-10 06:15"),
        (360, "2026-10-24 20:00", "2026-10-24 20:00", "2026-10-25 01:00"),
        (60, "2026-10-24 20:00", "2026-10-24 22:30", "2026-10-24 23:00"),
        # Asked for before its time: that stays.
        (DAY, "2026-10-24 02:00", "2026-10-23 15:12", "2026-10-24 02:00"),
    ],
)
def test_it_runs_next_at(every, held, now, then):
    assert wall(schedules.after(ms(held), every, ms(now), LONDON)) == then


def test_a_time_that_is_there_twice_is_run_at_once_only():
    first = ms("2026-10-25 01:30")
    assert schedules.after(first, DAY, ms("2026-10-25 01:30", fold=1), LONDON) == ms("2026-10-26 01:30")


@given(
    held=st.integers(ms("2026-01-01 00:00") // MIN, ms("2028-01-01 00:00") // MIN),
    gone_min=st.integers(0, 400 * DAY),
    every=st.sampled_from([60, 360, DAY, 7 * DAY]),
    zone=st.sampled_from(["Europe/London", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe", "UTC"]),
)
def test_it_is_always_still_to_come_and_the_first_that_is(held, gone_min, every, zone):
    held_ms, where = held * MIN, ZoneInfo(zone)
    now_ms = held_ms + gone_min * MIN
    found = schedules.after(held_ms, every, now_ms, where)
    assert found > now_ms
    # At most its own time away, and what the clocks' change adds; twice that where a time is left out.
    assert found - now_ms <= (2 * every + 60) * MIN
    if every % DAY == 0:
        clocks = [datetime.fromtimestamp(one / 1000, where) for one in (held_ms, found)]
        assert clocks[0].time() == clocks[1].time()
        assert (clocks[1].date() - clocks[0].date()).days % (every // DAY) == 0


def test_a_year_of_days_has_one_run_on_each():
    runs, at_ms = [], ms("2026-06-01 02:00")
    for _ in range(365):
        runs.append(at_ms)
        at_ms = schedules.after(at_ms, DAY, at_ms + MIN, LONDON)
    days = [datetime.fromtimestamp(one / 1000, LONDON) for one in runs]
    assert {one.strftime("%H:%M") for one in days} == {"02:00"}
    assert {(b.date() - a.date()).days for a, b in pairwise(days)} == {1}
