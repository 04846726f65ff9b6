"""Which test shows which requirement: the marker `@rule("LOUGH-22")`, and the table in server/README.md made from it.

`python -m tests.rules` writes the table; a test in tests/project says when it is stale. A test is marked, or a whole
module by `pytestmark = rule(...)`; a table of cases (tests/server/policy/cases/*.toml) names the rules of each case.
"""

import ast
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

#: `@rule("LOUGH-22", "LOUGH-21")` on a test
rule = pytest.mark.rule

REPO = Path(__file__).resolve().parents[1]
PAGE, BEGINS, ENDS = "server/README.md", "<!-- made by python -m tests.rules -->", "<!-- end of what was made -->"
#: how many lines each source has; LOUGH's table of marks is named by its letters
SOURCES = {"PORT": 21, "LOUGH": 39, "STEP": 23, "DDU": 16}
MARKS = "PLVBARDHECTWU"
NAME = re.compile(r"\b(PORT|LOUGH|STEP|DDU)-(\d+|[A-Z])\b(?: to (\d+))?")
#: what the register must show: each has a marked test
WANTED = tuple(
    f"{source}-{number}"
    for source, numbers in {
        "PORT": (6, 7, 8, 12, 13),
        "LOUGH": (*range(1, 13), *range(14, 23), *range(31, 36), 38, 39),
        "STEP": (*range(1, 8), 12, *range(15, 24)),
        "DDU": (12, 13, 14),
    }.items()
    for number in numbers
)
CASES = "tests/server/policy/cases"
#: where rules live, and where people see them
RULES, PAGES = ("server/policy", "server/store", "server/derive", "server/jobs.py"), ("server/pages",)


def known(name: str) -> bool:
    """Whether there is such a requirement."""
    source, _, number = name.partition("-")
    if number.isdigit():
        return 1 <= int(number) <= SOURCES.get(source, 0)
    return source == "LOUGH" and len(number) == 1 and number in MARKS


def order(name: str) -> tuple[int, int, str]:
    """The order of the requirements' own page; the marks before the numbers."""
    source, _, number = name.partition("-")
    return list(SOURCES).index(source), int(number) if number.isdigit() else 0, number


@dataclass
class Line:
    """One requirement, and where it is carried, seen and shown."""

    parameters: set[str] = field(default_factory=set)
    rules: set[str] = field(default_factory=set)
    pages: set[str] = field(default_factory=set)
    tests: Counter[str] = field(default_factory=Counter)


def lines(repo: Path = REPO) -> dict[str, Line]:
    """Every requirement that a test shows or that the register must show, in order."""
    found: dict[str, Line] = {name: Line() for name in WANTED}
    for path in sorted((repo / "tests").rglob("test_*.py")):
        for name, times in marked(ast.parse(path.read_text("utf-8"), str(path))).items():
            found.setdefault(name, Line()).tests[path.relative_to(repo / "tests").as_posix()] += times
    for path in sorted((repo / CASES).glob("*.toml")):
        for case in tomllib.loads(path.read_text("utf-8"))["case"]:
            for name in case["rules"]:
                found.setdefault(name, Line()).tests[path.relative_to(repo / "tests").as_posix()] += 1
    wrong = sorted(name for name in found if not known(name))
    if wrong:
        raise SystemExit(f"tests are marked with requirements that there are not: {', '.join(wrong)}")
    for path in sorted((repo / "server/policy/profiles").glob("*.toml")):
        for parameter, cited in _cited(tomllib.loads(path.read_text("utf-8")), "", ""):
            if cited in found:
                found[cited].parameters.add(f"{path.stem}: {'.'.join(parameter.split('.')[:2])}")
    for folders, column in ((RULES, "rules"), (PAGES, "pages")):
        for path in _texts(repo, folders):
            for name in named(path.read_text("utf-8")) & set(found):
                getattr(found[name], column).add(path.relative_to(repo / "server").as_posix())
    return {name: found[name] for name in sorted(found, key=order)}


def marked(tree: ast.Module) -> Counter[str]:
    """The requirements that a module's tests are marked with, and how many tests each."""
    found: Counter[str] = Counter()
    tests = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]
    for node in tests:
        for decorator in node.decorator_list:
            found.update(_names(decorator))
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(to, ast.Name) and to.id == "pytestmark" for to in node.targets
        ):
            every = node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else [node.value]
            for each in every:
                found.update({name: len(tests) for name in _names(each)})
    return found


def _names(node: ast.expr) -> list[str]:
    # `rule("LOUGH-22")` or `pytest.mark.rule("LOUGH-22")`: hypothesis's stateful rule() takes keywords only.
    if not isinstance(node, ast.Call) or ast.unparse(node.func).rpartition(".")[2] != "rule":
        return []
    return [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]


def named(text: str) -> set[str]:
    """The requirements that a text cites, `LOUGH-31 to 35` as five."""
    found = set()
    for source, number, last in NAME.findall(text):
        found.add(f"{source}-{number}")
        if last and number.isdigit():
            found |= {f"{source}-{one}" for one in range(int(number), int(last) + 1)}
    return found


def _cited(table: Mapping[str, object], path: str, cited: str) -> Iterable[tuple[str, str]]:
    cited = str(table.get("rule", cited))
    for key, value in table.items():
        if isinstance(value, dict):
            here = f"{path}.{key}" if path else key
            if "value" in value:
                yield here, str(value.get("rule", cited))
            else:
                yield from _cited(value, here, cited)


def _texts(repo: Path, folders: Iterable[str]) -> list[Path]:
    found = []
    for folder in folders:
        place = repo / folder
        found += [place] if place.is_file() else sorted(place.rglob("*"))
    return [path for path in found if path.suffix in (".py", ".html")]


def table(found: Mapping[str, Line]) -> str:
    """The table: what a requirement's rule is, which page shows it, and what tests it."""
    rows = ["| line | rule | page | test |", "|---|---|---|---|"]
    for name, line in found.items():
        tests = [f"{path} ({times})" if times > 1 else path for path, times in sorted(line.tests.items())]
        rules = sorted(line.parameters) + sorted(line.rules)
        cells = (_cell(rules), _cell(sorted(line.pages)), _cell(tests) or "none yet")
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _cell(parts: list[str]) -> str:
    return "<br>".join(f"`{part}`" for part in parts)


def placed(page: str, made: str) -> str:
    """The page with the table in its place."""
    before, _, rest = page.partition(BEGINS)
    _, _, after = rest.partition(ENDS)
    if not rest:
        raise SystemExit(f"{PAGE} has no line {BEGINS}")
    return f"{before}{BEGINS}\n\n{made}\n\n{ENDS}{after}"


def main() -> int:
    """Write the table into server/README.md, and name what has no test yet."""
    page = REPO / PAGE
    found = lines()
    page.write_text(placed(page.read_text("utf-8"), table(found)), "utf-8")
    missing = [name for name in WANTED if not found[name].tests]
    print(f"{len(found)} lines; without a test: {', '.join(missing) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
