"""The docs say what is so: links lead somewhere, commands exist, every folder has its Why, nothing names this machine."""

import ast
import re
from pathlib import Path

import pytest

FOLDERS = (
    "firmware",
    "firmware/contract",
    "firmware/codecs",
    "firmware/reader",
    "firmware/pico",
    "firmware/pi",
    "gateway",
    "server",
    "simulator",
    "hardware",
    "tests",
    "docs",
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
MAKE = re.compile(r"\bmake ([a-z][a-z-]*)")
MUSTER = re.compile(r"\b(?:python muster\.py|`muster) ([a-z]+)")
# Spelled so that these lines do not find themselves.
TRACES = re.compile(
    r"p[y]pi[.](?:org|io)|py[t]honhosted|registry[.]np[m]js|d[e]b[.]debian|/op[t]/pypi|/w[o]rk/|/ro[o]t/|/hom[e]/[a-z]"
)


@pytest.fixture(scope="session")
def pages(files, repo) -> dict[str, str]:
    """Every Markdown page, by its path from the root."""
    return {p.relative_to(repo).as_posix(): p.read_text() for p in files if p.suffix == ".md"}


@pytest.fixture(scope="session")
def targets(repo) -> set[str]:
    """The Makefile's targets that a person may call."""
    return set(re.findall(r"^([a-z][a-z-]*):", (repo / "Makefile").read_text(), re.M))


def broken_links(page: Path, text: str) -> list[str]:
    """The page's relative links that lead nowhere."""
    targets = [target.partition("#")[0] for target in LINK.findall(text) if "://" not in target]
    return [target for target in targets if target and not (page.parent / target).exists()]


def anchor_of(heading: str) -> str:
    """A heading's anchor as the usual Markdown viewers make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_folder_has_a_readme_with_its_why(folder, repo):
    page = repo / folder / "README.md"
    assert page.exists(), f"{folder}/README.md is missing"
    assert re.search(r"^## Why$\n\n\S.{80,}", page.read_text(), re.M | re.DOTALL), f"{folder}/README.md says no Why"


def test_every_relative_link_leads_somewhere(pages, repo):
    found = [f"{name}: {target}" for name, text in pages.items() for target in broken_links(repo / name, text)]
    assert not found, "\n".join(found)


def test_a_link_that_leads_nowhere_is_found(repo):
    assert broken_links(repo / "README.md", "[a](docs/none.md) [b](LICENSE) [c](https://example.org)") == [
        "docs/none.md"
    ]


def test_every_anchor_that_is_linked_is_a_heading(pages, repo):
    found = []
    for name, text in pages.items():
        for target in LINK.findall(text):
            path, hash_, anchor = target.partition("#")
            if not hash_ or "://" in target:
                continue
            page = ((repo / name).parent / path).resolve() if path else repo / name
            headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M) if page.suffix == ".md" else []
            if headings and anchor not in {anchor_of(heading) for heading in headings}:
                found.append(f"{name}: {target}")
    assert not found, "\n".join(found)


def test_every_make_command_in_the_docs_is_a_target(pages, targets):
    # Code only (indented, fenced or in backticks): prose may make anything.
    found = []
    for name, text in pages.items():
        code = re.findall(r"`([^`\n]+)`|^(?: {4}|\t)(.+)$", text, re.M)
        words = {word for inline, block in code for word in MAKE.findall(inline or block)}
        found += [f"{name}: make {word}" for word in sorted(words - targets)]
    assert not found, "\n".join(found)


def test_every_muster_command_in_the_docs_is_in_the_table(pages):
    import muster

    known = {name.partition(" ")[0] for name in muster.COMMANDS} | {"help"}
    found = [f"{name}: {word}" for name, text in pages.items() for word in MUSTER.findall(text) if word not in known]
    assert not found, "\n".join(found)


def test_the_readme_starts_with_what_it_is_a_picture_and_the_two_commands(pages):
    text = pages["README.md"]
    order = [text.index(mark) for mark in ("# Muster", "docs/images/", "    make demo", "    make test")]
    assert order == sorted(order)
    assert text.index("    make test") < text.index("## Reading the code")


def test_the_requirements_of_the_issue_stand_as_targets(targets):
    assert {"setup", "demo", "test", "check", "bench", "fix", "lock", "clean"} <= targets


def test_no_file_names_a_registry_or_a_path_of_somebodys_machine(files, repo):
    found = []
    for path in files:
        data = path.read_bytes()
        if b"\0" in data[:8000]:
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            if TRACES.search(line):
                found.append(f"{path.relative_to(repo)}:{number}: {line.strip()[:100]}")
    assert not found, "\n".join(found)


def test_the_search_for_traces_finds_one():
    assert TRACES.search("cd /" + "work/main && make")
    assert TRACES.search("--index-url https://py" + "pi.org/simple")


def settings_in(tree: ast.AST) -> set[str]:
    """The environment variables a module reads: the keys of os.environ and os.getenv, and any constant MUSTER_..."""
    found = set()
    for node in ast.walk(tree):
        keys: list[ast.expr] = []
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("environ"):
            keys = [node.slice]
        elif isinstance(node, ast.Call) and re.search(r"(environ\.get|\bgetenv)$", ast.unparse(node.func)):
            keys = node.args[:1]
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.fullmatch(r"MUSTER_[A-Z0-9_]+", node.value)
        ):
            keys = [node]
        found |= {key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
    return found


def test_every_environment_variable_is_documented(modules, pages):
    # The unix port's stand-ins are told their devices by the simulator, not by a person.
    ours = {n: t for n, t in modules.items() if not n.startswith(("tests/", "simulator/unixport/"))}
    docs = "\n".join(pages.values())
    found = [f"{n}: {key}" for n, t in ours.items() for key in sorted(settings_in(t)) if key not in docs]
    assert not found, "documented nowhere:\n" + "\n".join(found)


def test_every_setting_that_the_docs_name_is_read_somewhere(modules, pages):
    read = set().union(*(settings_in(tree) for tree in modules.values()))
    prefixes = tuple(key for key in read if key.endswith("_"))
    found = [
        f"{n}: {key}"
        for n, text in pages.items()
        for key in sorted(set(re.findall(r"\bMUSTER_[A-Z0-9_]+\b", text)) - read)
        if not (prefixes and key.startswith(prefixes))
    ]
    assert not found, "no code reads:\n" + "\n".join(found)


@pytest.mark.parametrize("code", ["os.environ['A_B']", "os.environ.get('A_B', 1)", "getenv('A_B')", "os.getenv('A_B')"])
def test_the_search_for_settings_finds_each_way_to_read_one(code):
    assert settings_in(ast.parse(code)) == {"A_B"}
