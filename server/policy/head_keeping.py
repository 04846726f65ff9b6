"""Which of a reader's old head statements the promise still needs. Pure.

A reader states a head each minute. What rests on them: that its door was known up to a session's end (design.md), and,
for registers that may still be looked at, when the reader was alive. So of the old ones there stay those that are not
covered yet, those by which a door first became known past some session's end, and the newest. Whoever asks later
whether and by which statement a door was known at the end of a session gets the same answer as before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

OPEN, KNOWN, GOES = "open", "known", "goes"


@dataclass(frozen=True, kw_only=True)
class Stated:
    """One head, as far as it matters here."""

    id: int
    #: the reader's time, ms
    wall_ms: int
    uncertainty_ms: int
    #: whether it says of that time that it knows it
    timed: bool = True
    #: the store holds every record that it names
    held: bool

    @property
    def sure_ms(self) -> int | None:
        """It was stated at this time at the earliest; None: nobody knows when."""
        return self.wall_ms - self.uncertainty_ms if self.timed else None


def judge(
    heads: Iterable[Stated], closes_ms: Sequence[int], known_ms: int | None
) -> tuple[list[tuple[Stated, str]], int | None]:
    """Heads in the order of their times, each with OPEN, KNOWN or GOES; and up to when the door was then known.

    closes_ms: ends of sessions at the reader's doors, sorted: all those after known_ms. known_ms: up to when heads
    before these made the door known; None: there was none.
    """
    judged: list[tuple[Stated, str]] = []
    for one in heads:
        sure_ms = one.sure_ms
        if not one.held:
            judged.append((one, OPEN))
        elif sure_ms is None or (known_ms is not None and sure_ms <= known_ms):
            judged.append((one, GOES))
        else:
            passed = 0 if known_ms is None else bisect_right(closes_ms, known_ms)
            judged.append((one, KNOWN if bisect_right(closes_ms, sure_ms) > passed else GOES))
            known_ms = sure_ms
    return judged, known_ms
