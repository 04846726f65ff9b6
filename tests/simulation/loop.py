"""An event loop whose time is virtual: nothing is waited for, and nothing outside the process is looked at.

One thread. Where the loop would sleep its clock jumps to the next timer, so that the order of events follows from the
timers alone, and those from the seed.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from heapq import heappop, heappush
from typing import Any


class Stuck(Exception):
    """Everything waits for ever: no timer, and nothing ready."""


class SimLoop(asyncio.BaseEventLoop):
    """The loop. `time()` is virtual seconds since it was made. Timers of the same time run in the order in which they
    were made."""

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        #: (when, number, timer): numbers settle what times leave open, and a tuple is compared without our code
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._made = 0
        self._ready: deque[asyncio.Handle]

    def time(self) -> float:
        return self._now_s

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        made = asyncio.TimerHandle(when, callback, args, self, context)
        self._made += 1
        heappush(self._timers, (when, self._made, made))
        return made

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass  # it is left out when its time comes

    def _run_once(self) -> None:
        """One turn: the time jumps where nothing is ready, then everything runs that is."""
        timers, ready = self._timers, self._ready
        while timers and timers[0][2].cancelled():
            heappop(timers)
        if not ready and not self._stopping:
            if not timers:
                raise Stuck("no timer, and nothing ready")
            self._now_s = max(self._now_s, timers[0][0])
        while timers and timers[0][0] <= self._now_s:
            ready.append(heappop(timers)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()

    def _process_events(self, event_list: Any) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """Run to its end in virtual time."""
    loop = SimLoop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        asyncio.set_event_loop(None)
        loop.close()
