"""The attacks on what writes to a Linux disk: each runs a subject's worker once for each point, and judges what is left.

A point is one call at which one thing happens. A point at which nothing could be made to happen is not counted.
"""

import contextlib
import dataclasses
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.power import disk, faulty, strace, subjects
from tests.power.subjects import Owed

SYNCS = ("fdatasync", "fsync")
#: an error that lasts so many calls more: long enough that what a part does after a failure fails as well
LASTS = 3
MEMORY = Path("/dev/shm")
NOBODY = 65534


class Subject(Protocol):
    """What is attacked. See subjects.py."""

    name: str
    promise: str

    def command(self, folder: Path, saboteur: str = "none", again: bool = False) -> list[str]: ...
    def prepare(self, folder: Path) -> None: ...
    def owed(self, folder: Path, said: list[str]) -> Owed: ...


@dataclass(kw_only=True)
class Row:
    """A line of the faults table: points tried, of how many, and what was lost, doubled, or is not as it must be."""

    kind: str
    points: int = 0
    of: int = 0
    lost: int = 0
    doubled: int = 0
    note: str = ""
    #: what was found, in words, a few of it
    found: list[str] = field(default_factory=list)

    def count(self, owed: Owed, where: str) -> None:
        """One point more."""
        self.points += 1
        self.lost += bool(owed.lost)
        self.doubled += bool(owed.doubled)
        if owed:
            self.found.append(f"{where}: {'; '.join([*owed.lost, *owed.doubled][:3])}")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is tried. most: points of a kind, None for all of them. user: whom the workers run as, None for us."""

    folder: Path
    seed: int
    most: int | None = None
    at_once: int = 2
    user: int | None = None

    def pick(self, points: list) -> list:
        """Some of the points, spread evenly, from a place that the seed decides."""
        if self.most is None or len(points) <= self.most:
            return points
        step = len(points) / self.most
        start = random.Random(self.seed).random() * step
        return [points[int(start + n * step)] for n in range(self.most)]

    def fresh(self, subject: Subject) -> Path:
        """A folder of its own with what stands there before."""
        folder = Path(tempfile.mkdtemp(dir=self.folder)) / "data"
        subject.prepare(folder)
        if self.user is not None:
            for path in (folder.parent, folder, *folder.rglob("*")):
                shutil.chown(path, self.user, self.user)
        return folder

    def each(self, points: list, one: Callable) -> Iterator:
        """`one(point)` for each, some at a time."""
        with ThreadPoolExecutor(self.at_once) as pool:
            yield from pool.map(one, points)


def run(plan: Plan, subject: Subject, folder: Path, saboteur: str, *options: str, again=False, bytes_too=False):
    """One run of the worker under strace."""
    command = subject.command(folder, saboteur, again)
    log = folder.parent / "trace"
    return strace.traced(command, folder, log, *options, bytes_too=bytes_too, user=plan.user)


def whole(plan: Plan, subject: Subject, saboteur: str = "none") -> strace.Run:
    """A run in which nothing happens, with all its bytes."""
    done = run(plan, subject, plan.fresh(subject), saboteur, f"-etrace={disk.CALLS}", bytes_too=True)
    if done.said[-1:] != ["done"]:
        raise RuntimeError(f"the worker does not run here: {done}")
    return done


def points_of(done: strace.Run, calls: tuple[str, ...]) -> list[tuple[str, int]]:
    """Each call by its name and number."""
    counts = strace.count(done.log)
    return [(call, n) for call in calls for n in range(1, counts[call] + 1)]


def judged(subject: Subject, folder: Path, said: list[str]) -> Owed:
    """What is owed; a part that does not even open owes that."""
    try:
        return subject.owed(folder, said)
    except Exception as error:  # noqa: BLE001  whatever it was, it is a finding and not the end of the attack
        return Owed(lost=[f"it does not open: {error!r}"])


def killed(plan: Plan, subject: Subject, saboteur: str = "none", calls: tuple[str, ...] = strace.CALLS) -> Row:
    """SIGKILL at every write, sync, rename, truncate and unlink; then it is opened again."""
    every = points_of(whole(plan, subject, saboteur), calls)
    row = Row(kind=f"{subject.name}: SIGKILL at every write, sync, rename, truncate, unlink", of=len(every))

    def one(point):
        call, n = point
        folder = plan.fresh(subject)
        done = run(plan, subject, folder, saboteur, f"-etrace={call}", f"-einject={call}:signal=KILL:when={n}")
        owed = judged(subject, folder, done.said) if "killed by SIGKILL" in done.log else None
        shutil.rmtree(folder.parent)
        return point, owed

    for point, owed in plan.each(plan.pick(every), one):
        if owed is not None:
            row.count(owed, f"{point[0]} {point[1]}")
    return row


def killed_again(plan: Plan, subject: Subject, saboteur: str = "none", twice: bool = True) -> Row:
    """SIGKILL at a sync, started again and killed at every call of that; then the power fails, and the cache is gone.

    twice: without the second SIGKILL the power fails after each promise of the second run.
    """
    first = points_of(whole(plan, subject, saboteur), ("fdatasync",))
    cut = first[len(first) // 2]
    traces = f"-etrace={disk.CALLS}"

    def begun(folder: Path, point: tuple[str, int]) -> tuple[strace.Run, disk.Disk]:
        before = _content(folder)
        done = run(
            plan, subject, folder, saboteur, traces, f"-einject={point[0]}:signal=KILL:when={point[1]}", bytes_too=True
        )
        return done, _played(done, disk.Disk(folder, before))

    if not twice:
        row = Row(kind=f"{subject.name}: SIGKILL at every sync, restart, power cut after each promise", of=len(first))

        def promised(point):
            folder = plan.fresh(subject)
            _, there = begun(folder, point)
            second = run(plan, subject, folder, saboteur, traces, again=True, bytes_too=True)
            shutil.rmtree(folder.parent)
            return point, _first_loss(subject, second, there, plan.seed)

        for point, owed in plan.each(plan.pick(first), promised):
            row.count(owed, f"{point[0]} {point[1]}")
        return row

    folder = plan.fresh(subject)
    begun(folder, cut)
    after = run(plan, subject, folder, saboteur, traces, again=True, bytes_too=True)
    every = points_of(after, strace.CALLS)
    # Recovery stands at the beginning: what comes before the second promise of the run.
    row = Row(kind=f"{subject.name}: SIGKILL, and again at every call of the restart, then a power cut", of=len(every))

    def one(point):
        call, n = point
        folder = plan.fresh(subject)
        _, there = begun(folder, cut)
        done = run(
            plan, subject, folder, saboteur, traces, f"-einject={call}:signal=KILL:when={n}", again=True, bytes_too=True
        )
        there = _played(done, there)
        owed = judged(subject, folder, there.said)
        left = _judge_left(subject, there, "none", plan.seed)
        shutil.rmtree(folder.parent)
        return point, Owed(lost=owed.lost + left.lost, doubled=owed.doubled + left.doubled)

    for point, owed in plan.each(plan.pick(every), one):
        row.count(owed, f"{point[0]} {point[1]}")
    return row


def refused(
    plan: Plan, subject: Subject, error: str, calls: tuple[str, ...], saboteur: str = "none", lasting: bool = False
) -> Row:
    """An error at every one of these calls. Where it is a sync's, the power fails after each promise that follows:
    what a failed sync dropped is not on the disk, whatever a later one says."""
    every = points_of(whole(plan, subject, saboteur), calls)
    what = "sync" if calls == SYNCS else "write" if calls == ("pwrite64",) else ", ".join(calls)
    often = f", {LASTS + 1} times running" if lasting else ""
    then = "; then a power cut after each promise" if calls == SYNCS else ""
    row = Row(kind=f"{subject.name}: {error} at every {what}{often}{then}", of=len(every))
    exact = calls == SYNCS

    def one(point):
        call, n = point
        folder = plan.fresh(subject)
        before = _content(folder) if exact else {}
        when = f"{n}..{n + LASTS}" if lasting else str(n)
        traces = f"-etrace={disk.CALLS if exact else call}"
        inject = f"-einject={call}:error={error}:when={when}"
        done = run(plan, subject, folder, saboteur, traces, inject, bytes_too=exact)
        if "(INJECTED)" not in done.log:
            shutil.rmtree(folder.parent)
            return point, None
        owed = judged(subject, folder, done.said)
        if "Traceback" in done.errors:
            owed.lost.append(f"it broke: {done.errors.strip().splitlines()[-1][:120]}")
        if exact:
            owed.lost += _first_loss(subject, done, disk.Disk(folder, before), plan.seed).lost
        shutil.rmtree(folder.parent)
        return point, owed

    for point, owed in plan.each(plan.pick(every), one):
        if owed is not None:
            row.count(owed, f"{point[0]} {point[1]}")
    return row


def unwell(plan: Plan, store: Subject, saboteur: str = "none") -> Row:
    """EIO at every sync with which the store's WAL is carried over: said, and the power cuts after it cost nothing."""
    syncs, promises = [], 0
    for call in disk.calls(whole(plan, store, saboteur).log):
        promises += call.name == "write" and b"receipt" in call.strings()[-1]
        if call.name == "fdatasync":
            syncs.append((call.path(), promises))
    # SQLite syncs the WAL first, and the database last. What is closed at the end has nobody to tell.
    database = [n for n, (path, told) in enumerate(syncs, 1) if path.endswith(".db") and 0 < told < promises]
    every = sorted({*database, *(n - 1 for n in database)})
    row = Row(kind=f"{store.name}: EIO at every sync of a checkpoint; said, then a power cut after each promise")
    row.of = len(every)

    def one(n):
        folder = plan.fresh(store)
        start = _content(folder)
        inject = f"-einject=fdatasync:error=EIO:when={n}"
        done = run(plan, store, folder, saboteur, f"-etrace={disk.CALLS}", inject, bytes_too=True)
        owed = judged(store, folder, done.said)
        if not any(line.startswith(("unwell", "error")) for line in done.said):
            owed.lost.append("the disk failed, and nobody heard")
        owed.lost += _first_loss(store, done, disk.Disk(folder, start), plan.seed).lost
        shutil.rmtree(folder.parent)
        return n, owed

    for n, owed in plan.each(plan.pick(every), one):
        row.count(owed, f"fdatasync {n}")
    return row


