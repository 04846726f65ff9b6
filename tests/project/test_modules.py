"""Modules stay readable, SQL stays in its places, and what a component imports is declared in its extra."""

import ast
import re
import sys
import tomllib
import warnings
from fnmatch import fnmatch

import pytest

LONG, TOO_LONG = 250, 400
#: Modules that may be over 400 lines (a path, or a pattern of them), with the reason.
MAY_BE_LONG: dict[str, str] = {
    "gateway/spool.py": "all SQL of the gateway stands in one place, and with it what keeps its promise",
    "server/store/schema.py": "a list of tables, read by looking up, and worth having on one page",
    "tests/server/walk/objects.py": "one short function a noun, each looked up by its name",
    "tests/firmware/contract/make_vectors.py": "a table of what each thing must be, of which one row is read at a time",
    "server/store/migrations/versions/*": "a migration is one step, written once and never edited after",
}
#: Names that say nothing about what is inside.
NO_NOUNS = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}


def _lower(word: re.Match[str]) -> str:
    return word.group().lower()


SQL_PLACES = ("server/store/", "gateway/spool.py", "firmware/pi/journal.py", "firmware/pi/finger_ledger.py", "tests/")
#: Modules that may import one all the same, without holding SQL.
NO_SQL_BUT_A_CONNECTION = {"gateway/testing.py": "hands the real spool a connection that needs no thread"}
SQL_MODULES = {"sqlite3", "aiosqlite", "sqlalchemy", "alembic", "psycopg"}
SQL_WORDS = (
    r"SELECT\b.+\bFROM",
    r"INSERT (OR \w+ )?INTO",
    r"UPDATE \w+ SET",
    r"DELETE FROM",
    r"CREATE (TABLE|INDEX|VIEW|TRIGGER)",
    r"PRAGMA",
)
# Keywords all in capitals or all in small letters: a sentence for people begins with one capital.
SQL_TEXT = re.compile(
    "|".join(rf"\s*{word}\s" for words in SQL_WORDS for word in (words, re.sub("[A-Z]{2,}", _lower, words))), re.DOTALL
)

#: What each component may import besides the standard library and ours: its extra in pyproject.toml.
EXTRA_OF = {
    "server": "server",
    "gateway": "gateway",
    "simulator": "simulator",
    "firmware/pi": "pi",
    "firmware/provision": "provision",
    "firmware/release": "release",
}
#: Import names that are not their package's name.
PACKAGE_OF = {
    "argon2": "argon2-cffi",
    "dateutil": "python-dateutil",
    "multipart": "python-multipart",
    "nfc": "nfcpy",
    "ndef": "nfcpy",
    "paho": "paho-mqtt",
    "recurring_ical_events": "recurring-ical-events",
    "serial": "pyserial",
    "starlette": "fastapi",
    "pydantic": "fastapi",
    "anyio": "fastapi",
    "markupsafe": "jinja2",
}
OURS = {"firmware", "gateway", "server", "simulator", "muster", "tests"}


@pytest.fixture(scope="session")
def project(repo) -> dict:
    """pyproject.toml."""
    return tomllib.loads((repo / "pyproject.toml").read_text())


def names_of(requirements: list[str]) -> set[str]:
    """The package names of requirement lines, normalised."""
    return {re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0].lower().replace("_", "-") for line in requirements}


def test_no_module_is_too_long_to_read(modules, repo):
    lengths = {name: len((repo / name).read_text().splitlines()) for name in modules}
    long = [f"{name} ({n})" for name, n in lengths.items() if LONG < n <= TOO_LONG and not name.startswith("tests/")]
    if long:
        warnings.warn(f"over {LONG} lines, which a person can hardly hold in mind: {', '.join(long)}", stacklevel=1)
    too_long = {name: length for name, length in lengths.items() if length > TOO_LONG}
    found = [f"{n}: {length} lines" for n, length in too_long.items() if not any(fnmatch(n, p) for p in MAY_BE_LONG)]
    assert not found, "split them, or give the reason in MAY_BE_LONG:\n" + "\n".join(found)
    stale = [p for p in MAY_BE_LONG if "*" not in p and not any(fnmatch(name, p) for name in too_long)]
    assert not stale, f"no longer long: {stale}"


