"""`python -m tests.power [--quick] [--seed N] [--json FILE]`: the faults table of power and storage. See README.md.

Exit status 0: nothing was lost or doubled, and every kind was tried. 1: something was. 2: a kind could not be tried.
"""

import argparse
import dataclasses
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.power import attack, faulty, pico, recovery, strace
from tests.power.attack import SYNCS, Plan, Row
from tests.power.subjects import GatewaySpool, PiJournal, PiRoster, Store

#: points of a kind that --quick tries
QUICK_POINTS = 3
QUICK_DISKS = 60
NAMES = ("rename", "ftruncate", "unlink")


def kinds(plan: Plan, only: str) -> list[tuple[str, Callable[[], Row]]]:
    """(what it attacks, how) in the order of the table."""
    made: list[tuple[str, Callable[[], Row]]] = [("pico", one) for one in pico.rows(plan)]
    disks = plan if plan.most is None else dataclasses.replace(plan, most=max(plan.most, QUICK_DISKS))

    def add(name: str, subject: attack.Subject, errors: bool = True) -> None:
        made.append((name, lambda: attack.killed(plan, subject)))
        made.append((name, lambda: attack.cut(disks, subject)))
        if errors:
            made.append((name, lambda: attack.killed_again(plan, subject, twice=False)))
            made.append((name, lambda: attack.refused(plan, subject, "EIO", SYNCS)))
            made.append((name, lambda: attack.refused(plan, subject, "EIO", SYNCS, lasting=True)))
        else:
            made.append((name, lambda: attack.refused(plan, subject, "EIO", ("fsync", "write", "rename"))))
            made.append((name, lambda: attack.refused(plan, subject, "ENOSPC", ("write",))))

    def add_more(name: str, subject: attack.Subject) -> None:
        made.append((name, lambda: attack.killed_again(plan, subject)))
        made.append((name, lambda: attack.refused(plan, subject, "EIO", ("pwrite64",))))
        made.append((name, lambda: attack.refused(plan, subject, "ENOSPC", ("pwrite64",))))
        # A file system that finds room only when it must write says so at the sync.
        made.append((name, lambda: attack.refused(plan, subject, "ENOSPC", SYNCS)))
        for error in ("EIO", "ENOSPC"):
            made.append((name, lambda error=error: attack.refused(plan, subject, error, NAMES)))
        for how in ("short", "short-28", "short-5", "short-kill"):
            made.append((name, lambda how=how: attack.short(plan, subject, how)))

    if only in ("", "pi"):
        add("pi", PiJournal())
        add_more("pi", PiJournal())
        made.append(("pi", lambda: recovery.recovered(plan, PiJournal.name, recovery.pi)))
        made.append(("pi", lambda: recovery.full_pi(plan)))
        add("pi", PiRoster(), errors=False)
        if python := attack.python_of_nobody():
            made.append(("pi", lambda: attack.as_nobody(plan, PiJournal(python))))
    if only in ("", "spool"):
        add("spool", GatewaySpool())
        add_more("spool", GatewaySpool())
        made.append(("spool", lambda: recovery.recovered(plan, GatewaySpool.name, recovery.gateway)))
    if only in ("", "store"):
        store = Store(plan.folder / "template")
        add("store", store)
        made.append(("store", lambda: attack.unwell(plan, store)))
    return [(name, one) for name, one in made if only in ("", name)]


def line(row: Row) -> str:
    """A line of the table."""
    points = str(row.points) if row.points == row.of else f"{row.points} of {row.of}"
    return f"{row.kind:<112} {points:>14} {row.lost:>5} {row.doubled:>8}  {row.note}"


def main(argv: list[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.power", description="Power cuts and failing disks.")
    parser.add_argument("--quick", action="store_true", help="a sample of each kind, some four minutes on two cores")
    parser.add_argument("--points", type=int, metavar="N", help="a sample, of N points of each kind")
    parser.add_argument("--seed", type=int, default=7, help="which points a sample takes (default 7)")
    parser.add_argument("--only", choices=("pico", "pi", "spool", "store"), default="", help="one part only")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="workers at once (2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there, too")
    asked = parser.parse_args(argv)
    for why in (strace.why_not(), faulty.why_not()):
        if why:
            print(f"tests.power: {why}", file=sys.stderr)
            return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    most = asked.points or (QUICK_POINTS if asked.quick else None)
    print(f"seed {asked.seed}{', a sample of each kind' if most else ''}", flush=True)
    print(f"{'kind':<112} {'points':>14} {'lost':>5} {'doubled':>8}  note", flush=True)
    began_s = time.monotonic()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="muster-power-") as folder:
        plan = Plan(folder=Path(folder), seed=asked.seed, most=most, at_once=asked.jobs)
        for _, one in kinds(plan, asked.only):
            one_s = time.monotonic()
            rows.append(one())
            print(f"{line(rows[-1])}  {time.monotonic() - one_s:.1f} s", flush=True)
            for found in rows[-1].found[:5]:
                print(f"    {found}", flush=True)
    seconds = time.monotonic() - began_s
    ok = all(row.points and not row.lost and not row.doubled for row in rows)
    print(f"{sum(row.points for row in rows)} points in {seconds:.0f} s: {'nothing lost' if ok else 'NOT WELL'}")
    if asked.json:
        asked.json.write_text(json.dumps(_said(rows, seconds, asked.seed, ok), indent=1) + "\n")
    return 0 if ok else 1


def _said(rows: list[Row], seconds: float, seed: int, ok: bool) -> dict:
    made = [
        {
            "kind": row.kind,
            "points": row.points,
            "of": row.of,
            "lost": row.lost,
            "doubled": row.doubled,
            "miscredited": 0,
            "note": "; ".join(filter(None, [_share(row), row.note, *row.found[:3]])),
        }
        for row in rows
    ]
    capacity = next((row.points for row in rows if row.kind.startswith("Pico journal: full")), 0)
    figures = {"points": sum(row.points for row in rows), "pico_capacity_swipes": capacity}
    return {"part": "power", "seconds": round(seconds, 1), "seed": seed, "rows": made, "figures": figures, "ok": ok}


def _share(row: Row) -> str:
    return "" if row.points == row.of else f"a sample of {row.of:,}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
