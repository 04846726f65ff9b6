"""What the processes of a soak take of the processors, by what they are: looked at each second, for the killed ones too."""

import os
import threading
import time
from collections import defaultdict
from pathlib import Path

#: words of a command line -> what the process is; the first that fits
NAMES = (
    ("tests.soak.corridor", "people, chips, lamps"),
    ("tests.soak", "the soak itself"),
    ("-m start", "readers (MicroPython)"),
    ("server run", "store"),
    ("gateway run", "gateways"),
    ("mosquitto", "broker"),
    ("postgres", "database"),
)
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class Cpu:
    """`with Cpu() as cpu`, then `cpu.cores()`: kind of process -> processors it kept busy, on average."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        #: (pid, kind) -> processor time when last and when first seen, s
        self._last: dict[tuple[int, str], float] = {}
        self._first: dict[tuple[int, str], float] = {}
        self._kinds: dict[int, str] = {}
        self._thread = threading.Thread(target=self._look, name="cpu", daemon=True)
        self._began = self._seconds = 0.0

    def __enter__(self) -> "Cpu":
        self._began = time.monotonic()
        self._sample()
        self._first = dict(self._last)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._sample()
        self._seconds = time.monotonic() - self._began

    def cores(self) -> dict[str, float]:
        """After the block: kind -> processors, those that took nothing left out."""
        taken: dict[str, float] = defaultdict(float)
        for key, last_s in self._last.items():
            taken[key[1]] += last_s - self._first.get(key, 0.0)
        return {kind: round(s / self._seconds, 2) for kind, s in sorted(taken.items(), key=lambda t: -t[1]) if s > 0.1}

    def _look(self) -> None:
        while not self._ended.wait(1.0):
            self._sample()

    def _sample(self) -> None:
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                kind = self._kinds.get(int(entry.name)) or _kind(entry)
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended meanwhile
            if kind:
                self._kinds[int(entry.name)] = kind
                self._last[int(entry.name), kind] = (int(fields[11]) + int(fields[12])) * _TICK_S


def _kind(entry: Path) -> str:
    said = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    if said.startswith(("sh -c", "nsenter", "setpriv", "unshare")):
        return ""  # it becomes, or only waits for, what counts
    return next((kind for words, kind in NAMES if words in said), "")
