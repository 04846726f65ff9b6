"""A database that cannot be written: a code, nothing half written, and everything goes on afterwards."""

import sqlite3

import psycopg
import pytest
from sqlalchemy import text

from server.errors import BadSetting, Unwritable
from server.store import migrations, schema
from server.store.engine import open_engine, writing
from tests.server.store_client import Server
from tests.server.store_world import NINE, UIDS, World


def test_sqlite_keeps_wal_with_full_synchronous(new_sqlite):
    engine = open_engine(new_sqlite())
    with engine.connect() as connection:
        said = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
        assert said == ["wal", 2]
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    engine.dispose()


def test_another_kind_of_database_is_refused():
    with pytest.raises(BadSetting, match="sqlite"):
        open_engine("mysql://somewhere/x")


def refused_then_taken(world, *, hinder, release):
    """The code that a delivery is refused with while it is hindered, and how many records of it are taken afterwards."""
    board = world.reader()
    lines = [board.hello(), board.lines[0], board.swipe(UIDS[0], NINE)]
    world.now_ms = NINE + 1
    hinder()
    try:
        with pytest.raises(Unwritable) as refused:
            world.deliver(*lines, derive=False)
        assert refused.value.status == 503
    finally:
        release()
    assert world.all(schema.record) == world.all(schema.swipe) == [], "nothing half written"
    new = world.deliver(*lines).new
    assert len(world.all(schema.swipe)) == 1
    return refused.value.code, new


def test_a_full_sqlite_disk_is_said_and_nothing_is_half_written(new_sqlite):
    world = World(new_sqlite())
    board = world.reader()
    with world.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()

    def limit(count):
        # The driver's connection is pooled: there is one, and it keeps the limit.
        with world.engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count={count}")

    big = [board.swipe(UIDS[n % 3], NINE + n) for n in range(400)]
    limit(pages)
    with pytest.raises(Unwritable) as refused:
        world.deliver(board.lines[0], *big, derive=False)
    assert refused.value.code == "database-full"
    limit(2**30)
    assert world.all(schema.record) == []
    world.now_ms = NINE + 1000
    assert world.deliver(board.lines[0], *big).new == 401
    world.close()


def test_a_read_only_sqlite_is_said_and_nothing_is_half_written(new_sqlite):
    world = World(new_sqlite())

    def only(on):
        with world.engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA query_only={on}")

    found = refused_then_taken(world, hinder=lambda: only(1), release=lambda: only(0))
    assert found == ("database-read-only", 2)
    world.close()


def test_a_locked_sqlite_is_said_and_nothing_is_half_written(new_sqlite):
    world = World(new_sqlite())
    with world.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=50")
    other = sqlite3.connect(str(world.engine.url.database), isolation_level=None)
    found = refused_then_taken(
        world, hinder=lambda: other.execute("BEGIN IMMEDIATE"), release=lambda: other.execute("ROLLBACK")
    )
    assert found == ("database-locked", 2)
    other.close()
    world.close()


@pytest.mark.needs("postgres")
def test_a_read_only_postgres_is_said_and_nothing_is_half_written(new_postgres, postgres_cluster):
    url = new_postgres()
    world = World(url)
    name = url.rpartition("/")[2]

    def only(on):
        with psycopg.connect(postgres_cluster.dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {on}".encode())
        world.engine.dispose()

    found = refused_then_taken(world, hinder=lambda: only("on"), release=lambda: only("off"))
    assert found == ("database-read-only", 2)
    world.close()


@pytest.mark.needs("postgres")
def test_a_postgres_that_is_gone_is_said(postgres_cluster):
    engine = open_engine(postgres_cluster.url("nowhere").replace(str(postgres_cluster.port), "1"))
    with pytest.raises(Unwritable) as refused, writing(engine):
        pass
    assert refused.value.code == "database-unreachable"


def test_a_failed_transaction_leaves_nothing(world):
    with pytest.raises(ZeroDivisionError), writing(world.engine) as connection:
        connection.execute(text("DELETE FROM room"))
        raise ZeroDivisionError
    assert len(world.all(schema.room)) == 2


def test_the_migrations_make_exactly_the_schema(database_url):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = open_engine(database_url)
    migrations.upgrade(engine)
    assert migrations.is_current(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


def test_every_table_but_the_institutions_names_its_institution():
    without = {name for name, table in schema.metadata.tables.items() if "institution_id" not in table.c}
    # Whose a sign-in that is under way will be is not known yet.
    assert without == {"institution", "sign_in_flow"}


def test_a_commit_that_fails_is_never_answered_as_done(new_sqlite):
    """Every statement went through, and then the commit itself does not."""
    world = World(new_sqlite())
    server, board = Server(world), world.reader()
    item = {"id": "x", "site": "main", "reader": "a-1", "kind": "record", "line": board.lines[0]}
    refused = []

    def refuse(action, what, *_):
        if action == sqlite3.SQLITE_TRANSACTION and what == "COMMIT":
            refused.append(what)
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    def authorize(by):
        # The driver's connection is pooled: there is one, and it keeps what it is told.
        with world.engine.connect() as connection:
            connection.connection.driver_connection.set_authorizer(by)

    authorize(refuse)
    answer = server.deliver(item)
    authorize(None)
    assert refused, "the delivery never came to its commit"
    assert answer.status_code >= 500
    assert "done" not in answer.json()
    assert world.all(schema.record) == []
    assert server.deliver(item).json()["done"] == ["x"]
    assert len(world.all(schema.record)) == 1
    world.close()
