"""`python -m tests.bench [PART ...] [--json] [--write]`: measures what Muster must reach and prints one table. See docs/bench.md.

Exit status 0: every demand that was measured is met. 1: one is missed, or a part failed.
"""

import argparse
import dataclasses
import datetime as dt
import importlib
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tests.bench import page
from tests.bench.figure import Figure, Result, as_json, ended, table
from tests.bench.machine import Watch, wait_calm

#: how long a part waits for a machine that others keep busy, s
PATIENCE_S = 8.0
#: a part that misses its demand while others took more than this share of the processors is measured once more, if the
#: bench has not run for longer than AGAIN_WITHIN_S
DISTURBED, AGAIN_WITHIN_S = 0.25, 240.0


class Part(NamedTuple):
    """One part of the bench."""

    #: `module:function`, imported when it runs
    target: str
    #: it is ended after so long, s
    limit_s: int
    help: str
    #: whether it runs where no part is named
    usual: bool = True


PARTS: dict[str, Part] = {
    "light": Part(
        "tests.bench.reader:light", 300, "tap to light of both boards, signing cards too; power to blue; flash, heap"
    ),
    "heap": Part("tests.bench.reader:heap", 120, "the smallest heap that the Pico reader runs in"),
    "journal": Part("tests.bench.reader:journal", 60, "how many swipes the Pico's flash holds"),
    "store": Part("tests.bench.line:sqlite", 150, "tap to store at 100 swipes/s, SQLite"),
    "store-postgresql": Part("tests.bench.line:postgresql", 150, "tap to store at 100 swipes/s, PostgreSQL"),
    "page": Part("tests.bench.register:measure", 180, "register of 200, student's page, today: a term stored"),
    "year": Part("tests.bench.register:year", 500, "the same pages with a year stored"),
    "demo": Part("tests.bench.first_page:measure", 180, "`make demo` of a fresh clone to its first page"),
    "import": Part("tests.bench.campus_import:measure", 90, "import of ../shared/data/campus"),
    "ingest": Part("tests.bench.ingest:figures", 90, "swipes per second into the store"),
    "gateway": Part("tests.bench.gateway_rate:measure", 60, "swipes per second through the gateway"),
    "line": Part("tests.bench.end_to_end:sqlite", 240, "swipes per second end to end beside the floor, SQLite"),
    "line-postgresql": Part("tests.bench.end_to_end:postgresql", 240, "the same, PostgreSQL"),
    "backlog": Part("tests.bench.backlog:sqlite", 700, "120,000 swipes drain while live ones go on, SQLite"),
    "backlog-postgresql": Part("tests.bench.backlog:postgresql", 700, "the same, PostgreSQL"),
    "fleet": Part("tests.bench.fleet:measure", 400, "memory and start of each process with 1 and with 600 readers"),
    "fleet-page": Part("tests.bench.fleet_page:measure", 240, "the page of doors with 600 readers, while heads arrive"),
    "provision": Part("tests.bench.provision:measure", 240, "a blank board becomes a reader by script, unix port"),
    "reconnect": Part("tests.bench.reconnect:measure", 400, "600 readers after the broker was killed and started"),
    "tests": Part(
        "tests.bench.suite:measure", 1500, "`make test-only`: at most 15 minutes; only where it is named", False
    ),
}


class TooLong(RuntimeError):
    """A part did not end within its limit."""


def main(argv: list[str]) -> int:
    """Measure, print; 0 where nothing is missed."""
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Measures what Muster must reach.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(["parts:", *(f"  {name:17} {part.help}" for name, part in PARTS.items())]),
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="only these")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/bench.md")
    arguments = parser.parse_args(argv)
    unknown = [name for name in arguments.parts if name not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything started is ended
    began = time.monotonic()
    results = []
    for name in arguments.parts or [n for n, part in PARTS.items() if part.usual]:
        result = measure(name)
        if result.missed and result.others > DISTURBED and time.monotonic() - began < AGAIN_WITHIN_S:
            print(f"bench: {name}: missed, but others took {result.others:.0%}: once more", file=sys.stderr, flush=True)
            result = dataclasses.replace(measure(name), before=f"measured again; at first, with others at "
                                         f"{result.others:.0%}, missed: {', '.join(result.missed)}")  # fmt: skip
        results.append(result)
    print(table(results))
    print(ended(results, time.monotonic() - began))
    if arguments.write:
        took = f"{len(results)} parts in {(time.monotonic() - began) / 60:.0f} minutes"
        when = f"in one run of {took}, ended {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC, commit {page.stands()}"
        page.PAGE.write_text(page.put(page.PAGE.read_text(), results, list(PARTS), when))
    if arguments.json:
        print(as_json(results), flush=True)
    return int(any(r.failed or r.missed for r in results))


def measure(name: str) -> Result:
    """One part, when the machine is calm, within its limit."""
    part = PARTS[name]
    print(f"bench: {name}: {part.help} ...", file=sys.stderr, flush=True)
    wait_calm(PATIENCE_S)
    figures: list[Figure] = []
    failed = ""
    watch = Watch()
    try:
        module, _, function = part.target.partition(":")
        with watch, limit(part.limit_s, name):
            measured: Callable[[], list[Figure]] = getattr(importlib.import_module(module), function)
            figures = measured()
    except Exception as error:  # noqa: BLE001  one part's failure must not cost the other parts' figures
        traceback.print_exc()
        failed = f"{type(error).__name__}: {str(error).strip().splitlines()[-1:]}"
    return Result(
        part=name, figures=tuple(figures), seconds=watch.seconds, load=watch.load, others=watch.others, failed=failed
    )


@contextmanager
def limit(seconds: int, name: str) -> Iterator[None]:
    """Raises TooLong in the middle of whatever runs after that long."""

    def end(*_: object) -> None:
        raise TooLong(f"{name} was ended after {seconds} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
