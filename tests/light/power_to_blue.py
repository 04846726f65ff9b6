"""From power on to the lamp's first light, without a network: the Pico's real program on MicroPython's unix port.

Time runs from the start of the process, which on a board would be the end of the bootloader. The journal is new, nearly
full (its recovery reads the most), or full: then the light is the red pulse. What a board's flash takes to be read is
not in the figure.
"""

import asyncio
import contextlib
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from firmware.pico.ring import Ring
from firmware.reader.errors import StorageFull
from simulator.unixport.nor import Nor
from tests.firmware.pico.pico_world import BLUE, RED, World
from tests.firmware.pico.scripts import ring_cuts as cuts

PATIENCE_S = 60.0
#: swipes of one boot
BOOT = 400
#: left free where the journal is nearly full
SPARE = 100


@dataclass(frozen=True, kw_only=True)
class Powered:
    """seconds: from the process's start to the first light. colour: blue or red. kept: swipes in the ring."""

    seconds: float
    colour: str
    kept: int
    #: what the program says of its own recovery, ms
    recovery_ms: int


async def run(folder: Path, journal: str) -> Powered:
    """One power-on. journal: `new`, `nearly full` or `full`."""
    kept = 0
    if journal != "new":
        kept = fill(folder / "flash.img", spare=SPARE if journal == "nearly full" else 0)
    nobody = SimpleNamespace(host="127.0.0.1", port=1)  # where nobody listens
    switched = World(folder, nobody)  # it compiles the program here, before the power comes on
    began_s = time.monotonic()
    async with switched as world:
        colour, at_s = await _first(world, began_s)
        booted = [e for e in world.board.events() if e.get("event") == "boot"][-1]
    return Powered(seconds=at_s - began_s, colour=colour, kept=kept, recovery_ms=booted["recovery_ms"])


async def _first(world: World, began_s: float) -> tuple[str, float]:
    """The first blue; or red, where it still pulses some time after the chip has answered."""
    ready_s = None
    deadline = began_s + PATIENCE_S
    while time.monotonic() < deadline:
        blue = next((at for pin, value, at in world.pins if pin == BLUE and value > 0), None)
        if blue is not None:
            return "blue", blue
        if ready_s is None and any(e.get("event") == "chip-ready" for e in world.board.events()):
            ready_s = time.monotonic()
        red = next((at for pin, value, at in world.pins if pin == RED and value > 0 and ready_s and at > ready_s), None)
        if red is not None and ready_s is not None and time.monotonic() - ready_s > 5:
            return "red", red
        await asyncio.sleep(0.005)
    raise TimeoutError("the lamp stayed dark")


def fill(image: Path, *, spare: int) -> int:
    """Write swipes, none of them receipted, until the ring refuses or `spare` are left. Returns how many stand there."""
    files, size = _sizes()
    memory = bytearray(b"\xff" * size)
    ring = Ring(Nor(memory, size))
    kept = boot = 0
    with contextlib.suppress(StorageFull):
        while ring.room() > spare:
            boot += 1
            name = cuts.journal_id(boot)
            ring.append(name, 0, cuts.open_text(name, None, None), b"m" * 16)
            for seq in range(1, BOOT):
                if ring.room() <= spare:
                    break
                ring.append(name, seq, cuts.swipe_text(name, seq), b"m" * 16)
                kept += 1
    image.write_bytes(b"\xff" * files + memory)
    return kept


def _sizes() -> tuple[int, int]:
    """FILES_BYTES and JOURNAL_BYTES of firmware/pico/board.py, which only a board can import."""
    text = (Path(__file__).resolve().parents[2] / "firmware" / "pico" / "board.py").read_text()
    found = {name: eval(value) for name, value in re.findall(r"^(FILES_BYTES|JOURNAL_BYTES) = ([\d* ]+)$", text, re.M)}
    return found["FILES_BYTES"], found["JOURNAL_BYTES"]


def told(found: Powered) -> str:
    """One line."""
    return json.dumps(found.__dict__)
