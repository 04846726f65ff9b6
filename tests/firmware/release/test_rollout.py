"""A release goes out in stages and stops by itself: the reader's own code takes it, in virtual time, over a line that loses."""

import json
import random
from typing import Any

import pytest

from firmware.contract import topics
from firmware.reader import releases
from firmware.reader.update import Updates
from firmware.release import pack as packs
from firmware.release import rollout
from firmware.release.rollout import CONFIRMED, FAILED, SILENT, Seen, Sending
from firmware.release.send import Fleet, roll_out
from tests.firmware.pico import release_packs as made


class Door:
    """One reader: its slots are real, its program is not. good: from which counter on a release does not run here."""

    def __init__(self, folder, world, name, bad_from) -> None:
        folder.mkdir()
        (folder / "slot.a").write_bytes(made.signed(1))
        self.folder, self.world, self.name, self.bad_from = folder, world, name, bad_from
        self.able = "ok"
        self.boot()

    def boot(self) -> None:
        self.pack, trial = releases.choose(f"{self.folder}/")
        self.updates = Updates(f"{self.folder}/", (made.key(),))
        self.began_s = self.world.now_s
        if trial and self.pack.counter >= self.bad_from:
            self.boot()  # it falls at once, and the board starts again
            return
        self.say()

    def take(self, piece: bytes) -> None:
        self.updates.take(piece)

    def turn(self) -> None:
        worked = False
        up_ms = int((self.world.now_s - self.began_s) * 1000)
        while self.updates.turn(True, up_ms, lambda *args, **fields: None):
            worked = True
        if self.updates.restart:
            self.boot()
        elif worked or self.world.turns % 300 == 0:
            self.say()

    def say(self) -> None:
        health = {"v": 1, "able": self.able, "update": self.updates.figures()}
        self.world.up(self.name, "status", {"v": 1, "state": "online"})
        self.world.up(self.name, "health", health)


class World:
    """Doors and a line that loses one message of ten, both ways."""

    def __init__(self, folder, count, *, bad_from=99, loses=0.1) -> None:
        self.now_s, self.turns = 0.0, 0
        self.line = random.Random(7)
        self.loses = loses
        self.said: list[str] = []
        self.fleet = Fleet("main", self.down)
        self.doors: dict[str, Any] = {f"r-{n}": None for n in range(count)}
        for name in list(self.doors):
            self.doors[name] = Door(folder / name, self, name, bad_from)
            self.fleet.online[name] = True

    def up(self, name, kind, said) -> None:
        if self.line.random() >= self.loses:
            self.fleet.heard(topics.topic("main", name, kind), json.dumps(said).encode())

    def down(self, topic, payload) -> None:
        door = self.doors.get(topics.parse(topic).reader)
        if door is not None and self.line.random() >= self.loses:
            door.take(payload)

    def sleep(self, seconds) -> None:
        self.now_s += 1.0
        self.turns += 1
        for door in self.doors.values():
            if door is not None:
                door.turn()

    def roll(self, pack, soak_s=600.0) -> bool:
        stages = rollout.stages(list(self.doors))
        return roll_out(
            pack, stages, self.fleet, soak_s=soak_s, say=self.said.append, clock=lambda: self.now_s, sleep=self.sleep
        )

    def running(self) -> list[int]:
        return [door.pack.counter for door in self.doors.values() if door is not None]


def test_a_good_release_reaches_everybody_over_a_line_that_loses(tmp_path):
    world = World(tmp_path, 60)
    assert world.roll(made.signed(2)) is True, world.said
    assert world.running() == [2] * 60
    assert world.now_s > 2 * 600, "two stages were looked at for ten minutes each"
    assert world.said[0] == "stage 1 of 3: 1 readers"


