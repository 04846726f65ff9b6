"""One process's share of the seeds. A module of its own, so that a new process finds it by its name."""

import gc
import multiprocessing
import time
from typing import Any

from tests.simulation.play import Outcome, Stage, play
from tests.simulation.scratch import end_well

#: what a seed leaves in rings is a few MB: it is looked for once in so many
LOOKED_EACH = 8


def work(number: int, turn: Any, swipes: int, until_s: float, found: Any) -> None:
    """One process: seeds by turns with the others, until the time is up. turn: the next seed, shared by all. It says
    which seed it begins, how that ended, and None when it is done."""
    end_well()
    parent = multiprocessing.parent_process()
    with Stage() as stage:
        # What came of the imports is not looked through again and again; between seeds there is time to look.
        gc.collect()
        gc.freeze()
        gc.disable()
        while time.monotonic() < until_s and (parent is None or parent.is_alive()):
            with turn.get_lock():
                seed = turn.value
                turn.value += 1
            found.put((number, seed))
            found.put((number, _played(stage, seed, swipes)))
            if seed % LOOKED_EACH == 0:
                gc.collect()
    found.put((number, None))


def _played(stage: Stage, seed: int, swipes: int) -> Outcome | tuple[int, str]:
    try:
        return play(stage, seed, swipes=swipes)
    except Exception as error:  # noqa: BLE001  told with its seed, and the others go on
        return seed, f"{type(error).__name__}: {error}"
