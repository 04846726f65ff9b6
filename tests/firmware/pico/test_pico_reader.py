"""The whole Pico reader on real MicroPython, from the card to the broker: real MQTT, real Mosquitto, emulated PN532."""

import asyncio
import contextlib
import time

import pytest

from firmware.contract import envelope, statement
from tests.firmware.pico.pico_world import BLUE, CARD_KEY, KEY, READER, RED, Store, World, percentile, uid

pytestmark = [pytest.mark.needs("micropython", "mosquitto"), pytest.mark.timeout(180), pytest.mark.long(15)]


@pytest.fixture
def store(mosquitto):
    made = Store(mosquitto.host, mosquitto.port)
    yield made
    made.close()


async def ready(world: World) -> None:
    """Until the reader has its chip, its clock and its roster: steady blue."""
    await world.event("chip-ready")
    await world.event("link-up")
    await world.until(lambda: steady(world, BLUE), 40, "steady blue")


def steady(world: World, pin: int) -> bool:
    last = [(value, at) for which, value, at in world.pins if which == pin]
    return bool(last) and last[-1][0] == 65535 and time.monotonic() - last[-1][1] > 0.3


async def test_two_hundred_cards_are_green_and_reach_the_store_with_a_right_mac(
    tmp_path, mosquitto, store, record_property
):
    store.publish_roster(range(2000))
    async with World(tmp_path, mosquitto) as world:
        await ready(world)
        waited = []
        for number in range(200):
            light, answered = await world.tap(number, gap_s=0.03)
            assert light is not None, f"card {number} saw no green"
            assert answered is not None
            waited.append((light - answered) * 1000)
        greens = {CARD_KEY.token(uid(n)) for n in range(200)}
        await world.until(lambda: greens <= store.tokens(), 40, "every green in the store")
        figures = {"p50": percentile(waited, 50), "p99": percentile(waited, 99), "max": max(waited)}
        print("tap to light, ms:", {k: round(v, 1) for k, v in figures.items()})
        record_property("tap_to_light_ms", figures)
        assert store.forged == []
        assert len(store.swipes()) == 200
        await world.event("heap", count=2)  # the one after the boot was without a roster
        # The receipts have freed them: a new hello says so.
        await world.restart()
        await world.until(lambda: len(store.hellos) >= 2, 40, "hello again")
        held = store.hellos[-1].values["journals"]
        assert held[-1].head >= 200
        heaps = [e for e in world.board.events() if e.get("event") == "heap"]
        heap = {what: max(e[what] for e in heaps) for what in ("live", "peak")}
        print("heap of 300K, bytes:", heap)
        record_property("heap", heap)
        assert all("text" not in e for e in world.board.events())


async def test_a_sigkill_at_any_moment_loses_no_green(tmp_path, mosquitto, store, rng):
    store.publish_roster(range(200))
    green = set()
    async with World(tmp_path, mosquitto) as world:
        await ready(world)
        number = 0
        for _ in range(5):
            cut = asyncio.create_task(cut_after(world, rng.uniform(0.2, 2.0)))
            while not cut.done():
                light, _ = await world.tap(number, gap_s=0.02, timeout_s=0.4)
                if light is not None:
                    green.add(CARD_KEY.token(uid(number)))
                number += 1
            await cut
            ups = len([e for e in world.board.events() if e.get("event") == "chip-ready"])
            await world.event("chip-ready", count=ups + 1 if not chip_is_ready(world) else ups)
        assert len(green) > 5
        # After a boot the clock is not known at once: those swipes are stored and will be checked.
        await world.until(lambda: green <= store.tokens() | store.tokens("check"), 40, "every green in the store")
        assert store.forged == []


def chip_is_ready(world: World) -> bool:
    names = [e.get("event") for e in world.board.events()]
    return "chip-ready" in names[len(names) - 1 - names[::-1].index("boot") :]


