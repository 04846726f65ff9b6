"""The soak's side of its corridors: starts their processes, gives orders, and keeps what people saw."""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.processes import ROOT, PartFailed, tail
from tests.soak.door import Hold
from tests.soak.lan import Wire

#: a hold may be long, and so may a line of them
LINE_MOST = 1 << 20
END_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Doors:
    """What one corridor is told of its doors, and the wire it is at."""

    wire: Wire
    doors: list[dict[str, Any]]


class Corridors:
    """All corridors. A door's number counts through them in their order."""

    def __init__(self, groups: list[Doors], *, built: Path, gap_s: float, folder: Path, logs: Path) -> None:
        self._groups = groups
        self._folder = folder
        self._logs = logs
        self._orders = {"built": str(built), "gap_s": gap_s}
        self._processes: list[asyncio.subprocess.Process] = []
        self._listening: list[asyncio.Task[None]] = []
        # For whoever looks into a failed run: every hold as it was told.
        self._diary = (logs / "holds.jsonl").open("wb")
        self._stopped = 0
        self._open = 0
        #: readers' names by door
        self.names: list[str] = [d["name"] for g in groups for d in g.doors]
        #: (door, UID in hex, what was seen), in order of arrival
        self.holds: list[tuple[int, str, Hold]] = []
        #: how often a board's power failed by itself, in the middle of a flash operation
        self.fell = 0
        #: readers whose lamps did not come back after the last fault
        self.broken: list[str] = []

    async def start(self) -> None:
        """Start every process; their boards get power."""
        first = 0
        for n, group in enumerate(self._groups, 1):
            path = self._folder / f"corridor-{n}.json"
            path.write_text(json.dumps({**self._orders, "first": first, "doors": group.doors}))
            first += len(group.doors)
            with (self._logs / f"corridor-{n}.log").open("ab") as log:
                process = await asyncio.create_subprocess_exec(
                    *group.wire.enter, sys.executable, "-m", "tests.soak.corridor", "--orders", str(path),
                    stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log, cwd=ROOT,
                    start_new_session=True, limit=LINE_MOST,
                )  # fmt: skip
            self._processes.append(process)
            self._listening.append(asyncio.create_task(self._listen(process), name=f"corridor {n}"))

    async def wait_open(self, timeout_s: float) -> None:
        """Wait until every door has been seen open once. Raises PartFailed."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while self._open < len(self.names):
            self.ensure()
            if asyncio.get_running_loop().time() > deadline:
                raise PartFailed(f"{len(self.names) - self._open} doors did not open within {timeout_s:.0f} s")
            await asyncio.sleep(0.05)

    def power(self, door: int, off_s: float, cut: str = "") -> None:
        """SIGKILL a reader, and give it power again after `off_s`. cut: where its flash fails then (rp2.py)."""
        for process, group in zip(self._processes, self._groups, strict=True):
            if door < len(group.doors):
                return self._order(process, {"do": "power", "door": door, "off_s": off_s, "cut": cut})
            door -= len(group.doors)
        raise IndexError(door)

    async def stop(self, timeout_s: float = 120) -> None:
        """Nobody comes any more; returns when the last card is away."""
        for process in self._processes:
            self._order(process, {"do": "stop"})
        deadline = asyncio.get_running_loop().time() + timeout_s
        while self._stopped < len(self._processes):
            self.ensure()
            if asyncio.get_running_loop().time() > deadline:
                raise PartFailed("a corridor does not stop")
            await asyncio.sleep(0.02)

    def ensure(self) -> None:
        """Raises PartFailed if a corridor has ended."""
        for n, process in enumerate(self._processes, 1):
            if process.returncode is not None:
                raise PartFailed(f"corridor {n} ended: {tail(self._logs / f'corridor-{n}.log')}")

    async def close(self) -> None:
        """End them with all their boards."""
        for process in self._processes:
            if process.stdin is not None:
                process.stdin.close()
        for process in self._processes:
            try:
                await asyncio.wait_for(process.wait(), END_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        for task in self._listening:
            task.cancel()
        await asyncio.gather(*self._listening, return_exceptions=True)
        self._diary.close()

    def _order(self, process: asyncio.subprocess.Process, order: dict[str, Any]) -> None:
        if process.stdin is not None and process.returncode is None:
            process.stdin.write(json.dumps(order).encode() + b"\n")

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            what, *more = json.loads(line)
            if what == "hold":
                self._diary.write(line)
                door, uid, in_ms, lit_ms, out_ms, light = more
                self.holds.append((door, uid, Hold(in_ms=in_ms, lit_ms=lit_ms, out_ms=out_ms, light=light)))
            elif what == "open":
                self._open += 1
            elif what == "fell":
                self.fell += 1
            elif what == "stopped":
                self._stopped += 1
                self.broken += more[0]
