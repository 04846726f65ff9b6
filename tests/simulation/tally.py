"""What all seeds of one run of the program gave together: counts, failures, and the rows of the proof's page."""

from collections import Counter, defaultdict
from typing import Any

from tests.simulation import rare
from tests.simulation.play import Outcome

SCORES = ("taps", "greens", "lost", "doubled", "miscredited", "review", "destroyed", "absent", "credited")
HARMS = ("lost", "doubled", "miscredited")
#: rare things that are faults by themselves: a part dies at a point in its own code
DEATHS = (
    "gateway killed before it began to write",
    "gateway killed before it committed",
    "gateway killed between commit and acknowledgement",
    "store killed in a delivery",
    "store killed in a job",
    "store killed between commit and reply",
    "reader loses power between tap and light",
    "night: everything off",
    "message doubled",
    "message overtaken",
)
INJECTED = (*(f"fault: {name}" for name in rare.FAULTS), *(f"attack: {name}" for name in rare.ATTACKS), *DEATHS)


class Tally:
    """Counts outcomes."""

    def __init__(self) -> None:
        self.total: Counter[str] = Counter()
        #: rare thing -> how often
        self.seen: Counter[str] = Counter()
        #: (seed, what was wrong)
        self.failed: list[tuple[int, list[str]]] = []
        self._seeds: Counter[str] = Counter()
        self._harm: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def count(self, one: Outcome) -> None:
        """A seed was played to its end."""
        for name in SCORES:
            self.total[name] += getattr(one.score, name)
        self.total["seeds"] += 1
        self.total["events"] += one.events
        self.total["virtual_s"] += round(one.virtual_s)
        self.total["cpu_ms"] += round(one.cpu_s * 1000)
        self.seen.update(one.seen)
        for kind in INJECTED:
            if one.seen.get(kind):
                self._seeds[kind] += 1
                self._harm[kind].update({name: getattr(one.score, name) for name in HARMS})
        if one.score.wrong:
            self.fails(one.seed, one.score.wrong)

    def fails(self, seed: int, wrong: list[str]) -> None:
        """A seed found something wrong, or could not be played."""
        self.failed.append((seed, wrong))
        print(f"seed {seed} failed: {wrong[0]}", flush=True)

    def rows(self, missing: list[str]) -> list[dict[str, Any]]:
        """One row for each kind of fault: how often it was injected, and what was lost in seeds in which it was; and
        one for everything."""
        note = f"{self.total['seeds']} seeds, {self.total['taps']} swipes; failed: {[seed for seed, _ in self.failed]}"
        note += f"; never seen: {missing}" if missing else ""
        points = sum(self.seen.get(kind, 0) for kind in INJECTED)
        found = [_row("every fault of the simulation", points, self.total, note)]
        for kind in INJECTED:
            note = f"in {self._seeds[kind]} seeds"
            found.append(_row(kind.removeprefix("fault: "), self.seen.get(kind, 0), self._harm[kind], note))
        return found


def _row(kind: str, points: int, harm: Counter[str], note: str) -> dict[str, Any]:
    return {"kind": kind, "points": points, **{name: harm[name] for name in HARMS}, "note": note}
