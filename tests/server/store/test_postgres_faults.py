"""A real PostgreSQL that is full, locked, gone or torn between two deliveries: 503, nothing half written, and on it goes."""

import threading
from contextlib import contextmanager

import psycopg
import pytest

from server.errors import Unwritable
from server.store import schema
from tests.server.store_client import Server
from tests.server.store_world import MIN, NINE, UIDS, World

pytestmark = pytest.mark.needs("postgres")
#: longer than any of this takes, s
PATIENCE_S = 60


@pytest.fixture
def world(new_postgres):
    made = World(new_postgres())
    made.now_ms = NINE + MIN
    yield made
    made.close()


@pytest.fixture
def other(world, postgres_cluster):
    """Connections of somebody else to the same database, each in a transaction."""
    opened = []

    def connect():
        opened.append(psycopg.connect(postgres_cluster.dsn(world.engine.url.database)))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


def items(board, *lines):
    return [
        {"id": str(n), "site": "main", "reader": board.name, "kind": "record", "line": line}
        for n, line in enumerate(lines)
    ]


def refused_then_taken(world, server, sent, hinder):
    """The code that a delivery is refused with while it is hindered. Nothing of it is kept; afterwards it is taken."""
    with hinder:
        answer = server.deliver(*sent)
    assert answer.status_code == 503, answer.text
    assert "done" not in answer.json()
    assert [world.all(table) for table in (schema.record, schema.swipe, schema.reading, schema.due)] == [[], [], [], []]
    assert all(row.up_to == -1 for row in world.all(schema.journal)), "a receipt would say too much"
    again = server.deliver(*sent)
    assert again.json()["done"] == [one["id"] for one in sent]
    assert len(world.all(schema.record)) == len(sent)
    assert len(world.all(schema.swipe)) == len(sent) - 1
    return answer.json()["error"]["code"]


@pytest.fixture
def sent(world):
    board = world.reader()
    return items(board, board.lines[0], *(board.swipe(UIDS[n % 3], NINE + n) for n in range(20)))


@contextmanager
def the_disk_is_full(connection):
    # What PostgreSQL answers where it cannot extend a file, after it has taken the records.
    connection.execute(
        """CREATE FUNCTION full_disk() RETURNS trigger AS $$ BEGIN
               RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
           END $$ LANGUAGE plpgsql"""
    )
    connection.execute("CREATE TRIGGER full_disk BEFORE INSERT ON reading FOR EACH ROW EXECUTE FUNCTION full_disk()")
    connection.commit()
    yield
    connection.execute("DROP TRIGGER full_disk ON reading")
    connection.commit()


def test_a_full_disk_under_postgres_is_said_and_the_delivery_is_taken_afterwards(world, other, sent):
    assert refused_then_taken(world, Server(world), sent, the_disk_is_full(other())) == "database-full"


@contextmanager
def somebody_locks(world, connection, table):
    connection.execute(f"ALTER DATABASE {world.engine.url.database} SET lock_timeout = '300ms'")
    connection.commit()
    world.engine.dispose()  # what connects from now on
    connection.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
    yield
    connection.rollback()


def test_a_table_that_somebody_keeps_locked_is_not_waited_for_without_an_end(world, other, sent):
    server = Server(world)
    assert refused_then_taken(world, server, sent, somebody_locks(world, other(), "record")) == "database-locked"


def test_the_store_waits_for_a_lock_no_longer_than_a_gateway_waits_for_its_answer(world):
    with world.engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "10s"


@contextmanager
def connections_are_cut(world, connection):
    # As a restart does. The pool finds out at its next use.
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid()"
    )
    connection.commit()
    yield


def test_a_postgres_that_was_restarted_costs_one_answer_and_no_more(world, other, sent):
    server = Server(world)
    assert refused_then_taken(world, server, sent, connections_are_cut(world, other())) == "database-unreachable"


