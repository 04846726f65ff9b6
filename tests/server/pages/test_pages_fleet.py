"""The fleet on the page of doors, and one reader's own page."""

import json
import re

import pytest

from server.fleet.watch import Watch
from server.pages.fleet_memory import FleetMemory
from server.store import readers
from server.store.engine import writing
from tests.server.pages.school import version_of
from tests.server.pages.test_pages_doors import text_of
from tests.server.store_world import MIN, wrap


def words(answer) -> str:
    assert answer.status_code == 200, answer.text
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


def said(school, board, **health) -> None:
    """A health report of this reader's arrives."""
    school.world.deliver(wrap(json.dumps({"v": 1} | health), reader=board.name, kind="health"))


@pytest.fixture
def two(school):
    """Two readers, of which the second has gone."""
    north, south = school.reader("a-101"), school.reader("a-102", room=1)
    school.deliver(*south.lines, south.hello(), south.head(school.now_ms))
    school.now_ms += 10 * MIN
    school.deliver(*north.lines, north.hello(roster=school.now_ms), north.head(school.now_ms))
    return north, south


def test_doors_can_be_narrowed_by_state_building_and_words(school, signed, two):
    visitor = signed("tess")
    everything = text_of(visitor)
    assert "a-101" in everything and "a-102" in everything
    away = words(visitor.get("/doors?show=away"))
    assert "a-102 at main" in away and "a-101 at main" not in away
    assert "1 of 2 connected" in away, "what stands above is of all of them"
    room = words(visitor.get("/doors?building=R0"))
    assert "a-101 at main" in room and "a-102 at main" not in room
    found = words(visitor.find("/doors", "A-102"))
    assert "a-102 at main" in found and "a-101 at main" not in found
    assert "No door is like that now" in words(visitor.get("/doors?show=waiting"))
    assert "a-101 at main" in words(visitor.get("/doors?show=%3Cscript%3E&building=")), "nonsense narrows nothing"


def test_an_open_page_that_is_narrowed_stays_narrowed(school, signed, two):
    north, _south = two
    visitor = signed("tess")
    page = visitor.get("/doors?show=away").text
    assert "&amp;show=away" in page
    school.deliver(north.head(school.now_ms + 1))
    answer = visitor.get(f"/doors/live?v={version_of_filtered(page)}&show=away", htmx=True)
    assert answer.status_code == 204 or "door-a-101" not in answer.text


def version_of_filtered(page: str) -> str:
    return re.search(r"\?v=([0-9a-f-]+)", page)[1]


def test_of_many_doors_only_those_that_changed_are_sent_again(school, signed, two):
    north, _ = two
    visitor = signed("tess")
    version = version_of(visitor.get("/doors").text)
    school.deliver(north.head(school.now_ms + 1, able="chip"))
    answer = visitor.get(f"/doors/live?v={version}", htmx=True)
    assert 'id="door-a-101"' in answer.text and "door-a-102" not in answer.text
    assert "the card chip does not answer" in answer.text
    assert visitor.get(f"/doors/live?v={version_of(answer.text)}", htmx=True).status_code == 204


def test_what_a_board_says_of_its_parts_is_in_words(school, signed, two):
    north, _ = two
    said(school, north, signal=-82, chip_losses=7, storage_errors=2, room=4800, flash={"damaged": 1}, boot_ms=7_200_000,
         cause=3, link={"connects": 4}, chip={"faults": 12}, alarms=["shelf"])  # fmt: skip
    visitor = signed("tess")
    text = text_of(visitor)
    assert "signal -82 dBm, weak" in text and "card chip lost 7 times" in text
    assert "storage: 2 records refused, 1 block damaged" in text
    assert "it hardly hears its access point" in text and "replace the reader soon" in text
    own = words(visitor.get("/doors/readers/a-101"))
    for wanted in ("4800 records more", "2 h", "watchdog or command", "12 faults", "shelf", "not signed"):
        assert wanted in own, wanted


@pytest.mark.parametrize(
    "health",
    [
        [], "x", {"signal": "strong"}, {"signal": 55}, {"chip_losses": True}, {"room": -1}, {"flash": 3},
        {"refused": [1]}, {"alarms": {"a": 1}}, {"boot_ms": 1 << 70}, {"alarms": ["<script>"] * 50},
    ],
)  # fmt: skip
def test_a_health_report_that_says_nonsense_breaks_no_page(school, signed, two, health):
    north, _ = two
    school.world.deliver(wrap(json.dumps(health), reader=north.name, kind="health"))
    visitor = signed("tess")
    for address in ("/doors", "/doors/readers/a-101"):
        answer = visitor.get(address)
        assert answer.status_code == 200 and "<script>" not in answer.text.partition("<main")[2]


def test_a_readers_page_tells_its_life(school, signed, two):
    _north, south = two
    watch = Watch(school.world.engine)
    watch.step(school.now_ms)
    for _ in range(20):
        school.now_ms += 15_000
        watch.step(school.now_ms)
    school.deliver(south.hello(), south.head(school.now_ms, able="chip"))
    watch.step(school.now_ms + 15_000)
    text = words(signed("tess").get("/doors/readers/a-102"))
    assert "not heard: over" in text and "card chip lost: goes on" in text and "connected" in text
    assert "Outages, 7 days 2" in text
    assert "2" in text_of(signed("tess"))


