"""Numbers past what a database holds, a database that cannot be written, and what an error's text may say."""

import os
import sqlite3
import stat

import pytest
from sqlalchemy import text

from server import commands
from server.errors import BadSetting, Unwritable
from server.settings import Settings
from server.store import schema
from server.store.engine import open_engine, reading, writing
from server.vault import Vault
from tests.server.store_client import Server
from tests.server.store_world import MIN, NINE, World


@pytest.fixture
def server(world):
    world.now_ms = NINE + 10 * MIN
    return Server(world)


@pytest.mark.parametrize("number", [str(2**63), "9" * 400, "9" * 5000, "-1", "²", "٣", "1e3"])
def test_a_number_that_no_database_holds_is_refused_in_the_errors_shape(server, number):
    paths = [
        ("GET", f"/api/v1/sessions/{number}/register"),
        ("GET", f"/api/v1/sessions/{number}/version"),
        ("POST", f"/api/v1/sessions/{number}/verify"),
        ("POST", f"/api/v1/alarms/{number}/close"),
        *(
            ("GET", f"/api/v1/swipes?{name}={number}")
            for name in ("after", "limit", "from_ms", "to_ms", "session_id", "person_id")
        ),
    ]
    for method, path in paths:
        answer = server.ask(method, path, "admin")
        assert answer.status_code in (404, 422), path
        assert set(answer.json()["error"]) == {"code", "text"}
    for path in (f"/api/v1/sessions/{number}/marks/1", f"/api/v1/sessions/1/marks/{number}"):
        assert server.ask("PUT", path, "admin", json={"code": "P"}).status_code in (404, 422), path


def test_a_mark_with_a_number_or_text_that_no_database_holds_is_refused(server, world):
    path = f"/api/v1/sessions/{world.session()}/marks/{world.students[0]}"
    bodies = [{"code": "L", "late_min": 2**63}, {"code": "L", "late_min": -1}, {"code": "P", "early_min": 2**70}]
    bodies += [{"code": "P\0"}, {"code": "P", "remark": "\0"}]
    for body in bodies:
        assert server.ask("PUT", path, "admin", json=body).status_code == 422, body
    for name in ("reader", "verdict"):
        assert server.ask("GET", f"/api/v1/swipes?{name}=%00", "admin").status_code == 422, name


def test_a_day_at_the_end_of_time_is_refused(server):
    for day in ("9999-12-31", "0001-01-01", "²"):
        assert server.ask("GET", f"/api/v1/sessions?day={day}", "admin").status_code in (200, 400), day


def test_a_cursor_that_is_no_number_of_ours_gives_all_rosters(server, world):
    world.reader()
    server.app.state.jobs.step()
    ask = {"headers": {"Authorization": f"Bearer {server.gateway}"}}
    for after in ("9" * 5000, "²", "٣", str(-(2**63)), "x"):
        answer = server.client.get("/api/gateway/v1/rosters", params={"after": after}, **ask)
        assert (answer.status_code, len(answer.json()["rosters"])) == (200, 1), after[:20]


def test_no_time_that_a_gateway_says_breaks_a_delivery(server, world):
    board = world.reader()
    for received_ms in (2**70, -(2**70), 10**400):
        item = {"id": "x", "reader": "a-1", "kind": "hello", "line": board.hello(), "received_ms": received_ms}
        assert server.deliver(item).status_code == 200
    assert len(world.all(schema.hello)) == 3


def test_health_says_that_the_database_cannot_be_written_until_it_can(new_sqlite):
    world = World(new_sqlite())
    server, board = Server(world), world.reader()

    def only(on):
        with world.engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA query_only={on}")

    only(1)
    item = {"id": "x", "reader": "a-1", "kind": "record", "line": board.lines[0]}
    assert server.deliver(item).status_code == 503
    answer = server.client.get("/healthz")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database-read-only")
    assert "muster_unwritable 1" in server.client.get("/metrics").text
    with pytest.raises(Unwritable):
        server.app.state.jobs.step()
    assert server.client.get("/healthz").status_code == 503
    only(0)
    # A transaction that changes nothing proves nothing; the background work tries with one that does.
    with writing(world.engine):
        pass
    assert server.client.get("/healthz").status_code == 503
    server.app.state.jobs.step()
    assert server.client.get("/healthz").json() == {"ok": True}
    only(1)
    assert server.deliver(item).status_code == 503
    only(0)
    assert server.deliver(item).status_code == 200
    assert server.client.get("/healthz").status_code == 200
    text = server.client.get("/metrics").text
    assert "muster_unwritable 0" in text
    assert "muster_write_failures_total 3" in text
    world.close()


def test_the_text_of_a_database_error_holds_none_of_its_values(world):
    with pytest.raises(Exception, match="hide_parameters") as caught, writing(world.engine) as connection:
        connection.execute(text("INSERT INTO nowhere VALUES (:name)"), {"name": "Ada Lovelace"})
    assert "Ada" not in str(caught.value)


@pytest.mark.parametrize("table", [schema.reader_key, schema.card_key], ids=["reader", "card"])
def test_a_store_with_another_server_key_does_not_start(world, database_url, tmp_path, table):
    world.reader()
    other = {schema.reader_key: schema.card_key, schema.card_key: schema.reader_key}[table]
    right, wrong = tmp_path / "right.key", tmp_path / "wrong.key"
    right.write_text((b"k" * 32).hex())
    right.chmod(0o600)
    Vault.from_file(wrong)
    with world.engine.begin() as connection:
        connection.execute(other.delete())
    for path in (right, wrong):
        store = commands.Store(Settings(database_url=database_url, server_key_file=path))
        try:
            if path is right:
                store.ready()
            else:
                with pytest.raises(BadSetting, match="put that one back") as refused:
                    store.ready()
                assert refused.value.code == "server-key"
        finally:
            store.engine.dispose()


def test_a_new_sqlite_file_is_for_its_owner_only(tmp_path):
    before = os.umask(0o022)
    try:
        path = tmp_path / "x" / "m.db"
        engine = open_engine(f"sqlite:///{path}")
        with reading(engine), engine.connect():
            modes = {stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
        engine.dispose()
    finally:
        os.umask(before)
    assert modes == {0o600}
    # One that is there keeps what it has.
    old = tmp_path / "old.db"
    sqlite3.connect(old).close()
    old.touch(0o640)
    old.chmod(0o640)
    open_engine(f"sqlite:///{old}").dispose()
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
