"""A guarded Mosquitto beside a store."""

import shutil

import pytest

from tests.server.store_world import World
from tests.server.trust.broker_world import Trust


@pytest.fixture
def trusts(need, tmp_path, empty_sqlite):
    """`trusts()`: a store with two readers, a-1 and a-2, a gateway g1, and a guarded broker; ended after the test."""
    program = need("mosquitto")
    made = []

    def new(**more) -> Trust:
        path = tmp_path / f"store-{len(made)}.db"
        shutil.copy(empty_sqlite, path)
        world = World(f"sqlite:///{path}")
        world.reader("a-1")
        world.reader("a-2", room=1)
        made.append(Trust(world, program, tmp_path / f"broker-{len(made)}", **more))
        return made[-1]

    yield new
    for one in made:
        one.close()
        one.w.close()


@pytest.fixture
def trust(trusts) -> Trust:
    return trusts()
