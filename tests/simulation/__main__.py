"""`python -m tests.simulation`: seeds for so many seconds, in several processes; or one seed again, with its trace."""

import argparse
import json
import multiprocessing
import queue
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.simulation import rare
from tests.simulation.play import Stage, play
from tests.simulation.scratch import end_well
from tests.simulation.shift import work
from tests.simulation.tally import Tally

#: more failing seeds than this are not told one by one
TOLD_MOST = 10
#: a seed that was begun in time may go on for so long, s
ENDS_S = 240


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
    turn = context.Value("q", given.first)
    began_s = time.monotonic()
    until_s = began_s + given.seconds
    workers = [
        context.Process(target=work, args=(n, turn, given.swipes, until_s, found), daemon=True)
        for n in range(given.jobs)
    ]
    tally = Tally()
    try:
        for worker in workers:
            worker.start()
        _gather(workers, found, tally, until_s + ENDS_S)
    finally:
        for worker in workers:
            if worker.is_alive():
                worker.terminate()
            worker.join()
    return report(given, tally, time.monotonic() - began_s)


def _gather(workers: list, found: Any, tally: Tally, ends_s: float) -> None:
    """Everything the processes say, until each has said that it is done, has died, or takes too long."""
    at: dict[int, int] = {}  # process -> the seed it is at
    going = set(range(len(workers)))
    while going:
        dead = {n for n in going if not workers[n].is_alive()}
        try:
            worker, one = found.get(timeout=2)
        except queue.Empty:
            late = going if time.monotonic() > ends_s else set()
            for n in sorted(dead | late):
                why = f"died with {workers[n].exitcode}" if n in dead else f"was not done {ENDS_S} s after the end"
                tally.fails(at.get(n, -1), [f"the process that played it {why}"])
            going -= dead | late
            continue
        if one is None:
            going.discard(worker)
        elif isinstance(one, int):
            at[worker] = one
        elif isinstance(one, tuple):
            tally.fails(one[0], [one[1]])
        else:
            tally.count(one)


def report(given: argparse.Namespace, tally: Tally, took_s: float) -> int:
    """Print it all; write the JSON. 0 if nothing is wrong and everything rare was seen."""
    missing = rare.unseen(tally.seen)
    total, failed = tally.total, tally.failed
    print(f"{total['seeds']} seeds, {total['taps']} swipes ({total['greens']} greens) in {took_s:.0f} s")
    rate = total["taps"] / took_s
    cpu_s = total["cpu_ms"] / 1000
    print(f"rate: {rate:.0f} swipes/s, {total['seeds'] / took_s:.2f} seeds/s; {cpu_s:.0f} s of CPU, ", end="")
    print(f"{cpu_s / max(1, total['seeds']):.2f} s of CPU a seed, ", end="")
    print(f"{total['virtual_s'] / 3600:.0f} h of virtual time, {total['events']} events")
    for name in ("lost", "doubled", "miscredited", "review", "destroyed", "credited", "absent"):
        print(f"  {name:<12} {total[name]}")
    print("rare things, and how often they were seen:")
    for name in rare.REQUIRED:
        print(f"  {tally.seen.get(name, 0):>7}  {name}")
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
        figures = {
            "seeds": total["seeds"],
            "swipes": total["taps"],
            "greens": total["greens"],
            "swipes_per_s": round(rate, 1),
            "virtual_hours": round(total["virtual_s"] / 3600, 1),
            "cpu_s_per_seed": round(cpu_s / max(1, total["seeds"]), 2),
            "failed_seeds": len(failed),
            "rare_things_seen": len(rare.REQUIRED) - len(missing),
            "rare_things": len(rare.REQUIRED),
            **{name: tally.seen.get(name, 0) for name in rare.BRANCHES},
        }
        said = {"part": "simulation", "seconds": round(took_s, 1), "seed": given.first, "rows": tally.rows(missing)}
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
    end_well()
    try:
        return many(given) if given.seed is None else again(given)
    except SystemExit:
        print("interrupted")
        raise


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
