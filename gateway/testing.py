"""Emulators of what the gateway is handed: a link, a store, a clock and a loop whose time is virtual.

Shipped, so that whoever tests with the gateway has them too. The spool is the real one, all of its SQL, on a
connection without a thread (`inline_spool`), so that nothing real is waited for.
"""

import asyncio
import selectors
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from gateway.errors import StoreRefused
from gateway.link import Message
from gateway.spool import Connection, Spool
from gateway.store import Answer, Offer


class _JumpingSelector(selectors.DefaultSelector):
    # Waits for nothing: where the loop would sleep, its time jumps.
    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("everything waits for ever: no timer and nothing ready")
        if not ready and timeout:
            self.now_s += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which sleeping takes no time: its clock jumps to the next timer."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.now_s


def run_virtually(main: Awaitable[Any], limit_s: float = 100_000.0) -> Any:
    """Run to its end in virtual time. limit_s: virtual seconds after which it is a TimeoutError."""

    async def limited() -> Any:
        async with asyncio.timeout(limit_s):
            return await main

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(limited())


class LoopClock:
    """The clock of the running loop: virtual where the loop's is."""

    def __init__(self, start_ms: int = 1_790_000_000_000) -> None:
        self._start_ms = start_ms

    def wall_ms(self) -> int:
        """UTC epoch milliseconds: `start_ms` when the loop began."""
        return self._start_ms + round(self.monotonic_s() * 1000)

    def set_ahead(self, by_ms: int) -> None:
        """Somebody sets the wall clock; below 0: back."""
        self._start_ms += by_ms

    def monotonic_s(self) -> float:
        """The loop's seconds."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class InlineConnection:
    """A SQLite connection with aiosqlite's methods and no thread. broken: raised by the next writes, if set."""

    def __init__(self, path: Path | str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.broken: sqlite3.Error | None = None

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> sqlite3.Cursor:
        """Run a statement."""
        if self.broken is not None and sql.startswith("COMMIT"):
            raise self.broken
        return self._connection.execute(sql, tuple(parameters or ()))

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> sqlite3.Cursor:
        """Run a statement for each row."""
        return self._connection.executemany(sql, [tuple(row) for row in parameters])

    async def execute_fetchall(self, sql: str, parameters: Iterable[Any] | None = None) -> list[Any]:
        """Run a query."""
        return self._connection.execute(sql, tuple(parameters or ())).fetchall()

    async def close(self) -> None:
        """Close it."""
        self._connection.close()


def inline_spool(path: Path, opened: Callable[[InlineConnection], None] | None = None) -> Spool:
    """The real spool without a thread. opened: told of each connection that it opens."""

    async def connect() -> Connection:
        connection = InlineConnection(path)
        if opened is not None:
            opened(connection)
        return connection

    return Spool(connect)


class MemoryLink:
    """A broker and the link to it, in memory. What is not acknowledged comes again with `reconnect`, as MQTT does."""

    def __init__(self, *, inflight: int = 20) -> None:
        self.generation = 1
        self.is_up = True
        #: what the gateway published: topic, payload, retain
        self.published: list[tuple[str, bytes, bool]] = []
        #: mid -> message not yet acknowledged, in order
        self.unacknowledged: dict[int, tuple[str, bytes]] = {}
        self.acknowledged: list[int] = []
        self._inflight = inflight
        self._sent = 0
        self._mids = 0
        self._came = asyncio.Event()

    def send(self, topic: str, payload: bytes) -> int:
        """A reader publishes. Returns the message's id."""
        self._mids += 1
        self.unacknowledged[self._mids] = (topic, payload)
        self._came.set()
        return self._mids

    def reconnect(self) -> None:
        """The connection is lost and made again: everything unacknowledged comes once more."""
        self.generation += 1
        self._sent = 0
        self._came.set()

    async def receive(self) -> list[Message]:
        """See `Link`. No more than the in-flight window, as a broker does."""
        while True:
            waiting = list(self.unacknowledged.items())[: self._inflight]
            fresh = waiting[self._sent :]
            if fresh:
                self._sent = len(waiting)
                return [Message(topic, payload, mid, self.generation) for mid, (topic, payload) in fresh]
            self._came.clear()
            await self._came.wait()

    def acknowledge(self, messages: list[Message]) -> None:
        """See `Link`."""
        for message in messages:
            if message.generation == self.generation and self.unacknowledged.pop(message.mid, None) is not None:
                self.acknowledged.append(message.mid)
                self._sent -= 1
        self._came.set()

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> bool:
        """See `Link`. A roster is heard back, as the gateway subscribes to rosters."""
        if not self.is_up:
            return False
        self.published.append((topic, payload, retain))
        if retain:
            self.send(topic, payload)
        return True


class MemoryStore:
    """A store in memory: idempotent by id, with faults to be had. `answer` may be replaced to say more."""

    def __init__(self, *, latency_s: float = 0.01) -> None:
        self.latency_s = latency_s
        #: id -> item, in order of their first coming
        self.held: dict[str, dict[str, Any]] = {}
        #: id -> loop time of its first coming
        self.held_at_s: dict[str, float] = {}
        #: every request, as ids
        self.requests: list[list[str]] = []
        self.most_at_once = 0
        #: called with the items before they are held; raises what a store would say
        self.fault: Callable[[Sequence[dict[str, Any]]], None] | None = None
        #: called with the items after they are held
        self.answer: Callable[[Sequence[dict[str, Any]]], Answer] = lambda items: Answer(
            done=frozenset(i["id"] for i in items)
        )
        self.offers: list[Offer] = []
        #: tag -> pack
        self.packs: dict[str, bytes] = {}
        self._at_once = 0

    async def deliver(self, items: Sequence[dict[str, Any]]) -> Answer:
        """See `Store`."""
        self.requests.append([item["id"] for item in items])
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(self.latency_s)
        finally:
            self._at_once -= 1
        if self.fault is not None:
            self.fault(items)
        for item in items:
            self.held.setdefault(item["id"], item)
            self.held_at_s.setdefault(item["id"], asyncio.get_running_loop().time())
        return self.answer(items)

    async def rosters(self, after: str | None) -> tuple[str, list[Offer]]:
        """See `Store`. The cursor is how many have been offered."""
        if self.fault is not None:
            self.fault([])
        start = int(after or 0)
        return str(len(self.offers)), self.offers[start:]

    async def release(self, tag: str) -> bytes:
        """See `Store`."""
        if tag not in self.packs:
            raise StoreRefused("store-refused-404", "there is no such release")
        return self.packs[tag]
