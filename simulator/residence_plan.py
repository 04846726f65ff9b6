"""What residents do on an evening, by seed, and what must come of it: the truth that the check compares Muster with.

Everybody who is neither away nor missing comes to their kiosk once, at a time between 18:00 and 22:00; some come twice.
Some fingers are dirty, some are refused though they are the right ones, some people try with somebody else's card. In
what order they come is the plan's; how fast, the play's: the hours are squeezed into minutes.
"""

import random
from collections import Counter
from dataclasses import dataclass

from simulator.residence_people import Residence, Resident

OPENS_MIN, CLOSES_MIN = 18 * 60, 22 * 60
#: a finger's first press: `clean`, `dirty` or `wet`; whose it is: the resident's, or somebody else's
CLEAN, DIRTY, WET = "clean", "dirty", "wet"
#: of a hundred visits: a dirty finger, a wet one, a right one that is refused, the alternative though enrolled, a wrong
#: PIN first, a second visit, somebody else's finger on this card
DIRTY_OF, WET_OF, REFUSED_OF, INSTEAD_OF, WRONG_PIN_OF, AGAIN_OF, STRANGER_OF = 8, 4, 5, 5, 15, 6, 4
#: of a hundred residents: not there tonight, and nobody knows why
MISSING_OF = 7


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One person at a kiosk with one card."""

    kiosk: str
    #: whose card it is
    resident: str
    #: minutes after local midnight
    at_min: float
    #: what the person does: due, again, stranger
    why: str
    #: `finger`, or `pin`: they press `*` where a finger is asked for
    way: str
    #: the first press's state
    finger: str = CLEAN
    #: the first press shows another part of the finger than was enrolled: refused though it is the right one
    refused: bool = False
    #: the first PIN given is wrong
    wrong_pin: bool = False
    #: whose finger it is, where it is another person's: they never get in, and leave
    other: str = ""


@dataclass(frozen=True, kw_only=True)
class Evening:
    """An evening to be played: for each kiosk its visits in order; and who must be missing at its end."""

    visits: dict[str, list[Visit]]
    missing: frozenset[str]

    def kinds(self) -> Counter[str]:
        """How many visits of each kind."""
        return Counter(one.why for queue in self.visits.values() for one in queue)

    def coming(self) -> set[str]:
        """Who comes, with their own card and finger or PIN."""
        return {one.resident for queue in self.visits.values() for one in queue if one.why != "stranger"}


def plan(residence: Residence, *, seed: int) -> Evening:
    """An evening of this residence."""
    rng = random.Random(f"evening {seed}")
    here = [one for one in residence.residents.values() if not one.away]
    # At least one of each kind, so that a small evening shows what a large one does.
    missing = set(rng.sample([one.id for one in here], max(1, len(here) * MISSING_OF // 100))) if here[2:] else set()
    coming = [one for one in here if one.id not in missing]
    visits = [_visit(rng, one, "due") for one in coming]
    again = rng.sample(coming, max(1, len(coming) * AGAIN_OF // 100)) if coming else []
    visits += [_visit(rng, one, "again") for one in again]
    # Whoever is enrolled at another kiosk too comes again there.
    visits += [
        Visit(kiosk=one.also, resident=one.id, at_min=_time(rng), why="again", way="finger")
        for one in coming
        if one.also and not one.withdraws
    ]
    enrolled = [one for one in here if one.way == "finger" and not one.withdraws]
    for card in rng.sample(enrolled, max(1, len(enrolled) * STRANGER_OF // 100)) if enrolled[1:] else []:
        other = rng.choice([one for one in enrolled if one.id != card.id])
        visits.append(
            Visit(kiosk=card.kiosk, resident=card.id, at_min=_time(rng), why="stranger", way="finger", other=other.id)
        )
    queues: dict[str, list[Visit]] = {name: [] for name in residence.kiosks}
    for one in sorted(visits, key=lambda visit: visit.at_min):
        queues[one.kiosk].append(one)
    return Evening(visits=queues, missing=frozenset(missing))


def _visit(rng: random.Random, one: Resident, why: str) -> Visit:
    def of(hundred: int) -> bool:
        return rng.random() * 100 < hundred

    way = "pin" if one.way == "pin" or of(INSTEAD_OF) else "finger"
    finger = DIRTY if of(DIRTY_OF) else WET if of(WET_OF) else CLEAN
    return Visit(
        kiosk=one.kiosk,
        resident=one.id,
        at_min=_time(rng),
        why=why,
        way=way,
        finger=finger if way == "finger" else CLEAN,
        refused=way == "finger" and finger == CLEAN and of(REFUSED_OF),
        wrong_pin=way == "pin" and bool(one.pin) and of(WRONG_PIN_OF),
    )


def _time(rng: random.Random) -> float:
    """Few at first, most after supper and shortly before the end."""
    return rng.choice((rng.uniform(OPENS_MIN, CLOSES_MIN), rng.triangular(OPENS_MIN, CLOSES_MIN, 21 * 60 + 20)))
