"""What can be done to a soak: each fault does its harm, waits, and mends it. Several may be in force at once.

A part that is away already is waited for: nobody starts it twice.
"""

import asyncio
import random
from functools import partial

from tests.soak.havoc import Make
from tests.soak.lan import Way
from tests.soak.stage import Stage

#: a part that was killed stays away for so long, s; a wire is cut for so long, s
AWAY_S = (0.1, 2.0)
CUT_S = (0.5, 8.0)


class Faults:
    """The faults of one stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._locks: dict[int, asyncio.Lock] = {}

    def by_kind(self) -> dict[str, Make]:
        """What can go wrong, by kind (`havoc.WEIGHTS`)."""
        made: dict[str, Make] = {
            "kill -9 reader": self._reader,
            "reader's power fails in a flash program": self._flash,
            "kill -9 gateway": partial(self._gateway, delete=False),
            "kill -9 broker": partial(self._broker, delete=False),
            "kill -9 store": self._store,
            "spool deleted, gateway killed": partial(self._gateway, delete=True),
            "broker data deleted, broker killed": partial(self._broker, delete=True),
            "one-way cut, readers to broker": partial(self._cut, "wires", "up"),
            "one-way cut, broker to readers": partial(self._cut, "wires", "down"),
            "one-way cut, gateway to broker and store": partial(self._cut, "gateway_wires", "up"),
            "one-way cut, broker and store to gateway": partial(self._cut, "gateway_wires", "down"),
        }
        if self._stage.database:
            made["kill -9 database"] = self._database
        return {kind: make for kind, make in made.items() if kind in self._stage.script.kinds}

    async def _reader(self, rng: random.Random) -> None:
        self._stage.corridors.power(rng.randrange(len(self._stage.corridors.names)), rng.uniform(*AWAY_S))

    async def _flash(self, rng: random.Random) -> None:
        cut = f"{rng.randint(1, 120)}:{rng.choice(('none', 'half', 'tail', 'bits', 'whole'))}"
        self._stage.corridors.power(rng.randrange(len(self._stage.corridors.names)), rng.uniform(*AWAY_S), cut)

    async def _gateway(self, rng: random.Random, *, delete: bool) -> None:
        gateway = rng.choice(self._stage.gateways)
        async with self._lock(gateway):
            if delete:
                await asyncio.to_thread(gateway.delete)
                await asyncio.sleep(rng.uniform(0, 1))
            await asyncio.to_thread(gateway.part.kill)
            if delete:
                await asyncio.to_thread(gateway.delete)
            await asyncio.sleep(rng.uniform(*AWAY_S))
            await asyncio.to_thread(gateway.start)

    async def _broker(self, rng: random.Random, *, delete: bool) -> None:
        async with self._lock(self._stage.broker):
            if delete:
                await asyncio.to_thread(self._stage.broker.delete)
                await asyncio.sleep(rng.uniform(0, 1))
            await asyncio.to_thread(self._stage.broker.part.kill)
            if delete:
                await asyncio.to_thread(self._stage.broker.delete)
            await asyncio.sleep(rng.uniform(*AWAY_S))
            await asyncio.to_thread(self._stage.broker.start)

    async def _store(self, rng: random.Random) -> None:
        async with self._lock(self._stage.store):
            await asyncio.to_thread(self._stage.store.kill)
            await asyncio.sleep(rng.uniform(*AWAY_S))
            if self._stage.database:
                async with self._lock(self._stage.database):  # a store does not start while its database is away
                    await asyncio.to_thread(self._stage.start_store)
            else:
                await asyncio.to_thread(self._stage.start_store)

    async def _database(self, rng: random.Random) -> None:
        database = self._stage.database
        assert database is not None
        async with self._lock(database):
            await asyncio.to_thread(database.part.kill)
            await asyncio.sleep(rng.uniform(*AWAY_S))
            await asyncio.to_thread(database.start)

    async def _cut(self, which: str, way: Way, rng: random.Random) -> None:
        wire = rng.choice(getattr(self._stage, which))
        async with self._lock(wire):
            await asyncio.to_thread(wire.cut, way)
            await asyncio.sleep(rng.uniform(*CUT_S))
            await asyncio.to_thread(wire.heal)

    def _lock(self, of: object) -> asyncio.Lock:
        return self._locks.setdefault(id(of), asyncio.Lock())
