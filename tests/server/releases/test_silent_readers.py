"""What silence means while a release goes out: a reader that fell with it, one that was merely away, or a line that was."""

import pytest

from firmware.reader import releases as slots
from firmware.reader.update import Updates
from server.fleet.watch import Watch
from server.policy import rollout as policy
from server.store import rollouts, schema
from server.store.engine import writing
from tests.firmware.pico import release_packs as made
from tests.server.releases.release_world import Door, Fleet
from tests.server.store_world import World


@pytest.fixture
def world(new_sqlite):
    """What is judged here no database does: once is enough."""
    found = World(new_sqlite())
    yield found
    found.close()


class Wireless(Door):
    """A reader on which one release runs and never finds the network: it gives it up after ten minutes."""

    deaf = False

    def boot(self) -> None:
        self.pack, _ = slots.choose(f"{self.folder}/")
        self.deaf = self.pack.counter >= self.bad_from
        self.updates = Updates(f"{self.folder}/", (made.key(),))
        self.began_ms = self.fleet.now_ms
        if not self.deaf:
            self.fleet.up(self.hello(), self.head(), self.report())

    def turn(self) -> None:
        if not self.deaf:
            return super().turn()
        self.updates.turn(False, self.fleet.now_ms - self.began_ms, lambda *args, **fields: None)
        if self.updates.restart:
            self.boot()
        return None


def test_a_release_that_finds_no_network_at_some_doors_stops(world, tmp_path):
    fleet = Fleet(world, tmp_path, 8)
    one = fleet.start(fleet.add(made.signed(2)), percents=(50, 100))
    bad = sorted(name for name, taker in fleet.takers(one).items() if taker.stage == 1)[:2]
    for name in bad:
        fleet.doors[name].__class__ = Wireless
        fleet.doors[name].bad_from = 2
    assert fleet.until_over(one, 30).state == rollouts.STOPPED
    assert {taker.state for taker in fleet.takers(one).values() if taker.stage == 2} == {policy.WAITING}
    assert {fleet.takers(one)[name].state for name in bad} <= {policy.FAILED, policy.TAKING}


def test_a_reader_that_got_a_newer_one_by_cable_does_not_hold_a_roll_out_up_for_ever(world, tmp_path):
    fleet = Fleet(world, tmp_path, 2)
    one = fleet.start(fleet.add(made.signed(2)), percents=(100,), soak_min=0)
    fleet.look()
    door = fleet.doors["r-0"]
    (door.folder / "slot.a").write_bytes(made.signed(9))
    door.boot()
    over = fleet.until_over(one, 60)
    assert over.state == rollouts.STOPPED and fleet.takers(one)["r-0"].code == policy.LOST


def test_readers_that_wait_while_the_line_is_away_have_their_turn_after_it(world, tmp_path):
    fleet = Fleet(world, tmp_path, 2 * policy.AT_ONCE)
    one = fleet.start(fleet.add(made.signed(2)), percents=(100,), soak_min=0)
    fleet.look()
    fleet.loses = 1.0
    fleet.seconds(600)
    assert [taker.state for taker in fleet.takers(one).values()].count(policy.WAITING) == policy.AT_ONCE
    fleet.loses = 0.0
    assert fleet.until_over(one).state == rollouts.DONE
    assert fleet.running().count(2) == policy.AT_ONCE


def test_a_store_that_was_away_judges_no_reader_by_its_silence_before_it_listened(world, tmp_path):
    fleet = Fleet(world, tmp_path, 2)
    one = fleet.start(fleet.add(made.signed(2)), percents=(100,), soak_min=0)
    Watch(world.engine).step(fleet.now_ms)
    assert {taker.state for taker in fleet.takers(one).values()} == {policy.ASKED}
    world.now_ms += 2 * policy.TRIAL_MS
    watch = Watch(world.engine)
    watch.step(fleet.now_ms)
    assert {taker.state for taker in fleet.takers(one).values()} == {policy.ASKED}
    for door in fleet.doors.values():
        fleet.up(door.head(), door.report())
    for _ in range(40):
        world.now_ms += 10_000
        for door in fleet.doors.values():
            door.turn()
        watch.step(fleet.now_ms)
    assert fleet.running() == [2, 2]


def test_a_reader_that_gave_it_up_before_is_asked_no_more(world, tmp_path):
    fleet = Fleet(world, tmp_path, 3)
    one = fleet.start(fleet.add(made.signed(2)), soak_min=0)
    (first,) = [taker.reader for taker in fleet.takers(one).values() if taker.stage == 1]
    fleet.doors[first].bad_from = 2
    assert fleet.until_over(one).state == rollouts.STOPPED
    fleet.act(rollouts.end, one)
    again = fleet.until_over(fleet.start(fleet.one(one).release_id, soak_min=0))
    assert again.state == rollouts.DONE and first not in fleet.takers(again.id)


def test_a_reader_that_is_replaced_meanwhile_is_no_fault_of_the_release(world, tmp_path):
    fleet = Fleet(world, tmp_path, 2)
    one = fleet.start(fleet.add(made.signed(2)), percents=(100,))
    while {taker.state for taker in fleet.takers(one).values()} != {policy.CONFIRMED}:
        fleet.seconds(10)
    with writing(world.engine) as connection:
        connection.execute(schema.reader.update().where(schema.reader.c.name == "r-0").values(ended_ms=fleet.now_ms))
    fleet.doors["r-0"].there = False
    assert fleet.until_over(one).state == rollouts.DONE
