"""A gateway as a part that can die at any await: the real logic on the real spool's SQL, between stable storage (the
spool's file) and everything else, which a crash takes away.

A crash severs what the gateway was handed - its connections to the spool, the broker and the store - and only then
cancels its tasks: whatever their last handlers still do reaches nothing.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from gateway.counts import Counts
from gateway.errors import SpoolError, StoreAway, StoreRefused
from gateway.events import Condition, Events
from gateway.link import Message
from gateway.service import Gateway
from gateway.spool import Connection as SpoolConnection
from gateway.spool import Spool
from gateway.store import Answer, Offer
from tests.simulation.broker import Broker
from tests.simulation.campus import SITE
from tests.simulation.stores import Server
from tests.simulation.world import World

LOG = logging.getLogger("muster.simulated.gateway")
LOG.addHandler(logging.NullHandler())
LOG.propagate = False
LOG.setLevel(logging.CRITICAL + 1)


class Disk:
    """One life's connections to the spool's file. Severed, they do nothing any more."""

    def __init__(self, host: "Host") -> None:
        self.host = host
        self.is_alive = True
        self._open: list[sqlite3.Connection] = []

    async def connect(self) -> SpoolConnection:
        self._check()
        # No waiting for locks: that would be in real time, and each spool has one process anyway.
        raw = sqlite3.connect(self.host.path, isolation_level=None, timeout=0)
        self._open.append(raw)
        return _SpoolFile(self, raw)

    def _check(self) -> None:
        if not self.is_alive:
            raise sqlite3.OperationalError("this process is dead")

    def sever(self) -> None:
        """The process is gone: what was not committed is rolled back, as SQLite does at the next opening."""
        self.is_alive = False
        for raw in self._open:
            with contextlib.suppress(sqlite3.Error):
                if raw.in_transaction:
                    # A statement that some dead frame still holds would keep the lock past `close`.
                    raw.rollback()
                raw.close()


class _SpoolFile:
    # aiosqlite's methods: each is an await at which other things happen, and at which the gateway may die.
    def __init__(self, disk: Disk, raw: sqlite3.Connection) -> None:
        self._disk, self._raw = disk, raw

    async def _wait(self, what: str) -> None:
        host = self._disk.host
        if host.world.crashes_here():
            host.world.rare(f"gateway killed {what}")
            host.crash()
        if host.rng.random() < 0.1:
            await asyncio.sleep(host.rng.uniform(0, host.disk_s))
        self._disk._check()

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> Any:
        begins = sql.startswith(("BEGIN", "COMMIT"))
        if begins:
            await self._wait("before it committed" if sql == "COMMIT" else "before it began to write")
        self._disk._check()
        if sql == "COMMIT" and self._disk.host.broken_until_s > self._disk.host.world.loop.time():
            self._disk.host.world.rare("spool cannot be written")
            raise sqlite3.OperationalError("disk I/O error")
        found = self._raw.execute(sql, tuple(parameters or ()))
        if sql == "COMMIT":
            await self._wait("between commit and acknowledgement")
        return found

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> Any:
        self._disk._check()
        return self._raw.executemany(sql, [tuple(row) for row in parameters])

    async def execute_fetchall(self, sql: str, parameters: Iterable[Any] | None = None) -> Any:
        self._disk._check()
        return self._raw.execute(sql, tuple(parameters or ())).fetchall()

    async def close(self) -> None:
        self._raw.close()


class HostClock:
    """A gateway's clock: its wall time may be wrong by years and jump; a busy machine sleeps longer than asked."""

    def __init__(self, host: "Host") -> None:
        self._host = host

    def wall_ms(self) -> int:
        return max(0, self._host.world.true_ms() + self._host.wrong_ms)

    def monotonic_s(self) -> float:
        return self._host.world.loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self._host.lazy * self._host.rng.uniform(0.5, 1.5))


