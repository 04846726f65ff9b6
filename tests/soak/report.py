"""What a soak came to, as a table for people and as JSON for the proof."""

from collections import Counter
from typing import Any

from tests.soak.havoc import WEIGHTS
from tests.soak.play import DRAIN_S, Outcome


def _faults(outcomes: list[Outcome]) -> Counter[str]:
    return sum((Counter(o.faults) for o in outcomes), Counter())


def table(outcomes: list[Outcome], seed: int) -> str:
    """The faults that were made, then what came of it."""
    lines = ["", f"faults (seed {seed})".ljust(52) + "made"]
    made = _faults(outcomes)
    lines += [f"  {kind}".ljust(50) + f"{made[kind]:6}" for kind in WEIGHTS if made[kind]]
    lines += [
        "",
        "database".ljust(12) + "swipes  per s  green  stored  credited  lost  doubled  miscredited  drained s",
    ]
    for o in outcomes:
        v = o.verdict
        lit = o.holds - o.lights[""]
        drained = "never" if o.drained_s is None else f"{o.drained_s:.1f}"
        lines.append(
            o.script.database.ljust(12)
            + f"{lit:6}  {lit / o.played_s:5.1f}  {v.greens:5}  {v.stored:6}  {v.credited:8}  {v.lost + v.lost_blue:4}"
            + f"  {v.doubled:7}  {v.miscredited + v.misplaced:11}  {drained:>9}"
        )
    lines.append("")
    for o in outcomes:
        v = o.verdict
        lines.append(
            f"{o.script.database}: {o.script.readers} MicroPython readers; {o.lights['red']} red, {o.lights['blue']} blue,"
            f" {o.lights['']} held without a light; {o.fell} times the power failed within a flash operation; {v.unplaced} never placed, {v.refused} red without a swipe"
        )
        lines.append("  processors busy: " + ", ".join(f"{kind} {n}" for kind, n in o.cores.items()))
        lines += [f"  {line}" for line in v.wrong[:20]]
        lines += [f"  {name}: its lamp did not come back to blue" for name in o.broken]
        if o.drained_s is None or o.drained_s > DRAIN_S:
            judged = f"; not judged: others took {o.others:.0%} of the processors" if o.in_time else ""
            lines.append(f"  NOT drained within {DRAIN_S:.0f} s of the last fault{judged}")
    return "\n".join(lines)


def as_json(outcomes: list[Outcome], *, seed: int, seconds: float, ok: bool, caged: bool) -> dict[str, Any]:
    """For tests/prove: a row for each kind of fault; what was lost cannot be told apart by fault and stands in each."""
    lost = sum(o.verdict.lost + o.verdict.lost_blue for o in outcomes)
    doubled = sum(o.verdict.doubled for o in outcomes)
    miscredited = sum(o.verdict.miscredited + o.verdict.misplaced for o in outcomes)
    made = _faults(outcomes)
    figures: dict[str, Any] = {}
    for o in outcomes:
        name = o.script.database
        lit = o.holds - o.lights[""]
        at_first = figures.get(f"{name}: drained after the last fault, s")
        figures |= {
            f"{name}: swipes": lit,
            f"{name}: swipes/s": round(lit / o.played_s, 1),
            f"{name}: greens": o.verdict.greens,
            f"{name}: swipes stored": o.verdict.stored,
            f"{name}: credited": o.verdict.credited,
            f"{name}: drained after the last fault, s": o.drained_s and round(o.drained_s, 1),
            f"{name}: MicroPython readers": o.script.readers,
            f"{name}: share of the processors that others took": round(o.others, 2),
        }
        if at_first is not None:
            # It was played once more, because this was too long.
            figures[f"{name}: drained at first, s"] = at_first
    tapped_s = sum(o.script.seconds for o in outcomes)
    swipes = sum(o.holds - o.lights[""] for o in outcomes)
    figures["swipes in ten minutes at this pace"] = round(swipes / tapped_s * 600) if tapped_s else 0
    note = "" if caged else "no namespaces here: cut by relays in user space"
    return {
        "part": "soak",
        "seconds": round(seconds, 1),
        "seed": seed,
        "rows": [
            {
                "kind": kind,
                "points": made[kind],
                "lost": lost,
                "doubled": doubled,
                "miscredited": miscredited,
                "note": note if "one-way" in kind else "",
            }
            for kind in WEIGHTS
            if made[kind]
        ],
        "figures": figures,
        "ok": ok,
    }
