"""What breaks on a residence's evening, at kiosks and moments by seed."""

import random
from dataclasses import dataclass

from simulator.residence_plan import Evening

#: a sensor is pulled out, a kiosk loses its power, a kiosk is carried off
UNPLUG, CUT, MOVE = FAULTS = ("unplug", "cut", "move")
#: how far a kiosk is carried, metres
CARRIED_M = 900.0


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that breaks at a kiosk when its visit `at` begins; an unplugged sensor is back some visits later.

    A kiosk is carried off when everybody has been there: what is checked in at it then does not count.
    """

    kind: str
    kiosk: str
    at: int
    back: int = 0


def fitted(kiosks: tuple[str, ...]) -> tuple[str, ...]:
    """The kiosks with a receiver: every other one, so that both kinds are there."""
    return kiosks[::2]


def faults_of(evening: Evening, *, seed: int) -> list[Fault]:
    """One of each, where enough people come to see it."""
    rng = random.Random(f"residence faults {seed}")
    long = [name for name, queue in evening.visits.items() if len(queue) >= 6]
    found = []
    for kind in (UNPLUG, CUT) if long else ():
        name = rng.choice(long)
        at = rng.randrange(1, len(evening.visits[name]) - 3)
        found.append(Fault(kind=kind, kiosk=name, at=at, back=at + rng.randint(1, 2)))
    if long:
        name = rng.choice(fitted(tuple(evening.visits)))
        found.append(Fault(kind=MOVE, kiosk=name, at=len(evening.visits[name])))
    return found
