"""Evenings hold in every time zone and on every day, and what counts does not depend on the order it is told in."""

import itertools
from dataclasses import replace
from datetime import date, time, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import given
from hypothesis import strategies as st

from server.policy import evenings, moments, oddities, profile
from tests.rules import rule

_DDU = profile.read_all()["ddu"].residence
assert _DDU is not None
RULE = _DDU
ZONES = sorted(available_timezones())
HOUR = 3_600_000
zones = st.sampled_from(ZONES).map(ZoneInfo)
days = st.dates(min_value=date(2024, 1, 1), max_value=date(2036, 12, 31))


@rule("DDU-13")
@given(day=days, zone=zones)
def test_an_evening_is_18_to_22_on_the_wall_in_every_zone_and_on_every_day(day, zone):
    found = evenings.evening(RULE, day, zone)
    opens, closes = moments.local(found.opens_ms, zone), moments.local(found.closes_ms, zone)
    assert (opens.date(), opens.time(), closes.date(), closes.time()) == (day, time(18), day, time(22))
    assert found.opens_ms < found.closes_ms


@rule("DDU-13")
@given(day=days, zone=zones, part=st.floats(min_value=0, max_value=1, exclude_max=True))
def test_every_moment_of_an_evening_belongs_to_its_date_and_to_no_other(day, zone, part):
    one = evenings.evening(RULE, day, zone)
    at_ms = one.opens_ms + int(part * (one.closes_ms - one.opens_ms))
    assert evenings.around(RULE, at_ms, zone).day == day


@rule("DDU-13")
@given(day=days, zone=zones, minutes=st.integers(min_value=0, max_value=24 * 60))
def test_every_other_moment_belongs_to_the_nearest(day, zone, minutes):
    at_ms = moments.instant(day, time.min, zone) + minutes * 60_000
    found = evenings.around(RULE, at_ms, zone)
    near = evenings.evenings(RULE, day - timedelta(days=2), day + timedelta(days=2), zone)
    apart = [max(one.opens_ms - at_ms, at_ms - one.closes_ms + 1, 0) for one in near]
    assert max(found.opens_ms - at_ms, at_ms - found.closes_ms + 1, 0) == min(apart)


@rule("DDU-13")
def test_a_day_that_a_place_left_out_has_no_evening():
    apia = ZoneInfo("Pacific/Apia")
    found = evenings.evenings(RULE, date(2011, 12, 29), date(2011, 12, 31), apia)
    assert [one.day.day for one in found] == [29, 31]


@rule("DDU-13")
def test_an_evening_that_ends_after_midnight_belongs_to_its_date():
    late = replace(RULE, opens=time(20), closes=time(0, 30))
    zone = ZoneInfo("Europe/London")
    at_ms = moments.instant(date(2026, 10, 13), time(0, 20), zone)
    assert evenings.around(late, at_ms, zone).day == date(2026, 10, 12)


def check_in(n, at_ms, **more):
    values = {"method": "finger", "place": "fixed", "person_id": 1, "house_id": 1, "lives_in": 1, "witnessed": True}
    return evenings.CheckIn(key=(n,), at_ms=at_ms, uncertainty_ms=0, **(values | more))


@rule("DDU-13")
@given(
    minutes=st.lists(st.integers(min_value=0, max_value=4 * 24 * 60), max_size=12),
    data=st.data(),
    zone=zones,
)
def test_the_same_counts_in_whatever_order_it_comes_and_once_a_day(minutes, data, zone):
    begins = moments.instant(date(2026, 10, 24), time.min, zone)
    rows = [check_in(n, begins + one * 60_000) for n, one in enumerate(minutes)]
    judged = evenings.judge(RULE, rows, zone)
    assert evenings.judge(RULE, data.draw(st.permutations(rows)), zone) == judged
    counted = [one.day for one in judged.values() if one.counts]
    assert len(counted) == len(set(counted))
    for one in rows:
        assert one.at_ms is not None
        inside = evenings.around(RULE, one.at_ms, zone)
        if inside.opens_ms <= one.at_ms < inside.closes_ms:
            assert inside.day in counted


