"""The tests themselves: each can fail, none sleeps for long, and what takes longest begins first."""

import ast
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.conftest import pytest_collection_modifyitems

#: A call of one of these is an assertion as well; `check` is what a target of the fuzzing makes of bytes.
CHECKS = {"raises", "warns", "fail", "run_state_machine_as_test", "check"}
LONGEST_SLEEP_S = 1.0


def asserts(test: ast.AST) -> bool:
    """Whether a test says itself what must be so: what it calls may do without an assertion one day, unnoticed."""
    for node in ast.walk(test):
        if isinstance(node, ast.Assert) and not (isinstance(node.test, ast.Constant) and node.test.value):
            return True
        if isinstance(node, ast.Raise) and "AssertionError" in ast.dump(node):
            return True
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in CHECKS:
                return True
    return False


def each_test(modules: dict[str, ast.Module]):
    """Every test function with its file's name."""
    for name, tree in modules.items():
        if not name.startswith("tests/"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield name, node


def test_every_test_has_an_assertion_of_its_own(modules):
    found = [f"{name}:{node.lineno} {node.name}" for name, node in each_test(modules) if not asserts(node)]
    assert not found, "\n".join(found)


def test_every_tests_name_is_a_sentence(modules):
    found = [f"{name}:{node.lineno} {node.name}" for name, node in each_test(modules) if node.name.count("_") < 3]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("body", ["pass", "run()", "assert True", "x = 1", "desk.check_in()", "holds(x)"])
def test_a_test_without_an_assertion_is_found(body):
    assert not asserts(ast.parse(f"def test_x():\n    {body}"))


@pytest.mark.parametrize("body", ["assert x", "with pytest.raises(E): run()", "raise AssertionError('x')"])
def test_an_assertion_is_seen(body):
    assert asserts(ast.parse(f"def test_x():\n    {body}"))


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


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_what_takes_longest_begins_first_on_each_worker_and_a_folder_of_it_stays_together(workers):
    def item(name, seconds=None):
        mark = None if seconds is None else SimpleNamespace(args=(seconds,))
        return SimpleNamespace(name=name, path=Path(name), get_closest_marker=lambda _name: mark)

    items = [item("b/1", 60), *(item(f"a/{n}") for n in range(40)), item("d/1", 90), item("b/2", 60)]
    ordered = list(items)
    pytest_collection_modifyitems(SimpleNamespace(workerinput={"workercount": workers}), ordered)
    names = [one.name for one in ordered]
    assert sorted(names) == sorted(one.name for one in items)
    # As worksteal deals them out: to each worker in turn its share of what is left.
    begins, left = [], len(names)
    for place in range(workers):
        begins.append(names[len(names) - left])
        left -= left // (workers - place)
    assert begins[:2] == (["b/1", "d/1"] if workers > 1 else ["b/1"])
    assert workers == 1 or names.index("b/2") == 1
    assert [name for name in names if name[0] == "a"] == [f"a/{n}" for n in range(40)]
