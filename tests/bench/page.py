"""The figures in docs/bench.md: each part's as it was measured last, with when and at which commit."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.bench.figure import HEADINGS, Result, cells, circumstances

REPO = Path(__file__).resolve().parent.parent.parent
PAGE = REPO / "docs" / "bench.md"
BEGIN = "<!-- begin: made by `make bench ARGS=--write`; not by hand -->"
END = "<!-- end -->"


def put(page: str, results: Sequence[Result], order: Sequence[str], when: str) -> str:
    """The page with these parts' figures replaced; the other parts' stay. order: of the parts. when: the date and the
    commit. ValueError where the page has no place for them."""
    before, begin, rest = page.partition(BEGIN)
    inside, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no lines {BEGIN!r} and {END!r} between which the figures stand")
    parts = {found[1]: found[0].strip() for found in re.finditer(r"### (\S+)\n.*?(?=\n### |\Z)", inside, re.DOTALL)}
    parts |= {result.part: section(result, when) for result in results}
    known = sorted(parts, key=lambda name: order.index(name) if name in order else len(order))
    sections = [parts[name] for name in known]
    body = "\n\n".join([short(sections), *sections] if sections else [])
    return f"{before}{BEGIN}\n\n{body}\n\n{END}{after}"


def short(sections: Sequence[str]) -> str:
    """What of these sections fell short, a line each: demands that are not met, parts that failed."""
    found = []
    for one in sections:
        heading, _, rest = one.partition("\n")
        name = heading.removeprefix("### ")
        found += [f"- `{name}` failed" for line in rest.splitlines() if "; FAILED: " in line]
        rows = [re.split(r"(?<!\\)\|", line) for line in rest.splitlines() if line.startswith("| ")]
        for row in rows:
            figure, measured, must, _, met = (cell.strip() for cell in row[1:6])
            if met == "NO":
                found.append(f"- `{name}`: {figure}: {measured}, where {must} is demanded")
    return "\n".join(["**Fell short:**", "", *found]) if found else "**Fell short:** nothing."


def section(result: Result, when: str) -> str:
    """One part's figures in Markdown."""
    lines = [
        f"### {result.part}",
        "",
        f"{circumstances(result)}; {when}",
        "",
        _line(HEADINGS),
        "|---|---:|---:|---:|---|---|",
    ]
    return "\n".join(lines + [_line(cells(figure)) for figure in result.figures])


def stands() -> str:
    """The commit as it stands, `-dirty` where files were changed since."""
    told = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=REPO, capture_output=True, text=True)
    return told.stdout.strip() or "unknown"


def _line(columns: Sequence[str]) -> str:
    return "| " + " | ".join(column.replace("|", "\\|").replace("\n", " ") for column in columns) + " |"