def waits_for_a_lock(connection):
    """Until somebody else in this database waits for a lock."""
    done = threading.Event()
    ends = threading.Timer(PATIENCE_S, done.set)
    ends.start()
    try:
        while not done.is_set():
            row = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).fetchone()
            connection.commit()
            if row is not None:
                return row[0]
    finally:
        ends.cancel()
    raise AssertionError("nobody waited for a lock")


def in_a_thread(work):
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    return thread, found


def test_a_postgres_that_goes_in_the_middle_of_a_delivery_leaves_nothing_of_it(world, other, sent):
    server, holder, watcher = Server(world), other(), other()
    holder.execute("LOCK TABLE swipe IN EXCLUSIVE MODE")  # by then the records are inserted
    thread, answers = in_a_thread(lambda: server.deliver(*sent))
    watcher.execute("SELECT pg_terminate_backend(%s)", [waits_for_a_lock(watcher)])
    watcher.commit()
    thread.join(PATIENCE_S)
    holder.rollback()
    assert (answers[0].status_code, answers[0].json()["error"]["code"]) == (503, "database-unreachable")
    assert world.all(schema.record) == []
    assert len(server.deliver(*sent).json()["done"]) == len(sent)
    assert len(world.all(schema.swipe)) == len(sent) - 1


def test_a_delivery_that_loses_a_deadlock_is_said_to_be_tried_again(world, other):
    server, holder, watcher = Server(world), other(), other()
    first, second = world.reader("a-1", room=0), world.reader("a-2", room=1)
    sent = items(first, first.lines[0], first.swipe(UIDS[0], NINE)) + items(second, second.lines[0])
    for n, one in enumerate(sent):
        one["id"] = str(n)
    # Both journals are known; somebody holds the second's row, and asks for the first's when we hold that.
    assert server.deliver(*items(first, first.lines[0]), *items(second, second.lines[0])).status_code == 200
    holder.execute("SET deadlock_timeout = '60s'")  # so that it is never the one that gives way
    ids = {row.reader_id: row.id for row in world.all(schema.journal)}
    holder.execute("SELECT 1 FROM journal WHERE id = %s FOR UPDATE", [ids[2]])
    thread, answers = in_a_thread(lambda: server.deliver(*sent))
    waits_for_a_lock(watcher)
    holder.execute("SELECT 1 FROM journal WHERE id = %s FOR UPDATE", [ids[1]])
    thread.join(PATIENCE_S)
    holder.rollback()
    assert (answers[0].status_code, answers[0].json()["error"]["code"]) == (503, "database-locked")
    assert len(world.all(schema.swipe)) == 0
    assert server.deliver(*sent).json()["done"] == ["0", "1", "2"]
    assert len(world.all(schema.swipe)) == 1


def test_two_gateways_that_deliver_the_same_at_once_and_in_other_orders_make_each_swipe_once(world):
    """Whatever one is refused it sends again, as a gateway does. No deadlock: rows are always locked in one order."""
    boards = [world.reader(f"a-{n}", room=n % 2) for n in range(6)]
    world.deliver(*(board.hello() for board in boards), derive=False)
    lines = [board.lines[0] for board in boards]
    lines += [board.swipe(UIDS[n % 3], NINE + n) for n in range(20) for board in boards]
    refused: list[str] = []

    def gateway(mine):
        left = [mine[at : at + 7] for at in range(0, len(mine), 7)]
        while left:
            try:
                world.deliver(*left[0], derive=False)
                left.pop(0)
            except Unwritable as error:
                refused.append(error.code)
                assert len(refused) < 50, refused

    threads = [threading.Thread(target=gateway, args=[order]) for order in (lines, lines[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert refused == []
    world.derive()
    assert len(world.all(schema.record)) == len(lines)
    assert len(world.all(schema.swipe)) == 20 * len(boards)
    assert {row.up_to for row in world.all(schema.journal)} == {20}
    assert all(row.verdict is not None for row in world.all(schema.reading)), "everybody was derived"