async def cut_after(world: World, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await world.restart()


async def test_a_silent_chip_makes_the_red_pulse_and_its_return_takes_cards_again(tmp_path, mosquitto, store):
    store.publish_roster(range(10))
    async with World(tmp_path, mosquitto) as world:
        await ready(world)
        world.chip.silence()
        await world.event("chip-lost")
        since = time.monotonic()
        assert await world.seen(RED, since, 40) is not None
        world.chip.revive()
        await world.event("chip-ready", count=2)
        light, _ = await world.tap(1)
        assert light is not None


async def test_without_a_broker_cards_are_taken_for_checking_and_offered_when_it_comes(tmp_path, mosquitto, store):
    store.publish_roster(range(10))
    store.close()
    mosquitto.kill()
    async with World(tmp_path, mosquitto) as world:
        began = time.monotonic()
        first = await world.seen(BLUE, began, 40)
        assert first is not None
        print("power to blue, s:", round(first - began, 2))
        await world.event("chip-ready")
        await world.tap(1, colour=BLUE)
        mosquitto.start()
        later = Store(mosquitto.host, mosquitto.port)
        try:
            await world.until(lambda: CARD_KEY.token(uid(1)) in later.tokens("check"), 60, "the swipe taken offline")
        finally:
            later.close()


async def test_bad_messages_from_below_are_counted_and_taps_go_on(tmp_path, mosquitto, store):
    store.publish_roster(range(10))
    async with World(tmp_path, mosquitto) as world:
        await ready(world)
        for payload in (b"", b"\xff\xfe", b"{}", b'{"v": 1, "lines": ["x"]}', b"[" * 5000):
            for kind in ("roster", "receipt", "command"):
                store.send(kind, payload)
        text = statement.say("receipt", READER, 1, {"nonce": "0" * 16, "journal": "0" * 16, "up_to": 9})
        store.send("receipt", envelope.wrap([statement.seal(text, b"\0" * 16)]))
        light, _ = await world.tap(3)
        assert light is not None
        assert not [e for e in world.board.events() if "text" in e]


async def test_an_older_roster_is_refused_and_a_kept_one_outlives_the_power(tmp_path, mosquitto, store):
    store.publish_roster(range(10))
    async with World(tmp_path, mosquitto) as world:
        await ready(world)
        store.publish_roster(range(100, 110), version_ms=5)
        light, _ = await world.tap(3)
        assert light is not None
        await world.event("roster-kept")  # the shelf writes when nobody taps
        world.board.kill()
        mosquitto.kill()
        mosquitto.start()
        fresh = Store(mosquitto.host, mosquitto.port)
        await world.restart()
        try:
            # The broker was memory only and has no roster any more: what the reader knows stood on its flash.
            await world.until(lambda: fresh.hellos, 40, "hello")
            assert fresh.hellos[-1].values["roster"] is not None
            await world.until(lambda: steady(world, BLUE), 40, "steady blue")
            light, _ = await world.tap(4)
            assert light is not None
        finally:
            fresh.close()


async def test_a_restart_command_restarts_the_board(tmp_path, mosquitto, store):
    async with World(tmp_path, mosquitto) as world:
        await world.event("link-up")
        # Without a clock it carries nothing out: the store's first answer may be on its way yet.
        again = None
        for _ in range(20):
            made = {"counter": int(time.time() * 1000), "name": "restart", "argument": "-"}
            text = statement.say("command", READER, 1, made)
            store.send("command", envelope.wrap([statement.seal(text, KEY.mac(text.encode()))]))
            with contextlib.suppress(TimeoutError):
                again = await world.event("boot", timeout_s=2, count=2)
                break
        assert again is not None, "it never restarted"
        assert again["firmware"].startswith("muster-")


async def test_power_that_fails_while_the_flash_is_programmed_loses_no_green(tmp_path, mosquitto, store):
    store.publish_roster(range(100))
    async with World(tmp_path, mosquitto, environment={"MUSTER_FLASH_CUT": "150:half"}) as world:
        await ready(world)
        green = set()
        for number in range(100):
            light, _ = await world.tap(number, gap_s=0.02, timeout_s=0.5)
            if light is not None:
                green.add(CARD_KEY.token(uid(number)))
            if world.board.pid is None:
                break
        assert world.board.wait(40) == 3, "the power never failed"
    async with World(tmp_path, mosquitto) as world:
        await world.event("boot", count=2)
        await world.until(lambda: green <= store.tokens() | store.tokens("check"), 40, "every green in the store")
        await world.until(lambda: steady(world, BLUE), 40, "steady blue")
        light, _ = await world.tap(99)
        assert light is not None
