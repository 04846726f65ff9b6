"""`python -m tests.time [--all] [--plays N] [--json FILE]`: zones and clocks, counted. Everything of it in virtual time.

Zones: every change of every zone from 2020 to 2037; --all takes each name by itself through the import, else one name of
those whose changes are the same. Clocks: so many random lives of a reader's clock, with a right store and with one that
is stepped.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.time import tzif, zone_check
from tests.time.clock_line import HOUR_US, T0_MS, ClockLine, Placed
from tests.time.named_cases import CASES

FROM_S = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp())
UNTIL_S = int(datetime(2038, 1, 1, tzinfo=UTC).timestamp())
SECOND_US = 1_000_000
STEPS_US = (-30 * 8760 * HOUR_US, -24 * HOUR_US, -HOUR_US, -SECOND_US, SECOND_US, HOUR_US, 30 * 8760 * HOUR_US)
ROUNDING_MS = 5


def main(argv: list[str]) -> int:
    """0: every window is right and what is odd was told; no swipe was placed wrongly; each rare thing was seen."""
    parser = argparse.ArgumentParser(prog="time", description=__doc__)
    parser.add_argument("--all", action="store_true", help="each name through the import: a minute and more")
    parser.add_argument("--plays", type=int, default=1000, help="random lives of a clock, of each kind")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write the result here")
    given = parser.parse_args(argv)
    print(f"time: seed {given.seed}", flush=True)
    began = time.monotonic()
    rows = [
        _files(),
        *_windows(given.all),
        _clocks(given.plays, given.seed, False),
        _clocks(given.plays, given.seed, True),
    ]
    ok = all(row.pop("ok") for row in rows)
    for row in rows:
        print(f"{row['kind']:44} {row['points']:8}  wrong {row['miscredited']}  {row['note']}")
    for case in CASES:
        print(f"  {case.zone:22} {case.starts}-{case.ends[11:]}  ->  {case.opens}-{case.closes[11:]}Z  {case.why}")
    print(f"time: {'ok' if ok else 'FAILED'}, {time.monotonic() - began:.0f} s, tzdata {metadata.version('tzdata')}")
    if given.json:
        figures = {row["kind"]: row["points"] for row in rows}
        said = {"part": "time", "seconds": round(time.monotonic() - began, 1), "seed": given.seed, "figures": figures}
        given.json.write_text(json.dumps({**said, "rows": rows, "ok": ok}, indent=1))
    return int(not ok)


def _row(kind: str, points: int, wrong: int, note: str, ok: bool) -> dict:
    return {"kind": kind, "points": points, "lost": 0, "doubled": 0, "miscredited": wrong, "note": note, "ok": ok}


def _files() -> dict:
    changes = wrong = 0
    names = tzif.every_name()
    for name in names:
        zone, theirs = tzif.Zone(tzif.raw(name)), ZoneInfo(name)
        for change in zone.changes(FROM_S, UNTIL_S):
            changes += 1
            for at_s, offset_s in ((change.at_s - 1, change.before_s), (change.at_s, change.after_s)):
                found = datetime.fromtimestamp(at_s, theirs).utcoffset()
                wrong += found is None or found.total_seconds() != offset_s
    note = f"changes of {len(names)} zones, 2020-2037, as each zone's file says"
    return _row("zones: zoneinfo beside the files", changes, wrong, note, not wrong and len(names) > 400)


def _windows(each: bool) -> list[dict]:
    same: dict[tuple, str] = {}
    for name in tzif.every_name():
        zone = tzif.Zone(tzif.raw(name))
        same.setdefault((*zone.changes(FROM_S, UNTIL_S), zone.offset_s(FROM_S)), name)
    names = tzif.every_name() if each else sorted(same.values())
    windows = changes = 0
    odd: Counter[str] = Counter()
    wrong: list[str] = []
    for name in names:
        found = zone_check.check(name, FROM_S, UNTIL_S)
        windows, changes, odd = windows + found.windows, changes + found.changes, odd + found.odd
        wrong += found.wrong + found.silent
    for text in wrong[:5]:
        print(text)
    note = f"{changes} changes of {len(names)} {'zones' if each else 'different zones'}; told: {odd['never']} times that are "
    note += f"not there, {odd['twice']} that are twice"
    seen = odd["never"] > 0 and odd["twice"] > 0
    return [_row("zones: windows through the import", windows, len(wrong), note, not wrong and seen)]


def _clocks(plays: int, seed: int, stepped: bool) -> dict:
    rng = random.Random(seed + stepped)
    how: Counter[str] = Counter()
    swipes = wrong = 0
    for _ in range(plays):
        line = ClockLine(drift_ppm=rng.uniform(-50, 50), seed=rng.randrange(1 << 30))
        line.wait(HOUR_US)
        unseen_ms = _stepped(line, rng) if stepped else _right(line, rng)
        for one in line.placed():
            swipes += 1
            how[one.how] += 1
            wrong += not _true(one, unseen_ms) or (not stepped and not _bounded(one))
    said = ", ".join(f"{name} {count}" for name, count in sorted(how.items()))
    kind = "clocks: a store that is stepped, 1 s to 30 years" if stepped else "clocks: absent, ageing, 50 ppm"
    rare = {"doubted", "future"} if stepped else {"clock", "unplaced", "wall"}
    return _row(kind, swipes, wrong, f"swipes of {plays} lives; placed by: {said}", not wrong and rare <= how.keys())


def _right(line: ClockLine, rng: random.Random) -> float:
    for _ in range(rng.randrange(20)):
        what = rng.randrange(8)
        if what < 3:
            line.tap()
        elif what < 5:
            line.wait(rng.randrange(3 * HOUR_US))
        elif what < 7:
            line.ask(rng.randrange(20 * SECOND_US), rng.randrange(SECOND_US))
        else:
            line.boot()
    return 0.0


def _stepped(line: ClockLine, rng: random.Random) -> float:
    line.ask(20_000, 900_000)
    line.tap()
    steps = rng.randrange(1, 4)
    for _ in range(steps):
        line.wait(SECOND_US)
        line.step(rng.choice(STEPS_US))
        line.ask(900_000, 20_000)
        for _ in range(rng.randrange(1, 4)):
            line.wait(rng.randrange(HOUR_US))
            line.tap()
    line.wait(SECOND_US)
    line.step(0)
    line.ask(20_000, 20_000)
    line.tap()
    # What two answers and their age leave open cannot be seen.
    return (920 + 2 * ROUNDING_MS + 2 * 50e-6 * (line.store_ms - T0_MS)) * (steps + 1)


def _true(one: Placed, unseen_ms: float) -> bool:
    return one.at_ms is None or abs(one.at_ms - one.true_ms) <= one.uncertainty_ms + unseen_ms


def _bounded(one: Placed) -> bool:
    """RTT/2 + 50 ppm x age of the best answer, where the reader had a clock."""
    return one.bound_ms is None or one.clock == "none" or one.uncertainty_ms <= one.bound_ms + ROUNDING_MS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
