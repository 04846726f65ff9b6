"""Which rules a residence's evening goes by: those that hold as it opens."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from server.policy import profile
from server.store import session_profiles
from server.store.engine import reading, writing
from server.store.residence_rules import Calendar
from tests.rules import rule

LONDON = ZoneInfo("Europe/London")
MONDAY, TUESDAY = date(2026, 10, 5), date(2026, 10, 6)
STRICT = """
name = "strict"
like = "ddu"
title = "Half the evenings"
[residence]
threshold = { value = 50, unit = "%", rule = "Board" }
"""


@rule("DDU-14")
@pytest.mark.parametrize(
    "clock, monday, tuesday",
    [("09:00", 50, 50), ("16:00", 50, 50), ("18:00", 50, 50), ("18:01", 75, 50), ("23:00", 75, 50)],
)
def test_a_profile_holds_for_the_evening_before_which_it_is_given_and_not_for_one_that_is_on(
    world, tmp_path, clock, monday, tuesday
):
    (tmp_path / "strict.toml").write_text(STRICT)
    profiles = profile.read_all(own=tmp_path, time_zone="Europe/London")
    given_ms = int(datetime.fromisoformat(f"{MONDAY}T{clock}").replace(tzinfo=LONDON).timestamp() * 1000)
    with writing(world.engine) as connection:
        session_profiles.assign(connection, world.institution_id, "institution", "", "ddu", 0)
        session_profiles.assign(connection, world.institution_id, "institution", "", "strict", given_ms)
    with reading(world.engine) as connection:
        calendar = Calendar(connection, world.institution_id, profiles)
        assert [calendar.of_day(day).rule.threshold for day in (MONDAY, TUESDAY)] == [monday, tuesday]
