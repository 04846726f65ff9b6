"""One person, register or reader with whom the background work fails keeps nobody else from theirs."""

import pytest

from server.clock import Clock
from server.jobs import Jobs
from server.store import schema
from tests.server.store_world import HOUR, MIN, NINE, UIDS


@pytest.fixture
def seconds():
    return [0.0]


@pytest.fixture
def jobs(world, seconds):
    return Jobs(
        world.engine, world.ring, world.profiles, Clock(real=lambda: world.now_ms / 1000), monotonic=lambda: seconds[0]
    )


def failing(world):
    return {row.subject for row in world.all(schema.alarm) if row.code == "job-failing" and row.closed_ms is None}


def test_a_hello_with_the_greatest_class_list_version_stops_nobodys_class_lists(world, jobs):
    world.session(NINE - 9 * 24 * HOUR)
    one, _ = world.reader("a-1"), world.reader("a-2")
    world.deliver(one.hello(roster=2**63 - 1))
    jobs.step()
    assert {row.version_ms for row in world.all(schema.roster)} == {world.now_ms}
    assert len(world.all(schema.roster)) == 2
    assert jobs.failures == 0


def set_secret(world, reader_id, secret):
    with world.engine.begin() as connection:
        key = schema.reader_key
        before = connection.execute(key.select().where(key.c.reader_id == reader_id)).one().secret
        connection.execute(key.update().where(key.c.reader_id == reader_id).values(secret=secret))
    return before


def test_a_reader_whose_class_list_cannot_be_made_keeps_no_other_from_theirs(world, jobs):
    world.reader("a-1")
    world.reader("a-2")
    secret = set_secret(world, 1, b"x" * 60)
    jobs.step()
    assert [row.reader_id for row in world.all(schema.roster)] == [2]
    assert failing(world) == {"reader a-1"}
    assert next(row.reader_id for row in world.all(schema.alarm)) == 1
    # As if another process had raised it: the next one closes what works.
    set_secret(world, 1, secret)
    world.now_ms += 2 * MIN
    jobs.step()
    assert len(world.all(schema.roster)) == 2
    assert failing(world) == set()


def test_a_register_that_fails_keeps_no_other_and_no_class_list(world, jobs):
    group = world.class_group("C2", [])
    sessions = [world.session(NINE, group=group), world.session(NINE + 24 * HOUR, room=1)]
    world.reader()
    with world.engine.begin() as connection:
        table = schema.session
        connection.execute(table.update().where(table.c.id == sessions[0]).values(profile="gone"))
    world.now_ms = NINE + 10 * 24 * HOUR
    jobs.step(everything=True)
    assert [row.session_id for row in world.all(schema.register) if row.evidence != "pending"] == [sessions[1]]
    assert failing(world) == {"registers"}
    assert len(world.all(schema.roster)) == 1
    with world.engine.begin() as connection:
        connection.execute(table.update().values(profile="port"))
    jobs.step(everything=True)
    assert failing(world) == set()
    assert world.evidence(sessions[0]) != "pending"


def test_a_person_whose_marks_fail_keeps_no_other_from_theirs(world, jobs, seconds):
    world.now_ms = NINE + 30 * MIN
    other_group = world.class_group("C2", [])
    lone = world.person("lone", UIDS[9])
    world.enrol(other_group, lone)
    session, broken = world.session(), world.session(room=1, group=other_group)
    board, other = world.reader(), world.reader("a-2", room=1)
    with world.engine.begin() as connection:
        table = schema.session
        connection.execute(table.update().where(table.c.id == broken).values(profile="gone"))
    world.deliver(other.lines[0], other.swipe(UIDS[9], NINE), derive=False)
    world.deliver(board.lines[0], board.swipe(UIDS[0], NINE), derive=False)
    jobs.step()
    assert (session, world.students[0]) in world.marks()
    assert (broken, lone) not in world.marks()
    assert failing(world) == {"marks"}
    assert len(world.all(schema.roster)) == 2
    with world.engine.begin() as connection:
        connection.execute(table.update().values(profile="port"))
    seconds[0] += 61
    jobs.step()
    assert (broken, lone) in world.marks()
    assert failing(world) == set()


def test_a_step_that_fails_keeps_no_other_step(new_sqlite, seconds):
    from tests.server.store_world import World

    world = World(new_sqlite())
    world.reader()
    with world.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE due RENAME TO away")
    jobs = Jobs(world.engine, world.ring, world.profiles, Clock(real=lambda: world.now_ms / 1000))
    jobs.step()
    assert len(world.all(schema.roster)) == 1
    assert "marks" in failing(world)
    with world.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO due")
    # Another process: it closes what the first one raised.
    Jobs(world.engine, world.ring, world.profiles, Clock(real=lambda: world.now_ms / 1000)).step()
    assert failing(world) == set()
    world.close()
