"""Time and patience: the clock that is handed in, and the growing wait between attempts."""

import asyncio
import random
import time
from typing import Protocol


class Clock(Protocol):
    """What the logic needs of time."""

    def wall_ms(self) -> int:
        """UTC epoch milliseconds."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never go back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock."""

    def wall_ms(self) -> int:
        """UTC epoch milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class Backoff:
    """Waits that double from `first_s` to `most_s`, each shortened by up to half at random.

    The jitter keeps a campus of gateways from knocking all at once at a store that has just come back.
    """

    def __init__(self, rng: random.Random, first_s: float = 0.2, most_s: float = 30.0) -> None:
        self._rng = rng
        self._first_s = first_s
        self._most_s = most_s
        self._tries = 0

    def next_s(self) -> float:
        """The next wait, in seconds."""
        longest = min(self._most_s, self._first_s * 2 ** min(self._tries, 30))
        self._tries += 1
        return longest * (0.5 + self._rng.random() / 2)

    def reset(self) -> None:
        """It worked: the next wait is the first again."""
        self._tries = 0
