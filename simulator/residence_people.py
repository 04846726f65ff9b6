"""A residence and its people, by seed: houses with kiosks, residents with cards and fingers, staff on duty.

Residents are students of the campus; staff of the residence are people of their own, with cards. Nothing here knows how
Muster works.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from simulator.campus import Campus, Person, uid

#: where the houses stand, degrees: a place in a town, each house so much further north
LATITUDE, LONGITUDE, APART = 51.52, -0.13, 0.004
RADIUS_M = 60
#: templates that a kiosk's sensor holds
CAPACITY = 200
#: of a hundred residents: who chooses the alternative; who is on leave tonight
ALTERNATIVE, AWAY = 12, 6
_HOUSES = "Alder Birch Cedar Damson Elm Fir Gorse Hazel".split()
_GIVEN, _FAMILY = "Wanda Wim Walid Wren Wilma Wu".split(), "Archer Bakshi Cole Dunmore Eze Frey".split()


@dataclass(frozen=True, kw_only=True)
class House:
    """A house of the residence."""

    code: str
    name: str
    latitude: float
    longitude: float
    #: names of its kiosks' readers
    kiosks: tuple[str, ...]
    #: ids of the staff on duty in it
    staff: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Resident:
    """A student who lives in a house."""

    #: the registry's id
    id: str
    uid: bytes
    house: str
    floor: str
    room: str
    #: the kiosk that they go to
    kiosk: str
    #: `finger`, or `pin` for whoever chose the alternative
    way: str
    #: digits, or '' for who has none set: then a witness alone stands by where the finger fails
    pin: str
    #: on approved leave tonight
    away: bool
    #: another kiosk of their house at which their finger is enrolled too, or ''
    also: str = ""
    #: takes the consent back in the afternoon, while the kiosks are off: no sensor holds the finger in the evening
    withdraws: bool = False

    @property
    def fingers_at(self) -> tuple[str, ...]:
        """The kiosks at which a finger of theirs is enrolled."""
        return tuple(filter(None, (self.kiosk, self.also))) if self.way == "finger" else ()


@dataclass(frozen=True, kw_only=True)
class Residence:
    """All of it. residents and staff by the registry's id."""

    houses: tuple[House, ...]
    residents: dict[str, Resident]
    staff: dict[str, Person]

    def house(self, code: str) -> House:
        """The house of this code."""
        return next(one for one in self.houses if one.code == code)

    def of_kiosk(self, name: str) -> House:
        """The house in which a kiosk stands."""
        return next(one for one in self.houses if name in one.kiosks)

    @property
    def kiosks(self) -> tuple[str, ...]:
        """Every kiosk's name."""
        return tuple(name for one in self.houses for name in one.kiosks)

    def away(self) -> list[Resident]:
        """Who is on leave tonight."""
        return [one for one in self.residents.values() if one.away]


def found(campus: Campus, *, seed: int, residents: int, kiosks: int) -> Residence:
    """A residence in which the first students of this campus live: two kiosks to a house, the last may have one.

    Raises ValueError where there are fewer students with a card than residents, or more kiosks than can be.
    """
    students = [one for one in campus.people.values() if one.uid][:residents]
    if len(students) < residents or not 1 <= kiosks <= 2 * len(_HOUSES) or residents < kiosks:
        raise ValueError("a residence needs as many students as residents, and 1 to 16 kiosks for at least as many")
    rng = random.Random(f"residence {seed}")
    taken = {one.uid for one in campus.people.values()} | {one.lost_uid for one in campus.people.values()}
    names = [f"kiosk-{n}" for n in range(1, kiosks + 1)]
    houses, staff = [], {}
    for n, code in enumerate(_HOUSES[: (kiosks + 1) // 2]):
        on_duty = [
            Person(id=f"w{2 * n + k}", given=rng.choice(_GIVEN), family=rng.choice(_FAMILY), uid=uid(rng, taken))
            for k in (1, 2)
        ]
        staff |= {one.id: one for one in on_duty}
        houses.append(
            House(
                code=code.lower(),
                name=f"{code} House",
                latitude=LATITUDE + n * APART,
                longitude=LONGITUDE,
                kiosks=tuple(names[2 * n : 2 * n + 2]),
                staff=tuple(one.id for one in on_duty),
            )
        )
    return Residence(houses=tuple(houses), residents=_residents(rng, students, houses, names), staff=staff)


def _residents(
    rng: random.Random, students: Sequence[Person], houses: list[House], kiosks: list[str]
) -> dict[str, Resident]:
    places = {name: house.code for house in houses for name in house.kiosks}
    made = {}
    for n, student in enumerate(students):
        kiosk = kiosks[n % len(kiosks)]
        # By place and not by chance: a small evening has somebody of each kind too.
        way = "pin" if n % 100 * ALTERNATIVE % 100 < ALTERNATIVE else "finger"
        floor = n // len(kiosks) // 10 % 5 + 1
        made[student.id] = Resident(
            id=student.id,
            uid=student.uid,
            house=places[kiosk],
            floor=str(floor),
            room=f"{floor}{n // len(kiosks) % 10 + 1:02d}",
            kiosk=kiosk,
            way=way,
            pin="".join(rng.choice("0123456789") for _ in range(6)) if way == "pin" or rng.random() < 0.5 else "",
            away=(n * AWAY + 70) % 100 >= 100 - AWAY,
        )
    return made | _at_two_kiosks(made, houses)


def _at_two_kiosks(made: dict[str, Resident], houses: list[House]) -> dict[str, Resident]:
    """Two people of the first house with their finger at both of its kiosks; the second of them takes the consent back."""
    kiosks = houses[0].kiosks
    there = [one for one in made.values() if one.house == houses[0].code and one.way == "finger" and not one.away][:2]
    changed = {}
    for n, one in enumerate(there):
        other = next((name for name in kiosks if name != one.kiosk), "")
        changed[one.id] = replace(one, also=other, withdraws=n == 1)
    return changed
