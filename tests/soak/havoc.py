"""What goes wrong in a soak, by seed: every 1 to 5 s something, whatever else is broken at that moment."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

#: how often each comes, against the others
WEIGHTS = {
    "kill -9 reader": 4,
    "reader's power fails in a flash program": 2,
    "kill -9 gateway": 3,
    "kill -9 broker": 2,
    "kill -9 store": 2,
    "kill -9 database": 2,
    "spool deleted, gateway killed": 1,
    "broker data deleted, broker killed": 1,
    "one-way cut, readers to broker": 2,
    "one-way cut, broker to readers": 2,
    "one-way cut, gateway to broker and store": 1,
    "one-way cut, broker and store to gateway": 1,
}
Make = Callable[[random.Random], Coroutine[Any, Any, None]]


class Havoc:
    """Makes faults until it is cancelled. make: kind of fault -> does it and mends it; a kind that is missing is not made."""

    def __init__(self, *, seed: int, make: dict[str, Make], between_s: tuple[float, float] = (1.0, 5.0)) -> None:
        self._rng = random.Random(f"havoc {seed}")
        self._make = {kind: make[kind] for kind in WEIGHTS if kind in make}
        self._between_s = between_s
        self._mending: set[asyncio.Task[None]] = set()
        #: kind -> how often it was made
        self.made: Counter[str] = Counter()
        #: when the last one was made, monotonic s
        self.last_s = 0.0

    async def run(self) -> None:
        """Each kind once in a shuffled order, then any; again and again."""
        rng = self._rng
        order = list(self._make)
        rng.shuffle(order)
        try:
            while True:
                await asyncio.sleep(rng.uniform(*self._between_s))
                self._check()
                kind = order.pop() if order else rng.choices(list(self._make), [WEIGHTS[k] for k in self._make])[0]
                self.made[kind] += 1
                self.last_s = time.monotonic()
                task = asyncio.create_task(self._make[kind](random.Random(rng.random())), name=kind)
                self._mending.add(task)
        except asyncio.CancelledError:
            # The last faults are mended as the others were, and not at once.
            await asyncio.gather(*self._mending)
            raise

    def _check(self) -> None:
        for task in [t for t in self._mending if t.done()]:
            self._mending.discard(task)
            task.result()  # what could not be mended ends the soak
