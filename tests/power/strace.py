"""Workers under strace: what they call, what they said, and a signal or an error injected at the Nth call.

Works as root and not as root, wherever a process may trace its own children; `why_not` says where it may not.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

#: where something may fail: every way in which a journal, a spool or a roster reaches its disk
CALLS = ("pwrite64", "write", "fdatasync", "fsync", "ftruncate", "rename", "unlink")
TIMEOUT_S = 120


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one run of a worker said and left."""

    folder: Path
    status: int
    said: list[str]
    errors: str
    log: str

    def __str__(self) -> str:
        return f"{self.folder.name}: status {self.status}, said {self.said[-3:]}, errors {self.errors[-400:]}"


def why_not() -> str | None:
    """Why nothing can be traced here, or None."""
    program = shutil.which("strace")
    if program is None:
        return "strace is not installed (make setup)"
    probe = subprocess.run([program, "-f", "--seccomp-bpf", "-o", os.devnull, "true"], capture_output=True, text=True)
    return f"strace may not trace here: {probe.stderr.strip()[:200]}" if probe.returncode else None


def traced(
    command: list[str], folder: Path, log: Path, *options: str, bytes_too: bool = False, user: int | None = None
) -> Run:
    """Run to its end under strace. options: of strace. bytes_too: with every byte written, for `disk.Disk`. user: a uid."""
    # With --seccomp-bpf strace 6.1 injects errors but no signals: only without it are the cuts made.
    fast = () if any("signal=" in option for option in options) else ("--seccomp-bpf",)
    whole = ("-y", "-xx", "-s", "1000000") if bytes_too else ()
    done = subprocess.run(
        ["strace", "-f", *fast, *whole, "-o", str(log), *options, *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        **({} if user is None else {"user": user, "group": user, "extra_groups": []}),
    )
    text = log.read_text()
    log.unlink()
    return Run(folder=folder, status=done.returncode, said=done.stdout.splitlines(), errors=done.stderr, log=text)


def count(log: str) -> dict[str, int]:
    """How often a trace made each call, in whatever folder: strace's N counts every call of that name."""
    return {call: len(re.findall(rf"^\d+\s+{call}\(", log, re.MULTILINE)) for call in CALLS}
