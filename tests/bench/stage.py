"""The line that a bench of throughput runs on: broker, gateway, store as processes, a campus, and its readers."""

import contextlib
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from simulator import campus_files
from simulator.campus import Campus, Class, Person, Session
from simulator.line import Line
from simulator.processes import PartFailed
from tests.bench.machine import children, cpu_s
from tests.bench.parts import mosquitto, postgres
from tests.bench.wire_readers import Board, Wire, boards

#: between two lessons of a class: its windows, which open half an hour before, do not touch
APART_MS = 2 * 3_600_000


@dataclass(kw_only=True)
class Stage:
    """What a measurement works with. taps: reader -> (UID, epoch ms) of each card held to it, in order of time."""

    folder: Path
    line: Line
    wire: Wire
    boards: list[Board]
    taps: dict[str, list[tuple[bytes, int]]]
    engine: Engine

    def stored(self) -> int:
        """Swipes committed in the store."""
        with self.engine.connect() as connection:
            return connection.execute(text("SELECT count(*) FROM swipe")).scalar_one()

    def due(self) -> int:
        """Persons whose marks are still to be derived."""
        with self.engine.connect() as connection:
            return connection.execute(text("SELECT count(*) FROM due")).scalar_one()

    def committed(self, wanted: set[tuple[str, int]]) -> set[tuple[str, int]]:
        """Those of these (journal, seq) whose record is committed."""
        if not wanted:
            return set()
        rows = " UNION ALL ".join(f"SELECT '{journal}' AS j, {seq} AS s" for journal, seq in sorted(wanted))
        query = (
            f"SELECT w.j, w.s FROM ({rows}) w JOIN journal ON journal.journal = w.j "
            "JOIN record ON record.journal_id = journal.id AND record.seq = w.s"
        )
        with self.engine.connect() as connection:
            return {(row.j, row.s) for row in connection.execute(text(query))}


class Shares:
    """Processor time of each kind of process, from its making."""

    def __init__(self) -> None:
        self._parts = children()
        self._before = {pid: cpu_s(pid) for pid in self._parts}
        self._alone = time.process_time()

    def taken_s(self) -> dict[str, float]:
        """What -> seconds of processor time since."""
        found: dict[str, float] = defaultdict(float)
        for pid, what in {**self._parts, **children()}.items():
            found[what] += cpu_s(pid) - self._before.get(pid, 0.0)
        found["senders"] = time.process_time() - self._alone
        return dict(found)

    def note(self, swipes: int) -> str:
        """Milliseconds of each for one swipe: seconds for a thousand."""
        said = sorted(self.taken_s().items(), key=lambda one: -one[1])
        return ", ".join(f"{what} {seconds / max(1, swipes) * 1000:.2f}" for what, seconds in said)


@contextmanager
def stage(database: str, *, rooms: int, listed: int, lessons: int, ahead: int = 0) -> Iterator[Stage]:
    """A campus of `rooms` doors, each with a class of `listed` students who tap once in each of their lessons until now.

    database: SQLite or PostgreSQL. Readers are made and not connected. Raises Missing.
    """
    now_ms = time.time_ns() // 1_000_000
    campus = lectures(rooms, listed, lessons, now_ms, ahead)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="muster-bench-")))
        url = None
        if database == "PostgreSQL":
            url = stack.enter_context(postgres("bench")).url("bench")
        broker = stack.enter_context(mosquitto(folder))
        campus_files.write(campus, folder / "campus")
        line = Line(folder, broker_url=broker.url, database_url=url, gateways=1)
        settings = line.provision(campus, folder / "campus", {r: r.lower() for r in campus.rooms}, lambda _: None)
        engine = create_engine(line.database_url)
        stack.callback(engine.dispose)
        with engine.begin() as connection:
            # The doors have been there for long: what was tapped before this minute counts too.
            connection.execute(text("UPDATE placement SET from_ms = 0"))
        stack.callback(line.stop)
        line.start()
        wire = Wire(broker.host, broker.port)
        stack.callback(wire.close)
        made = boards(settings, [r.lower() for r in campus.rooms])
        taps = {
            room.lower(): sorted(
                (
                    (campus.people[student].uid, one.starts_ms + n * 7919 % 600_000)
                    for one in campus.sessions
                    if one.room == room and one.starts_ms <= now_ms
                    for n, student in enumerate(campus.students_of(one))
                ),
                key=lambda tap: tap[1],
            )
            for room in campus.rooms
        }
        yield Stage(folder=folder, line=line, wire=wire, boards=made, taps=taps, engine=engine)


def lectures(rooms: int, listed: int, lessons: int, now_ms: int, ahead: int = 0) -> Campus:
    """In each room one class, taught every two hours: `lessons` of them up to now, `ahead` after that."""
    people: dict[str, Person] = {}
    classes: dict[str, Class] = {}
    sessions: list[Session] = []
    names = [f"B{n:03d}" for n in range(rooms)]
    last = now_ms // 60_000 * 60_000 - 5 * 60_000
    for n, room in enumerate(names):
        people[f"t{n}"] = Person(id=f"t{n}", given="Tea", family=f"Cher{n}")
        students = [f"s{n * listed + k}" for k in range(listed)]
        for k, student in enumerate(students):
            number = n * listed + k
            people[student] = Person(
                id=student, given="Stu", family=f"Dent{number}", uid=b"\x04" + number.to_bytes(6, "big")
            )
        key = f"c{n}"
        classes[key] = Class(id=key, code=f"C{n}", title=f"Course {n}", staff=(f"t{n}",), students=tuple(students))
        for turn in range(-ahead, lessons):
            starts = last - turn * APART_MS
            sessions.append(
                Session(
                    uid=f"{key}-{turn}@bench", class_id=key, room=room, starts_ms=starts, ends_ms=starts + 50 * 60_000
                )
            )
    return Campus(
        name="Bench", zone="UTC", rooms=tuple(names), people=people, classes=classes, sessions=tuple(sessions)
    )


def greet(stage: Stage, timeout_s: float = 30) -> None:
    """Until the store has answered every reader's hello. Raises PartFailed."""
    deadline = time.monotonic() + timeout_s
    while not all(board.greeted for board in stage.boards if board.connection is not None):
        stage.wire.turn(0.05)
        if time.monotonic() > deadline:
            raise PartFailed(f"not every reader's hello was answered within {timeout_s:.0f} s")
