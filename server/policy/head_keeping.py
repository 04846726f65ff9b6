"""Which of a reader's old head statements the promise still needs. Pure.

A reader states a head each minute. What rests on them: that its door was known up to a session's end (design.md), and,
for registers that may still be looked at, when the reader was alive. So of the old ones there stay those that are not
covered yet, those by which a door first became known past some session's end, and the newest. Whoever asks later
whether and by which statement a door was known at the end of a session gets the same answer as before.

Of a kiosk of the residence there stay also those that tell when it was alive and able: its evenings are judged anew
whenever they are shown, and an outage excuses for ever.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

OPEN, KNOWN, ALIVE, GOES = "open", "known", "alive", "goes"
#: two clocks of one board may drift apart by so much between a head and the last one that stands for it
DRIFT_MS = 1_000


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
    #: for how long the reader had been up, and whether it took swipes
    boot_ms: int = 0
    able: str = "ok"

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


def alive(heads: Iterable[Stated]) -> set[int]:
    """Ids of those, in the order of their times, without which it would be told otherwise when the reader was alive and
    able (policy/outages.py): a head says nothing that the next one of the same boot does not, both able. The first and the
    last of them stay."""
    timed = [one for one in heads if one.timed]
    stay = {one.id for one in (*timed[:1], *timed[-1:])}
    #: what the heads that go have proved of the boot's begin
    begun_ms: int | None = None
    for before, (one, after) in zip(timed, pairwise(timed[1:]), strict=False):
        begun_ms = min(_begun(one), _begun(one) if begun_ms is None else begun_ms)
        proved = _begun(after) <= begun_ms + DRIFT_MS and after.wall_ms - after.uncertainty_ms >= (
            one.wall_ms - one.uncertainty_ms
        )
        if not proved or not before.able == one.able == after.able == "ok":
            stay.add(one.id)
            begun_ms = None
    return stay


def _begun(one: Stated) -> int:
    """From when on it proves life."""
    return one.wall_ms - one.boot_ms + one.uncertainty_ms