def test_a_release_that_does_not_run_stops_at_the_first_one_and_leaves_it_as_it_was(tmp_path):
    world = World(tmp_path, 60, bad_from=2)
    assert world.roll(made.signed(2)) is False
    assert world.running() == [1] * 60
    assert sum(door.updates.figures()["failed"] == 2 for door in world.doors.values()) == 1
    assert world.said[-1].startswith("stopped: 1 of 1 readers are not well with it")


def test_a_release_after_which_readers_take_no_cards_goes_no_further(tmp_path):
    world = World(tmp_path, 30, loses=0.0)
    real = Door.say

    def chip_lost_since(door):
        door.able = "chip" if door.pack.counter == 2 else "ok"
        real(door)

    for door in world.doors.values():
        door.say = lambda door=door: chip_lost_since(door)
    assert world.roll(made.signed(2)) is False
    assert sum(one == 2 for one in world.running()) == 1


def test_an_unsigned_release_is_refused_by_the_first_reader_and_stops(tmp_path):
    world = World(tmp_path, 30, loses=0.0)
    assert world.roll(made.signed(2, by=2)) is False
    assert "refused (update-unsigned)" in " ".join(world.said)
    assert world.running() == [1] * 30


def test_readers_that_are_not_there_are_left_for_another_time(tmp_path):
    world = World(tmp_path, 30)
    away = rollout.stages(list(world.doors))[2][:3]
    for name in away:
        world.doors[name] = None
    assert world.roll(made.signed(2)) is True
    assert world.running() == [2] * 27
    assert "3 did not answer" in world.said[-1]


def test_begun_again_it_asks_and_sends_nobody_what_he_has(tmp_path):
    world = World(tmp_path, 12, loses=0.0)
    assert world.roll(made.signed(2)) is True
    began_s = world.now_s
    assert world.roll(made.signed(2), soak_s=0.0) is True
    assert world.now_s - began_s < 30


def test_every_reader_is_in_one_stage_and_stages_are_spread():
    names = [f"{building}-{n}" for building in "abcdef" for n in range(100)]
    first, second, third = rollout.stages(names)
    assert (len(first), len(second), len(third)) == (6, 54, 540)
    assert sorted(first + second + third) == sorted(names)
    assert len({name[0] for name in second}) == 6
    assert rollout.stages(["a"]) == [["a"]]
    assert rollout.stages([]) == []


@pytest.mark.parametrize(
    "states, ages, said",
    [
        ([CONFIRMED] * 100, 0.0, (False, False)),
        ([CONFIRMED] * 100, 600.0, (True, False)),
        ([CONFIRMED] * 98 + [FAILED] * 2, 600.0, (True, False)),
        ([CONFIRMED] * 97 + [FAILED] * 3, 0.0, (False, True)),
        ([FAILED] * 3 + ["taking"] * 97, 0.0, (False, True)),
        ([SILENT] * 100, 600.0, (False, True)),
        ([SILENT] * 99 + [CONFIRMED], 600.0, (True, False)),
    ],
)
def test_what_a_stage_s_readers_say_decides(states, ages, said):
    stage = [Seen(name=f"r-{n}", state=state, well=True, was_well=True) for n, state in enumerate(states)]
    decision = rollout.decide(stage, over_for_s=ages, soak_s=600.0)
    assert (decision.go, decision.stop is not None) == said


def test_a_reader_that_was_not_well_before_is_no_reason_to_stop():
    stage = [Seen(name="r-1", state=CONFIRMED, well=False, was_well=False)]
    assert rollout.decide(stage, over_for_s=600.0, soak_s=600.0).go


@pytest.mark.parametrize(
    "told", [{}, {"counter": 0}, {"have": "x"}, {"tag": "zz", "have": 7}, {"trial": 9, "failed": 8}]
)
def test_a_health_report_of_nonsense_moves_nothing(told):
    sending = Sending(made.signed(2), 0.0)
    sending.heard(told, 1.0)
    assert sending.state == rollout.ASKED
    assert sending.due(1.0) == packs.pieces(made.signed(2), rollout.PIECE)[:1]
