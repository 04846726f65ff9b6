"""What goes wrong, by seed: power, network, and the parts in the middle, at random moments while people tap."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable

from simulator.doors import Door
from simulator.network import Wire
from simulator.processes import Part

KINDS = ("power", "cut", "silence", "gateway", "store", "broker", "chip")


class Faults:
    """Makes faults until it is cancelled. `made` counts them by kind.

    kinds: which of KINDS. every_s: mean time between two. parts: `gateway…`, `store` and `broker` processes by name; a
    part that is not ours to kill is left out.
    """

    def __init__(
        self,
        *,
        seed: int,
        kinds: tuple[str, ...],
        every_s: float,
        doors: list[Door],
        wires: list[Wire],
        parts: dict[str, list[Part]],
        ready: dict[str, Callable[[Part], Awaitable[None]]],
    ) -> None:
        self._rng = random.Random(f"faults {seed}")
        self._every_s = every_s
        self._doors = doors
        self._wires = wires
        self._parts = parts
        self._ready = ready
        self._kinds = [k for k in kinds if k not in ("gateway", "store", "broker") or parts.get(k)]
        self.made: Counter[str] = Counter()

    async def run(self) -> None:
        """Make faults for ever."""
        while self._kinds:
            await asyncio.sleep(self._rng.expovariate(1 / self._every_s))
            kind = self._rng.choice(self._kinds)
            self.made[kind] += 1
            await self._make(kind)

    async def _make(self, kind: str) -> None:
        rng = self._rng
        if kind == "power":
            door = rng.choice(self._doors)
            await door.power_cut()
            await asyncio.sleep(rng.uniform(0.1, 0.8))
            await door.power_on()
        elif kind == "chip":
            door = rng.choice(self._doors)
            door.chip_fault(rng.choice(("drop_ack", "drop_answer", "corrupt", "truncate")))
        elif kind == "cut":
            rng.choice(self._wires).cut()
        elif kind == "silence":
            wire = rng.choice(self._wires)
            wire.silence(True)
            await asyncio.sleep(rng.uniform(0.5, 3))
            wire.silence(False)
        else:
            part = rng.choice(self._parts[kind])
            await asyncio.to_thread(part.kill)
            await asyncio.sleep(rng.uniform(0.1, 1.5))
            part.start()
            await self._ready[kind](part)
