"""One card at one reader, once a second: the Pico's real program on MicroPython, an emulated chip, a real Mosquitto."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from firmware.contract.decide import Window
from tests.firmware.pico.pico_world import BLUE, GREEN, Store, World, uid
from tests.light.counting import PERSON_SESSION, Counted, count

#: of each second: the card is in the field for so long, then away
IN_S, EVERY_S = 0.4, 1.0
#: how long anything that must come is waited for
PATIENCE_S = 60.0
ON = 16_000


@dataclass(frozen=True, kw_only=True)
class Run:
    """counted; slowest_ms: tap to light, with the chip's own time; late: taps begun behind their second."""

    counted: Counted
    slowest_ms: float
    late: int


async def run(folder: Path, broker, *, taps: int, scale: int = 1, patient: bool = False) -> Run:
    """Tap. patient: each tap waits for its light, however slow the machine is; else the seconds are kept."""
    store = Store(broker.host, broker.port)
    try:
        store.publish_roster(range(10))
        async with World(folder, broker, scale=scale) as world:
            await world.event("chip-ready", PATIENCE_S)
            await world.event("link-up", PATIENCE_S)
            await world.until(lambda: _steady(world), PATIENCE_S, "steady blue")
            begun: list[float] = []
            late = 0
            first_s = time.monotonic()
            for number in range(taps):
                wait_s = first_s + number * EVERY_S - time.monotonic()
                if not patient and wait_s > 0:
                    await asyncio.sleep(wait_s)
                late += wait_s < -0.1
                begun.append(time.monotonic())
                shown = world.chip.card_in(uid(3))
                if patient:
                    await world.seen(GREEN, begun[-1], PATIENCE_S)
                    world.chip.card_out(shown)
                    await asyncio.sleep(EVERY_S - IN_S)
                else:
                    await asyncio.sleep(IN_S)
                    world.chip.card_out(shown)
            await world.until(lambda: len(store.swipes()) >= taps, PATIENCE_S, "every swipe in the store")
            await asyncio.sleep(0.5)  # one too many would come now
            greens = _greens(world)
            at_ms = time.time_ns() // 1_000_000
        day_ms = 24 * 3_600_000
        window = Window(PERSON_SESSION, at_ms - day_ms, at_ms - day_ms, at_ms + day_ms, at_ms + day_ms)
        counted = count(
            taps, sum(any(a <= g < b for g in greens) for a, b in _spans(begun)), store.lines.values(), window
        )
        waits = [min((g for g in greens if g >= a), default=a + PATIENCE_S) - a for a in begun]
        if store.forged:
            raise AssertionError("a line came with a wrong MAC")
        return Run(counted=counted, slowest_ms=1000 * max(waits), late=late)
    finally:
        store.close()


def _spans(begun: list[float]) -> list[tuple[float, float]]:
    return list(zip(begun, [*begun[1:], begun[-1] + PATIENCE_S], strict=True))


def _steady(world: World) -> bool:
    last = next((p for p in reversed(world.pins) if p[0] == BLUE), None)
    return last is not None and last[1] == 65535 and time.monotonic() - last[2] > 0.3


def _greens(world: World) -> list[float]:
    """When green came on, each time: monotonic s."""
    found, lit = [], False
    for pin, value, at_s in world.pins:
        if pin == GREEN:
            if value > ON and not lit:
                found.append(at_s)
            lit = value > ON
    return found
