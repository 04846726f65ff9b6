"""The Pi reader's tap to light: nfcpy and an emulated PN532 on a pseudo-terminal, gpiozero's mock pins, SQLite, Mosquitto.

The emulated chip's own time is left out: measured is from the card in the field, less what the chip took, to the green
on the pins. Each tap is one of a different card at a quiet door.
"""

import asyncio
import json
import random
import tempfile
import time
from pathlib import Path

from simulator.processes import Part, PartFailed, muster
from tests.bench.figure import Figure, quantile
from tests.bench.machine import resident_mb
from tests.bench.parts import mosquitto
from tests.firmware.pi.pi_world import BLUE_RGB, GREEN_RGB, Pi, World
from tests.firmware.pi.tiny_store import TinyStore, settings

TAPS, SEED = 100, 7
TAP_TO_LIGHT_MS = 60.0
#: flashes so many times as short, so that a hundred taps take a quarter of a minute; what is measured is real time
SCALE = 5
BLUE_S, PATIENCE_S = 10.0, 60.0
#: after its first light a process still loads and finds its chip, s
SETTLED_S = 3.0


def light() -> list[Figure]:
    """Tap to light on CPython, 100 cards."""
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder, mosquitto(Path(folder)) as broker:
        took_ms = asyncio.run(_taps(Path(folder), broker.port))
    note = f"{len(took_ms)} cards at a quiet door; p50 {quantile(took_ms, 50):.1f} ms, most {max(took_ms):.1f} ms; "
    note += "nfcpy, SQLite synchronous=FULL; without the chip's own time"
    return [
        Figure(name="tap to light, Pi: p50", measured=quantile(took_ms, 50), unit="ms", note="CPython, the same cards"),
        Figure(
            name="tap to light, Pi: p99", measured=quantile(took_ms, 99), unit="ms", must=TAP_TO_LIGHT_MS, note=note
        ),
    ]


def process() -> list[Figure]:
    """`muster pi run` as a process: from its start to blue without a network, and what it keeps in memory."""
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as name:
        folder, world = Path(name), World()
        config, log = folder / "settings.json", folder / "pi.log"
        config.write_text(json.dumps(settings(1)))  # where nobody listens
        command = muster(
            "pi", "run", "--settings", str(config), "--data", name, "--chip", world.port.path, "--mock-pins"
        )
        part = Part("muster pi run", command, log=log)
        try:
            began = time.monotonic()
            part.start()
            while not _blue(log):
                part.ensure()
                if time.monotonic() - began > PATIENCE_S:
                    raise PartFailed(f"the lamp stayed dark: {part.last_words()}")
                time.sleep(0.01)
            took_s = time.monotonic() - began
            time.sleep(SETTLED_S)
            part.ensure()
            resident = resident_mb(part.pid or 0)
        finally:
            part.stop()
            world.close()
    return [
        Figure(name="power to blue, Pi", measured=took_s, unit="s", must=BLUE_S,
               note="start of `muster pi run` to breathing blue, no broker; neither its kernel nor its card is timed"),
        Figure(name="resident: reader, Pi", measured=resident, unit="MB", note="PSS of that process"),
    ]  # fmt: skip


def _blue(log: Path) -> bool:
    """Whether the lamp has been blue. What is half written yet is read the next time."""
    for line in log.read_text().splitlines() if log.exists() else ():
        if line.startswith('{"lamp"') and line.endswith("}") and json.loads(line)["lamp"][2] > 0:
            return True
    return False


async def _taps(folder: Path, port: int) -> list[float]:
    rng = random.Random(SEED)
    uids = [bytes([4, n, 1, 2, 3, 4, 5]) for n in range(TAPS)]
    store, world = TinyStore(port), World()
    try:
        store.push_roster(uids)
        async with Pi(port, folder, world.port.path, scale=SCALE) as pi:
            await pi.open()
            return [await _one(pi, world, uid, rng) for uid in uids]
    finally:
        world.close()
        store.close()


async def _one(pi: Pi, world: World, uid: bytes, rng: random.Random) -> float:
    """Milliseconds of one tap. The green is waited for on the lamp itself: where a sync took long, the flash begins
    after a moment of dark, so the count of taps comes before it."""
    await pi.until(lambda: pi.lights[-1][0] == BLUE_RGB)
    await asyncio.sleep(rng.uniform(0, 0.03))  # not in step with the chip's searches
    before = len(pi.lights)
    shown = await asyncio.to_thread(world.card_in, uid)
    await pi.until(lambda: any(colour == GREEN_RGB for colour, _ in pi.lights[before:]))
    await asyncio.to_thread(world.card_out)
    set_s = next(at_s for colour, at_s in pi.lights[before:] if colour == GREEN_RGB)
    return 1000 * (set_s - shown.in_at_s - shown.chip_s)
