"""A campus: people with cards, rooms with doors, classes, sessions. What the world knows to be true.

Invented by `invent` for any seed, or read from files that a registry would hand over (`simulator/campus_files.py`).
Nothing here knows how Muster works; the check at a demo's end compares Muster with this.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

MINUTE_MS = 60_000
_GIVEN = (
    "Ada Amir Ana Ben Bea Carl Chika Dana Dele Ebba Eli Fay Femi Gus Hana Ida Ivo Jana Jun Kai Kira Lars Lena Mads "
    "Mei Nils Noor Olga Omar Pia Petr Rosa Ravi Sami Siri Tara Timo Uma Viktor Wanda Xenia Yara Yusuf Zoe"
).split()
_FAMILY = (
    "Abara Berg Brandt Castell Dahl Demir Ekwe Falk Ferreira Grau Haddad Holm Ito Jansen Kaya Keller Lindt Lowe "
    "Marsh Mensah Nagy Novak Okoro Olsen Park Quist Reyes Rossi Sato Sorel Stone Tamm Ueda Vance Voss Weiss Yilmaz Zima"
).split()
_SUBJECTS = "Algebra Anatomy Botany Chemistry Drama Ethics Fluids Genetics History Logic Optics Poetry Statics".split()


@dataclass(frozen=True, kw_only=True)
class Person:
    """A student or a member of staff."""

    #: the registry's id
    id: str
    given: str
    family: str
    #: UID of the card that is valid, 4 or 7 bytes; empty for staff
    uid: bytes = b""
    #: UID of a card that was lost and replaced, or empty
    lost_uid: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Class:
    """A class of a course, with who belongs to it."""

    id: str
    code: str
    title: str
    staff: tuple[str, ...]
    students: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Session:
    """One timetabled teaching event."""

    #: the timetable's UID of the event
    uid: str
    class_id: str
    room: str
    starts_ms: int
    ends_ms: int


@dataclass(frozen=True, kw_only=True)
class Campus:
    """All of it. Rooms have one door each."""

    name: str
    #: IANA zone of the place
    zone: str
    rooms: tuple[str, ...]
    people: dict[str, Person]
    classes: dict[str, Class]
    sessions: tuple[Session, ...]
    #: students who stand on no class list of these rooms, and whom the timetable therefore sends nowhere
    strangers: tuple[str, ...] = field(default=())
    #: people with a card who are in no class: the staff of a residence
    beside: tuple[Person, ...] = field(default=())

    def students_of(self, session: Session) -> Sequence[str]:
        """Ids of the students whom this session's class list names."""
        return self.classes[session.class_id].students

    def of_student(self, student: str) -> list[Session]:
        """A student's sessions in time order."""
        mine = [s for s in self.sessions if student in self.classes[s.class_id].students]
        return sorted(mine, key=lambda s: (s.starts_ms, s.uid))


def uid(rng: random.Random, taken: set[bytes]) -> bytes:
    """A card's UID as manufacturers give them: 7 bytes beginning 04, or 4 bytes that are not random (08…) ones."""
    while True:
        made = b"\x04" + rng.randbytes(6) if rng.random() < 0.8 else bytes([rng.randint(0x10, 0xF0)]) + rng.randbytes(3)
        if made not in taken and not (len(made) == 4 and made[0] == 0x88):
            taken.add(made)
            return made


def invent(*, seed: int, rooms: int, students: int, now_ms: int, zone: str = "Europe/London") -> Campus:
    """A campus around now: in every room one session is running and the next is open already.

    rooms: each has a door. students: shared out among the rooms' two sessions; one in twenty stands on no list at all,
    one in twenty has lost a card and has a new one, one in six goes from one room to the next session in another.
    """
    rng = random.Random(f"campus {seed}")
    taken: set[bytes] = set()
    people: dict[str, Person] = {}
    for n in range(1, students + 1):
        lost = uid(rng, taken) if n % 20 == 0 else b""
        people[f"s{n}"] = Person(
            id=f"s{n}", given=rng.choice(_GIVEN), family=rng.choice(_FAMILY), uid=uid(rng, taken), lost_uid=lost
        )
    names = [f"R{n // 10 + 1}{n % 10 + 1:02d}" for n in range(rooms)]
    for n in range(1, rooms + 1):
        people[f"t{n}"] = Person(id=f"t{n}", given=rng.choice(_GIVEN), family=rng.choice(_FAMILY))
    ids = [f"s{n}" for n in range(1, students + 1)]
    strangers = tuple(s for n, s in enumerate(ids, 1) if n % 20 == 7)
    listed = [s for s in ids if s not in strangers]
    running: list[list[str]] = [[] for _ in names]
    coming: list[list[str]] = [[] for _ in names]
    for n, student in enumerate(listed):
        turn, room = divmod(n, rooms)
        if turn % 3:
            running[room].append(student)
        if turn % 3 == 0:
            coming[room].append(student)
        elif turn % 6 == 1 and rooms > 1:
            coming[(room + 1) % rooms].append(student)  # goes on to the room next door
    base = now_ms // MINUTE_MS * MINUTE_MS
    classes: dict[str, Class] = {}
    sessions: list[Session] = []
    for n, room in enumerate(names):
        subject = _SUBJECTS[n % len(_SUBJECTS)]
        for half, members, starts, ends in (
            ("A", running[n], base - 12 * MINUTE_MS, base + 108 * MINUTE_MS),
            ("B", coming[n], base + 10 * MINUTE_MS, base + 130 * MINUTE_MS),
        ):
            code = f"{subject[:3].upper()}{100 + n}-{half}"
            kind = "lecture" if half == "A" else "seminar"
            key = f"c{n + 1}{half.lower()}"
            classes[key] = Class(
                id=key, code=code, title=f"{subject} {kind}", staff=(f"t{n + 1}",), students=tuple(members)
            )
            sessions.append(Session(uid=f"{key}@campus", class_id=key, room=room, starts_ms=starts, ends_ms=ends))
    return Campus(
        name=f"Campus {seed}",
        zone=zone,
        rooms=tuple(names),
        people=people,
        classes=classes,
        sessions=tuple(sessions),
        strangers=strangers,
    )
