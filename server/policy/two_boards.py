"""Whether heads of one reader's name come from two boards at once: a copied SD card, or a board that was thought gone. Pure.

A board says in each head how long it has been up. So each head tells when its board was started; and a board that was
started again does not speak as the one that it was before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: a board's own clock against the store's within the time that is looked at, and what a start takes
SLACK_MS = 10_000
#: so many heads after another board's start, as the store's own clock may have been put back once
LEAST = 2
#: heads so far apart are not held against each other: clocks drift
WITHIN_MS = 15 * 60_000


@dataclass(frozen=True, kw_only=True)
class Said:
    """A head with a time: stated at wall_ms (wrong by unsure_ms at most, either way), boot_ms after its board's start."""

    wall_ms: int
    boot_ms: int
    unsure_ms: int = 0

    @property
    def start_ms(self) -> int:
        """When the board that stated it was started."""
        return self.wall_ms - self.boot_ms


def is_two(heads: Iterable[Said]) -> bool:
    """Whether a board went on speaking after another was started under its name. The same in whatever order they came."""
    given = sorted(heads, key=lambda one: (one.start_ms, one.wall_ms))
    for later in given:
        after = 0
        for one in given:
            slack_ms = SLACK_MS + one.unsure_ms + later.unsure_ms
            if one.start_ms >= later.start_ms - slack_ms:
                break
            near = abs(one.wall_ms - later.wall_ms) <= WITHIN_MS
            after += near and one.wall_ms > later.start_ms + slack_ms
        if after >= LEAST:
            return True
    return False
