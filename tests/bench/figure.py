"""One measured figure, and the table and the JSON line that figures are printed as."""

import json
import math
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

#: a figure's row: ratio is what was measured by what is demanded
HEADINGS = ("figure", "measured", "must", "ratio", "met", "what was measured")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number that was measured, with what it must be."""

    name: str
    #: None: not measured; `note` says why
    measured: float | None
    unit: str = ""
    #: None: nothing is demanded of it
    must: float | None = None
    #: the demand is a lower limit
    at_least: bool = False
    #: what was measured, or why it was not
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the demand is met. None: there is none, or nothing was measured."""
        if self.must is None or self.measured is None or math.isnan(self.measured):
            return None
        return self.measured >= self.must if self.at_least else self.measured <= self.must

    @property
    def ratio(self) -> float | None:
        """What was measured, by what is demanded. None: there is nothing to divide, or by."""
        return None if self.met is None or not self.must or self.measured is None else self.measured / self.must


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one part of the bench found, and what the machine did meanwhile."""

    part: str
    figures: tuple[Figure, ...]
    seconds: float
    #: 1-minute load average when it began
    load: float
    #: share of all processors that others took meanwhile, 0 to 1
    others: float
    #: how it failed, or empty
    failed: str = ""
    #: what an earlier try, disturbed by others, had missed
    before: str = ""

    @property
    def missed(self) -> list[str]:
        """Each demand that is not met, as it was measured."""
        return [f"{f.name} {_number(f.measured, f.unit)}" for f in self.figures if f.met is False]


def quantile(values: Iterable[float], percent: float) -> float:
    """Nearest rank. NaN where there is no value."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * percent / 100) - 1)]


def table(results: Sequence[Result]) -> str:
    """All figures for people, one a line, by part."""
    rows: list[tuple[str, ...]] = [HEADINGS]
    for result in results:
        rows.append((f"[{result.part}]", "", "", "", "", circumstances(result)))
        rows += [(f"  {name}", *others) for name, *others in map(cells, result.figures)]
    widths = [max(len(row[n]) for row in rows) for n in range(5)]
    lines = ["  ".join([*(c.ljust(w) for c, w in zip(row[:5], widths, strict=True)), row[5]]).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * min(118, max(map(len, lines))), *lines[1:]])


def cells(figure: Figure) -> tuple[str, str, str, str, str, str]:
    """A figure's row, as in `HEADINGS`."""
    met = {None: "", True: "yes", False: "NO"}[figure.met]
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    return figure.name, _number(figure.measured, figure.unit), _must(figure), ratio, met, figure.note


def ended(results: Sequence[Result], seconds: float) -> str:
    """One line below the table: how long it took, how many demands are met, and which are not."""
    demands = [figure.met for result in results for figure in result.figures if figure.met is not None]
    wrong = [f"{r.part}: {what}" for r in results for what in [*r.missed, *(["FAILED"] if r.failed else [])]]
    said = f"{len(results)} parts in {seconds / 60:.1f} minutes: {sum(demands)} of {len(demands)} demands met"
    return f"{said}; not met: {'; '.join(wrong)}" if wrong else said


def as_json(results: Sequence[Result]) -> str:
    """All figures for programs, in one line."""
    return json.dumps(
        {
            "machine": {"cpu": _cpu(), "python": platform.python_version(), "system": platform.platform()},
            "parts": [
                {
                    **{k: v for k, v in asdict(r).items() if k != "figures"},
                    "figures": [{**asdict(f), "measured": _finite(f.measured), "met": f.met} for f in r.figures],
                }
                for r in results
            ],
            "missed": [name for r in results for name in r.missed],
            "failed": [r.part for r in results if r.failed],
        }
    )


def circumstances(result: Result) -> str:
    """The command that repeats it, and how busy the machine was."""
    said = f"python -m tests.bench {result.part}; {result.seconds:.0f} s, load {result.load:.1f} before, "
    said += f"others took {result.others:.0%} of the processors"
    if result.before:
        said += f"; {result.before}"
    return f"{said}; FAILED: {result.failed}" if result.failed else said


def _must(figure: Figure) -> str:
    if figure.must is None:
        return ""
    return f"{'>=' if figure.at_least else '<='} {_number(figure.must, figure.unit)}"


def _number(value: float | None, unit: str) -> str:
    if value is None or math.isnan(value):
        return "-"
    # What is a share of something says little with one figure.
    text = f"{value:.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.{1 if abs(value) >= 2 else 2}f}"
    return f"{text} {unit}".strip()


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else round(value, 3)


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            model = next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.machine()
    return model
