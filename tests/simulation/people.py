"""People with cards: who comes to which door when, and holds the card to it."""

import random

from tests.simulation.campus import PEOPLE, STRANGERS, Campus
from tests.simulation.world import T0

#: (seconds from the beginning, person, reader)
Coming = tuple[float, int, int]


def plan(rng: random.Random, campus: Campus, swipes: int) -> list[Coming]:
    """As many taps as asked for: most by who belongs there, some twice, some at the wrong door or time, some by
    strangers; also at the very edges of windows."""
    found: list[Coming] = []
    while len(found) < swipes:
        one = rng.choice(campus.sessions)
        kind = rng.random()
        person = rng.choice(list(campus.members[one.group]))
        at_ms: float = rng.uniform(one.opens_ms, one.closes_ms)
        if kind < 0.04:
            at_ms = rng.choice((one.opens_ms, one.closes_ms, one.starts_ms)) + rng.randint(-1500, 1500)
        elif kind < 0.08:
            at_ms = one.opens_ms - rng.uniform(1_000, 60_000)
        elif kind < 0.12:
            at_ms = one.closes_ms + rng.uniform(1_000, 60_000)
        elif kind < 0.18:
            person = rng.randrange(PEOPLE + STRANGERS)
        found.append(((at_ms - T0) / 1000, person, one.room))
        if rng.random() < 0.08:
            found.append(((at_ms - T0) / 1000 + rng.uniform(0.6, 150), person, one.room))
    found = [one for one in found if one[0] > 0][:swipes]
    return sorted(found)
