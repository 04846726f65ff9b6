"""Whatever happens on the way, each green is one swipe in the store at the end: days of trouble drawn by seed."""

import pytest

from tests.firmware.reader.broken_firmware import broken
from tests.firmware.reader.reader_world import ALICE, BOB, CAROL, World, session

#: sessions all day, so that cards are green whatever the hour
LISTED = [(session(n + 1, 3600 * n, 3600 * n + 3600), [ALICE, BOB]) for n in range(40)]


def storm(seed, package="firmware", steps=150):
    """A door in trouble: lost messages, cut links, power cuts, torn appends, a full journal, a store set back, old
    receipts said again. Then everything is well again, and the store must hold every green."""
    world = World(package=package, seed=seed, capacity=60)
    rng = world.rng
    world.give(LISTED)
    world.link()
    overheard = []
    world.lose = lambda out: rng.random() < 0.3
    for _ in range(steps):
        [what] = rng.choices(
            ["tap", "wait", "cut", "link", "power", "torn", "replay", "backup"], [8, 3, 1, 2, 1, 1, 1, 1]
        )
        if what == "tap":
            world.tap(rng.choice([ALICE, BOB, CAROL]))
            world.pump()
        elif what == "wait":
            world.run(rng.choice([300, 20_000, 90_000]), step_ms=300)
        elif what == "cut":
            world.unlink()
        elif what == "link":
            world.link()
        elif what == "power":
            world.boot()
            world.pump()
            world.link()
        elif what == "torn":
            world.boot(fail_at=world.medium.appends + rng.randrange(3), torn=rng.random() < 0.5)
            world.link()
            world.tap(ALICE)
            world.tap(BOB)
            world.boot()
        elif what == "backup" and rng.random() < 0.5:
            for journal in world.medium.order:
                kept = rng.randrange(1 + len(world.medium.records[journal]))
                for seq in range(kept, len(world.medium.records[journal])):
                    world.store.records.pop((journal, seq), None)
        if world.store.nonce and world.store.records:
            overheard += world.store.all_receipts()
        if what == "replay" and overheard:
            world.down(*rng.sample(overheard, min(5, len(overheard))))
        for held in world.reader.journal.held:
            promised = world.store.promised.get(held.journal, -1)
            assert held.freed <= promised, "freed what no receipt covers"
        world.now_ms += rng.randrange(3000)
    world.boot()
    world.link()
    world.pump()
    world.lose = lambda out: False  # and no further connect: what was lost comes by the retry
    world.run(20 * 60_000, step_ms=1000)
    world.delivered()
    assert set(world.greens) <= set(world.store.records), "a green is not in the store"
    assert len(world.greens) == len(set(world.greens)), "two greens are one swipe"
    return world


@pytest.mark.parametrize("number", range(12))
def test_each_green_is_one_swipe_in_the_store_after_any_trouble(seed, number):
    world = storm(100 * seed + number)
    assert len(world.greens) >= 5
    assert world.store.copies > 0


@pytest.mark.parametrize(
    "name, module, good, bad",
    [
        (
            "storm_frees_past",
            "reader/journal.py",
            "            self._storage.free(journal, up_to)\n"
            "            self.held[place] = statement.Held(held.journal, held.oldest, up_to, held.head)",
            "            up_to = min(up_to + 1, held.head)\n"
            "            self._storage.free(journal, up_to)\n"
            "            self.held[place] = statement.Held(held.journal, held.oldest, up_to, held.head)",
        ),
        (
            "storm_offers_once",
            "reader/uplink.py",
            "            self._heard = False\n            self._start_pass()\n",
            "            self._heard = False\n",
        ),
        ("storm_ignores_again", "reader/journal.py", "        if back_to <= held.freed:\n", "        if False:\n"),
        ("storm_green_anyway", "reader/reader.py", "            return error.code\n        if", "            pass\n        if"),
    ],
    ids=lambda value: value if value.startswith("storm") else "",
)  # fmt: skip
def test_a_saboteur_does_not_weather_the_storm(seed, tmp_path, name, module, good, bad):
    with broken(tmp_path, name, module, good, bad) as package:
        caught = 0
        for number in range(12):
            try:
                storm(100 * seed + number, package)
            except AssertionError:
                caught += 1
        assert caught > 0
