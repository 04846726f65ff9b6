"""Profiles and the rules that use them."""

from zoneinfo import ZoneInfo

import pytest

from server.errors import BadSetting
from server.policy import marking, profile

PROFILES = profile.read_all()
MIN = 60_000


def test_lough_has_thirteen_marks():
    assert "".join(sorted(PROFILES["lough"].codes)) == "ABCDEHLPRTUVW"


def test_the_window_is_thirty_minutes_before_to_the_end():
    """PORT-2: a 9:00-10:00 class: 8:30-10:00."""
    assert PROFILES["port"].window(9 * 60 * MIN, 10 * 60 * MIN) == (510 * MIN, 600 * MIN)


@pytest.mark.parametrize(
    "name, at_min, code, late",
    [
        ("lough", 4, "P", None),
        ("lough", 5, "L", 5),
        ("lough", 59, "L", 59),
        ("port", 59, "P", None),
        ("lough", -9, "P", None),
    ],
)
def test_lateness_is_the_profiles(name, at_min, code, late):
    """PORT-5, LOUGH-14."""
    found = marking.from_tap(PROFILES[name], starts_ms=0, at_ms=at_min * MIN, uncertainty_ms=0)
    assert (found.code, found.late_min) == (code, late)


def test_the_end_of_the_day_is_local_also_when_the_clocks_change():
    # 2026-10-25: London goes back at 01:00 UTC, so that day ends at 24:00 UTC.
    london = ZoneInfo("Europe/London")
    ends_ms = 1_792_926_000_000  # 2026-10-25 11:00 UTC
    assert (marking.deadline_ms(PROFILES["port"], ends_ms, london) - ends_ms) / 3_600_000 == 13
    assert marking.deadline_ms(PROFILES["step"], ends_ms, london) == ends_ms + 120 * MIN


def test_a_profile_that_uses_an_unknown_code_is_refused(tmp_path):
    text = (profile.FOLDER / "port.toml").read_text().replace('present = { value = "P"', 'present = { value = "X"')
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(BadSetting, match=r"x\.toml: derive\.present"):
        profile.read_all(tmp_path)
