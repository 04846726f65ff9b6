"""The machine that measures: how busy it is, and what its processes take."""

import os
import resource
import threading
import time
from pathlib import Path

#: words of a command line -> what the process is; the first that fits
NAMES = (
    ("server run", "store"),
    ("gateway run", "gateway"),
    ("simulator.runner.light", "light readers"),
    ("simulator.broker", "iotcore"),
    ("mosquitto", "mosquitto"),
    ("postgres", "postgresql"),
    ("tests.bench.floor", "bare subscriber"),
    ("micropython", "reader (MicroPython)"),
)
#: less than this share of the processors taken: calm enough to measure
CALM = 0.35


class Watch:
    """What happened on the machine while the block ran: `with Watch() as watch`.

    A thread looks once a second at what our processes have taken: one that is killed with its parent is counted by nobody.
    """

    def __init__(self) -> None:
        self.load = os.getloadavg()[0]
        #: how long the block took, s
        self.seconds = 0.0
        #: the share of all processors that neither we nor what we started took
        self.others = 0.0
        self._ended = threading.Event()
        #: pid -> the processor time that it had taken when last seen, s
        self._seen: dict[int, float] = {}
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)

    def __enter__(self) -> "Watch":
        self._began, self._busy, self._ours, self._alone = time.monotonic(), _busy_s(), _ours_s(), _self_s()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.seconds = time.monotonic() - self._began
        seen_s = sum(self._seen.values()) + _self_s() - self._alone
        taken_s = _busy_s() - self._busy - max(seen_s, _ours_s() - self._ours)
        self.others = min(1.0, max(0.0, taken_s / max(self.seconds, 0.01) / (os.cpu_count() or 1)))

    def _look(self) -> None:
        while not self._ended.wait(1.0):
            self._seen |= {pid: cpu_s(pid) for pid in _below() if pid != os.getpid()}


def wait_calm(patience_s: float) -> None:
    """Wait until the machine has been calm for a second, at most so long."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        before = _busy_s()
        time.sleep(1)
        if (_busy_s() - before) / (os.cpu_count() or 1) < CALM:
            return


def children() -> dict[int, str]:
    """pid -> what it is, of every process below ours that has a name in `NAMES`."""
    found: dict[int, str] = {}
    for pid in _below():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            program = Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue
        name = next((name for word, name in NAMES if word in words), None)
        # The wheel's `micropython` is a Python script, run by a shell, that starts the real one.
        wrapped = program == "sh" or (program.startswith("python") and "MicroPython" in (name or ""))
        if name and pid != os.getpid() and not wrapped:
            found[pid] = name
    return found


def _below() -> list[int]:
    """Our process and every one below it."""
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        try:
            threads = list(Path(f"/proc/{pid}/task").iterdir())
            waiting += [int(child) for thread in threads for child in (thread / "children").read_text().split()]
        except OSError:
            continue
    return found


def resident_mb(pid: int) -> float:
    """A process's resident memory, with what it shares divided among those who share it, MB (PSS; else RSS)."""
    for file, word in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        try:
            lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            if line.startswith(word):
                return int(line.split()[1]) / 1024
    return 0.0


def cpu_s(pid: int) -> float:
    """Processor time that a process has taken, s."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _busy_s() -> float:
    """Processor time taken by anybody since boot, waiting for disks left out, s."""
    fields = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields[:8]
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _self_s() -> float:
    taken = resource.getrusage(resource.RUSAGE_SELF)
    return taken.ru_utime + taken.ru_stime


def _ours_s() -> float:
    taken = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in taken)
