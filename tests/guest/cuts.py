"""Power cuts, one after the other on one disk: each guest recovers what the one before left, then writes till its cut.

After CHAIN cuts the disk is a new one, so that the making of journal and spool is attacked as well. The last guest of a
disk only looks. Where the cuts fall is drawn from the seed; what the guest has done by then is not the seed's.

`run` cuts the power. `kill` is what it is measured by: there the processes are killed and the kernel lives on.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.guest.owed import DoorOwed, GateOwed
from tests.guest.power import Guest, GuestFailed, Machine, machine

#: cuts on one disk
CHAIN = 5
#: every so many cuts one falls while the disk is mounted and the journal and the spool recover
RECOVERING_EACH, RECOVERING_AT = 4, 2
RECOVERING_S = (0.0, 0.8)
#: every so many cuts the write-ahead logs are not carried over, so that only each commit's sync keeps what it holds
LATE_EACH, LATE_AT = 2, 1
#: what a boot of each mode ends by
NAMES = {"write": "cut", "killed": "killed"}
#: seconds of writing
WRITING_S = (0.05, 2.5)
#: a control writes at least so many greens and acknowledgements before its cut, which are enough to lose, and comes
#: not near CHECKPOINT_AT_LAST, where the journal syncs whatever it is told
CONTROL_GREENS, CONTROL_ACKS, CONTROL_S = 80, 10, (0.0, 0.3)


@dataclass
class Outcome:
    """What some cuts have shown."""

    door: DoorOwed
    gate: GateOwed
    cuts: int = 0
    #: of them, those that fell while something recovered
    recovering: int = 0
    boots: int = 0
    #: boots in which ext4 had to replay its journal
    replays: int = 0
    #: seconds of each boot, from its start to its cut
    seconds: list[float] = field(default_factory=list)

    @property
    def broken(self) -> list[str]:
        """Every rule that did not hold."""
        return [*self.door.broken, *self.gate.broken]


def run(
    program: str, *, cuts: int, seed: int, synchronous: str = "FULL", report: Callable[[str], None] = lambda text: None
) -> Outcome:
    """Cut so often, recover and judge each time. `synchronous`: other than FULL for a control. Raises GuestFailed."""
    rng = random.Random(f"{seed}-{synchronous}")
    total = Outcome(DoorOwed(), GateOwed())
    while total.cuts < cuts:
        with machine(program) as disk:
            one = Chain(disk, rng, total, synchronous, report)
            one.run(min(CHAIN, cuts - total.cuts))
    return total


def kill(program: str, *, seed: int, synchronous: str, report: Callable[[str], None] = lambda text: None) -> Outcome:
    """Kill the processes once instead of cutting the power. Raises GuestFailed."""
    total = Outcome(DoorOwed(), GateOwed())
    with machine(program) as disk:
        Chain(disk, random.Random(f"{seed}-kill"), total, synchronous, report).kill()
    return total


class Chain:
    """Cuts on one disk."""

    def __init__(
        self, disk: Machine, rng: random.Random, total: Outcome, synchronous: str, report: Callable[[str], None]
    ) -> None:
        self._disk = disk
        self._rng = rng
        self._total = total
        self._synchronous = synchronous
        self._report = report
        total.door.new_disk()
        total.gate.new_disk()

    def run(self, cuts: int) -> None:
        """So many cuts, and the look at the end."""
        for _ in range(cuts):
            self._total.cuts += 1
            control = self._synchronous != "FULL"
            recovering = not control and self._total.cuts % RECOVERING_EACH == RECOVERING_AT
            self._total.recovering += recovering
            late = control or self._total.cuts % LATE_EACH == LATE_AT
            self._boot("write", self._cut_recovering if recovering else self._cut_writing, late)
        self._boot("look", lambda guest: guest.wait(_has("guest done")))

    def kill(self) -> None:
        """Kill reader and gateway in a guest whose kernel lives on, and look."""
        self._total.cuts += 1
        self._boot("killed", self._kill_writing, True)

    def _boot(self, mode: str, until: Callable[[Guest], None], late: bool = False) -> None:
        began = time.monotonic()
        checkpoints = "late" if late else "usual"
        with self._disk.boot(str(self._rng.randrange(1 << 60)), mode, self._synchronous, checkpoints) as guest:
            until(guest)
            said = guest.cut()
        self._total.boots += 1
        self._total.seconds.append(time.monotonic() - began)
        self._total.door.boot()
        self._total.gate.boot()
        for line in said:
            self._hear(line)
        door, gate = self._total.door, self._total.gate
        self._report(
            f"  {'looked' if mode == 'look' else f'{NAMES[mode]} {self._total.cuts}':8} {self._total.seconds[-1]:5.1f} s"
            f"  greens {door.said:6}  acks {gate.said:6}  lost {door.lost + door.rosters_lost + gate.lost:4}"
            f"  {'while recovering' if until == self._cut_recovering else ''}".rstrip()
        )

    def _hear(self, line: str) -> None:
        part, *words = line.split()
        if part == "door":
            self._total.door.hear(words)
        elif part == "gate":
            self._total.gate.hear(words)
        elif line == "guest killed":
            self._total.door.boot()
            self._total.gate.boot()
        elif line == "guest mounted replayed":
            self._total.replays += 1
        elif line == "guest disk-damaged":
            self._total.door.broken.append("the guest's ext4 is damaged")

    def _cut_recovering(self, guest: Guest) -> None:
        guest.wait(_has("guest mounting"))
        guest.listen(self._rng.uniform(*RECOVERING_S))

    def _cut_writing(self, guest: Guest) -> None:
        control = self._synchronous != "FULL"
        guest.wait(_has("door green", CONTROL_GREENS if control else 1))
        guest.wait(_has("gate acked", CONTROL_ACKS if control else 1))
        guest.listen(self._rng.uniform(*(CONTROL_S if control else WRITING_S)))

    def _kill_writing(self, guest: Guest) -> None:
        self._cut_writing(guest)
        self._disk.order.touch()
        guest.wait(_has("guest done"))


def _has(words: str, least: int = 1) -> Callable[[list[str]], bool]:
    return lambda said: sum(line.startswith(words) for line in said) >= least


__all__ = ["CHAIN", "GuestFailed", "Outcome", "kill", "run"]
