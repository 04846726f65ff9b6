"""The store's world on SQLite and on PostgreSQL: a test that asks for `world` runs on both."""

from functools import partial
from itertools import count

import pytest
from anyio.from_thread import start_blocking_portal
from fastapi.testclient import TestClient
from sqlalchemy import create_engine
from sqlalchemy.util import LRUCache

from server import deliveries
from server.store import migrations
from server.store.engine import open_engine
from tests.server import kept
from tests.server.reader_line import Line
from tests.server.store_world import World


class Compiled(LRUCache):
    """What SQLAlchemy compiled, for every engine of the same kind of database: it would keep it for each engine alone,
    and a test has its own."""

    def get(self, key, default=None):
        return super().get((key[0].name, *key[1:]), default)

    def __setitem__(self, key, value):
        super().__setitem__((key[0].name, *key[1:]), value)


@pytest.fixture(scope="session", autouse=True)
def _one_loop_for_requests():
    """A client alone makes a loop with its threads for each request."""
    with start_blocking_portal() as portal:
        TestClient.portal = portal
        yield
        TestClient.portal = None


@pytest.fixture(scope="session", autouse=True)
def _statements_are_compiled_once():
    with pytest.MonkeyPatch.context() as patch:
        known = {"compiled_cache": Compiled(2000)}
        patch.setattr("server.store.engine.create_engine", partial(create_engine, execution_options=known))
        yield


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory):
    """An SQLite file with the schema, to be copied: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("template") / "empty.db"
    kept.make_fresh(path)
    return path


@pytest.fixture(scope="session")
def empty_postgres(postgres_cluster):
    """A PostgreSQL database with the schema, to be copied."""
    postgres_cluster.execute("CREATE DATABASE empty_store")
    engine = open_engine(postgres_cluster.url("empty_store"))
    migrations.upgrade(engine)
    engine.dispose()
    return "empty_store"


@pytest.fixture(scope="session")
def filled_postgres(postgres_cluster, empty_postgres):
    """A PostgreSQL database in which the tests' world stands, to be copied; and what is remembered of that world."""
    postgres_cluster.copy(empty_postgres, "filled_store")
    made = World(postgres_cluster.url("filled_store"))
    made.close()
    return "filled_store", made.remembered()


@pytest.fixture(scope="session")
def _store_names():
    return count()


@pytest.fixture
def new_sqlite(tmp_path_factory):
    """`new_sqlite()` is the address of a fresh database with the schema."""
    folder = tmp_path_factory.mktemp("store")
    numbers = count()

    def new():
        path = folder / f"{next(numbers)}.db"
        kept.make_fresh(path)
        return f"sqlite:///{path}"

    return new


@pytest.fixture
def new_postgres(postgres_cluster, empty_postgres, _store_names):
    """`new_postgres()` is the address of a fresh database with the schema; dropped after the test."""
    made = []

    def new(template=empty_postgres):
        name = f"store_{next(_store_names)}"
        postgres_cluster.copy(template, name)
        made.append(name)
        return postgres_cluster.url(name)

    yield new
    for name in made:
        postgres_cluster.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs("postgres"))])
def database_url(request):
    """A fresh database with the schema, on each of the two; with the world in it where the test asks for that."""
    new = request.getfixturevalue(f"new_{request.param}")
    if request.param == "postgres" and "world" in request.fixturenames:
        return new(request.getfixturevalue("filled_postgres")[0])
    return new()


@pytest.fixture
def world(request, database_url):
    # On SQLite the world itself copies one that was filled before.
    filled = None if database_url.startswith("sqlite") else request.getfixturevalue("filled_postgres")[1]
    made = World(database_url, filled=filled)
    yield made
    made.close()


@pytest.fixture
def lines(new_sqlite, tmp_path):
    """`lines()` is the real reader core and the store's intake beside each other."""
    made = []

    def new(delivery=deliveries.Delivery):
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Line(new_sqlite(), folder, delivery))
        return made[-1]

    yield new
    for one in made:
        one.close()


@pytest.fixture
def console(world, monkeypatch, tmp_path):
    """The world, and an environment in which commands of the store's host find it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUSTER_DATABASE_URL", world.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("MUSTER_SERVER_KEY_FILE", str(tmp_path / "server.key"))
    (tmp_path / "server.key").write_text((b"k" * 32).hex())
    (tmp_path / "server.key").chmod(0o600)
    return world
