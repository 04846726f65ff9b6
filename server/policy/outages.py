"""When a reader was alive and able to take swipes, from its heads. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

#: heads come each minute; two clocks' readings of one moment may differ by this
SLACK_MS = 5_000


class Stated(Protocol):
    """What a head says about its reader's life (store/heads.py has them)."""

    @property
    def wall_ms(self) -> int:
        """When it was stated."""
        ...

    @property
    def boot_ms(self) -> int:
        """For how long the reader had been up then."""
        ...

    @property
    def able(self) -> str:
        """Whether it took swipes: ok, or why not."""
        ...

    @property
    def unsure_ms(self) -> int:
        """How wrong wall_ms may be, either way."""
        ...


def outages(stated: Sequence[Stated], from_ms: int, to_ms: int) -> tuple[tuple[int, int, str], ...]:
    """(from, to, why) of each part of [from, to] in which the reader was not shown to be alive and able.

    A head at T that says `up for B` proves life in [T - B, T], less what its clock is unsure at both ends. A head that says what keeps the reader from taking
    swipes makes the time since the head before it, and until the next that says ok, an outage. stated: in order of
    time, from the last before the window to the first after it.
    """
    found: list[tuple[int, int, str]] = []
    reached = from_ms
    for begins, ends in _lives(stated):
        if begins > reached + SLACK_MS and reached < to_ms:
            found.append((reached, min(begins, to_ms), "dead"))
        reached = max(reached, ends)
    if reached + SLACK_MS < to_ms:
        found.append((reached, to_ms, "unknown"))
    for place, one in enumerate(stated):
        if one.able == "ok":
            continue
        begins = stated[place - 1].wall_ms if place else one.wall_ms - one.boot_ms
        ends = stated[place + 1].wall_ms if place + 1 < len(stated) else one.wall_ms
        if begins < to_ms and ends > from_ms:
            found.append((max(begins, from_ms), min(ends, to_ms), one.able))
    return tuple(sorted(found))


def _lives(stated: Sequence[Stated]) -> list[tuple[int, int]]:
    """The times in which heads surely prove life, in order."""
    lives = ((one.wall_ms - one.boot_ms + one.unsure_ms, one.wall_ms - one.unsure_ms) for one in stated)
    return sorted(one for one in lives if one[0] <= one[1])
