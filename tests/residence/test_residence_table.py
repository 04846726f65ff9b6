"""An evening that broke a promise, or took too long, does not hold, whatever else was well."""

import pytest

from tests.residence.__main__ import ZERO, holds, row, table

GOOD = {
    "seed": 1, "residents": 12, "checked_in": 10, "missing": 1, "on_leave": 1, "seconds": 99.0,
    "enrolment_staff_s": {"p50": 24.0, "p99": 30.0, "max": 30.0}, "beyond_sensor_ms": {"p50": 60.0, "p99": 90.0},
    "busiest_kiosk_min": 2.0, **dict.fromkeys(ZERO, 0),
}  # fmt: skip


def test_a_good_evening_holds_and_the_table_says_how_many_did():
    assert holds(GOOD)
    assert "2 of 3 evenings hold" in table([GOOD, GOOD, {"seed": 2, "failed": "no broker"}])
    assert "FAILED" in row({"seed": 2, "failed": "no broker"})


@pytest.mark.parametrize(
    "spoilt",
    [
        *({name: 1} for name in ZERO),
        {"checked_in": 9},
        {"enrolment_staff_s": {"p50": 24.0, "p99": 41.0, "max": 41.0}},
        {"beyond_sensor_ms": {"p50": 60.0, "p99": 1600.0}},
        {"beyond_sensor_ms": {"p50": None, "p99": None}},
        {"busiest_kiosk_min": 21.0},
        {"failed": "it stopped"},
    ],
)
def test_a_broken_promise_or_a_figure_not_reached_does_not_hold(spoilt):
    assert not holds(GOOD | spoilt)