class Line:
    """The gateway's `Link`, and the peer at the end of its connection."""

    def __init__(self, host: "Host") -> None:
        self._host = host
        self.is_alive = True
        self.generation = 0
        self._inbox: list[Message] = []
        self._came = asyncio.Event()
        host.generations += 1
        self._first = host.generations * 1000

    @property
    def is_up(self) -> bool:
        return self.is_alive and self._host.connection.is_up

    def came_up(self) -> None:
        self._first += 1
        self.generation = self._first
        self._inbox = [m for m in self._inbox if not m.mid]
        self._host.condition.up()

    def hear(self, topic: str, payload: bytes, mid: int) -> None:
        if self.is_alive:
            self._inbox.append(Message(topic, payload, mid, self.generation))
            self._came.set()

    async def receive(self) -> list[Message]:
        while not self._inbox:
            self._came.clear()
            await self._came.wait()
        messages, self._inbox = self._inbox, []
        return messages

    def acknowledge(self, messages: list[Message]) -> None:
        if not self.is_alive:
            return
        host = self._host
        for message in messages:
            if message.mid and message.generation == self.generation:
                host.watch_acknowledged(message.topic, message.payload)
                mid = message.mid
                host.connection.send_up(lambda mid=mid: host.broker.acknowledged(host.name, mid))

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> bool:
        if not self.is_up:
            return False
        self._host.connection.publish(topic, payload, retain)
        return True


class StoreLine:
    """The gateway's `Store`: requests over a network that may lose them, or their answers."""

    def __init__(self, host: "Host") -> None:
        self._host = host
        self.is_alive = True

    async def deliver(self, items: Sequence[dict[str, Any]]) -> Answer:
        return await self._ask(lambda: self._host.server.deliver(self._host.number, items), f"deliver {len(items)}")

    async def rosters(self, after: str | None) -> tuple[str, list[Offer]]:
        return await self._ask(lambda: self._host.server.rosters(self._host.number, after), f"rosters {after}")

    async def release(self, tag: str) -> bytes:
        raise StoreRefused("store-refused-404", "nobody sends a release in the simulation")

    async def _ask(self, request: Callable[[], Any], what: str) -> Any:
        host = self._host
        await asyncio.sleep(host.rng.uniform(0.001, host.store_delay_s))
        if not self.is_alive or host.store_cut_up:
            await self._never()
        # The request goes on at the store, whatever becomes of who asked.
        asked = host.world.loop.create_task(_quietly(request()))
        answer, error = await asyncio.shield(asked)
        await asyncio.sleep(host.rng.uniform(0.001, host.store_delay_s))
        if host.store_cut_down:
            host.world.rare("store's answer lost on its way")
            await self._never()
        if error is not None:
            raise error
        return answer

    async def _never(self) -> None:
        await asyncio.sleep(self._host.rng.uniform(2.0, 20.0))
        raise StoreAway("store-timeout", "the store does not answer in time")


async def _quietly(request: Any) -> tuple[Any, Exception | None]:
    try:
        return await request, None
    except Exception as error:  # noqa: BLE001  handed to who asked, if it still lives
        return None, error


