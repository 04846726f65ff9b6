"""Spool to store, in idempotent batches. Two requests may be under way, and nothing waits for a timer.

The *express* takes hellos and heads (their time answers are worth nothing late) and what each journal has just got.
The *bulk* takes from the front of every journal by turns. So a live swipe never waits behind anybody's backlog. While
the store is away only the express tries, with few items and growing waits. What the store refuses is looked for by
halving, kept in the spool as refused, and tried again each hour: nothing is ever deleted for a 4xx.
"""

import asyncio
import base64
from collections.abc import Sequence
from typing import Any

from gateway.clock import Backoff, Clock
from gateway.counts import Counts
from gateway.downlink import Downlink
from gateway.errors import SpoolError, StoreAway, StoreBroke, StoreRefused, StoreTooLarge
from gateway.events import Condition, Events, Seldom
from gateway.fair import Turns
from gateway.releases import Releases
from gateway.spool import PUT_OFF_MOST_MS, Row, Spool
from gateway.store import Answer, Store

ITEMS_MOST = 500  #: docs/wire.md
BYTES_MOST = 1_000_000  #: of lines in one request
ITEMS_FIRST = 64
EXPRESS_MOST = 100
#: what came within this time may be live: a store that is behind by more than seconds must not make it backlog
FRESH_MS = 600_000
#: a full request that was answered faster than FAST_S lets the next be larger; slower than SLOW_S: smaller
FAST_S, SLOW_S = 0.25, 0.5
REFUSED_AGAIN_MS = PUT_OFF_MOST_MS
#: an item that the answer did not name is sent again after this, doubling up to a minute
UNNAMED_MS, UNNAMED_MOST_MS = 1000, 60_000
#: a spool that fails is tried again after this; so often is looked too where a gateway that was ended left something
LOOK_S = 1.0
#: and where nothing becomes due by time it is looked so seldom: whoever writes something, or lets it go, wakes both
EMPTY_S = 30.0
#: requests that break (500) in a row before the item that breaks them is looked for
BREAKS = 3


