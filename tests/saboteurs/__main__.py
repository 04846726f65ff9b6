"""`python -m tests.saboteurs [--only NAME] [--jobs 2] [--json FILE]`: is each broken variant caught by its test?

Exit status 0: the control passed, every saboteur was applied and caught. 1: not so; the table says which.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

from tests.saboteurs.declared import Saboteur, every
from tests.saboteurs.trial import Bench, Verdict

REPO = Path(__file__).resolve().parents[2]
SEED = 7


def main(argv: Sequence[str], saboteurs: Sequence[Saboteur] | None = None) -> int:
    """Run them, print the table; 0 where each is caught. saboteurs: others than the declared ones."""
    parser = argparse.ArgumentParser(prog="saboteurs", description="Is each broken variant caught by its test?")
    parser.add_argument("--only", metavar="NAME", help="those whose name or file holds this")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="how many at once (2)")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the tests ({SEED})")
    parser.add_argument("--json", metavar="FILE", help="write the result there, too")
    parser.add_argument("--list", action="store_true", help="name them, and run nothing")
    options = parser.parse_args(argv)
    chosen = [one for one in (saboteurs or every()) if (options.only or "") in f"{one.name}\n{one.file}"]
    if not chosen:
        parser.error(f"no saboteur's name or file holds {options.only!r}")
    if options.list:
        for one in chosen:
            print(f"{one.name}: {one.why}")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything started is ended
    began = time.monotonic()
    print(f"saboteurs: {len(chosen)}, seed {options.seed}, {options.jobs} at once", flush=True)
    with tempfile.TemporaryDirectory(prefix="muster-saboteurs-") as folder:
        bench = Bench(REPO, Path(folder), seed=options.seed)
        pool = ThreadPoolExecutor(max_workers=options.jobs)
        try:
            wrong = control(bench, pool, chosen, options.jobs)
            verdicts = [] if wrong else trials(bench, pool, chosen)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            bench.end()
            pool.shutdown(wait=True)
    seconds = time.monotonic() - began
    print(table(verdicts))
    for line in wrong:
        print(f"CONTROL FAILED: {line}")
    ok = not wrong and len(verdicts) == len(chosen) and all(one.caught for one in verdicts)
    caught = sum(one.caught for one in verdicts)
    print(f"{caught} of {len(chosen)} caught, control {'FAILED' if wrong else 'passed'}, {seconds:.0f} s")
    if options.json:
        Path(options.json).write_text(json.dumps(as_json(verdicts, wrong, seconds, options.seed, ok), indent=1) + "\n")
    return 0 if ok else 1


def control(bench: Bench, pool: ThreadPoolExecutor, chosen: Sequence[Saboteur], jobs: int) -> list[str]:
    """Every test that is meant to catch one passes on the tree as it is. Returns what is wrong."""
    tests = sorted({one.test for one in chosen})
    parts = [part for part in (tests[n::jobs] for n in range(jobs)) if part]
    wrong: list[str] = []
    for found in pool.map(bench.control, parts, range(len(parts))):
        wrong += found
    print(f"control: {len(tests)} tests on the tree as it is, {len(wrong)} problems", flush=True)
    return wrong


def trials(bench: Bench, pool: ThreadPoolExecutor, chosen: Sequence[Saboteur]) -> list[Verdict]:
    """A verdict for each, in the order of the table."""
    futures: dict[Future[Verdict], str] = {pool.submit(bench.trial, one, n): one.name for n, one in enumerate(chosen)}
    for done in as_completed(futures):
        verdict = done.result()
        said = "" if verdict.caught else f": {' '.join(verdict.text.split())}"
        print(f"  {verdict.outcome}: {verdict.saboteur.name} ({verdict.seconds:.1f} s){said}", flush=True)
    return [future.result() for future in futures]


def table(verdicts: Sequence[Verdict]) -> str:
    """The table as Markdown, which is plain enough to read as it is."""
    lines = ["| saboteur | what is broken | caught by | seconds | caught |", "|---|---|---|---:|---|"]
    for one in verdicts:
        test = one.saboteur.test.removeprefix("tests/")
        said = "yes" if one.caught else f"NO: {one.outcome}: {' '.join(one.text.split())}"
        lines.append(f"| {one.saboteur.name} | {one.saboteur.file} | {test} | {one.seconds:.1f} | {said} |")
    return "\n".join(lines)


def as_json(verdicts: Sequence[Verdict], wrong: Sequence[str], seconds: float, seed: int, ok: bool) -> dict:
    """The result in the form that every part of the proof has. wrong: what the control found."""
    missed = [f"{one.saboteur.name}: {one.outcome}: {one.text}" for one in verdicts if not one.caught]
    return {
        "part": "saboteurs",
        "seconds": round(seconds, 1),
        "seed": seed,
        "rows": [
            {
                "kind": one.saboteur.name,
                "points": 1,
                "lost": 0,
                "doubled": 0,
                "miscredited": 0,
                "note": f"{one.saboteur.file}: {one.outcome} by {one.saboteur.test}: {one.text}",
                "file": one.saboteur.file,
                "test": one.saboteur.test,
                "caught": one.caught,
                "seconds": round(one.seconds, 1),
            }
            for one in verdicts
        ],
        "wrong": [*(f"control: {line}" for line in wrong), *missed],
        "figures": {"saboteurs": len(verdicts), "caught": sum(one.caught for one in verdicts)},
        "ok": ok,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
