"""One run from its seed: the parts are made, the day is played, everything heals, and when it is quiet it is judged."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from server.store.engine import open_engine
from tests.simulation import campus as campuses
from tests.simulation import loop as loops
from tests.simulation import people, stores, themes
from tests.simulation.attacker import Attacker
from tests.simulation.board import Board
from tests.simulation.broker import Broker
from tests.simulation.faults import Faults
from tests.simulation.gateways import Host
from tests.simulation.oracle import Oracle
from tests.simulation.scratch import Scratch
from tests.simulation.storage import FlashMedium, QuickMedium
from tests.simulation.technician import Technician
from tests.simulation.verdict import Score, judge
from tests.simulation.world import World

LOOK_S = 30  #: virtual seconds between looks whether it is quiet
#: taps at one door in one lesson, about: a class comes in within four minutes
TAPS_A_LESSON = 56
DRAIN_S = 90 * 60  #: virtual seconds after which what has not drained never will: each hole is offered for 20 min


@dataclass(kw_only=True)
class Outcome:
    """What one seed gave."""

    seed: int
    score: Score
    hash: str
    events: int
    virtual_s: float
    cpu_s: float
    drained_s: float
    seen: dict[str, int] = field(default_factory=dict)


class Stage:
    """What one process keeps between runs: a folder, the template of the database, and the engine."""

    def __init__(self) -> None:
        self._scratch = Scratch()
        self.folder = self._scratch.folder
        self.template = self.folder / "template.db"
        campuses.make_template(self.template)
        self.path = self.folder / "store.db"
        self.engine = open_engine(f"sqlite:///{self.path}")
        self.fuse = stores.Fuse(self.engine)
        self.profiles = campuses.profiles()

    def close(self) -> None:
        self.engine.dispose()
        self._scratch.close()

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, kw_only=True)
class Cast:
    """The classes that play: a saboteur takes the place of one."""

    host: type[Host] = Host
    server: type[stores.Server] = stores.Server
    board: type[Board] = Board


class Run:
    """One run."""

    def __init__(self, stage: Stage, seed: int, swipes: int, show: Callable[[str], None] | None, cast: Cast) -> None:
        self.loop = asyncio.get_running_loop()
        self.world = World(seed, self.loop, show)
        self.stage = stage
        self._door = self.world.chance("door")
        rng = self.rng = self.world.chance("plan")
        self._lay_out()
        readers = rng.randint(3, 6) if swipes > 150 else rng.randint(2, 4)
        slots = max(2, round(swipes / (readers * TAPS_A_LESSON)))
        self.lessons, at_ms = [], 120_000
        for _ in range(slots):
            minutes = rng.choice((2, 3))
            self.lessons.append((at_ms, minutes))
            at_ms += minutes * 60_000 + rng.choice((0, 0, 30_000, 90_000))
        self.night_s = 0.0
        if seed % 5 == 4:
            # Half of the lessons are tomorrow, or after a long weekend.
            night_ms = int(rng.uniform(8, 60) * 3_600_000)
            half = len(self.lessons) // 2
            self.night_s = (self.lessons[half][0] - 60_000) / 1000 + 90
            self.lessons[half:] = [(start + night_ms, minutes) for start, minutes in self.lessons[half:]]
            self.morning_s = self.lessons[half][0] / 1000 - 100
        self.campus = campuses.plan(rng, readers=readers, lessons=self.lessons)
        campuses.write(stage.path, self.campus)
        self.oracle = Oracle(self.world, self.campus, stage.path)
        self.broker = Broker(
            self.world, shared=rng.random() < 0.5, wild=rng.random() < 0.5, delay_s=rng.choice((0.02, 0.2, 2.0))
        )
        self.server = cast.server(self.world, stage.engine, stage.fuse, stage.path, stage.profiles)
        self.server.watch_committed = self.oracle.committed
        self.server.watch_jobs = self.oracle.jobs_done
        self.server.watch_crash = self.oracle.forget_store
        self.server.watch_backup = self.oracle.backed_up
        self.server.watch_restored = self.oracle.restored
        self.hosts = [cast.host(self.world, self.broker, self.server, n, stage.folder / f"g{n}.db") for n in (1, 2)]
        self.server.busy_s = rng.choice((0.05, 1.0, 3.0))
        self.server.pause_s = rng.choice((4.0, 10.0, 25.0))
        for host in self.hosts:
            host.lazy = rng.choice((2.0, 6.0, 10.0))
            host.store_delay_s = rng.choice((0.05, 2.0, 6.0))
            self.oracle.spools[host.name] = host.path
            host.watch_acknowledged = lambda topic, payload, name=host.name: self.oracle.acknowledged(
                name, topic, payload
            )
        self.boards = []
        for n in range(readers):
            self.boards.append(cast.board(self.world, self.broker, self.oracle, n, self._medium(n)))
        self.readers = readers
        self.comings = people.plan(self.world.chance("people"), self.campus, swipes)
        self.oracle.remains = self.remains
        self.faults, self.attacker, self.technician = Faults(self), Attacker(self), Technician(self)

    def _medium(self, number: int) -> QuickMedium | FlashMedium:
        chance = self.world.chance(f"storage/{number}")
        if number == 0 and themes.of(self.world.seed):
            # What a theme does to its door, it does to a medium that can be copied, rot and run full.
            return QuickMedium(chance, themes.CAPACITY)
        if chance.random() < 0.3:
            return FlashMedium(chance, chance.randint(4, 16))
        return QuickMedium(chance, chance.choice((10, 30, 4000, 4000)))

    def _lay_out(self) -> None:
        self.stage.engine.dispose()
        stores.lay_out(self.stage.path, self.stage.template)
        # Else where SQLite's WAL is carried over, and with it where a store dies, would hang on the seeds before.
        self.stage.engine.get_execution_options()["wal"].pages = 0
        for old in self.stage.folder.glob("g?.db*"):
            old.unlink()

    def remains(self, reader: str, journal: str, seq: int) -> bool:
        """Whether somebody still has this record, who would deliver it."""
        held = self.oracle.held.get((reader, journal))
        if held is not None and seq in held.seqs and (reader, journal, seq) not in self.oracle.declared:
            return True
        if any(board.name == reader and board.would_deliver(journal, seq) for board in self.boards):
            return True
        line = self.oracle.lines.get((reader, journal, seq), "")
        return any(host.keeps(reader, journal, seq, line) for host in self.hosts)

    def delete_spool(self, host: Host) -> None:
        self.oracle.forget_spool(host.name)
        host.delete_spool()
        self.world.rare("spool deleted")

    def add_clone(self, first: Board, medium: QuickMedium) -> None:
        clone = type(first)(self.world, self.broker, self.oracle, first.number, medium, "+clone")
        self.boards.append(clone)
        clone.start()
        self.oracle.cloned |= {first.name}
        self.world.rare("board cloned")

    def enrol(self, rng: random.Random) -> None:
        person, group = rng.randrange(campuses.PEOPLE), rng.randrange(campuses.GROUPS)
        if person not in self.campus.members[group] and self.server.backup is None:
            campuses.enrol(self.stage.path, self.campus, person, group, self.world.true_ms())
            self.world.rare("class list changed in the middle")

    def tap(self, person: int, reader: int) -> None:
        """Somebody comes to a door: one of its boards, where it was cloned."""
        there = [board for board in self.boards if board.number == reader]
        there[self._door.randrange(len(there))].tap(person)

    async def play(self) -> Outcome:
        began = time.process_time()
        self.server.start()
        for part in (*self.hosts, *self.boards):
            part.start()
        if self.night_s:
            self.loop.call_at(self.night_s, self._night)
        until_s = (self.campus.ends_ms - campuses.T0) / 1000
        self.faults.plan(self.night_s or until_s)
        self.attacker.plan(self.night_s or until_s)
        themes.plan(self, self.night_s or until_s)
        for at_s, person, reader in self.comings:
            self.loop.call_at(at_s, self.tap, person, reader)
        await asyncio.sleep(max(until_s, self.comings[-1][0]) + 30)
        healed_s = self.loop.time()
        self._heal()
        await self._drain(healed_s)
        drained_s = self.loop.time() - healed_s
        for board in self.boards:
            if board.is_on:
                board.note_refused()
        for host in self.hosts:
            host.note_counts()
        score = judge(self.oracle)
        score.wrong = self.world.wrong + score.wrong
        self.oracle.close()
        return Outcome(
            seed=self.world.seed,
            score=score,
            hash=self.world.trace.hash(),
            events=self.world.trace.events,
            virtual_s=self.loop.time(),
            cpu_s=time.process_time() - began,
            drained_s=drained_s,
            seen=dict(self.world.seen),
        )

    def _night(self) -> None:
        """Somebody turns off the power of the whole site until the morning."""
        self.world.rare("night: everything off")
        off_s = self.morning_s - self.loop.time()
        for part in (*self.boards, *self.hosts, self.server):
            part.asleep_until_s = self.morning_s + self.rng.uniform(0, 60)
            part.crash(off_s)
        self.broker.restart(keeps=True, seconds=off_s)

    def _heal(self) -> None:
        """From now on nothing more goes wrong. What is broken is repaired; nobody does anything else."""
        self.world.tell("all", "heals")
        self.world.crash_chance = 0.0
        for host in self.hosts:
            host.store_cut_up = host.store_cut_down = False
            host.broken_until_s = 0.0
            host.wrong_ms = 0
        for board in self.boards:
            if board.is_on and board.reader.journal.trouble == "storage":
                board.crash()
            board.watched.fault = board.watched.cut = None

    async def _drain(self, since_s: float) -> None:
        quiet = 0
        # A restored store hears of what it lost by heads, each minute: the third of them brings a new hello.
        while quiet < (10 if self.server.restores else 3):
            await asyncio.sleep(LOOK_S)
            self.technician.look()
            left = self._left()
            quiet = 0 if left else quiet + 1
            if self.loop.time() - since_s > DRAIN_S:
                self.world.fail(f"not drained after {DRAIN_S} s: {left}")
                return

    def _left(self) -> list[str]:
        """Who has something to do still: of the first that have, along the line."""
        return (
            [board.name for board in self.boards if not board.is_on or board.backlog()]
            or [host.name for host in self.hosts if not host.is_on or host.pending()]
            or (["jobs"] if self.oracle.anybody_due() else [])
        )


def play(
    stage: Stage, seed: int, *, swipes: int = 600, show: Callable[[str], None] | None = None, cast: Cast | None = None
) -> Outcome:
    """Play a seed in virtual time."""

    async def main() -> Outcome:
        return await Run(stage, seed, swipes, show, cast or Cast()).play()

    return loops.run(main())
