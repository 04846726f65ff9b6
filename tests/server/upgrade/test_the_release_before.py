"""What the release before said, said to this one: its statements to the database, its messages on the wire.

There is no release before 0.1.0: these are its own, recorded by `tests.server.upgrade.recorded` when it was the newest.
The next release keeps them as they are, and so learns what a server of 0.1.0 would have met on its schema.
"""

import json
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from gateway.store import HttpStore, Restored
from server.store import migrations
from tests.server.store_client import Server

RECORDED = sorted(Path(__file__).parent.glob("release_*.json"))


def refused(engine, statements) -> list[str]:
    """The statements that the database does not take. Nothing is done: they are only explained."""
    found = []
    with engine.connect() as connection:
        for statement in statements:
            try:
                connection.exec_driver_sql(f"EXPLAIN {statement}", (None,) * statement.count("?")).close()
            except DBAPIError as error:
                found.append(f"{error.orig}: {statement[:200]}")
    return found


@pytest.fixture
def sqlite_world(new_sqlite):
    from tests.server.store_world import World

    made = World(new_sqlite())
    yield made
    made.close()


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_server_of_that_release_finds_every_column_that_it_names(path, sqlite_world):
    told = json.loads(path.read_text())
    if not migrations.fits(migrations.newest(), told["schema"]):
        pytest.skip(f"{path.stem} is older than the release before: it may not run beside this one any more")
    assert len(told["statements"]) > 50
    assert refused(sqlite_world.engine, told["statements"]) == []


def test_a_column_that_was_taken_away_would_be_caught(sqlite_world):
    told = json.loads(RECORDED[-1].read_text())
    with sqlite_world.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE reader_state RENAME COLUMN roster_ms TO roster_version_ms")
    assert refused(sqlite_world.engine, told["statements"])


def test_a_gateway_of_that_release_is_understood(world):
    # As 0.1.0 sends it, with a member that only a later one would know.
    server, board = Server(world), world.reader()
    items = [
        {"id": "a" * 64, "site": "main", "reader": "a-1", "kind": "hello", "line": board.hello(), "received_ms": 1},
        {"id": "b" * 64, "site": "main", "reader": "a-1", "kind": "record", "line": board.lines[0], "received_ms": 1,
         "judged": "matched", "later": {"x": 1}},
        {"id": "c" * 64, "site": "", "reader": "", "kind": "raw", "topic": "t", "raw_b64": "eA==", "received_ms": 1},
        {"id": "d" * 64, "site": "main", "reader": "a-1", "kind": "of-a-later-release", "line": "x", "received_ms": 1},
    ]  # fmt: skip
    answer = server.deliver(*items)
    assert answer.status_code == 200
    assert sorted(answer.json()["done"]) == [one["id"] for one in items]
    assert {"done", "down", "replay"} <= set(answer.json())


class Answers(HttpStore):
    """A store that answers what it is given."""

    def __init__(self, body):
        super().__init__("http://127.0.0.1:1", lambda: "token")
        self._body = body

    async def _ask(self, method, path, **more):
        return self._body


@pytest.mark.parametrize(
    ("more", "restored"),
    [
        ({}, None),  # as 0.1.0 answered before there was `restored`
        ({"restored": {"at_ms": 5, "age_s": 7, "later": 1}, "later": []}, Restored(at_ms=5, age_s=7)),
    ],
)
async def test_a_gateway_understands_the_store_before_and_passes_over_what_a_later_one_adds(more, restored):
    store = Answers({"done": ["a"], "down": [], "replay": []} | more)
    answer = await store.deliver([])
    await store.close()
    assert (answer.done, answer.restored) == (frozenset("a"), restored)
