"""The results as tables: plain for the terminal, Markdown for docs/proof.md."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.prove.parts import DEMANDS
from tests.prove.result import Result

BEGIN = "<!-- begin: made by `make prove ARGS=--write`; not by hand -->"
END = "<!-- end -->"
HEADINGS = ("kind of fault", "points", "lost", "doubled", "miscredited", "note")


def plain(results: Sequence[Result]) -> str:
    """All parts' rows, for a terminal."""
    rows: list[tuple[str, ...]] = [HEADINGS]
    for result in results:
        rows.append((f"[{result.part}] {'ok' if result.ok else 'FAILED'}, {result.seconds:.0f} s", *[""] * 5))
        rows += [_cells(row) for row in result.rows]
    widths = [max(len(row[n]) for row in rows) for n in range(5)]
    return "\n".join("  ".join([*(row[n].ljust(widths[n]) for n in range(5)), row[5]]).rstrip() for row in rows)


def markdown(results: Sequence[Result], helps: Mapping[str, str], where: str) -> str:
    """The generated part of docs/proof.md. `where`: the machine."""
    lines = [where, "", *short(results)]
    for result in results:
        seed = "" if result.seed is None else f", seed {result.seed}"
        lines += ["", f"### {result.part}: {helps.get(result.part, '')}", ""]
        lines += [
            f"`{result.command}`: {'ok' if result.ok else '**failed**'}, {result.seconds:.0f} s{seed}, {result.ended}, "
            f"commit {result.commit or 'not recorded'}"
        ]
        lines += ["", _line(HEADINGS), "|---|---:|---:|---:|---:|---|"]
        lines += [_line(_cells(row)) for row in result.rows]
        if result.figures:
            lines += ["", "| figure | value |", "|---|---|"]
            lines += [_line((name, _value(value))) for name, value in result.figures.items()]
    return "\n".join(lines)


def short(results: Sequence[Result]) -> list[str]:
    """What of these fell short, a line each: parts that failed, rows that cost something, figures below their demand."""
    found = []
    for result in results:
        found += [f"- {result.part} failed"] if not result.ok else []
        found += [f"- {result.part}: {' '.join(line.split())}" for line in result.wrong]
        for row in result.rows:
            if not row.harmless:
                cost = f"{row.lost} lost, {row.doubled} doubled, {row.miscredited} miscredited"
                found.append(f"- {result.part}: {row.kind}: {cost}")
        for demand in DEMANDS:
            value = result.figures.get(demand.figure)
            if demand.part != result.part or not isinstance(value, (int, float)):
                continue
            reached = value if demand.in_s is None else value * demand.in_s / result.seconds
            if reached < demand.must if demand.at_least else reached > demand.must:
                within = "" if demand.in_s is None else f" in {demand.in_s:g} s"
                wanted = f"{'at least' if demand.at_least else 'at most'} {_value(demand.must)}"
                found.append(f"- {result.part}: {demand.figure}: {_value(reached)}{within}, where {wanted} is demanded")
    return ["**Fell short:**", "", *found] if found else ["**Fell short:** nothing."]


def put(page: str, tables: str) -> str:
    """The page with its generated part replaced. ValueError where the page has no place for it."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no lines {BEGIN!r} and {END!r} between which the tables stand")
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"


def _cells(row: Any) -> tuple[str, ...]:
    return (row.kind, f"{row.points:,}", str(row.lost), str(row.doubled), str(row.miscredited), row.note)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(c.replace("|", "\\|").replace("\n", " ") for c in cells) + " |"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{k} {_value(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_value(v) for v in value)
    return str(value)