def cut(plan: Plan, subject: Subject, saboteur: str = "none") -> Row:
    """A power cut after every call of a run, with none, some and all of what was not synced yet."""
    folder = plan.fresh(subject)
    there = disk.Disk(folder, _content(folder))
    done = run(plan, subject, folder, saboteur, f"-etrace={disk.CALLS}", bytes_too=True)
    calls = list(disk.calls(done.log))
    scout = disk.Disk(folder, _content(folder))
    every = [
        (place, manner)
        for place, call in enumerate(calls)
        if scout.play(call)
        for manner in (disk.MANNERS if scout.waits() else ("none",))
    ]
    chosen = set(plan.pick(every))
    row = Row(kind=f"{subject.name}: power cut after every call, unsynced bytes gone, torn or there", of=len(every))
    for place, call in enumerate(calls):
        there.play(call)
        for manner in disk.MANNERS:
            if (place, manner) in chosen:
                row.count(_judge_left(subject, there, manner, plan.seed + place), f"{manner} after call {place}")
    shutil.rmtree(folder.parent)
    return row


def short(plan: Plan, subject: Subject, how: str, saboteur: str = "none") -> Row:
    """Every write takes the first half of its bytes only. how: as FAULTY_HOW in faulty.c."""
    library = faulty.built(plan.folder)
    said = {
        "short": "goes on",
        "short-28": "then the disk is full",
        "short-5": "then EIO",
        "short-kill": "then SIGKILL",
    }
    every: list[tuple[str, int]] = []
    for call in ("pwrite64", "write"):
        folder = plan.fresh(subject)
        log = folder.parent / "calls"
        faulty.run(
            subject.command(folder, saboteur), faulty.environment(library, folder, call=call, at=-1, how=how, log=log)
        )
        every += [(call, n + 1) for n in range(len(log.read_text().splitlines()) if log.exists() else 0)]
        shutil.rmtree(folder.parent)
    row = Row(kind=f"{subject.name}: short write at every write, {said[how]}", of=len(every))

    def one(point):
        call, n = point
        folder = plan.fresh(subject)
        environment = faulty.environment(library, folder, call=call, at=n, how=how)
        _, lines, errors = faulty.run(subject.command(folder, saboteur), environment)
        owed = judged(subject, folder, lines)
        if "Traceback" in errors:
            owed.lost.append(f"it broke: {errors.strip().splitlines()[-1][:120]}")
        shutil.rmtree(folder.parent)
        return point, owed

    for point, owed in plan.each(plan.pick(every), one):
        row.count(owed, f"{point[0]} {point[1]}")
    return row


