"""What people do at the doors, by seed, and what must come of it.

A plan is made before anybody moves: who taps what card where, in which order at each door, and which (student,
session) pairs must therefore be credited. That is the truth the check compares Muster with; it is written from the
campus alone and knows nothing of how Muster decides.
"""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from simulator.campus import MINUTE_MS, Campus, Session


@dataclass(frozen=True, kw_only=True)
class Tap:
    """One card to be held to one door."""

    room: str
    #: whose card it is; empty for a card that nobody has any more
    student: str
    uid: bytes
    #: what the person does: due, early, again, wrong_room, lost_card, stranger
    why: str
    #: uid of the session that this tap belongs to, or empty where it is worth nothing
    session: str
    #: not before this time, campus epoch; 0: as soon as it is their turn
    at_ms: int = 0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that people will do: for each room the taps in their order."""

    taps: dict[str, list[Tap]]

    def kinds(self) -> Counter[str]:
        """How many taps of each kind."""
        return Counter(tap.why for taps in self.taps.values() for tap in taps)


def around_now(campus: Campus, *, taps: int, seed: int, now_ms: int) -> Plan:
    """A plan of `taps` taps for an invented campus: all its sessions are open now.

    At one door a student has at most one session here, so a tap there belongs to that one; every further tap of theirs
    at that door only repeats the answer.
    """
    rng = random.Random(f"people {seed}")
    by_room: dict[str, list[Session]] = {}
    for session in campus.sessions:
        by_room.setdefault(session.room, []).append(session)
    due: list[Tap] = []
    for room, sessions in by_room.items():
        for session in sessions:
            for student in campus.students_of(session):
                if rng.random() < 0.15:
                    continue  # stays away (PORT-7)
                why = "due" if session.starts_ms <= now_ms else "early"
                due.append(_tap(campus, room, student, why, session.uid))
    rng.shuffle(due)
    due = due[: max(1, taps * 7 // 10)]
    more: list[Tap] = []
    students = [p for p in campus.people.values() if p.uid]
    lost = [p for p in students if p.lost_uid]
    while len(due) + len(more) < taps:
        kind = rng.random()
        if kind < 0.45 and due:
            first = rng.choice(due)
            more.append(Tap(room=first.room, student=first.student, uid=first.uid, why="again", session=first.session))
        elif kind < 0.55 and lost:
            person = rng.choice(lost)
            more.append(
                Tap(room=rng.choice(campus.rooms), student="", uid=person.lost_uid, why="lost_card", session="")
            )
        else:
            person, room = rng.choice(students), rng.choice(campus.rooms)
            mine = [s for s in by_room[room] if person.id in campus.students_of(s)]
            if mine:
                more.append(_tap(campus, room, person.id, "again", mine[0].uid))
            else:
                why = "stranger" if person.id in campus.strangers else "wrong_room"
                more.append(_tap(campus, room, person.id, why, ""))
    everything = due + more
    rng.shuffle(everything)
    return _by_room(campus, everything)


def whole_day(campus: Campus, *, seed: int, limit: int | None = None) -> Plan:
    """A plan for a day of a campus that somebody handed over: who is due somewhere goes there once, at a likely time.

    Most come in the ten minutes before the start, some late, one in eight stays away; who is due in two places at once
    goes to one of them. Nobody taps in the first and last two minutes of a window, where it may belong elsewhere, nor
    where another session of theirs in the same room could be meant.
    """
    rng = random.Random(f"day {seed}")
    taps: list[Tap] = []
    going: dict[str, list[Session]] = {}
    for session in campus.sessions:
        for student in campus.students_of(session):
            if not campus.people[student].uid or rng.random() < 0.125:
                continue
            held = going.setdefault(student, [])
            if any(s.starts_ms < session.ends_ms and session.starts_ms < s.ends_ms for s in held):
                continue  # due in two places at once
            held.append(session)
            latest = min(session.ends_ms - 2 * MINUTE_MS, session.starts_ms + 20 * MINUTE_MS)
            # With another session of theirs in this room in reach, only a tap while this one runs is surely for it.
            near = [
                s
                for s in campus.of_student(student)
                if s.room == session.room and s is not session and abs(s.starts_ms - session.starts_ms) < 6 * 3_600_000
            ]
            earliest = session.starts_ms + MINUTE_MS if near else session.starts_ms - 10 * MINUTE_MS
            at_ms = rng.randint(earliest, max(earliest, latest))
            taps.append(_tap(campus, session.room, student, "due", session.uid, at_ms))
    students = [p.id for p in campus.people.values() if p.uid]
    for _ in range(len(taps) // 12):
        session = rng.choice(campus.sessions)
        student = rng.choice(students)
        if not any(s.room == session.room for s in campus.of_student(student)):
            at_ms = rng.randint(session.starts_ms, session.ends_ms - 2 * MINUTE_MS)
            taps.append(_tap(campus, session.room, student, "wrong_room", "", at_ms))
    taps.sort(key=lambda tap: tap.at_ms)
    return _by_room(campus, taps[:limit] if limit else taps)


def _tap(campus: Campus, room: str, student: str, why: str, session: str, at_ms: int = 0) -> Tap:
    return Tap(room=room, student=student, uid=campus.people[student].uid, why=why, session=session, at_ms=at_ms)


def _by_room(campus: Campus, taps: Iterable[Tap]) -> Plan:
    rooms: dict[str, list[Tap]] = {room: [] for room in campus.rooms}
    for tap in taps:
        rooms[tap.room].append(tap)
    return Plan(taps=rooms)
