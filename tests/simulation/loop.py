"""An event loop whose time is virtual: nothing is waited for, and nothing outside the process is looked at.

One thread. Where the loop would sleep its clock jumps to the next timer, so that the order of events follows from the
timers alone, and those from the seed.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Stuck(Exception):
    """Everything waits for ever: no timer, and nothing ready."""


class _Jump:
    """Takes the selector's place: there is nothing to select from."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> tuple[()]:
        if timeout is None:
            raise Stuck("no timer, and nothing ready")
        if timeout > 0:
            self.now_s += timeout
        return ()


class SimLoop(asyncio.BaseEventLoop):
    """The loop. `time()` is virtual seconds since it was made."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Jump()

    def time(self) -> float:
        return self._selector.now_s

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
