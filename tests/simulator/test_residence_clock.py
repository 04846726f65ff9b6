"""When a demo's evening is: the store must read the profile that says so, and a played one must be long enough."""

import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from server.policy import evenings, versions
from server.policy.profile import FOLDER, Profiles, read_all
from simulator.campus import invent
from simulator.residence_clock import closing, evening_now, length_s
from simulator.residence_people import found
from simulator.residence_plan import plan
from tests.rules import rule

ZONES = ("Europe/London", "Asia/Kolkata", "Pacific/Auckland", "America/St_Johns")


@pytest.mark.parametrize("zone", ZONES)
def test_beside_the_doors_the_store_reads_that_an_evening_is_on_now(tmp_path, zone):
    day = evening_now(tmp_path, zone)
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    rule_ = evenings.rule_of(Profiles(versions.read(FOLDER, tmp_path, zone)), "port", now_ms)
    found_ = evenings.around(rule_, now_ms, ZoneInfo(zone))
    assert found_.day == day
    assert found_.opens_ms + 4 * 60_000 < now_ms < found_.closes_ms - 2 * 3_600_000


#: nights on which the clocks change in one of the zones, a year's end and a leap day
NIGHTS = (
    datetime(2026, 9, 26, 8, tzinfo=UTC),
    datetime(2026, 10, 24, 18, tzinfo=UTC),
    datetime(2026, 10, 31, 22, tzinfo=UTC),
    datetime(2026, 12, 31, 18, tzinfo=UTC),
    datetime(2027, 3, 13, 22, tzinfo=UTC),
    datetime(2027, 3, 27, 18, tzinfo=UTC),
    datetime(2027, 4, 3, 8, tzinfo=UTC),
    datetime(2028, 2, 28, 18, tzinfo=UTC),
)


def clock(row) -> time:
    return time(*divmod(row["value"], 100))


@pytest.mark.parametrize("zone", ZONES)
def test_an_evening_is_on_whenever_a_demo_begins(tmp_path, zone):
    shipped = evenings.rule_of(read_all(), "ddu", 1_790_000_000_000)
    for first in NIGHTS:
        for minutes in range(0, 36 * 60, 13):
            now = first + timedelta(minutes=minutes)
            day = evening_now(tmp_path, zone, now)
            said = tomllib.loads((tmp_path / "residence.toml").read_text())["residence"]
            rule_ = replace(shipped, opens=clock(said["opens"]), closes=clock(said["closes"]))
            now_ms = int(now.timestamp() * 1000)
            found_ = evenings.around(rule_, now_ms, ZoneInfo(zone))
            assert found_.day == day, now
            assert found_.opens_ms + 4 * 60_000 < now_ms < found_.closes_ms - 3_600_000, now


@rule("DDU-13")
@pytest.mark.parametrize(
    ("day", "utc"),
    [("2026-10-24", "21:00"), ("2026-10-25", "22:00"), ("2027-03-27", "22:00"), ("2027-03-28", "21:00")],
)
def test_it_closes_at_ten_by_the_places_clock_also_when_the_clocks_change(day, utc):
    closes = datetime.fromtimestamp(closing(date.fromisoformat(day), "Europe/London"), UTC)
    assert f"{closes:%Y-%m-%d %H:%M}" == f"{day} {utc}"


def test_more_people_and_a_slower_machine_are_given_more_time_and_more_kiosks_less():
    def length(residents, kiosks, started_s=5.0, enrolment_s=2.0):
        campus = invent(seed=7, rooms=1, students=residents, now_ms=1_790_000_000_000)
        made = found(campus, seed=7, residents=residents, kiosks=kiosks)
        return length_s(plan(made, seed=7), started_s=started_s, enrolment_s=enrolment_s)

    assert length(12, 1) < length(40, 1) < length(200, 1)
    assert length(200, 3) < length(200, 1)
    assert length(200, 3) < 1200  # 20 minutes
    assert length(12, 1) == length(12, 1, enrolment_s=2.9) < length(12, 1, enrolment_s=6.0)
    assert length(12, 1) < length(12, 1, started_s=6.0)
    assert length(12, 1, started_s=70.0) > 200
