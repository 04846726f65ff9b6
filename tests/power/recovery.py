"""A fault that lasts and then ends: nothing is promised meanwhile, and within ten seconds of its end all goes on.

By itself, as the process runs: `muster pi run` with an emulated chip, and the gateway's tasks on the real spool.
"""

import errno
import json
import queue
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from firmware.pi.journal import SqliteJournal
from firmware.reader.errors import StorageFull
from tests.firmware.pi.pi_world import World
from tests.firmware.pi.tiny_store import settings
from tests.power import faulty
from tests.power.attack import Plan, Row
from tests.power.subjects import HERE, REPO

#: what the issue allows
LIMIT_S = 10.0
#: how long anything that must come is waited for: a loaded machine is slow
PATIENCE_S = 60.0
#: what lasts, and is taken away: (call, how)
FAULTS = (
    ("fdatasync", str(errno.EIO)),
    ("pwrite64", str(errno.ENOSPC)),
    ("any", str(errno.EIO)),
    ("any", str(errno.ENOSPC)),
    ("pwrite64", f"short-{errno.ENOSPC}"),
)
#: seconds for which it lasts
LASTS_S = 3.0


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """How long it took from the fault's end, s, and what was wrong."""

    took_s: float
    wrong: list[str]


class Lines:
    """A process's standard output with the time of each line; ended with `with`."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, cwd=REPO,
        )  # fmt: skip
        self.all: list[tuple[float, str]] = []
        self._new: queue.Queue[tuple[float, str]] = queue.Queue()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.all.append((time.monotonic(), line.strip()))
            self._new.put(self.all[-1])

    def since(self, at_s: float) -> list[str]:
        """Lines that came after then."""
        return [line for when, line in list(self.all) if when > at_s]

    def wait(self, what: Callable[[str], bool], since_s: float = 0.0) -> float:
        """When the first such line came after then. Raises TimeoutError."""
        deadline = time.monotonic() + PATIENCE_S
        seen = 0
        while True:
            lines = self.all[seen:]
            seen += len(lines)
            for when, line in lines:
                if when > since_s and what(line):
                    return when
            if time.monotonic() > deadline or (self.process.poll() is not None and not lines):
                raise TimeoutError(f"it did not come: {self.all[-3:]}")
            try:
                self._new.get(timeout=0.2)
            except queue.Empty:
                continue

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()
        self._thread.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def place(plan: Plan):
    """(folder of the data, the fault's file) in a folder of their own."""
    with tempfile.TemporaryDirectory(dir=plan.folder) as folder:
        data = Path(folder) / "data"
        data.mkdir()
        yield data, Path(folder) / "fault"


def gateway(plan: Plan, call: str, how: str) -> Recovered:
    """The gateway's intake: no acknowledgement while the fault lasts, and again after it."""
    with place(plan) as (data, fault), ExitStack() as after:
        library = faulty.built(plan.folder)
        Path(f"{data}.run").touch()
        environment = faulty.environment(library, data, call=call, at=0, how=how, during=fault)
        command = [sys.executable, "-B", str(HERE / "gateway_worker.py"), str(REPO), str(data)]
        lines = Lines(command, environment)
        after.callback(lines.end)
        wrong = []
        lines.wait(lambda line: line == "acked 5")
        fault.touch()
        began_s = time.monotonic()
        time.sleep(0.5)  # what was under way is done by now
        lines_before = len(lines.all)
        while time.monotonic() < began_s + LASTS_S:
            time.sleep(0.1)
        if len(lines.all) > lines_before:
            wrong.append(f"{len(lines.all) - lines_before} acknowledged while the spool could not be written")
        ended_s = time.monotonic()
        fault.unlink()
        took_s = lines.wait(lambda line: line.startswith("acked"), ended_s) - ended_s
        last = int(lines.all[-1][1].split(" ")[1])
        lines.wait(lambda line: line == f"acked {last + 20}")
        lines.end()
        wrong += _missing(data, [line for _, line in lines.all])
        return Recovered(took_s=took_s, wrong=wrong)


def _missing(data: Path, said: list[str]) -> list[str]:
    with closing(sqlite3.connect(data / "spool.sqlite")) as database:
        (kept,) = database.execute("SELECT count(*) FROM spool").fetchone()
    return [f"{len(said)} were acknowledged and {kept} are kept"] if kept < len(said) else []


def pi(plan: Plan, call: str, how: str) -> Recovered:
    """The reader on a Pi: red while the fault lasts, blue after it, and the next card is stored."""
    with place(plan) as (data, fault), ExitStack() as after:
        library = faulty.built(plan.folder)
        config = data.parent / "settings.json"
        config.write_text(json.dumps(settings(1)))  # no broker there: cards are taken all the same
        world = World()
        after.callback(world.close)
        environment = faulty.environment(library, data, call=call, at=0, how=how, during=fault)
        command = [sys.executable, str(REPO / "muster.py"), "pi", "run", "--settings", str(config), "--data", str(data)]
        lines = Lines([*command, "--chip", str(world.port.path), "--mock-pins"], environment)
        after.callback(lines.end)
        wrong = []

        def shows(line: str, red: bool) -> bool:
            lamp = json.loads(line).get("lamp", (0, 0, 0))
            return bool(lamp[0]) and not lamp[2] if red else bool(lamp[2]) and not lamp[0]

        def stored(uid: int, since_s: float) -> float:
            # The double flash: at once to full blue, which the slow breathing only reaches by steps.
            world.card_in(bytes([4, uid, 1, 2, 3, 4, 5]))
            at_s = lines.wait(lambda line: shows(line, False), since_s)
            time.sleep(1.0)
            world.card_out()
            time.sleep(0.3)
            return at_s

        ready_s = lines.wait(lambda line: shows(line, False))
        stored(1, ready_s)
        fault.touch()
        world.card_in(bytes([4, 2, 1, 2, 3, 4, 5]))
        red_s = lines.wait(lambda line: shows(line, True), time.monotonic())
        time.sleep(0.5)
        world.card_out()
        while time.monotonic() < red_s + LASTS_S:
            time.sleep(0.1)
        if any(shows(line, False) for line in lines.since(red_s)):
            wrong.append("blue or a double flash while the journal could not be written")
        ended_s = time.monotonic()
        fault.unlink()
        took_s = lines.wait(lambda line: shows(line, False), ended_s) - ended_s
        stored(3, ended_s + took_s)
        lines.end()
        journal = SqliteJournal(data)
        try:
            text = "".join(line for h in journal.journals() for line in journal.read(h.journal, 0, 100))
            swipes = text.count("|swipe|")
        finally:
            journal.close()
        if not 2 <= swipes <= 3:
            wrong.append(f"two cards were answered and {swipes} swipes are kept")
        return Recovered(took_s=took_s, wrong=wrong)


def recovered(plan: Plan, name: str, one: Callable[[Plan, str, str], Recovered]) -> Row:
    """Every fault of FAULTS, or some."""
    row = Row(kind=f"{name}: a fault of {LASTS_S:g} s; silent meanwhile, well within {LIMIT_S:g} s", of=len(FAULTS))
    chosen = FAULTS if plan.most is None else FAULTS[:2]
    longest = 0.0
    for (call, how), got in zip(chosen, plan.each(list(chosen), lambda fault: one(plan, *fault)), strict=True):
        longest = max(longest, got.took_s)
        if got.took_s > LIMIT_S:
            got.wrong.append(f"{got.took_s:.1f} s")
        row.points += 1
        row.lost += bool(got.wrong)
        row.found += [f"{call} {how}: {wrong}" for wrong in got.wrong]
    row.note = f"longest {longest:.1f} s"
    return row


def full_pi(plan: Plan) -> Row:
    """The Pi's journal, filled to its capacity and tapped on: refused, and nothing overwritten."""
    row = Row(kind="Pi journal: full, and tapped on; nothing overwritten")
    capacity = 300
    with place(plan) as (data, _):
        journal = SqliteJournal(data, capacity=capacity)
        lines, refused = [], 0
        for _ in range(capacity + 50):
            try:
                journal.append("a" * 16, len(lines), f"1|swipe|{len(lines)}", bytes(16))
                lines.append(f"1|swipe|{len(lines)}|{'00' * 16}")
            except StorageFull:
                refused += 1
                journal.idle()
        journal.close()
        again = SqliteJournal(data, capacity=capacity)
        if again.read("a" * 16, 0, 1000) != lines or len(lines) != capacity or refused != 50:
            row.lost = 1
            row.found.append(f"{len(lines)} kept, {refused} refused, {len(again.read('a' * 16, 0, 1000))} there")
        again.free("a" * 16, 9)
        again.append("a" * 16, capacity, "1|swipe|next", bytes(16))
        again.close()
    row.points = row.of = capacity
    row.note = f"{capacity} records, 50 taps refused; a receipt makes room"
    return row
