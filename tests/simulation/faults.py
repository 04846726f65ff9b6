"""What goes wrong, and when: drawn from the seed before the run begins. Nothing is spared but the truth."""

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.simulation.board import Board
from tests.simulation.storage import QuickMedium

if TYPE_CHECKING:
    from tests.simulation.play import Run

YEAR_MS = 365 * 24 * 3_600_000


class Faults:
    """The misfortunes of one run."""

    def __init__(self, run: "Run") -> None:
        self.run, self.world = run, run.world
        self.rng = self.world.chance("faults")
        #: name -> (weight, what happens)
        self.kinds: dict[str, tuple[int, Callable[[], None]]] = {
            "gateway killed": (3, lambda: self.host().crash()),
            "spool deleted": (1, lambda: self.run.delete_spool(self.host())),
            "spool disk fails": (2, self.spool_fails),
            "gateway cut off": (3, lambda: self.cut(self.host().connection)),
            "gateway's way to the store cut": (3, self.cut_store),
            "gateway's clock jumps": (2, self.gateway_clock),
            "broker restarts": (1, lambda: self.run.broker.restart(keeps=True, seconds=self.some_s())),
            "broker loses its state": (2, lambda: self.run.broker.restart(keeps=False, seconds=self.some_s())),
            "reader loses power": (3, lambda: self.board().crash()),
            "reader cut off": (4, lambda: self.cut(self.board().connection)),
            "reader's storage fails": (1, self.storage_fails),
            "store killed": (3, lambda: self.run.server.crash()),
            "store away for long": (1, lambda: self.run.server.crash(self.rng.uniform(60, 200))),
            "store restored": (2, self.restore),
            "power cut everywhere": (1, self.blackout),
            "record rots": (1, self.rot),
            "board cloned": (1, self.clone),
            "board destroyed": (1, self.destroy),
            "class list changes": (2, lambda: self.run.enrol(self.rng)),
        }

    def plan(self, until_s: float) -> None:
        """Draw them. Some runs are calm, some are not, and each has a few kinds of its own."""
        # A backup is taken each "night": early enough to be yesterday's when it is needed.
        self.world.loop.call_at(self.rng.uniform(20, until_s * 0.6), self.run.server.back_up)
        names = sorted(self.kinds)
        likely = self.rng.sample(names, self.rng.randint(3, len(names)))
        weights = [self.kinds[name][0] for name in likely]
        drawn = self.rng.choices(likely, weights, k=self.rng.choice((0, 3, 8, 15)))
        # One kind by turns, so that a few dozen seeds in a row have had them all.
        if self.world.seed % 8:
            drawn.append(names[self.world.seed % len(names)])
        for name in drawn:
            self.world.loop.call_at(self.rng.uniform(30, until_s), self.happens, name)
        self.world.crash_chance = (0, 0.001, 0.004)[self.world.seed % 3]

    def happens(self, name: str) -> None:
        self.world.tell("fault", name)
        self.world.rare(f"fault: {name}")
        self.kinds[name][1]()

    def some_s(self) -> float:
        return self.rng.choice((3, 20, 90)) * self.rng.uniform(0.5, 1.5)

    def host(self):
        return self.rng.choice(self.run.hosts)

    def board(self):
        return self.rng.choice(self.run.boards)

    def cut(self, connection) -> None:
        up = self.rng.random() < 0.7
        down = not up or self.rng.random() < 0.5
        if up != down:
            self.world.rare("cut one way only")
        connection.cut(up=up, down=down, seconds=self.some_s())

    def cut_store(self) -> None:
        host = self.host()
        up = self.rng.random() < 0.5
        host.store_cut_up, host.store_cut_down = up, not up

        def heal() -> None:
            host.store_cut_up = host.store_cut_down = False

        self.world.loop.call_later(self.some_s(), heal)

    def spool_fails(self) -> None:
        self.host().broken_until_s = self.world.loop.time() + self.some_s()

    def gateway_clock(self) -> None:
        step = self.rng.choice((0, 0, 60_000, -60_000, 3_600_000, -3_600_000, 10 * YEAR_MS, -30 * YEAR_MS))
        self.host().wrong_ms = step

    def storage_fails(self) -> None:
        board = self.board()
        board.watched.fault = self.rng.random() < 0.5
        # Final in that boot: a technician comes and restarts it.
        self.world.loop.call_later(self.rng.uniform(60, 200), board.crash)

    def restore(self) -> None:
        if self.run.server.backup is not None:
            self.run.server.restore()
            self.world.rare("store restored from a backup")

    def blackout(self) -> None:
        off_s = self.some_s()
        for part in (*self.run.boards, *self.run.hosts, self.run.server):
            part.crash(off_s * self.rng.uniform(1, 1.3))
        self.run.broker.restart(keeps=True, seconds=off_s)

    def rot(self, board: Board | None = None, tries: int = 4) -> None:
        """One record that the store does not have yet cannot be read any more. Where there is none, the door is cut off
        until there is."""
        board = board or self.rng.choice(
            [one for one in self.run.boards if isinstance(one.medium, QuickMedium)] or [None]
        )
        if board is None or not isinstance(board.medium, QuickMedium):
            return
        waiting = board.medium.waiting()
        if waiting:
            board.medium.unreadable.add(self.rng.choice(waiting[: max(1, len(waiting) - 1)]))
            self.world.rare("record on a reader's medium rotted")
        elif tries:
            board.connection.cut(up=True, down=True, seconds=60)
            self.world.loop.call_later(40, self.rot, board, tries - 1)

    def clone(self) -> None:
        """Somebody copies a board's medium, and puts the copy into a second board."""
        first = self.board()
        if not isinstance(first.medium, QuickMedium) or len(self.run.boards) > self.run.readers:
            return
        first.crash()
        medium = copy.copy(first.medium)
        medium.medium = copy.deepcopy(first.medium.medium)
        medium.shelf = type(first.medium.shelf)(medium.medium)
        medium.unreadable = set(first.medium.unreadable)
        medium.rng = self.world.chance("storage/clone")
        self.run.add_clone(first, medium)

    def destroy(self) -> None:
        """A board and its storage are gone; another with the same settings takes its place."""
        board = self.board()
        if len(self.run.boards) > self.run.readers:
            return
        board.crash()
        board.medium = QuickMedium(self.world.chance(f"storage/new/{self.world.loop.time()}"), 4000)
