"""`python -m tests.fuzz [--seconds N] [--only TARGET ...] [--seed N] [--json FILE]`: what nobody would send.

Exit status 0: no decoder let out what it may not, the API answered nothing with 5xx, and memory stayed within its bound.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from tests.fuzz.decoders import MEMORY_MIB, Found, fuzz, known
from tests.fuzz.targets import TARGETS, prepare

REPO = Path(__file__).resolve().parent.parent.parent
#: what was found is kept here, one file a finding
KEPT = REPO / "build" / "fuzz"
#: the API's share of the time
API_SHARE = 0.3


def main(argv: list[str]) -> int:
    """Fuzz, print a table, keep what was found."""
    parser = argparse.ArgumentParser(prog="fuzz", description="Sends what nobody would send.")
    parser.add_argument("--seconds", type=float, default=90.0, help="for everything together")
    parser.add_argument("--only", nargs="+", default=[], metavar="TARGET", help=f"of: {', '.join([*TARGETS, 'api'])}")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="one input to one target, with its traceback")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args(argv)
    try:
        names = known([name for name in arguments.only if name != "api"])
    except ValueError as error:
        parser.error(str(error))
    if arguments.replay is not None:
        if len(arguments.only) != 1:
            parser.error("--replay needs one target: --only TARGET")
        prepare(names[0])[0](arguments.replay.read_bytes())
        print("fuzz: nothing wrong with it")
        return 0
    print(f"fuzz: seed {arguments.seed}", flush=True)
    with_api = not arguments.only or "api" in arguments.only
    with_decoders = arguments.only != ["api"]
    began = time.monotonic()
    rows: list[dict[str, Any]] = []
    figures: dict[str, Any] = {}
    problems: list[str] = []
    if with_decoders:
        share = 1 - API_SHARE if with_api else 1
        with tempfile.TemporaryDirectory(prefix="muster-fuzz-") as folder:
            found = fuzz(names, arguments.seconds * share, arguments.jobs, arguments.seed, Path(folder))
            problems += [kept(one) for one in found if one.problem]
        rows += [row(f"{one.target}: {TARGETS[one.target].help}", one.runs, said(one)) for one in found]
        figures["most memory of a decoder, MiB"] = max(one.peak_mib for one in found)
        figures["memory bound, MiB"] = MEMORY_MIB
    if with_api:
        from tests.fuzz import api  # atheris and schemathesis must not both stand in one process

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tried = api.fuzz(arguments.seconds * API_SHARE, arguments.seed)
        problems += tried.problems
        statuses = ", ".join(f"{status}: {count}" for status, count in sorted(tried.statuses.items()))
        rows.append(row(f"api: {tried.operations} operations of the OpenAPI document", tried.requests, statuses))
        figures["memory of the API with its tests, MiB"] = tried.peak_mib
    for each in rows:
        print(f"{each['points']:>12,}  {each['kind']}  ({each['note']})")
    for problem in problems:
        print(f"fuzz: FOUND {problem}", file=sys.stderr)
    ok = not problems and all(each["points"] for each in rows)
    if arguments.json is not None:
        result = {"part": "fuzz", "seconds": time.monotonic() - began, "seed": arguments.seed, "rows": rows}
        arguments.json.write_text(json.dumps(result | {"figures": figures, "ok": ok}))
    return 0 if ok else 1


def row(kind: str, points: int, note: str) -> dict[str, Any]:
    """A row of the proof's table. Nothing that is fuzzed here is a swipe, so none can be lost: what is found fails the run."""
    return {"kind": kind, "points": points, "lost": 0, "doubled": 0, "miscredited": 0, "note": note}


def said(found: Found) -> str:
    """A target's run in words."""
    return found.problem or f"{found.covered} branches, {found.peak_mib} MiB"


def kept(found: Found) -> str:
    """The finding in words, its bytes kept and how to see it once more."""
    if found.example is None:
        return f"{found.target}: {found.problem}"
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / found.example.name
    shutil.copy(found.example, path)
    return (
        f"{found.target}: {found.problem}\n"
        f"  python -m tests.fuzz --only {found.target} --replay {path.relative_to(REPO)}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
