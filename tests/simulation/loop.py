"""An event loop whose time is virtual: nothing is waited for, and nothing outside the process is looked at.

One thread. Where the loop would sleep its clock jumps to the next timer, so that the order of events follows from the
timers alone, and those from the seed.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from heapq import heappop, heappush
from typing import Any


class Stuck(Exception):
    """Everything waits for ever: no timer, and nothing ready."""


class _Turn:
    """Something to be called, as asyncio.Handle and TimerHandle are, without a context of its own: nothing that is
    played here has context variables, and half a million of these are made in a minute."""

    __slots__ = ("_args", "_callback", "_is_cancelled", "_when")

    def __init__(self, callback: Callable[..., object], args: tuple, when: float) -> None:
        self._callback, self._args, self._when = callback, args, when
        self._is_cancelled = False

    def when(self) -> float:
        return self._when

    def cancel(self) -> None:
        # It is left out when its time comes.
        self._is_cancelled = True
        self._callback, self._args = _nothing, ()

    def cancelled(self) -> bool:
        return self._is_cancelled


def _nothing() -> None:
    pass


class SimLoop(asyncio.BaseEventLoop):
    """The loop. `time()` is virtual seconds since it was made. Timers of the same time run in the order in which they
    were made."""

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        #: (when, number, timer): numbers settle what times leave open, and a tuple is compared without our code
        self._timers: list[tuple[float, int, _Turn]] = []
        self._made = 0
        self._ready: deque[_Turn]

    def time(self) -> float:
        return self._now_s

    #: False, without a call of ours: asyncio asks for each future that it makes
    get_debug: Any = bool

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: object = None) -> Any:
        made = _Turn(callback, args, when)
        self._made += 1
        heappush(self._timers, (when, self._made, made))
        return made

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any, context: object = None) -> Any:
        return self.call_at(self._now_s + delay, callback, *args)

    def call_soon(self, callback: Callable[..., object], *args: Any, context: object = None) -> Any:
        made = _Turn(callback, args, self._now_s)
        self._ready.append(made)
        return made

    def _run_once(self) -> None:
        """Turns until somebody stops the loop: the time jumps where nothing is ready, then everything runs that is."""
        timers, ready = self._timers, self._ready
        while True:
            while timers and timers[0][2]._is_cancelled:
                heappop(timers)
            if not ready and not self._stopping:
                if not timers:
                    raise Stuck("no timer, and nothing ready")
                self._now_s = max(self._now_s, timers[0][0])
            while timers and timers[0][0] <= self._now_s:
                ready.append(heappop(timers)[2])
            for _ in range(len(ready)):
                turn = ready.popleft()
                if turn._is_cancelled:
                    continue
                try:
                    turn._callback(*turn._args)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:  # noqa: BLE001  as asyncio does: told, and the others go on
                    self.call_exception_handler({"message": f"in {turn._callback!r}", "exception": error})
            if self._stopping:
                return

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
