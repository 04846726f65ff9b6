"""`muster batch` and `muster programme`: looked at first, then done; and what registers and profiles make of it."""

import time
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from server import teaching_command
from server.store import course_times, schema, session_profiles
from server.store.engine import reading, writing
from tests.rules import rule
from tests.server.store_world import HOUR

LONDON = ZoneInfo("Europe/London")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=LONDON).timestamp() * 1000)


@pytest.fixture
def here(console):
    world = console
    world.course = world.insert(schema.course, source="t", source_id="c", code="C1", title="Welding")
    world.group = world.insert(
        schema.class_group, source="t", source_id="g", code="W-01", title="W", course_id=world.course
    )
    return world


def times(world, session: int) -> course_times.Dates:
    with reading(world.engine) as connection:
        return course_times.of(connection, [session])[session]


@rule("DDU-3", "DDU-7", "DDU-9")
def test_a_batch_is_looked_at_then_made_and_its_registers_count_from_its_first_day(here, capsys):
    session = here.session(group=here.group, profile="ddu")
    asked = ["B7", "--first", "2026-09-28", "--last", "2027-03-26", "--class", "W-01"]
    assert teaching_command.batch(asked) == 0
    said = capsys.readouterr().out
    assert "Would be (--do does it): B7: from 2026-09-28 to 2027-03-26; classes: W-01" in said
    assert here.all(schema.batch) == [] and times(here, session).batch_id is None
    assert teaching_command.batch([*asked, "--do"]) == 0
    (row,) = here.all(schema.batch)
    assert (row.starts_ms, row.ends_ms) == (at("2026-09-28 00:00"), at("2027-03-27 00:00"))
    assert (times(here, session).batch_id, times(here, session).batch_starts_ms) == (row.id, row.starts_ms)
    assert [one.action for one in here.all(schema.audit)][-1] == "batch.change"
    # Only what is said changes; and a class is taken out again.
    capsys.readouterr()
    assert teaching_command.batch(["B7", "--first", "2026-09-29", "--off", "W-01", "--do"]) == 0
    assert capsys.readouterr().out == "B7: from 2026-09-29 to 2027-03-26; classes: none\n"
    assert times(here, session).batch_id is None
    assert teaching_command.batch([]) == 0
    assert capsys.readouterr().out == "B7: from 2026-09-29 to 2027-03-26; classes: none\n"


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        (["B7"], 1, "batch-days"),
        (["B7", "--first", "2026-09-28", "--last", "2026-09-27"], 1, "batch-days"),
        (["B7", "--first", "2026-09-28", "--class", "W-99"], 1, "class"),
        (["B7", "--first", "2026-09-28", "--off", "W-01"], 1, "batch-class"),
        (["B7", "--first", "28.9."], 2, "usage"),
        ([" ", "--first", "2026-09-28"], 1, "batch-code"),
    ],
)
def test_a_batch_that_cannot_be_is_refused_whole(here, capsys, asked, status, code):
    assert teaching_command.batch([*asked, "--do"]) == status
    assert f"[{code}]" in capsys.readouterr().err
    assert here.all(schema.batch) == []


@rule("PORT-2")
def test_a_course_that_joins_a_programme_goes_by_its_profile_from_then_on(here, capsys):
    before = here.session(group=here.group)
    assert teaching_command.programme(["ENG", "--title", "Engineering", "--do"]) == 0
    (row,) = here.all(schema.programme)
    with writing(here.engine) as connection:
        session_profiles.assign(connection, here.institution_id, "programme", str(row.id), "lough", 0)
    coming = here.session(int(time.time() * 1000) + 48 * HOUR, group=here.group)
    with writing(here.engine) as connection:
        connection.execute(
            schema.session.update().where(schema.session.c.id == before).values(starts_ms=1, ends_ms=HOUR)
        )
    capsys.readouterr()
    assert teaching_command.programme(["ENG", "--course", "C1"]) == 0
    assert "Would be" in capsys.readouterr().out and here.all(schema.course)[-1].programme_id is None
    assert teaching_command.programme(["ENG", "--course", "C1", "--do"]) == 0
    assert (
        capsys.readouterr().out
        == "ENG: Engineering; courses: C1\n1 coming sessions go by another profile or window then.\n"
    )
    held = {one.id: one.profile for one in here.all(schema.session)}
    assert held == {before: "port", coming: "lough"}
    assert teaching_command.programme(["ENG", "--off", "C1", "--do"]) == 0
    assert {one.id: one.profile for one in here.all(schema.session)} == {before: "port", coming: "port"}
    assert teaching_command.programme(["ENG", "--off", "C1", "--do"]) == 1
    assert "[programme-course]" in capsys.readouterr().err
    assert teaching_command.programme(["NEW", "--do"]) == 1
    assert "[programme-title]" in capsys.readouterr().err
