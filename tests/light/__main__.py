"""`python -m tests.light [--minutes N] [--json FILE]`: one card once a second at one reader, and power to blue.

First in virtual time (600 taps), then for so many minutes on the Pico's real program, in real time.
"""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.parts import mosquitto
from tests.light import once_a_second, power_to_blue, virtual
from tests.light.counting import Counted

BLUE_S = 10.0


def main(argv: list[str]) -> int:
    """0: nothing lost, doubled or miscredited, each tap had its light, and blue came in time."""
    parser = argparse.ArgumentParser(prog="light", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of real taps, one a second (default 10)")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write the result here")
    given = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything started is ended
    print(f"light: seed {given.seed}", flush=True)
    began = time.monotonic()
    rows = [_row("one card once a second, virtual time", virtual.run(seed=given.seed))]
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="muster-light-") as name:
        folder = Path(name)
        with mosquitto(folder) as broker:
            taps = max(1, round(given.minutes * 60))
            place = _made(folder, "second")
            ran = asyncio.run(once_a_second.run(place, broker, taps=taps))
            note = f"slowest light {ran.slowest_ms:.0f} ms after the card, {ran.late} taps begun late by this machine"
            rows.append(_row("one card once a second, MicroPython, real time", ran.counted, note))
            figures["tap to light, most, with the chip's own time, ms"] = round(ran.slowest_ms, 1)
        powered = {journal: asyncio.run(power_to_blue.run(_made(folder, journal), journal))
                   for journal in ("new", "nearly full")}  # fmt: skip
    in_time = True
    for journal, found in powered.items():
        figures[f"power to blue, journal {journal}, s"] = round(found.seconds, 2)
        figures[f"recovery, journal {journal}, ms"] = found.recovery_ms
        figures[f"swipes kept, journal {journal}"] = found.kept
        in_time = in_time and found.colour == "blue" and found.seconds <= BLUE_S
    ok = in_time and all(row["ok"] for row in rows)
    for row in rows:
        print(f"{row['kind']:48} {row['points']:6} taps  lost {row['lost']}  doubled {row['doubled']}  "
              f"miscredited {row['miscredited']}  {row['note']}")  # fmt: skip
    for what, value in figures.items():
        print(f"{what:48} {value}")
    print(f"light: {'ok' if ok else 'FAILED'}, {time.monotonic() - began:.0f} s")
    if given.json:
        said = {"part": "light", "seconds": round(time.monotonic() - began, 1), "seed": given.seed, "figures": figures}
        given.json.write_text(json.dumps({**said, "rows": rows, "ok": ok}, indent=1))
    return int(not ok)


def _row(kind: str, counted: Counted, note: str = "") -> dict:
    said = f"{counted.greens} lights, {counted.swipes} swipes, {counted.repeats} repeats of one credit"
    return {
        "kind": kind, "points": counted.taps, "lost": counted.lost + max(0, counted.taps - counted.greens),
        "doubled": counted.doubled, "miscredited": counted.miscredited, "note": f"{said}; {note}".rstrip("; "),
        "ok": counted.ok,
    }  # fmt: skip


def _made(folder: Path, name: str) -> Path:
    made = folder / name.replace(" ", "-")
    made.mkdir()
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
