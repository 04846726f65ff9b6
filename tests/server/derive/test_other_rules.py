"""Where the profile changes, what came for the evening that is on is judged by the new one, and the past is not (DDU-13)."""

from dataclasses import replace
from datetime import time

import pytest

from server.policy.profile import Profiles
from server.store import campus_profiles, profile_versions
from server.store.engine import writing
from server.store.schema_residence import check_in_reading
from tests.rules import rule
from tests.server.residence_world import HOUR, MIN, OPENS, UIDS, Residence

NIGHT = 24 * HOUR
#: 16:00 on the evening's day, local time
GIVEN = OPENS - 2 * HOUR


@pytest.fixture
def hall(world):
    """Somebody came at a quarter to four yesterday and today, or up to 80 minutes later; the evening opens at six."""
    made = Residence(world)
    ddu = next(iter(reversed(list(world.profiles.versions("ddu")))))
    assert ddu.residence is not None
    early = replace(ddu, name="early", residence=replace(ddu.residence, opens=time(17)))
    world.profiles = Profiles([*(one for name in world.profiles for one in world.profiles.versions(name)), early])
    made.board.boot(at_ms=GIVEN - NIGHT - HOUR)
    world.now_ms = GIVEN
    times = (GIVEN - NIGHT - 15 * MIN, GIVEN - 15 * MIN)
    made.deliver(made.board.lines[-1], *(made.check_in(UIDS[0], at, uncertainty_ms=80 * MIN) for at in times))
    assert [one[2:] for one in made.read()] == [(False, "before")] * 2
    return made


def assign(hall, where="institution", value=""):
    w = hall.w
    with writing(w.engine) as c:
        campus_profiles.assign(
            c, hall.admin, w.profiles, where, value, "early", GIVEN - 16 * HOUR,
            seen_=campus_profiles.seen(c, hall.admin), now_ms=w.now_ms,
        )  # fmt: skip


def due(hall):
    return [bool(row.due) for row in sorted(hall.w.all(check_in_reading), key=lambda row: row.at_ms)]


@rule("DDU-13", "PORT-2")
def test_a_profile_given_before_the_evening_judges_who_came_for_it_and_nobody_who_came_before(hall):
    assign(hall)
    assert due(hall) == [False, True]
    hall.judge()
    assert [one[2:] for one in hall.read()] == [(False, "before"), (True, "unsure")]
    assert hall.states()[hall.w.students[0]] == "in"


@rule("DDU-13", "PORT-2")
def test_a_profile_of_some_sessions_is_none_of_the_residence(hall):
    assign(hall, "session_kind", "lecture")
    assert due(hall) == [False, False]


@rule("DDU-13", "PORT-2")
def test_a_profile_taken_back_judges_today_again(hall):
    assign(hall)
    hall.judge()
    w = hall.w
    with writing(w.engine) as c:
        (one,) = (each for each in campus_profiles.listed(c, hall.admin) if each.profile == "early")
        seen = campus_profiles.seen(c, hall.admin)
        campus_profiles.end(c, hall.admin, w.profiles, one.id, GIVEN, seen_=seen, now_ms=w.now_ms)
    assert due(hall) == [False, True]


@rule("DDU-13", "PORT-2")
def test_another_version_of_a_profile_judges_today_again(hall):
    w = hall.w
    with writing(w.engine) as c:
        profile_versions.keep(c, w.institution_id, [], w.profiles, w.now_ms)
        made = profile_versions.Own(name="ddu", from_ms=GIVEN + HOUR, table={"name": "ddu"}, file="ddu.toml")
        profile_versions.keep(c, w.institution_id, [made], w.profiles, w.now_ms)
    assert due(hall) == [False, True]
