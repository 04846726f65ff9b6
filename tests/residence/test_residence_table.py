"""An evening that broke a promise, or took too long, does not hold, whatever else was well."""

import json

import pytest

from tests.prove.result import BadResult, read
from tests.residence.__main__ import ZERO, holds, part, row

GOOD = {
    "seed": 1, "residents": 12, "kiosks": 2, "checked_in": 10, "missing": 1, "on_leave": 1, "seconds": 99.0, "stored": 11,
    "enrolment_staff_s": {"p50": 24.0, "p99": 30.0, "max": 30.0}, "beyond_sensor_ms": {"p50": 60.0, "p99": 90.0},
    "busiest_kiosk_min": 2.0, "no_light": 0, "faults": {"unplug": 1, "cut": 1}, **dict.fromkeys(ZERO, 0),
}  # fmt: skip
NONE = {"seed": 2, "failed": "no broker"}


def test_a_good_evening_holds_and_the_part_says_what_came_of_it(tmp_path):
    assert holds(GOOD) and row(GOOD).endswith("holds")
    path = tmp_path / "residence.json"
    path.write_text(json.dumps(part([GOOD, GOOD | {"seed": 3}], 200.0)))
    told = read(path)
    assert told.ok and [one.points for one in told.rows] == [11, 11]
    assert told.figures["evenings that hold"] == 2 and told.figures["check-ins"] == 22
    assert "10 in, 1 missing, 1 on leave; template bytes 0" in told.rows[0].note


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
    assert not part([GOOD, GOOD | spoilt], 1.0)["ok"]
    assert "holds" not in row(GOOD | spoilt)


def test_what_was_wrong_stands_beneath_its_evening():
    said = row(GOOD | {"misattributed": 1, "wrong": ["muster demo: wrong: s4 was told kept and shown red"]})
    assert said.splitlines()[1] == "muster demo: wrong: s4 was told kept and shown red"


@pytest.mark.parametrize("results", [[], [NONE]])
def test_evenings_that_were_not_played_are_not_believed(tmp_path, results):
    assert "ok" in part(results, 1.0) and not part(results, 1.0)["ok"]
    path = tmp_path / "residence.json"
    path.write_text(json.dumps(part(results, 1.0) | {"ok": True}))
    with pytest.raises(BadResult, match="tried nothing"):
        read(path)
    assert "FAILED" in row(NONE)
