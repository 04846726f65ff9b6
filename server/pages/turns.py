"""Turns at what costs much: checking a password takes 64 MB and a tenth of a second each (argon2id), on purpose.

So only a few are checked at once, and the others wait their turn without holding a thread. Turns go around by address,
so that one who asks for many waits for itself; a browser that signed in before (server/pages/device.py) comes first.
Who finds no place to wait, or waits too long, is told at once to try again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from server.errors import StoreError

#: checked at once: one for each processor, and memory for no more than four
AT_ONCE = max(1, min(4, os.cpu_count() or 1))
#: may wait: in all, and of one address (a college may be behind one)
WAITING, OF_ONE = 200, 60
#: waits at most so long: a browser gives up later
PATIENCE_S = 10.0
#: when to come back
AGAIN_S = 3


class Busy(StoreError):
    """No turn to be had now."""

    status = 503


@dataclass(eq=False)
class _Waiter:
    address: str
    first: bool
    loop: asyncio.AbstractEventLoop
    #: whether it was given its turn; not: it made room for somebody else
    turn: asyncio.Future[bool]
    given: bool = False


class Turns:
    """Hands out turns. Thread-safe, and for whatever event loops there are."""

    def __init__(
        self,
        *,
        at_once: int = AT_ONCE,
        waiting: int = WAITING,
        of_one: int = OF_ONE,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._at_once, self._most, self._of_one, self._patience_s = at_once, waiting, of_one, patience_s
        self._running = self._waiting = 0
        #: known devices, and everybody else: address -> who waits there, in order
        self._queues: tuple[OrderedDict[str, deque[_Waiter]], ...] = (OrderedDict(), OrderedDict())
        self._lock = threading.Lock()

    @contextlib.asynccontextmanager
    async def turn(self, address: str, *, first: bool = False) -> AsyncIterator[None]:
        """Wait for a turn, and have it. first: a known device. Raises Busy(`sign-in-busy`)."""
        waiter = self._enter(address, first)
        if waiter is not None:
            try:
                given = await asyncio.wait_for(asyncio.shield(waiter.turn), self._patience_s)
            except TimeoutError:
                self._give_up(waiter)
                raise _busy() from None
            except asyncio.CancelledError:
                self._give_up(waiter)
                raise
            if not given:
                raise _busy()
        try:
            yield
        finally:
            self._next()

    def _enter(self, address: str, first: bool) -> _Waiter | None:
        """None: it is their turn now."""
        with self._lock:
            if self._running < self._at_once:
                self._running += 1
                return None
            queue = self._queues[0 if first else 1]
            mine = len(queue.get(address, ()))
            if mine >= self._of_one or (self._waiting >= self._most and not self._made_room(mine, first)):
                raise _busy()
            loop = asyncio.get_running_loop()
            waiter = _Waiter(address, first, loop, loop.create_future())
            queue.setdefault(address, deque()).append(waiter)
            self._waiting += 1
            return waiter

    def _made_room(self, mine: int, first: bool) -> bool:
        """Whether the address that waits for most made room with its last: it waits for more than this one does, or
        this one is a known device. Called under the lock."""
        many = max(self._queues[1].values(), key=len, default=None)
        if many is None or not (first or len(many) > mine + 1):
            return False
        gone = many[-1]
        self._take_out(gone)
        _tell(gone, given=False)
        return True

    def _give_up(self, waiter: _Waiter) -> None:
        with self._lock:
            if not waiter.given:
                self._take_out(waiter)
                return
        # It was given its turn just now: somebody else's, then.
        self._next()

    def _take_out(self, waiter: _Waiter) -> None:
        queue = self._queues[0 if waiter.first else 1]
        mine = queue.get(waiter.address)
        if mine is None or waiter not in mine:
            return
        mine.remove(waiter)
        if not mine:
            del queue[waiter.address]
        self._waiting -= 1

    def _next(self) -> None:
        """A turn is over: it goes to who waits, or to nobody."""
        with self._lock:
            for queue in self._queues:
                while queue:
                    address, mine = next(iter(queue.items()))
                    waiter = mine[0]
                    self._take_out(waiter)
                    if address in queue:
                        queue.move_to_end(address)
                    if _tell(waiter, given=True):
                        return
            self._running -= 1


def _tell(waiter: _Waiter, *, given: bool) -> bool:
    """Whether it can be told at all: its loop may have ended."""
    try:
        waiter.loop.call_soon_threadsafe(_settle, waiter.turn, given)
    except RuntimeError:
        return False
    waiter.given = given
    return True


def _settle(turn: asyncio.Future[bool], given: bool) -> None:
    if not turn.done():
        turn.set_result(given)


def _busy() -> Busy:
    return Busy("sign-in-busy", "very many are signing in just now: try again in a few seconds")
