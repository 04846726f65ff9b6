"""A register that was complete is looked at again when late word of its doors takes that back."""

import json

import pytest
from sqlalchemy import update

from server.clock import Clock
from server.jobs import Jobs
from server.scope import Grant, Scope
from server.store import evidence, history, readers, registers, schema, schema_work
from server.store.engine import writing
from tests.rules import rule
from tests.server.store_world import HOUR, MIN, NINE, UIDS


def codes(world, session):
    marks = world.marks()
    return [marks.get((session, student), (None,))[0] for student in world.students]


def state(world, session):
    return world.evidence(session), codes(world, session)


def released(world, session):
    rows = world.all(schema_work.history)
    return [
        json.loads(row.body)["evidence"] for row in rows if (row.kind, row.session_id) == (history.RELEASE, session)
    ]


def admin(world) -> Scope:
    account = world.insert(
        schema.account, login="boss", shown_name="Boss", password_hash="x", role="admin", created_ms=0
    )
    return Scope(institution_id=world.institution_id, account_id=account, person_id=None, grants=(Grant(role="admin"),))


def move(world, board, room, from_ms):
    with writing(world.engine) as connection:
        readers.move(connection, world.institution_id, board.name, room, from_ms, world.now_ms)
    world.derive()


def lesson(world, profile="port"):
    """A lesson at nine whose register is complete; one student tapped."""
    session, board = world.session(profile=profile), world.reader()
    world.now_ms = NINE + HOUR + 10 * MIN
    world.deliver(board.lines[0], board.swipe(UIDS[0], NINE + MIN), board.head(NINE + HOUR + 2 * MIN))
    world.settle()
    assert state(world, session) == ("complete", ["P", "A", "A"])
    return session, board


def test_late_word_that_a_door_took_no_swipes_reopens_its_register(world):
    session, board = lesson(world)
    world.deliver(board.head(NINE + 20 * MIN, able="chip"))
    world.settle()
    assert state(world, session) == ("incomplete", ["P", None, None])
    assert [row.why for row in world.all(schema.outage)] == ["chip"]
    assert released(world, session) == ["complete", "incomplete"]
    # It was looked at, and is not again and again.
    assert [row.again_from_ms for row in world.all(schema.reader_state)] == [None]


def test_late_word_of_another_time_changes_nothing(world):
    session, board = lesson(world)
    world.deliver(board.head(NINE - 40 * MIN), board.head(NINE - 50 * MIN, able="chip"))
    world.settle()
    assert state(world, session) == ("complete", ["P", "A", "A"])
    assert released(world, session) == ["complete"]


def test_what_a_person_set_or_verified_stays_when_a_register_is_reopened(world):
    session, board = lesson(world)
    scope = admin(world)
    with writing(world.engine) as connection:
        registers.set_mark(connection, scope, world.profiles, session, world.students[1], code="A", now_ms=world.now_ms)
        assert registers.verify(connection, scope, session, world.now_ms, world.profiles)
    world.deliver(board.head(NINE + 20 * MIN, able="chip"))
    world.settle()
    assert state(world, session) == ("incomplete", ["P", "A", "A"])


@pytest.mark.parametrize("verified", [False, True])
def test_a_tap_that_comes_after_a_register_was_reopened_is_proposed_against_what_a_person_set(world, verified):
    session, board = lesson(world)
    scope = admin(world)
    with writing(world.engine) as connection:
        registers.set_mark(connection, scope, world.profiles, session, world.students[1], code="A", now_ms=world.now_ms)
        if verified:
            assert registers.verify(connection, scope, session, world.now_ms, world.profiles)
    world.deliver(board.head(NINE + 20 * MIN, able="chip"))
    world.settle()
    late = [board.swipe(UIDS[n], NINE + 2 * MIN) for n in (1, 2)]
    world.deliver(*late)
    world.settle()
    proposed = {(row.person_id, row.code) for row in world.all(schema.proposal) if row.closed_ms is None}
    assert proposed == {(world.students[n], "P") for n in ((1, 2) if verified else (1,))}
    assert codes(world, session) == ["P", "A", "A" if verified else "P"]


@rule("STEP-3")
@pytest.mark.parametrize("late_ms", [0, -MIN])
def test_no_register_is_reopened_after_its_lock_date(world, late_ms):
    course = world.insert(schema.course, source="t", source_id="c", code="C", title="C")
    run = world.insert(schema.course_run, course_id=course, code="r", lock_ms=NINE + 2 * HOUR)
    with writing(world.engine) as connection:
        connection.execute(update(schema.class_group).values(course_run_id=run))
    session, board = lesson(world, profile="step")
    world.now_ms = NINE + 2 * HOUR + late_ms
    world.deliver(board.head(NINE + 20 * MIN, able="chip"))
    world.settle()
    kept = late_ms == 0
    assert state(world, session) == (("complete", ["P", "A", "A"]) if kept else ("incomplete", ["P", None, None]))


def test_more_late_word_while_a_register_is_looked_at_is_not_forgotten(world):
    _, board = lesson(world)
    world.deliver(board.head(NINE + 20 * MIN, able="chip"))
    with writing(world.engine) as connection:
        before = evidence.doubted(connection, world.institution_id)
    world.deliver(board.head(NINE + 21 * MIN, able="chip"))
    with writing(world.engine) as connection:
        evidence.looked(connection, before)
    with writing(world.engine) as connection:
        after = evidence.doubted(connection, world.institution_id)
    assert len(before) == 1 and before.keys() == after.keys()


def test_a_reader_taken_away_afterwards_and_dated_back_leaves_nobody_absent_by_it(world):
    session, board = lesson(world)
    move(world, board, "R1", NINE - HOUR)
    world.settle()
    assert state(world, session) == ("incomplete", [None, None, None]), "it has no door that is known"
    move(world, board, "R0", NINE - HOUR)
    world.settle()
    world.settle()
    assert state(world, session) == ("complete", ["P", "A", "A"])


def test_a_second_door_entered_afterwards_and_dated_back_must_be_known_too(world):
    session, _ = lesson(world)
    second = world.reader("a-2", room=1)
    world.deliver(second.lines[0])
    move(world, second, "R0", NINE - HOUR)
    world.settle()
    assert state(world, session) == ("incomplete", ["P", None, None])
    world.deliver(second.swipe(UIDS[1], NINE + 2 * MIN), second.head(NINE + HOUR + 5 * MIN))
    world.settle()
    assert state(world, session) == ("complete", ["P", "P", "A"])


def test_the_background_work_reopens_registers_too(world):
    session, board = lesson(world)
    world.deliver(board.head(NINE + 20 * MIN, able="chip"))
    jobs = Jobs(world.engine, world.ring, world.profiles, Clock(real=lambda: world.now_ms / 1000))
    jobs.step(everything=True)
    assert state(world, session) == ("incomplete", ["P", None, None])
    assert [row.again_from_ms for row in world.all(schema.reader_state)] == [None]
