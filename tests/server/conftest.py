"""The store's world on SQLite and on PostgreSQL: a test that asks for `world` runs on both."""

import shutil
from functools import partial
from itertools import count

import pytest
from sqlalchemy import create_engine
from sqlalchemy.util import LRUCache

from server import deliveries
from server.store import migrations
from server.store.engine import open_engine
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
def _statements_are_compiled_once():
    with pytest.MonkeyPatch.context() as patch:
        known = {"compiled_cache": Compiled(2000)}
        patch.setattr("server.store.engine.create_engine", partial(create_engine, execution_options=known))
        yield


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory):
    """An SQLite file with the schema, to be copied: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("template") / "empty.db"
    engine = open_engine(f"sqlite:///{path}")
    migrations.upgrade(engine)
    engine.dispose()
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
def _store_names():
    return count()


@pytest.fixture
def new_sqlite(empty_sqlite, tmp_path_factory):
    """`new_sqlite()` is the address of a fresh database with the schema."""
    folder = tmp_path_factory.mktemp("store")
    numbers = count()

    def new():
        path = folder / f"{next(numbers)}.db"
        shutil.copy(empty_sqlite, path)
        return f"sqlite:///{path}"

    return new


@pytest.fixture
def new_postgres(postgres_cluster, empty_postgres, _store_names):
    """`new_postgres()` is the address of a fresh database with the schema; dropped after the test."""
    made = []

    def new():
        name = f"store_{next(_store_names)}"
        postgres_cluster.execute(f"CREATE DATABASE {name} TEMPLATE {empty_postgres}")
        made.append(name)
        return postgres_cluster.url(name)

    yield new
    for name in made:
        postgres_cluster.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs("postgres"))])
def database_url(request):
    """A fresh database with the schema, on each of the two."""
    return request.getfixturevalue(f"new_{request.param}")()


@pytest.fixture
def world(database_url):
    made = World(database_url)
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
