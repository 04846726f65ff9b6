"""The register's page with 200 students, over real HTTP: `tests/bench/pages.py` in a process of its own."""

import json
import subprocess
import sys

from simulator.processes import ROOT
from tests.bench.figure import Figure


def measure() -> list[Figure]:
    """p95 of each page that stands in the classroom, ms."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.pages", "--json", "--rounds", "200"],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    if not done.stdout.strip().startswith("{"):
        raise RuntimeError(f"tests.bench.pages ended with status {done.returncode}: {done.stderr.strip()[-800:]}")
    said = json.loads(done.stdout.strip().splitlines()[-1])
    figures = []
    for name, times in said["pages"].items():
        must = said["limit_ms"] if name == "register" else None
        note = (
            f"p50 {times['p50_ms']:.1f} ms, {said['students']} students, {said['rounds']} times, {times['bytes']} bytes"
        )
        figures.append(Figure(name=f"{name}: p95", measured=times["p95_ms"], unit="ms", must=must, note=note))
    return figures
