"""The register's page with 200 students, over real HTTP: `tests/bench/pages.py` in a process of its own."""

import json
import subprocess
import sys
from typing import Any

from simulator.processes import ROOT
from tests.bench.figure import Figure

#: swipes of the past year that are stored for `year`; 600 readers take about 18 million
YEAR_SWIPES = 2_000_000


def measure() -> list[Figure]:
    """p95 of each page that stands in the classroom, ms."""
    return _figures(_pages())


def year() -> list[Figure]:
    """The same with a year stored. There is no page of one student yet: that comes with the register's own issue."""
    said = _pages("--year", str(YEAR_SWIPES))
    filled = said["year"]
    size = Figure(
        name="a year stored: swipes", measured=filled["swipes"],
        note=f"{filled['sessions']:,} sessions, {filled['students']:,} students; {filled['file_bytes'] / 2**20:,.0f} MiB, "
        f"{filled['file_bytes'] / filled['swipes']:,.0f} bytes a swipe with its marks and all indexes",
    )  # fmt: skip
    return [size, *_figures(said)]


def _pages(*more: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.pages", "--json", "--rounds", "200", *more],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    if not done.stdout.strip().startswith("{"):
        raise RuntimeError(f"tests.bench.pages ended with status {done.returncode}: {done.stderr.strip()[-800:]}")
    said: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return said


def _figures(said: dict[str, Any]) -> list[Figure]:
    figures = []
    for name, times in said["pages"].items():
        must = said["limit_ms"] if name == "register" else None
        note = (
            f"p50 {times['p50_ms']:.1f} ms, {said['students']} students, {said['rounds']} times, {times['bytes']} bytes"
        )
        figures.append(Figure(name=f"{name}: p95", measured=times["p95_ms"], unit="ms", must=must, note=note))
    return figures
