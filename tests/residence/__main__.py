"""`python -m tests.residence`: evenings of a residence by seed, each in processes of its own, and a table of what came of them."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent.parent
#: what must be 0
ZERO = ("lost", "duplicated", "misattributed", "template_bytes_seen", "given_up", "not_enrolled")
#: what must be reached: card to result beyond the sensor's own time, staff's time for an enrolment, an evening's busiest kiosk
BEYOND_MS, ENROLMENT_S, BUSIEST_MIN = 1500.0, 40.0, 20.0
LIMIT_S = 3600


def main(argv: list[str]) -> int:
    """Play them all; 0 where every one held."""
    parser = argparse.ArgumentParser(prog="residence", description="Evenings of a residence, by seed.")
    parser.add_argument("--seeds", type=_seeds, default=_seeds("1-20"), help="such as 1-20 or 3,5 (1-20)")
    parser.add_argument("--residents", type=int, default=200)
    parser.add_argument("--kiosks", type=int, default=3)
    parser.add_argument("--day", help="the evening's date (today)")
    parser.add_argument("--json", type=Path, help="write every result into this file")
    arguments = parser.parse_args(argv)
    results = []
    for seed in arguments.seeds:
        results.append(played(seed, arguments.residents, arguments.kiosks, arguments.day))
        print(row(results[-1]), flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1))
    print(table(results))
    return 0 if results and all(holds(one) for one in results) else 1


def played(seed: int, residents: int, kiosks: int, day: str | None) -> dict:
    """One evening's result; with `failed` where it has none."""
    command = [sys.executable, "muster.py", "demo", "--check", "--json", "--residence-only", "--seed", str(seed)]
    command += ["--residents", str(residents), "--kiosks", str(kiosks), *(["--day", day] if day else [])]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    try:
        told = json.loads(done.stdout.splitlines()[-1])
        return {"seed": seed, **told["residence"], "seconds": told["seconds"]}
    except (IndexError, ValueError, KeyError):
        return {"seed": seed, "failed": done.stderr.strip()[-500:]}


def holds(one: dict) -> bool:
    """Whether an evening kept every promise and reached what it must."""
    if "failed" in one or any(one[name] for name in ZERO):
        return False
    reached = one["beyond_sensor_ms"]["p99"] is not None and one["beyond_sensor_ms"]["p99"] <= BEYOND_MS
    reached = reached and one["enrolment_staff_s"]["max"] < ENROLMENT_S and one["busiest_kiosk_min"] <= BUSIEST_MIN
    return reached and one["checked_in"] + one["missing"] + one["on_leave"] == one["residents"]


def row(one: dict) -> str:
    """An evening on a line."""
    if "failed" in one:
        return f"{one['seed']:>4}  FAILED  {one['failed']}"
    zeros = "/".join(str(one[name]) for name in ZERO[:4])
    return (
        f"{one['seed']:>4}  {one['residents']:>9} {one['checked_in']:>4} {one['missing']:>7} {one['on_leave']:>5}  {zeros:>8}"
        f"  {one['enrolment_staff_s']['max']:>9} {one['beyond_sensor_ms']['p99'] or 0:>9} {one['busiest_kiosk_min']:>8}"
        f"  {one['seconds']:>7}  {'holds' if holds(one) else 'DOES NOT HOLD'}"
    )


def table(results: list[dict]) -> str:
    """All of them, with what the columns mean."""
    head = "seed  residents   in missing leave  l/d/m/tb   enrol s  p99 ms  busiest  seconds"
    held = sum(holds(one) for one in results)
    meaning = (
        "l/d/m/tb: lost, duplicated, misattributed, template bytes seen. enrol s: staff's time, the longest. p99 ms: card to\n"
        "result beyond the sensor's own time. busiest: minutes of the busiest kiosk, people's own time counted."
    )
    return "\n".join([head, *(row(one) for one in results), meaning, f"{held} of {len(results)} evenings hold"])


def _seeds(text: str) -> list[int]:
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