class Forwarder:
    """Brings what is pending to the store. `run` does it until cancelled; `wake` says that there is more."""

    def __init__(
        self,
        *,
        spool: Spool,
        store: Store,
        downlink: Downlink,
        releases: Releases,
        clock: Clock,
        backoff: Backoff,
        condition: Condition,
        counts: Counts,
        events: Events,
        seldom: Seldom,
    ) -> None:
        self._spool = spool
        self._store = store
        self._downlink = downlink
        self._releases = releases
        self._clock = clock
        self._backoff = backoff
        self._condition = condition
        self._counts = counts
        self._events = events
        self._seldom = seldom
        self._turns = Turns()
        self._busy: set[int] = set()
        self._more = (asyncio.Event(), asyncio.Event())
        self._works = asyncio.Event()
        self._works.set()
        self._broke = 0
        #: when rows become due again that the store did not take, by the wall; until the spool was seen to be empty there
        #: may be others, which the process before this one put off
        self._put_off: list[int] = []
        self._knows = False
        #: the newest restore of the store that was answered, as far as this process knows
        self._restored_ms = -1
        #: items in a full request; adapts
        self.size = ITEMS_FIRST
        #: the same of the express. In a flood its requests grow too: each costs the store more than the items in it
        self.express = EXPRESS_MOST

    def wake(self) -> None:
        """There is something new in the spool."""
        for event in self._more:
            event.set()

    async def run(self) -> None:
        """Forward until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._express(), name="forward-express")
            group.create_task(self._bulk(), name="forward-bulk")

    async def _express(self) -> None:
        while True:
            self._more[0].clear()
            took = await self._once(self._live_rows, self._more[0])
            self.express = max(EXPRESS_MOST, _pace(self.express, *took))

    async def _bulk(self) -> None:
        while True:
            await self._works.wait()
            self._more[1].clear()
            took = await self._once(self._bulk_rows, self._more[1])
            self.size = _pace(self.size, *took)

    async def _once(self, choose: Any, more: asyncio.Event) -> tuple[int, float]:
        """One request, or a wait. Returns how many items the store took, and how long that was, s; (0, 0.0): none."""
        try:
            rows = await choose()
            if not rows:
                await self._idle(more, await self._idle_s())
                return 0, 0.0
            # Between choosing and here nothing else runs: no row goes out twice at once.
            return len(rows), await self._attempt(rows)
        except SpoolError as error:
            # What was sent and not marked is sent again: the store knows it by its id.
            self._seldom.warning("forward-waits", "", code=error.code)
            await self._clock.sleep(LOOK_S)
        except StoreAway as error:
            self._broke = self._broke + 1 if isinstance(error, StoreBroke) else 0
            self._works.clear()
            # What went back is the express's to try now, and it may be waiting.
            self._more[0].set()
            self._condition.down(error.code, str(error))
            self._counts.set("up", 0, "store")
            self._counts.add("requests_total", label=error.code)
            # Not below what `_pace` goes down to: a store that is merely busy afterwards would get single items for ever.
            self.size = max(ITEMS_FIRST // 4, self.size // 2)
            await self._clock.sleep(self._backoff.next_s())
        return 0, 0.0

    async def _idle_s(self) -> float:
        """How long nothing can become due, s."""
        if await self._spool.is_empty():
            self._knows = True
            self._put_off.clear()
            return EMPTY_S
        if not self._knows:
            return LOOK_S
        now_ms = self._clock.wall_ms()
        later = [due_ms for due_ms in self._put_off if now_ms < due_ms <= now_ms + PUT_OFF_MOST_MS]
        if len(later) < len(self._put_off):
            # Some became due, for whichever of the two chooses them.
            self._put_off = later
            self.wake()
        return min(EMPTY_S, (min(later) - now_ms) / 1000) if later else EMPTY_S

    async def _idle(self, more: asyncio.Event, most_s: float) -> None:
        due = asyncio.get_running_loop().call_later(most_s, more.set)
        try:
            await more.wait()
        finally:
            due.cancel()

    async def _live_rows(self) -> list[Row]:
        now_ms = self._clock.wall_ms()
        most = self.express if self._works.is_set() else ITEMS_FIRST // 4
        rows = await self._spool.passing(most, now_ms, self._busy)
        if len(rows) < most:
            lanes = await self._spool.lanes()
            if lanes:
                newest = [name for name, _ in sorted(lanes, key=lambda lane: -lane[1])][:most]
                each = max(1, (most - len(rows)) // len(newest))
                rows += await self._spool.newest(newest, each, now_ms, self._busy, now_ms - FRESH_MS)
        if not rows and not self._works.is_set():
            rows = await self._oldest(most, now_ms)
        return self._fit([row for row in rows if row.n not in self._busy], most)

    async def _bulk_rows(self) -> list[Row]:
        rows = await self._oldest(self.size, self._clock.wall_ms())
        return self._fit([row for row in rows if row.n not in self._busy], self.size)

    async def _oldest(self, size: int, now_ms: int) -> list[Row]:
        lanes = await self._spool.lanes()
        if not lanes:
            return []
        chosen = self._turns.choose(lanes, size)
        each = max(1, size // len(chosen))
        rows = await self._spool.oldest(chosen, each, now_ms, self._busy)
        # Lanes that had less than their share leave room for those that have more.
        counted: dict[str, int] = {}
        for row in rows:
            counted[row.lane] = counted.get(row.lane, 0) + 1
        longer = [lane for lane, count in counted.items() if count >= each]
        room = size - len(rows)
        if longer and room > size // 4:
            more = await self._spool.oldest(longer, each + max(1, room // len(longer)), now_ms, self._busy)
            rows = [row for row in rows if row.lane not in set(longer)] + more
        return rows

    def _fit(self, rows: list[Row], most: int) -> list[Row]:
        kept: list[Row] = []
        size = 0
        for row in rows:
            size += 200 + len(row.line) + len(row.raw) * 4 // 3
            if kept and (len(kept) >= min(most, ITEMS_MOST) or size > BYTES_MOST):
                break
            kept.append(row)
        return kept

    async def _attempt(self, rows: list[Row]) -> float:
        busy = [row.n for row in rows]
        self._busy.update(busy)
        started_s = self._clock.monotonic_s()
        try:
            await self._send(rows, self._broke >= BREAKS)
        finally:
            self._busy.difference_update(busy)
        return self._clock.monotonic_s() - started_s

    def _answered(self) -> None:
        self._broke = 0
        self._backoff.reset()
        self._condition.up()
        self._counts.set("up", 1, "store")
        if not self._works.is_set():
            self._works.set()
            self.wake()

    async def _send(self, rows: list[Row], suspect: bool) -> bool:
        """Deliver these. suspect: a 500 may be the fault of an item. True if the store answered to any of them."""
        try:
            answer = await self._store.deliver([item(row) for row in rows])
        except StoreTooLarge as error:
            self._counts.add("requests_total", label=error.code)
            self.size, self.express = max(1, len(rows) // 2), EXPRESS_MOST
            fault = error
        except StoreRefused as error:
            self._counts.add("requests_total", label=error.code)
            fault = error
        except StoreBroke as error:
            if not suspect:
                raise
            fault = error
        else:
            self._counts.add("requests_total", label="ok")
            self._answered()
            await self._settle(rows, answer)
            return True
        if len(rows) == 1:
            if isinstance(fault, StoreBroke):
                raise fault
            await self._refuse(rows, fault.code)
            return False
        return await self._halve(rows, suspect, fault)

    async def _halve(self, rows: list[Row], suspect: bool, fault: Exception) -> bool:
        middle = len(rows) // 2
        answered = False
        broke: list[list[Row]] = []
        for half in (rows[:middle], rows[middle:]):
            try:
                answered |= await self._send(half, suspect)
            except StoreBroke:
                broke.append(half)
        # Only a store that works for some of them is not to blame for the others.
        if answered:
            for row in [row for half in broke for row in half]:
                try:
                    await self._send([row], suspect)
                except StoreBroke as error:
                    await self._refuse([row], error.code)
        if broke and not answered and isinstance(fault, StoreBroke):
            raise fault
        return answered

    async def _refuse(self, rows: Sequence[Row], code: str) -> None:
        self._counts.add("refused_total", len(rows))
        for row in rows:
            reader = row.lane.rpartition("/")[0]
            self._seldom.warning(
                "item-refused", reader, code=code, kind=row.kind, id=row.id.hex(), lane=row.lane, seq=row.seq
            )
        due_ms = self._clock.wall_ms() + REFUSED_AGAIN_MS
        await self._later(rows, due_ms, code)

    async def _later(self, rows: Sequence[Row], due_ms: int, refused: str | None = None) -> None:
        await self._spool.later([row.n for row in rows], due_ms, refused)
        if due_ms not in self._put_off:
            self._put_off.append(due_ms)
            self.wake()  # whoever waits for longer than that

    async def _settle(self, rows: list[Row], answer: Answer) -> None:
        # Down first: a time answer does not wait for a commit here, and the store's is made already.
        self._downlink.say(answer.down)
        self._releases.offer(answer.offers)
        now_ms = self._clock.wall_ms()
        taken = [row for row in rows if row.id.hex() in answer.done]
        for row in taken:
            if row.kind == "record":
                self._counts.took(max(0, now_ms - row.received_ms) / 1000)
        if taken:
            await self._spool.done([row.n for row in taken], now_ms)
            self._counts.add("forwarded_total", len(taken))
        unnamed = [row for row in rows if row.id.hex() not in answer.done]
        if unnamed:
            self._counts.add("unnamed_total", len(unnamed))
            wait_ms = min(UNNAMED_MOST_MS, UNNAMED_MS << min(16, max(row.tries for row in unnamed)))
            await self._later(unnamed, now_ms + wait_ms)
        for asked in answer.replay:
            count = await self._spool.again(f"{asked.site}/{asked.reader}/{asked.journal}", asked.first, asked.last)
            self._counts.add("replayed_total", count)
            self._events.info("replay", site=asked.site, reader=asked.reader, rows=count)
        if answer.restored is not None and answer.restored.at_ms > self._restored_ms:
            # By this gateway's own clock, which need not be right.
            count = await self._spool.since(answer.restored.at_ms, now_ms - answer.restored.age_s * 1000)
            self._restored_ms = answer.restored.at_ms
            self._counts.add("replayed_total", count)
            self._events.info("store-restored", rows=count)
            self.wake()
        if answer.replay:
            self.wake()


def _pace(size: int, count: int, took_s: float) -> int:
    """How many items the next full request has, after one of so many that took so long.

    Full is what fills more than half: every journal gets the same number of places, and what is left over stays empty.
    """
    if took_s < FAST_S and 2 * count > size:
        return min(ITEMS_MOST, size * 2)
    return max(ITEMS_FIRST // 4, size // 2) if took_s > SLOW_S else size


def item(row: Row) -> dict[str, Any]:
    """A row as an item of docs/wire.md. Site and reader are empty where the topic named none."""
    site, reader, _ = row.lane.split("/")
    said: dict[str, Any] = {"id": row.id.hex(), "site": site, "reader": reader, "kind": row.kind}
    if row.kind == "raw":
        said["topic"] = row.topic
        said["raw_b64"] = base64.b64encode(row.raw).decode()
    else:
        said["line"] = row.line
    said["received_ms"] = row.received_ms
    if row.judged:
        said["judged"] = row.judged
    return said
