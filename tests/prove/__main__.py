"""`python -m tests.prove [PART ...] [--full] [--write]`: attacks the promise from every side, part after part.

Exit status 0: every part that was run held. Each part's result is kept in build/proof/; `--write` puts what lies there
into docs/proof.md, without running anything where no part is named.
"""

import argparse
import datetime as dt
import json
import os
import platform
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.prove import page
from tests.prove.parts import PARTS, Part
from tests.prove.result import BadResult, Result, read

REPO = Path(__file__).resolve().parent.parent.parent
KEPT = REPO / "build" / "proof"
PAGE = REPO / "docs" / "proof.md"
#: a part that was told to end has so long to put its processes away, s
GRACE_S = 30.0


def main(argv: list[str]) -> int:
    """Run, print the table, perhaps write the page; 0 where everything held."""
    parser = argparse.ArgumentParser(prog="prove", description="Attacks the promise from every side.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"only these, of {', '.join(PARTS)}")
    parser.add_argument("--full", action="store_true", help="as long as for a release, instead of briefly")
    parser.add_argument("--write", action="store_true", help="put the results into docs/proof.md; alone, run nothing")
    arguments = parser.parse_args(argv)
    unknown = [name for name in arguments.parts if name not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    names = arguments.parts or ([] if arguments.write else list(PARTS))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    KEPT.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    failed = [name for name in names if not run(name, PARTS[name], full=arguments.full)]
    took_s = time.monotonic() - began
    results = kept(names or list(PARTS))
    print(page.plain(results))
    if names:
        print("\n".join(["", *page.short(results), f"prove: {len(names)} parts in {took_s / 60:.1f} minutes"]))
    if arguments.write and not kept(list(PARTS)):
        print(
            f"prove: no results lie in {KEPT.relative_to(REPO)}: `make prove` first; the page stays as it is",
            file=sys.stderr,
        )
        return 2
    if arguments.write:
        helps = {name: part.help for name, part in PARTS.items()}
        PAGE.write_text(page.put(PAGE.read_text(), page.markdown(kept(list(PARTS)), helps, where())))
        print(f"prove: wrote {PAGE.relative_to(REPO)}")
    for name in failed:
        print(f"prove: {name} FAILED", file=sys.stderr)
    return 1 if failed else 0


def run(name: str, part: Part, *, full: bool) -> bool:
    """One part as a process of its own, within its limit. False: it failed, or said nothing that can be believed."""
    path = KEPT / f"{name}.json"
    path.unlink(missing_ok=True)
    arguments = part.full if full else part.quick
    command = [sys.executable, "-m", part.module, *arguments]
    print(f"\nprove: {name}: {part.help} ...", flush=True)
    began, commit = time.monotonic(), described()
    status = bounded([*command, "--json", str(path)], part.limit_s[full])
    if status:
        print(f"prove: {name}: exit status {status} after {time.monotonic() - began:.0f} s", flush=True)
    try:
        result = read(path)
    except BadResult as error:
        print(f"prove: {error}", file=sys.stderr, flush=True)
        return False
    said = json.loads(path.read_text())
    said["ok"] = result.ok and status == 0
    said["command"] = shlex.join(["python", *command[1:]])
    said["commit"] = commit
    said["ended"] = f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC"
    path.write_text(json.dumps(said, indent=1))
    return said["ok"]


def bounded(command: list[str], limit_s: int) -> int:
    """The command's exit status; it is told to end after `limit_s`, and made to after a while more."""
    with subprocess.Popen(command, cwd=REPO, start_new_session=True) as process:
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired:
            print(f"prove: not done after {limit_s} s: ended", file=sys.stderr, flush=True)
            return 124
        finally:
            if process.poll() is None:
                end(process)


def end(process: subprocess.Popen) -> None:
    """First asks, so that the part can end what it started."""
    process.terminate()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def kept(names: list[str]) -> list[Result]:
    """The results that lie there, in the order of the parts; what is no result is said."""
    results = []
    for name in names:
        path = KEPT / f"{name}.json"
        if path.exists():
            try:
                results.append(read(path))
            except BadResult as error:
                print(f"prove: {error}", file=sys.stderr)
    return results


def described() -> str:
    """The commit as it stands, `-dirty` where files were changed since; each part's own, as parts are run one by one."""
    told = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=REPO, capture_output=True, text=True)
    return told.stdout.strip() or "unknown"


def where() -> str:
    """The machine, in a line."""
    system = f"{platform.system()} {platform.release()}"
    return f"{os.cpu_count()} cores, {system}, Python {platform.python_version()}. Each part names its own commit."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
