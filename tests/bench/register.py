"""The pages of the classroom with a term or a year stored, over real HTTP: `tests/bench/pages.py` in a process of its own."""

import json
import subprocess
import sys
from typing import Any

from simulator.processes import ROOT
from tests.bench.figure import Figure

#: swipes of the past year that are stored for `year`, and of twelve weeks for `page`; 600 readers take about 18 million
YEAR_SWIPES, TERM_SWIPES = 2_000_000, 460_000


def measure() -> list[Figure]:
    """p95 of each page that stands in the classroom, ms, with a term stored."""
    return _figures(_pages("--term", str(TERM_SWIPES)))


def year() -> list[Figure]:
    """The same with a year stored."""
    return _figures(_pages("--year", str(YEAR_SWIPES)))


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
    return [_stored(said["stored"]), *_sizes(said), *_times(said)]


def _stored(filled: dict[str, Any]) -> Figure:
    each = filled["file_bytes"] / filled["swipes"]
    note = (
        f"{filled['marks']:,} marks, {filled['history']:,} entries of history, {filled['sessions']:,} sessions, "
        f"{filled['students']:,} students; {filled['file_bytes'] / 2**20:,.0f} MiB, {each:,.0f} bytes a swipe with all of it"
    )
    return Figure(name=f"{filled['weeks']} weeks stored: swipes", measured=filled["swipes"], note=note)


def _sizes(said: dict[str, Any]) -> list[Figure]:
    page = said["pages"]["register"]
    size = page["compressed"] / 1000
    note = f"gzip, {said['students']} students; {page['bytes'] / 1000:.1f} kB before"
    return [Figure(name="register: compressed", measured=size, unit="kB", must=said["limit_bytes"] / 1000, note=note)]


def _times(said: dict[str, Any]) -> list[Figure]:
    figures = []
    for name, one in said["pages"].items():
        must = said["limit_ms"] if name == "register" else None
        note = (
            f"p50 {one['p50_ms']:.1f} ms, {said['rounds']} times, {one['bytes']} bytes, {one['compressed']} compressed"
        )
        figures.append(Figure(name=f"{name}: p95", measured=one["p95_ms"], unit="ms", must=must, note=note))
    return figures
