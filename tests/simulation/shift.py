"""One process's share of the seeds. A module of its own, so that a new process finds it by its name."""

import time
from typing import Any

from tests.simulation.play import Outcome, Stage, play


def work(first: int, step: int, swipes: int, until_s: float, found: Any) -> None:
    """One process: every `step`th seed."""
    with Stage() as stage:
        seed = first
        while time.monotonic() < until_s:
            found.put(_played(stage, seed, swipes))
            seed += step
    found.put(None)


def _played(stage: Stage, seed: int, swipes: int) -> Outcome | tuple[int, str]:
    try:
        return play(stage, seed, swipes=swipes)
    except Exception as error:  # noqa: BLE001  told with its seed, and the others go on
        return seed, f"{type(error).__name__}: {error}"