@rule("DDU-14")
@given(st.lists(st.sampled_from(evenings.STATES), max_size=60))
def test_the_fraction_is_its_rows_and_equal_states_are_equal(states):
    rows = [(date(2026, 1, 1) + timedelta(days=n), one) for n, one in enumerate(states)]
    found = evenings.availed(RULE, rows)
    assert (
        found.attended
        == sum(one.attended for one in found.rows)
        <= found.counted
        == sum(one.counted for one in found.rows)
    )
    assert found.reached is (None if not found.counted else found.attended / found.counted >= Fraction(3, 4))
    swapped = [(day, "in" if one in evenings.AVAILED else one) for day, one in rows]
    assert evenings.availed(RULE, swapped).fraction == found.fraction


RECORDS = itertools.count(1)


def seen(what, minute=0, *, person=None, reader=1):
    return oddities.Seen(
        key=next(RECORDS),
        what=what,
        at_ms=minute * 60_000,
        day=date(2026, 10, 12),
        house_id=1,
        reader_id=reader,
        person_id=person,
    )


def kinds(*rows):
    return {(one.kind, one.person_id, one.count) for one in oddities.of_house(RULE.odd, rows)}


@rule("DDU-12")
def test_three_refused_fingers_with_one_card_are_odd_and_two_are_not():
    assert kinds(*(seen("finger-refused", n, person=7) for n in range(2))) == set()
    assert kinds(*(seen("finger-refused", n * 30, person=7) for n in range(3))) == {("one-card", 7, 3)}


@rule("DDU-12")
def test_eight_refused_fingers_in_ten_minutes_are_odd_whoevers_they_are():
    assert kinds(*(seen("finger-refused", n, person=n) for n in range(7))) == set()
    assert kinds(*(seen("finger-refused", n, person=n) for n in range(8))) == {("many-fingers", None, 8)}
    assert kinds(*(seen("finger-refused", n * 2, person=n) for n in range(8))) == set()


@rule("DDU-12")
def test_fingers_refused_with_one_card_are_counted_over_all_kiosks_of_a_house():
    assert kinds(*(seen("finger-refused", n, person=7, reader=1 + n % 2) for n in range(2))) == set()
    assert kinds(*(seen("finger-refused", n, person=7, reader=1 + n % 2) for n in range(4))) == {("one-card", 7, 4)}


@rule("DDU-12")
def test_many_fingers_are_those_of_one_kiosk():
    assert kinds(*(seen("finger-refused", n, person=n, reader=1 + n % 2) for n in range(8))) == set()


@rule("DDU-12")
def test_two_kiosks_that_were_opened_are_two_causes():
    found = oddities.of_house(RULE.odd, [seen("opened", 1, reader=1), seen("opened", 2, reader=2)])
    assert [(one.kind, one.reader_id, one.count) for one in found] == [("opened", 1, 1), ("opened", 2, 1)]


@rule("DDU-12")
def test_a_kiosk_opened_twice_on_an_evening_is_one_cause_counted_twice():
    assert kinds(seen("opened", 1), seen("opened", 9), seen("closed", 10)) == {("opened", None, 2)}


@rule("DDU-12")
@given(
    st.permutations(
        [seen("opened", 3), seen("pin-locked", 1, person=2), *(seen("no-fix", n, person=n) for n in range(4))]
    )
)
def test_what_is_odd_does_not_depend_on_the_order(rows):
    assert kinds(*rows) == {("opened", None, 1), ("pin-locked", 2, 1), ("no-fix", None, 4)}


@rule("DDU-12")
def test_a_card_on_another_site_within_minutes_is_odd_and_an_unsure_clock_accuses_nobody():
    one = seen("check-in", 0, person=7)

    def far(minute, site=2, unsure=0):
        tap = oddities.Tap(at_ms=minute * 60_000, uncertainty_ms=unsure, site_id=site, reader_id=9)
        return oddities.elsewhere(RULE.odd, one, 1, [tap])

    assert far(10).kind == "elsewhere" and far(-10).detail["reader"] == 9
    assert far(11) is None and far(3, site=1) is None
    assert far(10, unsure=1) is None