class Host:
    """One gateway's machine: what stays (the spool's file), and the process that runs on it, or does not."""

    gateway_class = Gateway
    spool_class = Spool

    def __init__(self, world: World, broker: Broker, server: Server, number: int, path: Path) -> None:
        self.world, self.broker, self.server, self.number, self.path = world, broker, server, number, path
        self.name = f"g{number}"
        self.rng = world.chance(self.name)
        self.connection = broker.connect(self.name, self, gateway=True)
        self.wrong_ms = 0
        self.disk_s = 0.05
        #: how many times longer than asked this machine sleeps
        self.lazy = 1.0
        self.store_delay_s = 0.05
        self.store_cut_up = self.store_cut_down = False
        self.broken_until_s = 0.0
        self.generations = 0
        self.is_on = False
        #: there is no power until then
        self.asleep_until_s = 0.0
        self.line: Line | None = None
        self._tasks: list[asyncio.Task[None]] = []
        #: told of each message that is acknowledged to the broker
        self.watch_acknowledged: Callable[[str, bytes], None] = lambda topic, payload: None

    def start(self) -> None:
        """Start the process, as systemd does."""
        if self.is_on:
            return
        if self.world.loop.time() < self.asleep_until_s:
            self.world.loop.call_at(self.asleep_until_s, self.start)
            return
        self.is_on = True
        self.world.tell(self.name, "start")
        self.counts = Counts()
        self.condition = Condition("link", Events(LOG), self.world.loop.time)
        self.line, self._store, self._disk = Line(self), StoreLine(self), Disk(self)
        gateway = self.gateway_class(
            link=self.line,
            spool=(spool := self.spool_class(self._disk.connect)),
            store=self._store,
            clock=HostClock(self),
            rng=self.world.chance(f"{self.name}/{self.generations}"),
            events=Events(LOG),
            counts=self.counts,
            link_condition=self.condition,
        )
        self._tasks = [self.world.loop.create_task(self._live(gateway, spool), name=self.name)]
        self.connection.want()

    async def _live(self, gateway: Gateway, spool: Spool) -> None:
        disk = self._disk
        try:
            await spool.open()
            await gateway.run(asyncio.Event())
        except SpoolError as error:
            if disk.is_alive:
                self.world.tell(self.name, f"cannot start: {error.code}")
                if error.code == "spool-busy":
                    self.world.fail(f"{self.name}: its spool is locked by nobody")
                self.crash()
        except BaseExceptionGroup as group:
            if disk.is_alive:
                self.world.fail(f"{self.name} died of {group.exceptions!r}")
                self.crash()

    def crash(self, after_s: float | None = None) -> None:
        """kill -9. It starts again after some seconds."""
        if not self.is_on:
            return
        self.is_on = False
        self.world.tell(self.name, "killed")
        self.note_counts()
        self._disk.sever()
        assert self.line is not None
        self.line.is_alive = self._store.is_alive = False
        self.connection.unwant()
        for task in self._tasks:
            self.world.loop.call_soon(task.cancel)
        self.world.loop.call_later(self.rng.uniform(0.5, 10.0) if after_s is None else after_s, self.start)

    def note_counts(self) -> None:
        """What its gateway did in this life."""
        if self.counts.get("replayed_total"):
            self.world.rare("gateway had what the store lost")
        if self.counts.get("rosters_overwritten_total"):
            self.world.rare("forged class list published over")

    def delete_spool(self) -> None:
        """The spool's disk is gone; the process with it."""
        self.crash()
        self.world.tell(self.name, "spool deleted")
        for end in ("", "-wal", "-shm"):
            Path(f"{self.path}{end}").unlink(missing_ok=True)

    def pending(self) -> int:
        """Rows that the store does not hold yet: read from the file, by itself."""
        raw = sqlite3.connect(self.path)
        try:
            return raw.execute("SELECT count(*) FROM spool WHERE forwarded_ms IS NULL AND passing = 0").fetchone()[0]
        except sqlite3.OperationalError:
            return 0
        finally:
            raw.close()

    def keeps(self, reader: str, journal: str, seq: int, line: str) -> bool:
        """Whether a record stands in the spool's file, forwarded or not; a forgery under its number is another."""
        raw = sqlite3.connect(self.path)
        try:
            query = "SELECT 1 FROM spool WHERE lane = ? AND seq = ? AND passing = 0 AND line = ?"
            return raw.execute(query, (f"{SITE}/{reader}/{journal}", seq, line)).fetchone() is not None
        except sqlite3.OperationalError:
            return False
        finally:
            raw.close()

    # --- the peer of the connection to the broker ------------------------------------------------------------------

    def connected(self) -> None:
        if self.line is not None:
            self.line.came_up()

    def disconnected(self) -> None:
        self.condition.down("link-lost", "the connection to the broker was lost")

    def hear(self, topic: str, payload: bytes, mid: int) -> None:
        if self.line is not None:
            self.line.hear(topic, payload, mid)
