"""The simulator's own page: its lamps are as the doors' are, from the first moment on."""

import json
import re

import pytest
from starlette.testclient import TestClient

from simulator.campus import invent
from simulator.doors import LightHouse
from simulator.page import _lamps, app
from simulator.world import World

NOW = 1_790_000_000_000
BLUE, RED = (0, 0, 255), (255, 0, 0)


@pytest.fixture
def campus():
    return invent(seed=7, rooms=3, students=30, now_ms=NOW)


@pytest.fixture
def world(campus, tmp_path):
    """Three doors: one is open, one dark, one has no power although its lamp was red."""
    house = LightHouse(tmp_path, {room: room.lower() for room in campus.rooms}, scale=1, log=tmp_path / "log")
    made = World(dict(house.doors), seed=7, clock=lambda: NOW)
    for (_, door), colours in zip(sorted(house.doors.items()), (BLUE, (0, 0, 0), RED), strict=True):
        door.powered = colours != RED
        door.lamp.rgb(colours, 1.0)
    return made


@pytest.fixture
def client(campus, world):
    return TestClient(
        app(campus, world, muster_url="http://127.0.0.1:1", logins=[("an <em>admin</em>", "admin", "pw")])
    )


def test_the_page_as_it_is_loaded_shows_each_lamp_as_it_is(client):
    page = client.get("/").text
    found = re.findall(r'<div class="(lamp[^"]*)"( style="[^"]*")? role="img" aria-label="lamp of (\w+)"', page)
    assert [(name, style.strip()) for name, style, _ in found] == [
        ("lamp lit", 'style="--lit: rgb(0, 0, 255)"'), ("lamp", ""), ("lamp", "")
    ]  # fmt: skip
    assert "an &lt;em&gt;admin" in page


async def test_the_stream_tells_every_lamp_first_and_then_what_changed(world):
    stream = _lamps(world)
    rooms = sorted(world.doors)
    first = json.loads((await anext(stream)).removeprefix("data: "))
    assert first == dict(zip(rooms, ("rgb(0, 0, 255)", "", ""), strict=True))
    world.doors[rooms[1]].lamp.rgb(RED, 2.0)
    assert json.loads((await anext(stream)).removeprefix("data: ")) == {rooms[1]: "rgb(255, 0, 0)"}
    await stream.aclose()


def test_a_card_or_a_door_that_is_none_is_said_so(client, campus, world):
    room, student = min(world.doors), next(one.id for one in campus.people.values() if one.uid)
    for values in (
        {"room": room, "card": "nobody"},
        {"room": "nowhere", "card": student},
        {"room": room, "card": "lost:nobody"},
    ):
        answer = client.post("/tap", data=values)
        assert answer.status_code == 404 and "no such door or card" in answer.json()["error"]["text"]
