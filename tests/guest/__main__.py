"""`python -m tests.guest [--cuts N] [--seed N] [--json FILE]`: power cuts of a real kernel, and the table of them.

Exit status 0: nothing was lost, doubled or altered, and the control lost what it must. 1: otherwise, or the guest
failed. 2: User-Mode Linux is not installed.
"""

import argparse
import json
import shutil
import signal
import statistics
import sys
import time

from tests.guest import cuts
from tests.guest.cuts import Outcome

CONTROL = "NORMAL"
INSTALL = "User-Mode Linux is missing (linux.uml): install Debian's packages user-mode-linux and e2fsprogs"


def rows_of(real: Outcome, control: Outcome, killed: Outcome) -> list[dict]:
    """The proof's rows: kind, points, lost, doubled, miscredited, note."""

    def row(kind: str, points: int, note: str, lost: int = 0, doubled: int = 0, altered: int = 0) -> dict:
        numbers = {"points": points, "lost": lost, "doubled": doubled, "miscredited": altered}
        return {"kind": kind, **numbers, "note": note}

    door, gate = real.door, real.gate
    while_recovering = f", {real.recovering} of the cuts while recovering" if real.recovering else ""
    lost = f"{control.door.lost} of {control.door.said} greens, {control.gate.lost} of {control.gate.said} acks"
    return [
        row(
            "guest power cut, Pi journal",
            real.cuts,
            f"{door.said} greens seen, {door.unseen} records kept beyond them{while_recovering}",
            door.lost,
            door.doubled,
            door.altered,
        ),
        row(
            "guest power cut, gateway spool",
            real.cuts,
            f"{gate.said} acknowledgements seen, {gate.unseen} rows kept beyond them",
            gate.lost,
            gate.doubled,
            gate.altered,
        ),
        row(
            "guest power cut, Pi roster shelf",
            real.cuts,
            f"{door.rosters} rosters kept",
            door.rosters_lost,
        ),
        row(
            f"control: synchronous={CONTROL}",
            control.cuts,
            f"lost as it must: {lost}" if loses(control) else f"LOST TOO LITTLE, so the rest proves nothing: {lost}",
        ),
        row(
            "the same, only processes killed",
            killed.cuts,
            f"{killed.door.said} greens and {killed.gate.said} acks seen: what the kernel held was still there",
            killed.door.lost + killed.door.rosters_lost + killed.gate.lost,
            killed.door.doubled + killed.gate.doubled,
            killed.door.altered + killed.gate.altered,
        ),
    ]


def loses(control: Outcome) -> bool:
    """Whether the control lost greens of the journal and acknowledgements of the spool."""
    return control.door.lost > 0 and control.gate.lost > 0


def figures_of(real: Outcome, control: Outcome) -> dict[str, float]:
    """What was measured."""
    return {
        "cuts": real.cuts,
        "boots": real.boots + control.boots,
        "ext4_replays": real.replays,
        "greens_seen": real.door.said,
        "acks_seen": real.gate.said,
        "control_cuts": control.cuts,
        "control_greens_seen": control.door.said,
        "control_greens_lost": control.door.lost,
        "control_acks_seen": control.gate.said,
        "control_acks_lost": control.gate.lost,
        "seconds_per_boot": round(statistics.mean(real.seconds + control.seconds), 2),
    }


def failings(rows: list[dict], real: Outcome, control: Outcome) -> list[str]:
    """Why the proof fails, as sentences; none where it holds."""
    found = [
        f"{row['kind']}: {row[what]} {what}" for row in rows for what in ("lost", "doubled", "miscredited") if row[what]
    ]
    found += real.broken
    if not loses(control):
        found.append(f"the control (synchronous={CONTROL}) did not lose: these cuts would not see a missing sync")
    if not (real.replays and real.door.said and real.gate.said and real.door.judged and real.gate.judged):
        found.append("no ext4 journal was replayed, or nothing was green, acknowledged or judged: nothing was tried")
    return found


def table(rows: list[dict]) -> str:
    """The rows for people."""
    lines = [f"{'kind':34} {'cuts':>5} {'lost':>5} {'doubled':>8} {'miscredited':>12}  note"]
    lines += [
        f"{r['kind']:34} {r['points']:5} {r['lost']:5} {r['doubled']:8} {r['miscredited']:12}  {r['note']}"
        for r in rows
    ]
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """Cut, judge, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.guest", description="Power cuts of a real kernel.")
    parser.add_argument("--cuts", type=int, default=5, help="power cuts of the real thing (default: 5)")
    parser.add_argument("--control-cuts", type=int, default=2, help="power cuts of the control (default: 2)")
    parser.add_argument("--seed", type=int, default=7, help="draws the moments of the cuts, taps and messages")
    parser.add_argument("--json", metavar="FILE", help="write the rows there as well")
    arguments = parser.parse_args(argv)
    if min(arguments.cuts, arguments.control_cuts) < 1:
        parser.error("at least one cut, and one of the control")
    began = time.monotonic()
    program = shutil.which("linux.uml")
    if program is None:
        print(INSTALL, file=sys.stderr)
        write(arguments, began, [], {}, ok=False)
        return 2
    # So that the guest is ended, and its folder removed. A shell's background job is born deaf to SIGINT.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print(
        f"tests.guest: seed {arguments.seed}, {arguments.cuts} cuts, {arguments.control_cuts} of the control",
        flush=True,
    )

    def report(text: str) -> None:
        print(text, flush=True)

    try:
        real = cuts.run(program, cuts=arguments.cuts, seed=arguments.seed, report=report)
        report(f"  control: PRAGMA synchronous = {CONTROL}")
        control = cuts.run(
            program, cuts=arguments.control_cuts, seed=arguments.seed, synchronous=CONTROL, report=report
        )
        report("  the same, killed in a guest that lives on")
        killed = cuts.kill(program, seed=arguments.seed, synchronous=CONTROL, report=report)
    except cuts.GuestFailed as error:
        print(f"FAILED: {error}", file=sys.stderr)
        write(arguments, began, [], {}, ok=False)
        return 1
    rows = rows_of(real, control, killed)
    failed = failings(rows, real, control)
    figures = figures_of(real, control)
    print(table(rows))
    print("  ".join(f"{name} {value}" for name, value in figures.items()))
    for text in failed:
        print(f"FAILED: {text}")
    print(f"{write(arguments, began, rows, figures, ok=not failed)} s")
    return 1 if failed else 0


def write(arguments: argparse.Namespace, began_s: float, rows: list[dict], figures: dict, *, ok: bool) -> float:
    """The JSON file, where one is asked for. Returns the seconds that all took."""
    seconds = round(time.monotonic() - began_s, 1)
    if arguments.json:
        found = {
            "part": "guest",
            "seconds": seconds,
            "seed": arguments.seed,
            "rows": rows,
            "figures": figures,
            "ok": ok,
        }
        with open(arguments.json, "w") as file:
            json.dump(found, file, indent=1)
    return seconds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
