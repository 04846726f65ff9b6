"""Tap to light of a card that signs (NTAG 424 DNA, SUN) beside a card with a number only: both boards' programs, one run.

Cards of both kinds take turns, at a quiet door. The emulated chip's and card's own time is left out, as in reader.py and
pi_light.py: what is left is what the reader asks and does. The 60 ms that a tap must keep are meant for a card with a
number, and are no limit here. Each signing tap must have brought its message to the store.
"""

import asyncio
import random
import tempfile
import time
from pathlib import Path

from firmware.contract import statement
from simulator.ntag424 import Ntag424
from simulator.pn532_card import AnyCard, Card, Presentation
from tests.bench.figure import Figure, quantile
from tests.bench.parts import mosquitto
from tests.bench.pi_light import SCALE, SEED
from tests.bench.pico_ready import ready
from tests.firmware.pi.pi_world import BLUE_RGB, GREEN_RGB, Pi
from tests.firmware.pi.pi_world import World as PiWorld
from tests.firmware.pi.tiny_store import TinyStore
from tests.firmware.pico.pico_world import GREEN, Store, World, uid

#: cards of each kind, on each board
TAPS = 100
PATIENCE_S = 40.0
#: how long a card stays after its light, and the field is empty, s
STAYS_S, EMPTY_S = 0.03, 0.15


def light() -> list[Figure]:
    """p50 and p99 of both kinds on both boards."""
    found = []
    for board, taps in (("Pico", _pico), ("Pi", _pi)):
        with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder, mosquitto(Path(folder)) as broker:
            signed_ms, plain_ms = asyncio.run(taps(Path(folder), broker))
        note = f"{len(signed_ms)} cards, in turns with as many that have a number only: theirs in the same run p50 "
        note += f"{quantile(plain_ms, 50):.1f} ms, p99 {quantile(plain_ms, 99):.1f} ms; without the chip's and card's own time"
        name = f"tap to light, a card that signs, {board}"
        found += [
            Figure(name=f"{name}: p50", measured=quantile(signed_ms, 50), unit="ms", note="the same cards"),
            Figure(name=f"{name}: p99", measured=quantile(signed_ms, 99), unit="ms", note=note),
        ]
    return found


def _cards() -> list[AnyCard]:
    """Signing and not, in turns, each another one; all of them on the list."""
    signing = [Ntag424(uid=uid(2 * n), key=bytes(16), counter=5) for n in range(TAPS)]
    return [card for n in range(TAPS) for card in (signing[n], Card(uid=uid(2 * n + 1)))]


def _kinds(taken_ms: list[float], swipes: list[statement.Statement]) -> tuple[list[float], list[float]]:
    """Those of the signing cards, and of the others. Raises RuntimeError where not each of those has signed."""
    said = sum(statement.message(one.values["evidence"]) is not None for one in swipes)
    if said != TAPS:
        raise RuntimeError(f"{said} of {TAPS} cards that sign brought their message")
    return taken_ms[::2], taken_ms[1::2]


async def _pico(folder: Path, broker) -> tuple[list[float], list[float]]:
    store = Store(broker.host, broker.port)
    try:
        store.publish_roster(range(2 * TAPS))
        async with World(folder, broker) as world:
            await ready(world, PATIENCE_S)
            taken_ms = []
            for card in _cards():
                since = time.monotonic()
                shown = world.chip.card_in(card)
                lit_s = await world.seen(GREEN, since, PATIENCE_S)
                await asyncio.sleep(STAYS_S)
                world.chip.card_out(shown)
                await asyncio.sleep(EMPTY_S)
                taken_ms.append(_after(shown, lit_s))
            await world.until(lambda: len(store.swipes()) == 2 * TAPS, PATIENCE_S, "every swipe at the store")
        return _kinds(taken_ms, store.swipes())
    finally:
        store.close()


def _after(shown: Presentation, lit_s: float | None) -> float:
    """Milliseconds from the chip's answer to the light, less what the card was asked meanwhile."""
    if lit_s is None or shown.answered_at_s is None:
        raise RuntimeError("a card saw no green")
    return 1000 * (lit_s - shown.answered_at_s - shown.talked_s)


async def _pi(folder: Path, broker) -> tuple[list[float], list[float]]:
    rng = random.Random(SEED)
    store, world = TinyStore(broker.port), PiWorld()
    try:
        store.push_roster([uid(n) for n in range(2 * TAPS)])
        async with Pi(broker.port, folder, world.port.path, scale=SCALE) as pi:
            await pi.open()
            taken_ms = [await _pi_tap(pi, world, card, rng) for card in _cards()]
            await pi.until(lambda: len(store.swipes()) == 2 * TAPS)
        return _kinds(taken_ms, store.swipes())
    finally:
        world.close()
        store.close()


async def _pi_tap(pi: Pi, world: PiWorld, card: AnyCard, rng: random.Random) -> float:
    await pi.until(lambda: pi.lights[-1][0] == BLUE_RGB)
    await asyncio.sleep(rng.uniform(0, STAYS_S))  # not in step with the chip's searches
    before = len(pi.lights)
    shown = await asyncio.to_thread(world.card_in, card)
    await pi.until(lambda: any(colour == GREEN_RGB for colour, _ in pi.lights[before:]))
    await asyncio.to_thread(world.card_out)
    lit_s = next(at_s for colour, at_s in pi.lights[before:] if colour == GREEN_RGB)
    return _after(shown, lit_s)
