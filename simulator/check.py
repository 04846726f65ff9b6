"""The check: what people saw at the doors and what the campus knows to be true, against what the store has.

`seen` comes from the lamps, `plan` from the campus, `rows` from the store's API. Nothing is assumed to be right.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from simulator.world import Seen


@dataclass(frozen=True, kw_only=True)
class Row:
    """One swipe in the store."""

    reader: str
    journal: str
    seq: int
    #: the registry's id of whose card it was, or empty
    person: str
    #: uid of the session it belongs to, or empty; and whether it is the swipe that credits it
    session: str
    credits: bool
    #: what the reader showed
    shown: str
    #: when it was taken by the store's reckoning, and when it was committed, epoch ms
    at_ms: float | None
    stored_ms: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the comparison found. All zero but `stored` and `credited` is what we promise."""

    stored: int
    #: greens that people saw and the store does not have
    lost: int
    #: identities that stand twice, and swipes in the store beyond the cards that were held to a door
    duplicated: int
    credited: int
    #: (student, session) pairs credited that should not be, or not credited that should
    miscredited: int
    #: those pairs, for whoever looks into it
    wrong: tuple[str, ...]


#: a swipe stands in the store at the time of the tap, give or take the reader's clock and the time a card takes, ms
NEAR_MS = 2500


def compare(seen: Iterable[Seen], rows: list[Row], *, near_ms: float = NEAR_MS) -> Outcome:
    """Compare the lamps' log with the store. Each green needs a swipe of its own, at its own time."""
    seen = list(seen)
    held = Counter((s.reader, s.tap.student) for s in seen)
    stored = Counter((r.reader, r.person) for r in rows)
    lost = _without_swipe([s for s in seen if s.light == "green"], [r for r in rows if r.shown == "green"], near_ms)
    identities = Counter((r.reader, r.journal, r.seq) for r in rows)
    duplicated = sum(count - 1 for count in identities.values())
    # More swipes than cards held there: the same tap must have been stored twice.
    duplicated += sum(max(0, count - held[key]) for key, count in stored.items())
    truth = {(s.tap.student, s.tap.session) for s in seen if s.light == "green" and s.tap.session}
    # A tap whose light was not seen (power went) may or may not have been recorded: either is true.
    perhaps = {(s.tap.student, s.tap.session) for s in seen if s.tap.session} - truth
    credits = Counter((r.person, r.session) for r in rows if r.credits)
    wrong = [f"{student} not credited for {session}" for student, session in sorted(truth - set(credits))]
    wrong += [f"{student} credited for {session}" for student, session in sorted(set(credits) - truth - perhaps)]
    wrong += [f"{student} credited twice for {session}" for (student, session), n in sorted(credits.items()) if n > 1]
    return Outcome(
        stored=len(rows),
        lost=lost,
        duplicated=duplicated,
        credited=len(credits),
        miscredited=len(wrong),
        wrong=tuple(wrong),
    )


def _without_swipe(greens: list[Seen], rows: list[Row], near_ms: float) -> int:
    free: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row.at_ms is not None:
            free.setdefault((row.reader, row.person), []).append(row.at_ms)
    lost = 0
    for green in sorted(greens, key=lambda s: s.at_ms):
        times = free.get((green.reader, green.tap.student), [])
        near = [t for t in times if abs(t - green.at_ms) <= near_ms]
        if near:
            # The earliest that fits: later ones are needed by later greens.
            times.remove(min(near))
        else:
            lost += 1
    return lost


def quantiles(values: Iterable[float]) -> dict[str, float | None]:
    """p50 and p99 of some milliseconds, to a tenth; None where there is no value."""
    ordered = sorted(values)
    if not ordered:
        return {"p50": None, "p99": None}
    return {
        "p50": round(ordered[len(ordered) // 2], 1),
        "p99": round(ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], 1),
    }


def delays(seen: Iterable[Seen], rows: list[Row]) -> list[float]:
    """From a card being held to a door to the store's commit, ms: each light with the store's row nearest in time."""
    by_key: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        by_key.setdefault((row.reader, row.person), []).append(row)
    found = []
    for s in seen:
        near = [r for r in by_key.get((s.reader, s.tap.student), []) if r.at_ms is not None]
        if s.light and near:
            best = min(near, key=lambda r: abs((r.at_ms or 0) - s.at_ms))
            found.append(best.stored_ms - s.at_ms)
    return found
