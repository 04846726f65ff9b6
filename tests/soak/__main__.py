"""`python -m tests.soak --minutes 10 [--seed N] [--database sqlite|postgresql|both] --json FILE`: see README.md."""

import argparse
import asyncio
import json
import os
import random
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from simulator.processes import PartFailed
from simulator.unixport.runner import CannotRun
from tests.soak import cage
from tests.soak.havoc import WEIGHTS
from tests.soak.play import LATE_S, play
from tests.soak.report import as_json, table
from tests.soak.saboteurs import SABOTEURS, broken
from tests.soak.stage import Script

#: 50,000 in 10 minutes must be reached, and who stands before a dead reader taps less: measured, one to four in a hundred
SWIPES_PER_S = 88.0


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(prog="tests.soak", description="The whole line in real processes, broken at random.")
    made.add_argument("--minutes", type=float, default=10, help="how long people tap, for both databases together (10)")
    made.add_argument("--seed", type=int, help="of campus, people and faults (a new one, printed)")
    made.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    made.add_argument("--readers", type=int, default=16, help="doors with MicroPython readers (16)")
    made.add_argument("--rate", type=float, default=SWIPES_PER_S, help="swipes a second that are wanted (88)")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the result there too")
    made.add_argument("--keep", action="store_true", help="keep databases and logs of a run that went well, too")
    made.add_argument("--kinds", default="", help="only these kinds of faults, joined by semicolons (all)")
    made.add_argument("--between", default="1-5", help="seconds between two faults (1-5)")
    made.add_argument("--late", type=float, default=LATE_S, help="what is late is waited for so long, s (420)")
    made.add_argument("--saboteur", choices=sorted(SABOTEURS), help="break one part; the soak must fail then")
    made.add_argument("--no-cage", action="store_true", help="without namespaces: one-way cuts by relays")
    made.add_argument(cage.CAGED, action="store_true", help=argparse.SUPPRESS)
    return made


def main(argv: list[str]) -> int:
    """Run the soak; 0 only if nothing was lost, doubled or miscredited, and all was drained in time."""
    arguments = parser().parse_args(argv)
    if not arguments.caged:
        why = "--no-cage" if arguments.no_cage else cage.possible()
        if not why:
            return cage.run_inside(argv)
        print(f"soak: SKIPPED: network namespaces ({why}); one-way cuts are made by relays in user space", flush=True)
    else:
        cage.settle()
    seed = secrets.randbelow(1 << 31) if arguments.seed is None else arguments.seed
    print(f"soak: seed {seed}", flush=True)
    databases = ("sqlite", "postgresql") if arguments.database == "both" else (arguments.database,)
    began = time.monotonic()
    outcomes = []
    ok = True
    kinds = tuple(filter(None, arguments.kinds.split(";"))) or tuple(WEIGHTS)
    if unknown := set(kinds) - set(WEIGHTS):
        print(f"soak: --kinds does not know {', '.join(unknown)}; it knows {'; '.join(WEIGHTS)}", file=sys.stderr)
        return 2
    least, _, most = arguments.between.partition("-")
    turns = list(databases)
    for n, database in enumerate(turns):
        folder = Path(tempfile.mkdtemp(prefix=f"muster-soak-{database}-"))
        sabotage: dict[str, Any] = broken(arguments.saboteur, folder / "saboteur") if arguments.saboteur else {}
        script = Script(
            database=database,
            readers=arguments.readers,
            students=max(60, arguments.readers * 100),
            swipes_per_s=arguments.rate,
            seconds=arguments.minutes * 60 / len(databases),
            seed=random.Random(f"{seed} {n}").getrandbits(31) if n else seed,
            caged=arguments.caged,
            root=os.geteuid() == 0,
            kinds=kinds,
            between_s=(float(least), float(most or least)),
            share=database == "postgresql",
            **sabotage,
        )

        def say(text: str, database: str = database) -> None:
            print(f"soak: {database}: {text}", flush=True)

        try:
            outcome = asyncio.run(cage.until_asked(play(script, folder, say, late_s=arguments.late)))
        except (PartFailed, CannotRun, FileNotFoundError, RuntimeError) as error:
            print(f"soak: {database}: {error}\nsoak: logs are kept in {folder}/logs", flush=True)
            return 1
        except (asyncio.CancelledError, KeyboardInterrupt):
            print(f"soak: ended before its time; logs are kept in {folder}/logs", flush=True)
            return 130
        outcomes.append(outcome)
        if outcome.only_late and turns.count(database) == 1:
            say(f"all is there, but after {outcome.drained_s:.0f} s: played once more, and late twice is a failure")
            turns.append(database)
        else:
            ok = ok and outcome.ok
        if outcome.ok and not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            (folder / "wrong.txt").write_text("\n".join(outcome.verdict.wrong) + "\n")
            say(f"{'kept' if outcome.ok else 'FAILED: what is wrong, databases and logs are kept'} in {folder}")
    print(table(outcomes, seed), flush=True)
    if arguments.json:
        made = as_json(outcomes, seed=seed, seconds=time.monotonic() - began, ok=ok, caged=arguments.caged)
        arguments.json.write_text(json.dumps(made, indent=1) + "\n")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
