"""Commands from the store: each once, none that was kept back, none from before the boot; and what they do."""

import json

import pytest

from tests.firmware.reader.reader_world import ALICE, BLUE, GREEN, OFF, RED, T0
from tests.firmware.reader.test_reader_uplink import at_a_door
from tests.firmware.reader.uplink_seen import refused

WHITE = (255, 255, 255)
MIN = 60_000


@pytest.fixture
def world(make):
    """A door that has been on for a while, with a clock."""
    made = at_a_door(make)
    made.run(20 * MIN)
    return made


def send(world, name, at_ms=None):
    """The store's command of this name, made at this time of its clock (now), arrives."""
    made_ms = world.wall_ms if at_ms is None else at_ms
    world.down(world.store.line("command", counter=made_ms, name=name, argument="none"), kind="command")
    return made_ms


def reports(world, since_ms):
    return [json.loads(out.payload) for _, out in world.sent_since(since_ms, "health")]


def test_a_command_that_was_kept_back_is_not_carried_out(world):
    made = world.wall_ms
    world.run(11 * MIN)
    send(world, "restart", made)
    assert world.reader.commands == [] and refused(world) == {"command-old": 1}


def test_a_command_from_before_the_boot_is_not_carried_out_again(world):
    made = send(world, "restart")
    assert world.reader.commands == ["restart"]
    world.boot()
    world.link()
    world.run(5_000)
    assert world.reader.clock.read(world.ms).state == "sync"
    send(world, "restart", made)
    assert world.reader.commands == [] and refused(world) == {"command-old": 1}
    send(world, "restart")
    assert world.reader.commands == ["restart"]


def test_a_reader_without_a_clock_carries_nothing_out(make):
    world = make()
    world.line_up = False
    world.link()
    world.run(5_000)
    send(world, "restart")
    assert world.reader.commands == [] and refused(world) == {"command-unclocked": 1}


def test_a_command_from_the_future_does_not_keep_later_ones_out(world):
    send(world, "restart", T0 + 10 * 365 * 24 * 60 * MIN)
    assert refused(world) == {"command-ahead": 1}
    send(world, "restart")
    assert world.reader.commands == ["restart"]


def test_identify_blinks_white_and_then_the_light_is_as_before(world):
    send(world, "identify")
    seen = world.lamps(12_000, step_ms=50)
    colours = [colour for colour, _ in seen]
    assert colours[:4] == [WHITE, OFF, WHITE, OFF] and colours.count(WHITE) == 15
    assert seen[-1][0] == BLUE
    assert all(ms >= 300 for colour, ms in seen if colour == WHITE), "slower than three flashes a second"


def test_no_light_that_is_asked_for_looks_like_a_recorded_swipe(world):
    for name in ("identify", "self-test"):
        send(world, name)
        assert GREEN not in [colour for colour, _ in world.lamps(12_000)]
        world.run(12_000)


def test_a_tap_is_shown_before_what_was_asked_for(world):
    send(world, "identify")
    assert world.tap(ALICE) == "green"
    assert world.lamp == GREEN
    seen = [colour for colour, _ in world.lamps(900)]
    assert seen[0] == GREEN and WHITE not in seen[:1]


def test_a_self_test_says_of_each_part_how_it_is(world):
    began = world.now_ms
    made = send(world, "self-test")
    assert RED in [colour for colour, _ in world.lamps(1_000)]
    world.run(1_000)
    did = reports(world, began)[-1]["command"]
    assert did["counter"] == made and did["name"] == "self-test"
    assert did["found"] == {"chip": "ok", "storage": "ok", "clock": "ok", "list": "ok", "room": "ok"}
    world.reader.chip(False, world.ms)
    send(world, "self-test")
    world.run(1_000)
    assert reports(world, began)[-1]["command"]["found"]["chip"] == "lost"


def test_sync_says_hello_offers_everything_and_states_a_head(world):
    world.tap(ALICE)
    world.lose = lambda out: True
    world.run(5_000)
    began = world.now_ms
    world.lose = lambda out: False
    send(world, "sync")
    world.run(2_000)
    assert {out.kind for _, out in world.sent_since(began)} >= {"hello", "head", "swipes", "health"}
    world.delivered()


def test_what_only_the_board_can_do_is_left_to_it(world):
    began = world.now_ms
    send(world, "restart")
    send(world, "update", world.wall_ms + 1)
    assert world.reader.commands == ["restart", "update"]
    world.run(1_000)
    assert all(one["command"] is None for one in reports(world, began))