def python_of_nobody() -> str | None:
    """An interpreter that NOBODY may run, and read this repository with; None where there is none, or we are not root.

    Root's own may stand in a folder that is root's alone.
    """
    needed = "import sys, sqlite3; assert sys.version_info >= (3, 11); open(sys.argv[1]).close()"
    for python in (sys.executable, "/usr/local/bin/python3", "/usr/bin/python3") if os.geteuid() == 0 else ():
        command = [python, "-I", "-S", "-c", needed, str(subjects.REPO / "muster.py")]
        with contextlib.suppress(OSError):
            done = subprocess.run(command, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True)
            if done.returncode == 0:
                return python
    return None


@contextlib.contextmanager
def unprivileged(plan: Plan) -> Iterator[Plan]:
    """The same plan, with workers that are not root, in a folder that they may enter."""
    with tempfile.TemporaryDirectory(prefix="muster-power-") as folder:
        Path(folder).chmod(0o711)
        yield dataclasses.replace(plan, user=NOBODY, folder=Path(folder))


def as_nobody(plan: Plan, subject: Subject) -> Row:
    """The kills and the failing syncs once more, with a worker that is not root."""
    with unprivileged(plan) as own:
        rows = [killed(own, subject), refused(own, subject, "EIO", SYNCS)]
    row = Row(kind=f"{subject.name}: not as root: SIGKILL at every call, EIO at every sync and a power cut")
    for one in rows:
        row.points, row.of, row.lost = row.points + one.points, row.of + one.of, row.lost + one.lost
        row.doubled += one.doubled
        row.found += one.found
    return row


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def _played(done: strace.Run, there: disk.Disk) -> disk.Disk:
    for call in disk.calls(done.log):
        there.play(call)
    return there


def _judge_left(subject: Subject, there: disk.Disk, manner: str, seed: int) -> Owed:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        for name, content in there.left(manner, random.Random(seed)).items():
            (Path(folder) / name).write_bytes(content)
        return judged(subject, Path(folder), there.said)


def _first_loss(subject: Subject, done: strace.Run, there: disk.Disk, seed: int) -> Owed:
    """What a power cut right after a promise costs: the first that costs anything."""
    promises = 0
    for call in disk.calls(done.log):
        there.play(call)
        if call.name == "write" and call.arguments.startswith("1<"):
            promises += 1
            # Each of the first ones, in which the fault is, and then every fifth.
            if promises < 12 or promises % 5 == 0 or there.said[-1] == "done":
                owed = _judge_left(subject, there, "none", seed)
                if owed:
                    return owed
    return Owed()
