"""What every part of one simulated run shares: true time, chance, the trace, and which rare things were seen.

True time is the simulation's own: no part of the system under test may read it. Each part draws from a stream of chance
of its own, so that one more draw in one part does not change what another part does.
"""

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import Callable

#: true time when a run begins, UTC epoch ms
T0 = 1_790_000_000_000


class Broken(AssertionError):
    """Something that must never be was: what the simulation is for."""


class Trace:
    """Every event, as a running SHA-256. `show` gets each as a line, if given."""

    def __init__(self, show: Callable[[str], None] | None = None) -> None:
        self._sum = hashlib.sha256()
        self._show = show
        self.events = 0

    def add(self, line: str) -> None:
        self.events += 1
        self._sum.update(line.encode())
        self._sum.update(b"\n")
        if self._show is not None:
            self._show(line)

    def hash(self) -> str:
        return self._sum.hexdigest()


class World:
    """One run's surroundings."""

    def __init__(self, seed: int, loop: asyncio.AbstractEventLoop, show: Callable[[str], None] | None = None) -> None:
        self.seed = seed
        self.loop = loop
        self.trace = Trace(show)
        #: rare thing -> how often
        self.seen: Counter[str] = Counter()
        #: what was found wrong, in words
        self.wrong: list[str] = []
        #: the chance that a crash point is one
        self.crash_chance = 0.0
        self._points = self.chance("points")

    def chance(self, name: str) -> random.Random:
        """A stream of its own for this name. (A text as seed goes through SHA-512: PYTHONHASHSEED is not in it.)"""
        return random.Random(f"{self.seed}/{name}")

    def true_ms(self) -> int:
        return T0 + round(self.loop.time() * 1000)

    def tell(self, part: str, what: str) -> None:
        """Put an event into the trace."""
        self.trace.add(f"{self.loop.time():11.3f} {part:<8} {what}")

    def rare(self, name: str) -> None:
        self.seen[name] += 1

    def crashes_here(self, times: float = 1.0) -> bool:
        """Whether the part that is at this point dies here. times: how much likelier than elsewhere."""
        return self.crash_chance > 0 and self._points.random() < self.crash_chance * times

    def fail(self, what: str) -> None:
        """Something is wrong. The run goes on: what follows from it is worth reading too."""
        self.tell("WRONG", what)
        self.wrong.append(what)
