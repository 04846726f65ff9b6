"""The shared folders stay inside MicroPython's dialect: compiled by the real thing, and searched for what it lacks."""

import ast
import subprocess

import pytest

#: Modules that MicroPython 1.29 lacks, with what to use instead.
MISSING = {
    "__future__": "nothing: quote a forward name",
    "abc": "a comment that says what is handed in",
    "base64": "binascii",
    "contextlib": "try and finally",
    "ctypes": "uctypes, in firmware/pico",
    "dataclasses": "a namedtuple subclass",
    "datetime": "epoch milliseconds",
    "enum": "module constants",
    "functools": "a closure",
    "hmac": "firmware.contract.mac",
    "itertools": "a loop",
    "logging": "the log that is handed in",
    "pathlib": "a str path",
    "queue": "a list of fixed size",
    "secrets": "the randomness that is handed in",
    "sqlite3": "the storage that is handed in",
    "subprocess": "nothing: there are no processes",
    "threading": "asyncio",
    "typing": "nothing: quote the name",
    "unittest": "pytest, in tests/",
    "uuid": "the randomness that is handed in",
}
#: Methods of builtins that it lacks. `_replace` is namedtuple's.
MISSING_METHODS = {"removeprefix", "removesuffix", "rjust", "ljust", "zfill", "_replace", "_asdict", "casefold"}
#: The board's own modules: their only importer is firmware/pico, so that the rest runs on any interpreter. (And the check of
#: a door's wires, which a technician copies to a bare board.)
BOARD = {"machine", "network", "rp2", "bluetooth", "umachine"}


def faults(tree: ast.AST) -> list[str]:
    """What in a parsed module MicroPython lacks, as `line: what`."""
    found = []
    for node in ast.walk(tree):
        names = []
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            if (top := name.partition(".")[0]) in MISSING:
                found.append(f"{line}: no module {top}; use {MISSING[top]}")
        if isinstance(node, ast.Match):
            found.append(f"{line}: no match statement")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and node.args.posonlyargs:
            found.append(f"{line}: no positional-only parameters")
        elif isinstance(node, ast.List | ast.Tuple | ast.Set) and isinstance(
            getattr(node, "ctx", None), ast.Load | None
        ):
            if any(isinstance(item, ast.Starred) for item in node.elts):
                found.append(f"{line}: no * inside a display")
        elif isinstance(node, ast.Dict) and None in node.keys:
            found.append(f"{line}: no ** inside a dict display")
        elif isinstance(node, ast.Attribute) and node.attr in MISSING_METHODS:
            found.append(f"{line}: no .{node.attr}()")
        elif isinstance(node, ast.ClassDef) and any(word.arg == "metaclass" for word in node.keywords):
            found.append(f"{line}: no metaclass")
        elif isinstance(node, ast.TryStar):
            found.append(f"{line}: no except*")
    return found


def test_shared_code_uses_nothing_that_micropython_lacks(shared_modules):
    found = [f"{name}:{fault}" for name, tree in shared_modules.items() for fault in faults(tree)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "broken",
    [
        "from __future__ import annotations",
        "import dataclasses",
        "from typing import Any",
        "import os, enum",
        "from datetime import datetime as moment",
        "def f():\n    import hmac",
        "match x:\n    case 1: pass",
        "def f(a, /): pass",
        "x = [*a, 1]",
        "x = (*a, 1)",
        "x = {**a}",
        "x.removeprefix('a')",
        "x.rjust(3)",
        "swipe._replace(seq=1)",
    ],
)
def test_the_search_finds_each_thing_that_micropython_lacks(broken):
    assert faults(ast.parse(broken))


@pytest.mark.parametrize("fine", ["a, *b = c", "f(*a, **b)", "x = f'{y}'", "if (n := 1): pass", "x: 'Swipe' = None"])
def test_the_search_leaves_alone_what_micropython_has(fine):
    assert not faults(ast.parse(fine))


def test_only_the_pico_imports_the_boards_own_modules(modules, imports_of):
    found = [
        f"{name}:{line}: {module}"
        for name, tree in modules.items()
        if not name.startswith(("firmware/pico/", "simulator/unixport/", "tests/", "hardware/made/door-"))
        for module, line in imports_of(tree)
        if module.partition(".")[0] in BOARD
    ]
    assert not found, "\n".join(found)


def test_real_micropython_compiles_every_shared_file(shared_modules, micropython, repo):
    # One process for all of them: it starts in 30 ms, but there are many files.
    code = "import sys\nfor p in sys.argv[1:]:\n    compile(open(p).read(), p, 'exec')\nprint(len(sys.argv) - 1)"
    script_arguments = [str(repo / name) for name in shared_modules]
    done = micropython.run(code, *script_arguments, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout) == len(shared_modules)


def test_compile_only_takes_a_shared_file_and_refuses_a_broken_one(shared_modules, micropython, repo, tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("match x:\n    case 1: pass\n")
    results = [
        subprocess.run([micropython.program, "-X", "compile-only", str(path)], capture_output=True).returncode
        for path in (repo / next(iter(shared_modules)), broken)
    ]
    assert results[0] == 0
    assert results[1] != 0


@pytest.mark.needs("mpy-cross")
def test_mpy_cross_compiles_every_shared_file_for_the_pico(shared_modules, need, repo, tmp_path):
    failed = []
    for name in shared_modules:
        done = subprocess.run(
            [need("mpy-cross"), "-march=armv6m", "-o", str(tmp_path / "out.mpy"), str(repo / name)],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            failed.append(f"{name}: {done.stdout}{done.stderr}")
    assert not failed, "\n".join(failed)
