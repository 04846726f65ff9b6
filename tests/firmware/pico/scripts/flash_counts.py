"""The unix port's reader with its flash counted: says for each green how much was programmed and erased since the card.

Stands before the real `start` in MICROPYPATH, which is there as `unix_start`. Whoever reads the counts checks that
there is one for each green that was seen.
"""

# ruff: noqa: I001
from unix_start import UnixBoard  # first: it sets how the heap is collected

import asyncio
import gc

import rp2
from firmware.pico.chip import CardArrived
from firmware.pico.main import COLLECT_AFTER, Program


class CountingBoard(UnixBoard):
    """A board that prints `{"event": "counted", ...}` when the light first turns green after a card."""

    def __init__(self):
        super().__init__()
        #: the flash's counters when the chip told of the card whose light has not come yet, or None
        self.since = None

    def rgb(self, colour) -> None:
        """Set the lamp, and say what the flash did until it was green."""
        super().rgb(colour)
        if self.since is not None and colour[1] and not colour[0] and not colour[2]:
            programs, erases = rp2.chip.programs - self.since[0], rp2.chip.erases - self.since[1]
            self.since = None
            print(
                '{"event": "counted", "programs": %d, "erases": %d, "taken": %d}' % (programs, erases, gc.mem_alloc())
            )


class CountingProgram(Program):
    """The reader's own program, which tells its board when the chip has told of a card."""

    def _happened(self, event):
        if isinstance(event, CardArrived):
            self._board.since = (rp2.chip.programs, rp2.chip.erases)
        super()._happened(event)


if __name__ == "__main__":
    gc.collect()
    gc.threshold(COLLECT_AFTER)
    asyncio.run(CountingProgram(CountingBoard()).run())
