"""What some seeds are about: one rare thing that chance alone would show once in a hundred seeds is made likely, by the
same faults and attacks as everywhere, at times at which they matter. Everything else happens in these seeds as well.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.simulation.storage import QuickMedium

if TYPE_CHECKING:
    from tests.simulation.play import Run

#: records in the storage of the first door in such a seed
CAPACITY = 14
#: a prime, so that a theme meets every turn of the other things that go by the seed's remainder
TURNS = 11


def of(seed: int) -> str | None:
    """This seed's theme: five of eleven have one."""
    turn = seed % TURNS
    return sorted(THEMES)[turn // 2] if turn % 2 else None


def plan(run: "Run", until_s: float) -> None:
    """Put the theme's events on the run's timetable."""
    name = of(run.world.seed)
    if name is not None:
        run.world.tell("theme", name)
        THEMES[name](run, until_s)


def _at(run: "Run", at_s: float, fault: str) -> None:
    run.loop.call_at(max(at_s, 10.0), run.faults.happens, fault)


def _full(run: "Run", until_s: float) -> None:
    """A door that holds few records is cut off for two lessons."""
    board = run.boards[0]
    run.loop.call_at(70, lambda: board.connection.cut(up=True, down=True, seconds=min(until_s, 420)))


def _joining(run: "Run", until_s: float) -> None:
    """People join groups before anything was backed up, while the doors are open."""
    for _ in range(4):
        _at(run, run.rng.uniform(10, 60), "class list changes")
    for _ in range(3):
        run.loop.call_at(run.rng.uniform(130, until_s), run.attacker.older)


def _rotten(run: "Run", until_s: float) -> None:
    """Records at the first door rot before they are delivered."""
    board = run.boards[0]
    if isinstance(board.medium, QuickMedium):
        for _ in range(2):
            run.loop.call_at(run.rng.uniform(70, until_s), run.faults.rot, board)


def _twins(run: "Run", until_s: float) -> None:
    """A board is cloned early, and both work on."""
    _at(run, run.rng.uniform(90, 150), "board cloned")


def _yesterday(run: "Run", until_s: float) -> None:
    """The store goes back to a backup that is old, a board is lost, and one gateway is away until its queue is full."""
    run.broker.queue_most = 25
    run.loop.call_at(90, lambda: run.hosts[0].crash(until_s * 0.5))
    for part in (0.7, 0.9):
        _at(run, until_s * part, "store restored")
    _at(run, until_s * 0.5, "board destroyed")


THEMES: dict[str, Callable[["Run", float], None]] = {
    "a full door": _full,
    "joining": _joining,
    "rotten records": _rotten,
    "twins": _twins,
    "yesterday's store": _yesterday,
}