def test_nobody_else_sees_a_reader_and_there_is_none_of_another_name(school, signed, two):
    assert signed("ada").get("/doors/readers/a-101").status_code == 403
    assert signed("tess").get("/doors/readers/zzz").status_code == 404


def test_the_memory_of_shown_doors_is_bounded():
    memory = FleetMemory(kept=2)
    for n in range(3):
        memory.put(str(n), [{"reader": "a", "n": n}])
    assert memory.get("0") is None and memory.get("2") == [{"reader": "a", "n": 2}]
    assert memory.changed([{"reader": "a"}], [{"reader": "b"}]) is None
    assert memory.changed([{"reader": "a", "n": 1}, {"reader": "b"}], [{"reader": "a", "n": 2}, {"reader": "b"}]) == [
        {"reader": "a", "n": 2}
    ]


# --- evidence of a day -----------------------------------------------------------------------------------------------


@pytest.fixture
def morning(school):
    """A reader that was on since before the day began, with a head each minute from 9:00 to 10:20, and two taps."""
    school.session("Compilers", starts_min=-60)
    board = school.reader()
    board.boot(at_ms=school.now_ms - 30 * 60 * MIN)
    for minute in range(-80, 1):
        school.world.now_ms = school.now_ms + minute * MIN
        school.world.deliver(board.head(school.now_ms + minute * MIN), derive=False)
    board.swipe(school.uids[0], school.now_ms - 50 * MIN)
    board.swipe(bytes([4, 99, 99, 9]), school.now_ms - 40 * MIN, verdict="red")
    school.deliver(*board.lines, board.hello(), board.head(school.now_ms + 1))
    return board


def test_the_evidence_of_a_morning_says_what_is_proved_and_names_nobody(school, signed, morning):
    text = words(signed("tess").get("/doors/readers/a-101/evidence?show=morning"))
    for wanted in (
        "prove that it was on and took cards all this time", "green: recorded 1", "red: not on the class list 1",
        "of a session of theirs 1", "of a card that nobody has 1", "Compilers", "2 taps, 1 of them count for it",
        "Statements, one a minute 8", "Its clock was right", "Made Mon 5 Oct 2026",
    ):  # fmt: skip
        assert wanted in text, wanted
    assert "Student" not in text


def test_the_evidence_says_what_is_not_proved(school, signed, morning):
    # The board has restarted: nothing proves what was between.
    school.now_ms += 60 * MIN
    morning.boot(at_ms=school.now_ms - 10 * MIN)
    school.deliver(*morning.lines, morning.hello(), morning.head(school.now_ms))
    text = words(signed("tess").get("/doors/readers/a-101/evidence?show=morning"))
    assert "From 10:19:59 to 11:10:00 it is not proved that cards were taken: it was not on" in text
    assert "Nobody's absence may rest on this door for this time" in text or "Nobody&#39;s absence may rest" in text
    school.deliver(morning.head(school.now_ms + MIN, able="chip"))
    school.now_ms += 2 * MIN
    assert "its card chip was lost" in words(signed("tess").get("/doors/readers/a-101/evidence"))


def test_what_is_forged_in_a_readers_name_stands_in_its_evidence(school, signed, morning):
    forged = morning.lines[-1][:-4] + "0000"
    school.deliver(forged)
    school.now_ms += MIN
    text = words(signed("tess").get("/doors/readers/a-101/evidence"))
    assert "Something claimed to be this reader" in text and "mac 1" in text


def test_a_day_that_has_not_begun_has_no_evidence_and_one_before_the_reader_proves_nothing(school, signed, morning):
    visitor = signed("tess")
    assert "has not begun yet" in words(visitor.get("/doors/readers/a-101/evidence?day=2026-10-06"))
    text = words(visitor.get("/doors/readers/a-101/evidence?day=2026-01-05&show=afternoon"))
    assert "it is not proved that cards were taken" in text and "12:00:00 to 18:00:00" in text
    assert visitor.get("/doors/readers/a-101/evidence?day=nonsense&show=x").status_code == 200
    assert signed("ada").get("/doors/readers/a-101/evidence").status_code == 403


# --- by building -----------------------------------------------------------------------------------------------------


def test_doors_stand_by_building_and_floor_with_their_lights(school, signed):
    world = school.world
    with writing(world.engine) as connection:
        world.rooms = [
            readers.ensure_room(connection, world.institution_id, code) for code in ("CS-101", "CS-201", "Law 0.1")
        ]
        for n, code in enumerate(("CS-101", "CS-201", "Law 0.1")):
            readers.add(
                connection, world.vault, world.institution_id, name=f"m-{n}", site_name="main", room_code=code,
                from_ms=0, now_ms=1,
            )  # fmt: skip
    visitor = signed("tess")
    page = visitor.get("/doors/map")
    text = words(page)
    assert "CS 2 doors" in text and "Law 1 door" in text
    assert text.index("Floor 2 CS-201") < text.index("Floor 1 CS-101"), "the higher floor stands above"
    assert "CS-101 : not known: not heard lately" in text
    version = version_of(page.text)
    assert visitor.get(f"/doors/map/live?v={version}", htmx=True).status_code == 204
    board = school.reader("m-9")
    school.deliver(*board.lines, board.hello(), board.head(school.now_ms, able="chip"))
    answer = visitor.get(f"/doors/map/live?v={version}", htmx=True)
    assert 'id="doors-map" hx-swap-oob="true"' in answer.text and 'class="room bad"' in answer.text
    assert signed("ada").get("/doors/map").status_code == 403
