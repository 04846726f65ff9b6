"""The simulation itself: it replays, it passes a few seeds, and it catches what is broken on purpose."""

import os
import re
import subprocess
import sys

import pytest

from tests.simulation import rare
from tests.simulation.campus import Campus, Session
from tests.simulation.loop import SimLoop, Stuck
from tests.simulation.oracle import Held, Oracle, Tap
from tests.simulation.play import Stage, play
from tests.simulation.sabotage import SABOTEURS
from tests.simulation.world import World

SWIPES = 40
#: a saboteur is caught by the first of these in which what it breaks is put to the test
SEEDS = (1, 3, 2, 6, 7, 10)


@pytest.fixture(scope="module")
def stage():
    with Stage() as made:
        yield made


@pytest.mark.parametrize("seed", [1, 6, 9])
def test_nothing_is_lost_doubled_or_miscredited_in_this_seed(stage, seed):
    one = play(stage, seed, swipes=SWIPES)
    assert one.score.wrong == []
    assert one.score.greens > SWIPES // 3
    assert one.score.credited > 0


def test_the_same_seed_gives_the_same_trace_in_another_process_with_another_hash_seed(stage, repo):
    here = play(stage, 2, swipes=SWIPES)
    command = [sys.executable, "-m", "tests.simulation", "--seed", "2", "--swipes", str(SWIPES), "--quiet"]
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    said = subprocess.run(command, cwd=repo, env=environment, capture_output=True, text=True, timeout=300).stdout
    assert re.search(r"trace hash ([0-9a-f]{64})", said)[1] == here.hash
    assert play(stage, 2, swipes=SWIPES).hash == here.hash


def test_another_seed_gives_another_trace(stage):
    assert play(stage, 3, swipes=10).hash != play(stage, 8, swipes=10).hash


@pytest.mark.proof
@pytest.mark.parametrize("name", SABOTEURS)
def test_the_simulation_catches_this_saboteur(stage, name):
    cast, caught_by = SABOTEURS[name]
    wrong = []
    for seed in SEEDS:
        wrong = play(stage, seed, swipes=SWIPES, cast=cast).score.wrong
        if any(caught_by in what for what in wrong):
            break
    assert any(caught_by in what for what in wrong), f"nobody noticed; the last seed found {wrong[:5]}"


def test_a_rare_thing_that_was_never_seen_is_told():
    seen = dict.fromkeys(rare.REQUIRED, 1)
    assert rare.unseen(seen) == []
    del seen["clone noticed"]
    assert rare.unseen(seen) == ["clone noticed"]


def test_time_jumps_and_never_waits_for_nothing():
    loop = SimLoop()
    try:
        loop.call_later(3_000_000, loop.stop)
        loop.run_forever()
        assert loop.time() == 3_000_000
        with pytest.raises(Stuck):
            loop.run_forever()
    finally:
        loop.close()


def test_what_is_held_ends_before_the_first_hole():
    held = Held()
    for seq in (0, 1, 3):
        held.add(seq)
    assert held.up_to == 1
    held.add(2)
    assert held.up_to == 3


def test_a_tap_within_two_minutes_of_another_may_only_repeat_its_answer(tmp_path):
    loop = SimLoop()
    campus = Campus(readers=1, members={0: {7: (0, None)}})
    campus.sessions.append(Session(id=1, room=0, group=0, opens_ms=0, starts_ms=60_000, closes_ms=600_000))
    oracle = Oracle(World(1, loop), campus, tmp_path / "store.db")
    taps = [Tap(at_ms=at, reader="a-101", room=0, person=7, boot_ms=at) for at in (1000, 90_000, 300_000)]
    for tap in taps:
        oracle.add(tap)
    assert [oracle.repeats(tap) for tap in taps] == [False, True, False]
    loop.close()
