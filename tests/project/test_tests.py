"""The tests themselves: each can fail, and none sleeps for long."""

import ast

import pytest

#: A call to something of this name is a check as much as an assert is.
CHECKS = ("raises", "fail", "warns", "check", "assert", "expect", "as_test")
LONGEST_SLEEP_S = 1.0


def can_fail(test: ast.AST, local: dict[str, ast.AST], seen: frozenset[str] = frozenset()) -> bool:
    """Whether a test asserts, raises, catches, or calls what does: a check by name, or a `local` function or class."""
    for node in ast.walk(test):
        if isinstance(node, ast.Assert) and not (isinstance(node.test, ast.Constant) and node.test.value):
            return True
        if isinstance(node, ast.Raise | ast.ExceptHandler):
            return True
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if any(check in name for check in CHECKS):
                return True
            if name in local and name not in seen and can_fail(local[name], local, seen | {name}):
                return True
    return False


def functions_in(tree: ast.AST) -> dict[str, ast.AST]:
    """A module's functions and methods by name."""
    return {n.name: n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}


def each_test(modules: dict[str, ast.Module]):
    """Every test function with its file's name."""
    for name, tree in modules.items():
        if not name.startswith("tests/"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield name, node


def test_every_test_can_fail(modules):
    local = {name: functions_in(tree) for name, tree in modules.items() if name.startswith("tests/")}
    found = [f"{n}:{node.lineno} {node.name}" for n, node in each_test(modules) if not can_fail(node, local[n])]
    assert not found, "\n".join(found)


def test_every_tests_name_is_a_sentence(modules):
    found = [f"{name}:{node.lineno} {node.name}" for name, node in each_test(modules) if node.name.count("_") < 3]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("body", ["pass", "run()", "assert True", "x = 1"])
def test_a_test_that_cannot_fail_is_found(body):
    assert not can_fail(ast.parse(f"def test_x():\n    {body}"), {})


def test_a_test_that_calls_what_asserts_can_fail():
    tree = ast.parse("def holds(): assert x\ndef test_x(): holds()\ndef test_y(): other()")
    local = functions_in(tree)
    assert can_fail(local["test_x"], local)
    assert not can_fail(local["test_y"], local)


def test_no_test_sleeps_for_long(modules):
    found = []
    for name, tree in modules.items():
        if not name.startswith("tests/") or name.startswith("tests/bench/"):  # a bench waits for calm, it is no test
            continue
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "sleep"):
                continue
            for length in node.args[:1]:
                seconds = length.value if isinstance(length, ast.Constant) else 0
                if isinstance(seconds, int | float) and seconds > LONGEST_SLEEP_S:
                    found.append(f"{name}:{node.lineno} sleeps {seconds} s")
    assert not found, "\n".join(found)
