"""A profile that changes on a day changes the sessions from that day on, and none before: also when those are planned,
derived or marked afterwards."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from server.policy import profile
from server.store import session_profiles
from server.store.engine import writing
from server.store.schema import session as session_table
from tests.server.store_world import MIN, NINE, UIDS

DAY = 24 * 60 * MIN


@pytest.fixture
def changed(world, tmp_path):
    """A world whose profile `lough` is late from 10 minutes on, and opens 15 minutes before, from the day after NINE's."""
    tomorrow = datetime.fromtimestamp(NINE / 1000, ZoneInfo("Europe/London")).date() + timedelta(days=1)
    (tmp_path / "lough.toml").write_text(
        f'name = "lough"\nfrom = {tomorrow}\n'
        '[window]\nopens_before = { value = 15, unit = "min", rule = "Board" }\n'
        '[lateness]\nlate_from = { value = 10, unit = "min", rule = "Board" }\n'
    )
    world.profiles = profile.read_all(own=tmp_path, time_zone="Europe/London")
    world.now_ms = NINE + 2 * DAY
    return world


def opens_before_min(world, session_id):
    row = world.rows(select(session_table).where(session_table.c.id == session_id))[0]
    return (row.starts_ms - row.opens_ms) // MIN


def test_windows_and_marks_follow_the_version_of_the_sessions_own_day(changed):
    world, board = changed, changed.reader()
    before, after = world.session(NINE, profile="lough"), world.session(NINE + DAY, profile="lough")
    assert (opens_before_min(world, before), opens_before_min(world, after)) == (30, 15)
    world.deliver(board.swipe(UIDS[0], NINE + 7 * MIN), board.swipe(UIDS[0], NINE + DAY + 7 * MIN))
    marks, student = world.marks(), world.students[0]
    assert marks[before, student][:2] == ("L", 7)
    assert marks[after, student][:2] == ("P", None)


def test_planning_the_past_again_does_not_rewrite_it(changed):
    world = changed
    before = world.session(NINE, profile="lough")
    world.now_ms = NINE + 30 * DAY
    with writing(world.engine) as connection:
        session_profiles.plan(connection, world.institution_id, [before], world.now_ms, world.profiles)
    assert opens_before_min(world, before) == 30
