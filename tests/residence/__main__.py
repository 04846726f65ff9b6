"""`python -m tests.residence [--seeds 1-20] [--json FILE]`: evenings of a residence by seed, each in processes of its own,
and a table of what came of them.
"""

import argparse
import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from statistics import median

REPO = Path(__file__).resolve().parent.parent.parent
#: what must be 0
ZERO = (
    "lost",
    "duplicated",
    "misattributed",
    "template_bytes_seen",
    "given_up",
    "not_enrolled",
    "not_erased",
    "not_flagged",
)
#: what must be reached: card to result beyond the sensor's own time, staff's time for an enrolment, an evening's busiest kiosk
BEYOND_MS, ENROLMENT_S, BUSIEST_MIN = 1500.0, 40.0, 20.0
#: an evening is ended after so long; then it has so long to put its processes away, s
LIMIT_S, GRACE_S = 3600.0, 60.0


def main(argv: list[str]) -> int:
    """Play them all; 0 where every one held."""
    parser = argparse.ArgumentParser(prog="residence", description="Evenings of a residence, by seed.")
    parser.add_argument("--seeds", type=_seeds, default=_seeds("1-20"), help="such as 1-20 or 3,5 (1-20)")
    parser.add_argument("--residents", type=int, default=200)
    parser.add_argument("--kiosks", type=int, default=3)
    parser.add_argument("--day", help="the evening's date (today)")
    parser.add_argument("--at-once", type=int, default=1, help="so many evenings side by side (1)")
    parser.add_argument("--json", type=Path, help="write the result into this file, anew after each evening")
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything started is ended
    # A shell starts what runs in the background deaf to Ctrl-C, and so would be all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    began = time.monotonic()
    results: list[dict] = []
    print(HEAD, flush=True)
    running: set[subprocess.Popen] = set()
    play = (arguments.residents, arguments.kiosks, arguments.day, running)
    with ThreadPoolExecutor(max(1, arguments.at_once)) as pool:
        asked = [pool.submit(played, seed, *play) for seed in arguments.seeds]
        try:
            for done in as_completed(asked):
                results.append(done.result())
                print(row(results[-1]), flush=True)
                if arguments.json:
                    arguments.json.write_text(json.dumps(part(results, time.monotonic() - began), indent=1))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in tuple(running):
                process.send_signal(signal.SIGINT)  # as by Ctrl-C, so that it ends the processes it started
            raise
    print(MEANING)
    print(f"{sum(holds(one) for one in results)} of {len(results)} evenings hold")
    return 0 if results and all(holds(one) for one in results) else 1


def played(
    seed: int, residents: int, kiosks: int, day: str | None, running: set[subprocess.Popen] | None = None
) -> dict:
    """One evening's result; with `failed` where it has none. running: its process is among these while it runs."""
    running = set() if running is None else running
    command = [sys.executable, "muster.py", "demo", "--check", "--json", "--residence-only", "--seed", str(seed)]
    command += ["--residents", str(residents), "--kiosks", str(kiosks), *(["--day", day] if day else [])]
    with subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        running.add(process)
        try:
            out, err = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            return {"seed": seed, "failed": f"not done after {LIMIT_S:.0f} s"}
        finally:
            running.discard(process)
            if process.poll() is None:
                # As by Ctrl-C, so that it ends the processes it started.
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(GRACE_S)
                except subprocess.TimeoutExpired:
                    process.kill()
    try:
        told = json.loads(out.splitlines()[-1])
        wrong = [line for line in err.splitlines() if ": wrong: " in line]
        return {"seed": seed, **told["residence"], "seconds": told["seconds"], "wrong": wrong}
    except (IndexError, ValueError, KeyError):
        return {"seed": seed, "failed": err.strip()[-500:]}


def holds(one: dict) -> bool:
    """Whether an evening kept every promise and reached what it must."""
    if "failed" in one or any(one[name] for name in ZERO):
        return False
    reached = one["beyond_sensor_ms"]["p99"] is not None and one["beyond_sensor_ms"]["p99"] <= BEYOND_MS
    reached = reached and one["enrolment_staff_s"]["max"] < ENROLMENT_S and one["busiest_kiosk_min"] <= BUSIEST_MIN
    return reached and one["checked_in"] + one["missing"] + one["on_leave"] == one["residents"]


