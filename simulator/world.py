"""The world of a demo: people walking to doors, what they saw there, and the log of it.

The log is what the check goes by: for every card that was held to a door, what the lamp flashed and when. It is written
from the lamp alone.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from simulator.doors import Door
from simulator.people import Plan, Tap

#: how long somebody waits for a light before they try again, s
PATIENCE_S = 1.6
#: and how often they try before they give up
TRIES = 40


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One card held to one door once."""

    tap: Tap
    reader: str
    #: when the card came into the field, wall clock of the campus, epoch ms
    at_ms: float
    #: `green`, `red`, `blue`, or empty where the lamp flashed nothing
    light: str
    #: from the chip's answer to the light, ms; None where there was no light
    light_ms: float | None


class World:
    """People at the doors. clock: epoch ms of the campus (it may run faster than ours)."""

    def __init__(self, doors: dict[str, Door], *, seed: int, clock: Callable[[], float]) -> None:
        self.doors = doors
        self._rng = random.Random(f"world {seed}")
        self._clock = clock
        #: every time a card was held to a door
        self.seen: list[Seen] = []
        #: taps given up after many tries
        self.given_up: list[Tap] = []

    async def play(self, plan: Plan, *, wait_until: Callable[[int], Awaitable[None]] | None = None) -> None:
        """Everybody in the plan goes to their door, in order at each; the doors are independent of each other."""
        async with asyncio.TaskGroup() as doors:
            for room, taps in plan.taps.items():
                doors.create_task(self._queue(room, taps, wait_until), name=f"queue {room}")

    async def tap(self, tap: Tap, *, insist: bool = True) -> Seen:
        """One person holds a card to a door, and again if there is no light at all."""
        door = self.doors[tap.room]
        tries = 0
        while True:
            at_ms = self._clock()
            light, light_ms = await door.present(tap.uid, PATIENCE_S)
            seen = Seen(tap=tap, reader=door.reader, at_ms=at_ms, light=light, light_ms=light_ms)
            self.seen.append(seen)
            tries += 1
            if light or not insist:
                return seen
            if tries == TRIES:
                self.given_up.append(tap)
                return seen
            await asyncio.sleep(0.3)

    async def _queue(self, room: str, taps: list[Tap], wait_until: Callable[[int], Awaitable[None]] | None) -> None:
        before = b""
        for tap in taps:
            if tap.uid == before:
                await asyncio.sleep(0.4)  # nobody takes a card away and brings it back faster
            before = tap.uid
            if wait_until is not None and tap.at_ms:
                await wait_until(tap.at_ms)
            await self.tap(tap)
            # The next person steps up; some are quick.
            await asyncio.sleep(self._rng.uniform(0.02, 0.12))


def wall_ms() -> float:
    """Our own wall clock, epoch ms."""
    return time.time() * 1000
