"""A profile of the institution's own is changed from a day on, and the past is not rewritten: on both databases."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from server.errors import BadSetting
from server.store import profile_versions, schema, schema_work
from tests.rules import rule
from tests.server.residence_world import OPENS, Residence
from tests.server.store_world import HOUR, NINE

ZONE = "Europe/London"
DAY = 24 * HOUR
LATE = 'name = "lough"\nfrom = {day}\n[lateness]\nlate_from = {{ value = {value}, unit = "min", rule = "Board" }}\n'


def day_of(ms: int) -> date:
    return datetime.fromtimestamp(ms / 1000, ZoneInfo(ZONE)).date()


@pytest.fixture
def load(world, tmp_path):
    """`load(days=..., value=...)`: the folder holds one version from so many days from the session on; None: no file."""

    def read(days=None, value=6, *, extra: str = ""):
        path = tmp_path / "own.toml"
        path.unlink(missing_ok=True)
        if days is not None:
            path.write_text(LATE.format(day=day_of(NINE) + timedelta(days=days), value=value) + extra)
        return profile_versions.load(world.engine, tmp_path, ZONE, world.now_ms)

    return read


def kept(world) -> list[str]:
    return sorted(row.name for row in world.all(schema_work.profile_version) if row.name)


@pytest.fixture
def begun(world):
    """A session that began an hour ago, judged by lough."""
    world.now_ms = NINE + HOUR
    return world.session(profile="lough")


@rule("LOUGH-39")
def test_what_is_there_at_the_first_start_is_as_it_was(world, begun, load):
    assert load(-30).at("lough", NINE).late_from_min == 6
    assert kept(world) == ["lough"]
    assert load(-30).at("lough", NINE).late_from_min == 6


@rule("LOUGH-39")
def test_a_version_that_has_begun_is_not_changed(world, begun, load):
    load(-30)
    with pytest.raises(BadSetting, match=r"lateness\.late_from") as refused:
        load(-30, value=7)
    assert refused.value.code == "profile-past" and "1 session that has begun" in str(refused.value)
    # Put back as it was it is taken again.
    assert load(-30).at("lough", NINE).late_from_min == 6


@rule("LOUGH-39")
@pytest.mark.parametrize("days", [-1, 0])
def test_a_new_version_dated_in_the_past_is_refused(world, begun, load, days):
    load()
    with pytest.raises(BadSetting, match="begins in the past") as refused:
        load(days)
    assert refused.value.code == "profile-past" and kept(world) == []


@rule("LOUGH-39")
def test_one_that_judged_sessions_is_not_taken_away(world, begun, load):
    load(-30)
    with pytest.raises(BadSetting, match="is gone") as refused:
        load()
    assert refused.value.code == "profile-past" and kept(world) == ["lough"]


def test_comments_and_the_order_of_lines_change_nothing(world, begun, load):
    load(-30)
    assert load(-30, extra="# a comment\n").at("lough", NINE).late_from_min == 6


def test_where_nothing_was_judged_by_it_yet_anything_goes(world, load):
    world.now_ms = NINE + HOUR
    load()
    assert load(-30).at("lough", NINE).late_from_min == 6
    assert load(-30, value=9).at("lough", NINE).late_from_min == 9
    load()
    assert kept(world) == []


@rule("PORT-2")
def test_a_version_still_to_come_may_be_changed_and_its_sessions_are_planned_anew(world, begun, load):
    load()
    coming = world.session(NINE + 10 * DAY, profile="lough")

    def opens() -> int:
        row = next(row for row in world.all(schema.session) if row.id == coming)
        return row.starts_ms - row.opens_ms

    window = '[window]\nopens_before = {{ value = {}, unit = "min", rule = "Board" }}\n'
    load(5, extra=window.format(10))
    assert opens() == 10 * 60_000
    load(5, extra=window.format(20))
    assert opens() == 20 * 60_000
    load()
    assert opens() == 30 * 60_000
    past = next(row for row in world.all(schema.session) if row.id == begun)
    assert past.starts_ms - past.opens_ms == 30 * 60_000


OWN = """
name = "ddu"
from = {day}
[residence]
threshold = {{ value = {threshold}, unit = "%", rule = "Board" }}
[window]
opens_before = {{ value = {opens}, unit = "min", rule = "Board" }}
"""


@pytest.fixture
def lived(world, tmp_path):
    """`lived(days=..., threshold=...)`: as `load`, where somebody lives in the residence and there is no session at all.
    The third evening is on."""
    Residence(world, since_ms=OPENS - HOUR)
    world.now_ms = OPENS + 2 * DAY + HOUR

    def read(days=None, threshold=60, opens=20):
        path = tmp_path / "own.toml"
        path.unlink(missing_ok=True)
        if days is not None:
            path.write_text(OWN.format(day=day_of(OPENS) + timedelta(days=days), threshold=threshold, opens=opens))
        return profile_versions.load(world.engine, tmp_path, ZONE, world.now_ms)

    return read


@rule("DDU-14", "LOUGH-39")
def test_a_version_by_which_evenings_of_the_residence_were_judged_is_not_changed(world, lived):
    lived(-30)
    with pytest.raises(BadSetting, match=r"residence\.threshold") as refused:
        lived(-30, threshold=80)
    assert "3 evenings of the residence that have begun were judged by it" in str(refused.value)
    assert lived(-30, opens=25).at("ddu", OPENS).residence.threshold == 60, "what it says of sessions only judges none"
    with pytest.raises(BadSetting, match="is gone"):
        lived()


@rule("DDU-14", "LOUGH-39")
@pytest.mark.parametrize("days, taken", [(-9, False), (0, False), (2, False), (3, True)])
def test_a_new_one_for_evenings_that_have_begun_is_refused_and_for_those_to_come_it_is_not(world, lived, days, taken):
    lived()
    if taken:
        assert lived(days).at("ddu", OPENS + 3 * DAY).residence.threshold == 60
    else:
        with pytest.raises(BadSetting, match="begins in the past"):
            lived(days)
    assert kept(world) == (["ddu"] if taken else [])
