"""Who holds which card to which door, by seed, and what must come of it. Made from the campus alone.

Each door has a round of its own: everybody due there in a shuffled order, over and over, so that the same card comes
back only after all the others; and one in sixteen is somebody who is not due there.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from simulator.campus import Campus

OTHERS = 16


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One card for one door."""

    #: whose card it is; empty for a card that nobody has any more
    student: str
    uid: bytes
    #: uid of the session that a swipe of it here belongs to; empty: none
    session: str


def visits(campus: Campus, room: str) -> dict[bytes, Visit]:
    """UID -> what a swipe of it at this room's door is worth, for every card that exists."""
    due = {student: s.uid for s in campus.sessions if s.room == room for student in campus.students_of(s)}
    known: dict[bytes, Visit] = {}
    for person in campus.people.values():
        if person.uid:
            known[person.uid] = Visit(student=person.id, uid=person.uid, session=due.get(person.id, ""))
        if person.lost_uid:
            known[person.lost_uid] = Visit(student="", uid=person.lost_uid, session="")
    return known


def queue(campus: Campus, room: str, seed: int) -> Iterator[Visit]:
    """Everybody who comes to this room's door, for ever."""
    rng = random.Random(f"queue {seed} {room}")
    everybody = list(visits(campus, room).values())
    due = [v for v in everybody if v.session]
    others = [v for v in everybody if not v.session]
    while True:
        rng.shuffle(due)
        for visit in due:
            if rng.randrange(OTHERS) == 0:
                yield rng.choice(others)
            yield visit