def test_every_module_is_named_after_a_noun_of_its_own(modules):
    found = [name for name in modules if NO_NOUNS.intersection(re.split(r"[/._]", name))]
    assert not found


def test_every_module_says_what_it_is(modules):
    found = [name for name, tree in modules.items() if "/scripts/" not in name and not ast.get_docstring(tree)]
    assert not [name for name in found if "/migrations/" not in name and "/versions/" not in name], found


def test_tests_have_no_init_files(modules):
    assert not [name for name in modules if name.startswith("tests/") and name.endswith("__init__.py")]


def test_database_modules_are_imported_in_their_places_only(modules, imports_of):
    found = [
        f"{name}:{line}: {module}"
        for name, tree in modules.items()
        if not name.startswith(SQL_PLACES) and name not in NO_SQL_BUT_A_CONNECTION
        for module, line in imports_of(tree)
        if module.partition(".")[0] in SQL_MODULES
    ]
    assert not found, "\n".join(found)


def sql_in(tree: ast.AST) -> list[int]:
    """The lines of string constants that are SQL statements."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL_TEXT.match(node.value)
    ]


def test_sql_stands_in_its_places_only(modules):
    found = [
        f"{name}:{line}" for name, tree in modules.items() if not name.startswith(SQL_PLACES) for line in sql_in(tree)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("text", ["SELECT a FROM b", "insert into t values (1)", "DELETE FROM t", "PRAGMA x"])
def test_the_search_for_sql_finds_it(text):
    assert sql_in(ast.parse(f"run({text!r})"))


def test_the_search_for_sql_leaves_prose_alone():
    assert not sql_in(ast.parse("x = 'Update the roster set at this door'; y = 'Select a student from the list'[7:]"))


@pytest.mark.parametrize("component", EXTRA_OF)
def test_a_component_imports_only_what_its_extra_declares(component, modules, imports_of, project):
    declared = names_of(project["project"]["optional-dependencies"][EXTRA_OF[component]])
    found = []
    for name, tree in modules.items():
        if not name.startswith(f"{component}/") or name.startswith("simulator/unixport/"):
            continue
        for module, line in imports_of(tree):
            top = module.partition(".")[0]
            if top in sys.stdlib_module_names or top in OURS:
                continue
            if PACKAGE_OF.get(top, top.lower().replace("_", "-")) not in declared:
                found.append(f"{name}:{line}: {module} is not in the extra {EXTRA_OF[component]!r}")
    assert not found, "\n".join(found)


def test_the_locks_hold_every_declared_package_with_hashes_and_name_no_index(project, repo):
    extras = project["project"]["optional-dependencies"]
    dev = project["dependency-groups"]["dev"]
    wanted = {
        "dev.lock": names_of([line for lines in extras.values() for line in lines] + dev),
        "demo.lock": names_of([*extras["server"], *extras["gateway"], *extras["simulator"]]),
        "server.lock": names_of([*extras["server"], *extras["gateway"]]),
        "pi.lock": names_of(extras["pi"]),
        "typings.lock": {"micropython-rp2-rpi-pico-w-stubs", "micropython-stdlib-stubs"},
    }
    for lock, names in wanted.items():
        text = (repo / "requirements" / lock).read_text()
        entries = re.findall(r"^([a-z0-9._-]+)==\S+.*?\\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.M)
        assert names <= {name for name, _ in entries}, f"{lock} is behind pyproject.toml: run `make lock`"
        left = re.sub(r"^[a-z0-9._-]+==[^\n]*\n|^    --hash=sha256:[0-9a-f]{64}(?: \\)?\n", "", text, flags=re.M)
        assert not left.strip(), f"{lock} holds more than packages and hashes: {left[:200]}"
    assert not (repo / "uv.lock").exists()
