"""Every decoder by coverage, several at once, each with its share of the time."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.targets import TARGETS, prepare

REPO = Path(__file__).resolve().parent.parent.parent
#: a decoder that needs more than so much memory has no bound, MiB (the interpreter and atheris need about 150 of it)
MEMORY_MIB = 512
#: and one input may take so long, s
SLOWEST_S = 10
#: what runs one target, without the interpreter
COMMAND = ["-m", "tests.fuzz.coverage"]
#: beyond its share a process gets so long to import and to end, s
GRACE_S = 120


@dataclass(frozen=True, kw_only=True)
class Found:
    """What became of one target."""

    target: str
    runs: int
    #: branches that were seen
    covered: int
    peak_mib: int
    #: what was found wrong, or empty
    problem: str
    #: the bytes that do it
    example: Path | None = None


def fuzz(names: list[str], seconds: float, jobs: int, seed: int, folder: Path) -> list[Found]:
    """Each target for its share of the seconds, `jobs` at a time. What is found lies in the folder."""
    each_s = max(2, round(seconds * jobs / len(names)))
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda name: one(name, each_s, seed, folder), names))


def one(name: str, seconds: int, seed: int, folder: Path) -> Found:
    """One target in a process of its own."""
    corpus = folder / name
    corpus.mkdir(parents=True)
    _, examples = prepare(name)
    for number, example in enumerate(examples):
        (corpus / f"example-{number}").write_bytes(example)
    crashes = folder / f"{name}-crash-"
    command = [sys.executable, *COMMAND, name, str(corpus), f"-max_total_time={seconds}"]
    command += [f"-seed={seed}", f"-rss_limit_mb={MEMORY_MIB}", f"-timeout={SLOWEST_S}", "-max_len=4096"]
    command += ["-print_final_stats=1", "-verbosity=1", f"-artifact_prefix={crashes}"]
    began = time.monotonic()
    told, status = run(command, seconds + GRACE_S)
    left = sorted(folder.glob(f"{crashes.name}*"))
    runs = number_after(r"stat::number_of_executed_units:\s*(\d+)", told)
    problem = ""
    if status or left:
        problem = next((line for line in told.splitlines() if "===" not in line and "Error" in line), "") or told[-300:]
        problem = f"exit status {status} after {time.monotonic() - began:.0f} s: {problem.strip()}"
    elif not runs:
        problem = "it ran nothing"
    return Found(
        target=name,
        runs=runs,
        covered=number_after(r"cov: (\d+)", told),
        peak_mib=number_after(r"stat::peak_rss_mb:\s*(\d+)", told),
        problem=problem,
        example=left[0] if left else None,
    )


def run(command: list[str], limit_s: float) -> tuple[str, int]:
    """What it printed, and its exit status; ended after limit_s, with -1.

    A shell stands between: a process keeps, as its own, the peak of memory of whoever started it, and a test's worker may
    have had more than a decoder is allowed.
    """
    process = subprocess.Popen(
        ["/bin/sh", "-c", '"$@"; exit $?', "sh", *command], cwd=REPO, text=True, errors="replace",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        return process.communicate(timeout=limit_s)[0], process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return "", -1


def number_after(pattern: str, text: str) -> int:
    """The last number that stands there, or 0."""
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def known(names: list[str]) -> list[str]:
    """The names, if there are such targets; all where none is named. Raises ValueError."""
    for name in names:
        if name not in TARGETS:
            raise ValueError(f"no such target: {name}; there are {', '.join(TARGETS)}")
    return names or list(TARGETS)