HEAD = "seed  residents   in missing leave  lost dupl misattr template  enrol p50   max  p99 ms  busiest  no light  seconds"
MEANING = (
    "in: checked in. template: bytes of templates or pictures that a sensor was asked for. enrol: seconds of staff for an\n"
    "enrolment. p99 ms: card to result beyond the sensor's own time. busiest: minutes of the busiest kiosk, people's own\n"
    "time counted. no light: told on the display, and the lamp's flash was not whole (the power went, or a slow machine)."
)


def row(one: dict) -> str:
    """An evening on a line."""
    if "failed" in one:
        return f"{one['seed']:>4}  FAILED  {one['failed']}"
    enrolling = one["enrolment_staff_s"]
    line = (
        f"{one['seed']:>4}  {one['residents']:>9} {one['checked_in']:>4} {one['missing']:>7} {one['on_leave']:>5}  "
        f"{one['lost']:>4} {one['duplicated']:>4} {one['misattributed']:>7} {one['template_bytes_seen']:>8}  "
        f"{enrolling['p50'] or 0:>9} {enrolling['max']:>5}  {one['beyond_sensor_ms']['p99'] or 0:>6}  "
        f"{one['busiest_kiosk_min']:>7}  {one['no_light']:>8}  {one['seconds']:>7}  "
        f"{'holds' if holds(one) else 'DOES NOT HOLD'}"
    )
    return "\n".join([line, *one.get("wrong", ())])


def part(results: list[dict], seconds: float) -> dict:
    """What `make prove` reads: a row for each evening, and the worst of all of them as figures."""
    good = [one for one in results if "failed" not in one]
    figures: dict[str, float] = {"evenings": len(results), "evenings that hold": sum(holds(one) for one in results)}
    if good:
        figures |= {
            "check-ins": sum(one["stored"] for one in good),
            "template bytes seen": sum(one["template_bytes_seen"] for one in good),
            "enrolment, staff, p50, s": median(one["enrolment_staff_s"]["p50"] or 0 for one in good),
            "enrolment, staff, longest, s": max(one["enrolment_staff_s"]["max"] for one in good),
            "card to result beyond the sensor, worst p99, ms": max(one["beyond_sensor_ms"]["p99"] or 0 for one in good),
            "busiest kiosk, most, minutes": max(one["busiest_kiosk_min"] for one in good),
        }
    return {
        "part": "residence",
        "ok": bool(results) and all(holds(one) for one in results),
        "seconds": round(seconds, 1),
        "seed": results[0]["seed"] if results else None,
        "rows": [_evening(one) for one in results],
        "figures": figures,
        "evenings": results,
    }


def _evening(one: dict) -> dict:
    if "failed" in one:
        return {
            "kind": f"seed {one['seed']}", "points": 0, "lost": 0, "doubled": 0, "miscredited": 0,
            "note": f"failed: {one['failed'][-200:]}",
        }  # fmt: skip
    enrolling, faults = one["enrolment_staff_s"], ", ".join(f"{n} {kind}" for kind, n in one["faults"].items())
    return {
        "kind": f"seed {one['seed']}: {one['residents']} residents, {one['kiosks']} kiosks",
        "points": one["stored"],
        "lost": one["lost"],
        "doubled": one["duplicated"],
        "miscredited": one["misattributed"],
        "note": (
            f"{one['checked_in']} in, {one['missing']} missing, {one['on_leave']} on leave; template bytes "
            f"{one['template_bytes_seen']}; enrolment {enrolling['p50']} s, at most {enrolling['max']} s; p99 beyond the "
            f"sensor {one['beyond_sensor_ms']['p99']} ms; busiest kiosk {one['busiest_kiosk_min']} min; {faults or 'no faults'}"
            f"{'' if holds(one) else '; DOES NOT HOLD'}"
        ),
    }


def _seeds(text: str) -> list[int]:
    found: list[int] = []
    for piece in text.split(","):
        first, _, last = piece.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
