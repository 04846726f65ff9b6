"""The store's ingest: `python -m tests.bench ingest`, or `python -m tests.bench.ingest [DATABASE_URL] [--swipes N] [--batch N]`.

Swipes per second into the store (parse, MAC, dedupe, commit with synchronous=FULL, receipts), without HTTP, and persons
derived per second. Without an address: SQLite in a temporary folder.
"""

import argparse
import random
import tempfile
import time

from server.store import migrations
from server.store.engine import open_engine
from tests.bench.figure import Figure
from tests.bench.parts import Missing, postgres
from tests.server.store_world import MIN, NINE, World, wrap

STUDENTS, DOORS = 400, 10


def figures() -> list[Figure]:
    """Swipes per second into SQLite and PostgreSQL, in batches as the gateway makes them."""
    found = []
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder:
        found += _figures("SQLite", measure(f"sqlite:///{folder}/bench.db", 5000, 250))
    try:
        with postgres("bench") as cluster:
            found += _figures("PostgreSQL", measure(cluster.url("bench"), 5000, 250))
    except Missing as error:
        found.append(Figure(name="PostgreSQL", measured=None, note=f"SKIPPED: {error}"))
    return found


def _figures(database: str, said: dict) -> list[Figure]:
    note = f"batches of {said['batch']}, the slowest {said['slowest_batch_ms']} ms; no HTTP"
    rate = Figure(name=f"{database}: swipes into the store", measured=said["swipes_per_s"], unit="/s", note=note)
    derived = said["derived_persons_per_s"]
    return [
        rate,
        Figure(name=f"{database}: persons derived", measured=derived, unit="/s", note="their marks, of one day"),
    ]


def measure(url: str, swipes: int, batch: int) -> dict:
    """Swipes per second in batches, and what follows. The database must be empty."""
    migrations.upgrade(open_engine(url))
    world = World(url, students=0, rooms=DOORS)
    uids = [bytes([4, n >> 8, n & 255, 1]) for n in range(STUDENTS)]
    people = [world.person(f"S{n}", uid) for n, uid in enumerate(uids)]
    boards = []
    for door in range(DOORS):
        group = world.class_group(f"G{door}", people[door::DOORS])
        world.session(NINE, room=door, group=group)
        boards.append(world.reader(f"a-{door}", room=door))
    world.now_ms = NINE + 30 * MIN
    rng = random.Random(7)
    world.deliver(*[board.hello() for board in boards], *[board.lines[0] for board in boards])
    items = []
    for number in range(swipes):
        who = rng.randrange(STUDENTS)
        board = boards[who % DOORS]
        items.append(wrap(board.swipe(uids[who], NINE - 20 * MIN + number * 10)))
    began = time.perf_counter()
    slowest = 0.0
    for start in range(0, swipes, batch):
        one = time.perf_counter()
        world.deliver(*items[start : start + batch], derive=False)
        slowest = max(slowest, time.perf_counter() - one)
    took = time.perf_counter() - began
    began = time.perf_counter()
    world.derive()
    derive = time.perf_counter() - began
    assert len(world.credits()) == min(STUDENTS, len({item.line.split("|")[6] for item in items}))
    world.close()
    return {
        "database": url.partition(":")[0],
        "batch": batch,
        "swipes_per_s": round(swipes / took),
        "slowest_batch_ms": round(slowest * 1000),
        "derived_persons_per_s": round(STUDENTS / derive),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url", nargs="?")
    parser.add_argument("--swipes", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=250)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(measure(given.url or f"sqlite:///{folder}/bench.db", given.swipes, given.batch))
