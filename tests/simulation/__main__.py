"""`python -m tests.simulation`: seeds for so many seconds, in several processes; or one seed again, with its trace."""

import argparse
import json
import multiprocessing
import queue
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.simulation import rare
from tests.simulation.play import Outcome, Stage, play
from tests.simulation.shift import work

#: more failing seeds than this are not told one by one
TOLD_MOST = 10


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    made = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    made.add_argument("--seconds", type=float, default=300.0, help="no new seed is begun after this")
    made.add_argument("--jobs", type=int, default=2, help="processes")
    made.add_argument("--first", type=int, default=1, help="the first seed; the others follow it")
    made.add_argument("--seed", type=int, help="play this one again, and print its trace")
    made.add_argument("--swipes", type=int, default=600, help="taps in each seed")
    made.add_argument("--json", type=Path, help="write the result there")
    made.add_argument("--quiet", action="store_true", help="with --seed: no trace")
    return made.parse_args(argv)


def many(given: argparse.Namespace) -> int:
    """Seeds until the time is up."""
    print(f"simulation: seeds from {given.first} on, {given.swipes} swipes each, {given.jobs} processes", flush=True)
    context = multiprocessing.get_context("spawn")
    found: Any = context.Queue()
    began_s = time.monotonic()
    until_s = began_s + given.seconds
    workers = [
        context.Process(target=work, args=(given.first + n, given.jobs, given.swipes, until_s, found), daemon=True)
        for n in range(given.jobs)
    ]
    total, seen, failed = Counter(), Counter(), []
    try:
        for worker in workers:
            worker.start()
        going = len(workers)
        while going:
            try:
                one = found.get(timeout=10)
            except queue.Empty:
                if not any(worker.is_alive() for worker in workers):
                    failed.append((-1, ["a process ended without a word"]))
                    break
                continue
            if one is None:
                going -= 1
            elif isinstance(one, tuple):
                failed.append((one[0], [one[1]]))
            else:
                _count(one, total, seen, failed)
    finally:
        for worker in workers:
            if worker.is_alive():
                worker.terminate()
            worker.join()
    took_s = time.monotonic() - began_s
    return report(given, total, seen, failed, took_s)


def _count(one: Outcome, total: Counter, seen: Counter, failed: list) -> None:
    score = one.score
    for name in (
        "taps",
        "greens",
        "lost",
        "doubled",
        "miscredited",
        "review",
        "destroyed",
        "stranded",
        "absent",
        "credited",
    ):
        total[name] += getattr(score, name)
    total["seeds"] += 1
    total["events"] += one.events
    total["virtual_s"] += round(one.virtual_s)
    total["cpu_ms"] += round(one.cpu_s * 1000)
    seen.update(one.seen)
    if score.wrong:
        failed.append((one.seed, score.wrong))
        print(f"seed {one.seed} failed: {score.wrong[0]}", flush=True)


def report(given: argparse.Namespace, total: Counter, seen: Counter, failed: list, took_s: float) -> int:
    """Print it all; write the JSON. 0 if nothing is wrong and everything rare was seen."""
    missing = rare.unseen(seen)
    print(f"{total['seeds']} seeds, {total['taps']} swipes ({total['greens']} greens) in {took_s:.0f} s")
    rate = total["taps"] / took_s
    cpu_s = total["cpu_ms"] / 1000
    print(f"rate: {rate:.0f} swipes/s, {total['seeds'] / took_s:.2f} seeds/s; {cpu_s:.0f} s of CPU, ", end="")
    print(f"{total['virtual_s'] / 3600:.0f} h of virtual time, {total['events']} events")
    for name in ("lost", "doubled", "miscredited", "review", "destroyed", "stranded", "credited", "absent"):
        print(f"  {name:<12} {total[name]}")
    print("rare things, and how often they were seen:")
    for name in rare.REQUIRED:
        print(f"  {seen.get(name, 0):>7}  {name}")
    for seed, wrong in failed[:TOLD_MOST]:
        print(f"FAILED seed {seed}: again with `python -m tests.simulation --seed {seed} --swipes {given.swipes}`")
        for line in wrong[:5]:
            print(f"    {line}")
    if len(failed) > TOLD_MOST:
        print(f"... and {len(failed) - TOLD_MOST} seeds more: {[seed for seed, _ in failed[TOLD_MOST:]]}")
    for name in missing:
        print(f"NEVER SEEN: {name}")
    ok = not failed and not missing and total["seeds"] > 0
    if given.json:
        row = {
            "kind": "simulated faults",
            "points": sum(
                n
                for name, n in seen.items()
                if name.startswith(("fault: ", "attack: ", "gateway killed", "store killed"))
            ),
            "lost": total["lost"],
            "doubled": total["doubled"],
            "miscredited": total["miscredited"],
            "note": f"{total['seeds']} seeds of {given.swipes} swipes; failed: {[seed for seed, _ in failed]}"
            + (f"; never seen: {missing}" if missing else ""),
        }
        figures = {
            "seeds": total["seeds"],
            "swipes": total["taps"],
            "swipes_per_s": round(rate, 1),
            "virtual_hours": round(total["virtual_s"] / 3600, 1),
            "rare_things": len(rare.REQUIRED) - len(missing),
        }
        said = {"part": "simulation", "seconds": round(took_s, 1), "seed": given.first, "rows": [row]}
        given.json.write_text(json.dumps({**said, "figures": figures, "ok": ok}, indent=1) + "\n")
    print("ok" if ok else "NOT OK")
    return 0 if ok else 1


def again(given: argparse.Namespace) -> int:
    """One seed, with its trace."""
    with Stage() as stage:
        one = play(stage, given.seed, swipes=given.swipes, show=None if given.quiet else print)
    score = one.score
    print(
        f"seed {one.seed}: {score.taps} swipes, {score.greens} greens, lost {score.lost}, doubled {score.doubled}, ",
        end="",
    )
    print(
        f"miscredited {score.miscredited}, for review {score.review}; {one.virtual_s:.0f} virtual s, {one.cpu_s:.1f} s of CPU"
    )
    print(f"trace hash {one.hash} ({one.events} events)")
    for line in score.wrong:
        print(f"WRONG {line}")
    return 1 if score.wrong else 0


def main(argv: Sequence[str]) -> int:
    given = arguments(argv)
    try:
        return many(given) if given.seed is None else again(given)
    except KeyboardInterrupt:
        print("interrupted")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
