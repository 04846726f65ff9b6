"""The background work: it wakes, it goes on after a fault, it stops."""

import time

from server.clock import Clock
from server.jobs import Jobs
from server.store import schema
from tests.server.store_world import MIN, NINE, UIDS, World


def until(found, limit_s=40.0):
    """Wait for another thread; how long is not what is tested."""
    deadline = time.monotonic() + limit_s
    while not found() and time.monotonic() < deadline:
        time.sleep(0.01)
    return found()


def test_a_swipe_is_derived_soon_after_it_wakes_and_again_after_the_database_failed(new_sqlite):
    world = World(new_sqlite())
    world.now_ms = NINE + 30 * MIN
    session, board = world.session(), world.reader()
    jobs = Jobs(world.engine, world.ring, world.profiles, Clock(real=lambda: world.now_ms / 1000))
    jobs.start()
    try:
        world.deliver(board.lines[0], board.swipe(UIDS[0], NINE), derive=False)
        jobs.wake()
        assert until(lambda: (session, world.students[0]) in world.marks())
        with world.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE due RENAME TO away")
        jobs.wake()
        assert until(lambda: jobs.failures > 0)
        with world.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE away RENAME TO due")
        world.deliver(board.swipe(UIDS[1], NINE), derive=False)
        jobs.wake()
        assert until(lambda: (session, world.students[1]) in world.marks())
    finally:
        jobs.stop()
    assert len(world.all(schema.roster)) == 1
    world.close()
