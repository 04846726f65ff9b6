"""A kiosk's display as somebody before it reads it: the last screen written to its console, and what it asks for.

The console is a pseudo-terminal; `read` makes of its bytes what stands on it. A person goes by the first line, and where
that does not tell by the line below it. The words are the English ones; an institution's own would be read by its own people.
"""

import asyncio
import contextlib
import os
import pty
import time
import tty
from collections.abc import Collection

#: clears the console and goes to its first row
CLEARED = b"\x1b[2J\x1b[H"
_FIRST = {
    "Check-in is closed": "closed",
    "Evening check-in": "open",
    "Hold your card here": "waiting",
    "Out of order": "broken",
    "Kiosk was moved": "moved",
    "Take your finger": "uncover",
    "Place your finger": "finger",
    "Not recognised": "again",
    "Wipe your finger": "again",
    "Your PIN, then #": "pin",
    "Wrong PIN": "pin-wrong",
    "Staff, please:": "witness",
    "PIN is right": "witness-pin",
    "Your PIN is locked": "witness",
    "Card is not known": "witness-unknown",
    "Staff: to enrol,": "staff",
    "One moment": "moment",
    "Enrolment 1 of 2": "first",
    "Not clear enough": "unclear",
    "Good": "lift",
    "Enrolment 2 of 2": "second",
    "Recorded": "recorded",
    "NOT recorded": "not-recorded",
    "Ended": "ended",
    "This card cannot": "unreadable",
    "Card noted": "noted",
    "Enrolled": "enrolled",
    "No enrolment asked": "not-asked",
    "Enrolled already": "held",
    "Sensor is away": "away",
    "Not ready yet": "busy",
    "Two fingers differ:": "differ",
    "Not enrolled": "failed",
}
_KEPT = {"It will be checked": "kept", "It is outside": "outside"}
#: it has no power
OFF = "off"
#: nobody is before it
IDLE = ("open", "closed", "waiting", "moved")
#: what was promised to be in the store: once each
RECORDED = ("recorded", "kept", "outside")


def meaning(rows: list[str]) -> str:
    """What a screen says, in a word of this module; `?` for one that nobody can make anything of; `` for an empty one."""
    if not rows:
        return OFF
    if not any(rows):
        return ""
    if rows[0] == "Kept":
        return next((_KEPT[row] for row in rows[1:] if row in _KEPT), "?")
    return _FIRST.get(rows[0], "?")


class Display:
    """The console. `path` is for the kiosk; `wait` for whoever stands before it."""

    def __init__(self) -> None:
        self._master, self._slave = pty.openpty()
        # Kept open: the kiosk may lose its power, and the console stays.
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self._data = b""
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        #: what stands on it, row by row
        self.rows: list[str] = []
        #: (monotonic s, meaning) of the last 64 screens
        self.history: list[tuple[float, str]] = [(0.0, "")]

    def attach(self) -> None:
        """Read what is written to it, in the running loop."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._master, self._readable)

    def close(self) -> None:
        """Take it away."""
        if self._master >= 0:
            if self._loop is not None:
                self._loop.remove_reader(self._master)
            os.close(self._master)
            os.close(self._slave)
            self._master = self._slave = -1

    @property
    def says(self) -> str:
        """What stands on it now."""
        return self.history[-1][1]

    def dark(self) -> None:
        """The kiosk lost its power."""
        self._data = b""
        self._stands([])

    def read(self, data: bytes) -> None:
        """Bytes that the kiosk wrote."""
        self._data = (self._data + data).rpartition(CLEARED)[2] if CLEARED in self._data + data else self._data + data
        self._stands(self._data.decode("utf-8", "replace").split("\r\n"))

    async def wait(self, for_: Collection[str], since_s: float, timeout_s: float) -> tuple[str, float] | None:
        """The first screen after *since_s* (monotonic) that says one of these, and when; None: it did not come in time."""
        deadline = time.monotonic() + timeout_s
        while True:
            changed = self._changed
            for at_s, said in self.history:
                if at_s >= since_s and said in for_:
                    return said, at_s
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), left)

    def _readable(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            self.read(os.read(self._master, 4096))

    def _stands(self, rows: list[str]) -> None:
        # The kiosk writes the same again now and then: nothing new for whoever reads it.
        if rows == self.rows:
            return
        self.rows = rows
        self.history.append((time.monotonic(), meaning(rows)))
        del self.history[:-64]
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
