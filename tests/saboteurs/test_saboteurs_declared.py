"""The declared saboteurs fit the code and the tests of today, and the runner does not call caught what is not."""

import ast
import re
import time
from pathlib import Path

import pytest

from tests.saboteurs.copied import NEEDED, copy_tree, sabotage
from tests.saboteurs.declared import ASKED, Change, NotApplied, Saboteur, every
from tests.saboteurs.trial import CAUGHT, NOT_APPLIED, NOT_CAUGHT, WRONG, Bench, Ran, judge

SABOTEURS = every()
TEST = "tests/firmware/reader/test_reader_promise.py::test_journal_ids_are_random"
JOURNAL = "firmware/reader/journal.py"


def one(old: str, new: str, *, file: str = JOURNAL, test: str = TEST) -> Saboteur:
    return Saboteur(name="x", why="y", test=test, changes=(Change(file=file, old=old, new=new),))


@pytest.mark.parametrize("saboteur", SABOTEURS, ids=[one.name for one in SABOTEURS])
def test_each_saboteurs_text_stands_there_once_and_what_comes_of_it_is_python(saboteur, repo):
    for change in saboteur.changes:
        assert change.file.startswith(NEEDED)
        assert not change.file.startswith("tests/"), "a saboteur breaks the product, not its tests"
        broken = change.applied((repo / change.file).read_text())
        assert change.old != change.new
        ast.parse(broken)


@pytest.mark.parametrize("saboteur", SABOTEURS, ids=[one.name for one in SABOTEURS])
def test_the_test_meant_for_each_saboteur_exists(saboteur, repo):
    file, _, rest = saboteur.test.partition("::")
    name, bracket, parameters = rest.partition("[")
    tree = ast.parse((repo / file).read_text())
    found = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and n.name == name]
    assert len(found) == 1, f"{file} has no {name}"
    assert not bracket or parameters.endswith("]")


def test_no_two_saboteurs_have_one_name_and_all_that_were_asked_for_are_there():
    names = [one.name for one in SABOTEURS]
    assert len(set(names)) == len(names)
    assert {one.issue for one in SABOTEURS} - {""} == set(ASKED)
    assert all(one.why for one in SABOTEURS)


@pytest.mark.parametrize("old", ["no such text", "self"])
def test_a_text_that_does_not_stand_there_exactly_once_is_not_applied(repo, tmp_path, old):
    copy_tree(repo, tmp_path / "tree")
    with pytest.raises(NotApplied, match=re.escape(JOURNAL)):
        sabotage(tmp_path / "tree", one(old, "x").changes)


def test_a_copy_is_all_that_is_touched(repo, tmp_path):
    before = (repo / JOURNAL).read_bytes()
    copy_tree(repo, tmp_path / "tree")
    sabotage(tmp_path / "tree", one("self._random_bytes(8).hex()", "'0' * 16").changes)
    assert (repo / JOURNAL).read_bytes() == before
    assert (tmp_path / "tree" / JOURNAL).stat().st_ino != (repo / JOURNAL).stat().st_ino


@pytest.fixture(scope="module")
def bench(repo, tmp_path_factory):
    made = Bench(repo, tmp_path_factory.mktemp("saboteurs"), seed=7)
    yield made
    made.end()


def test_the_runner_tells_a_caught_one_from_a_harmless_a_wrong_and_an_absent_one(bench):
    """Real runs: what follows from a run is judged without one below."""
    good = "self._random_bytes(8).hex()"
    assert bench.control([TEST], 0) == []
    found = [
        bench.trial(saboteur, number)
        for number, saboteur in enumerate(
            [
                one(good, "'%016x' % (len(self.held) + 1)"),
                one(good, "(self._random_bytes(8)).hex()"),  # harmless: it does the same
                one(good, "self._random_bytes(8).hex("),  # a syntax error catches nothing
                one("NOTE_EVERY = 32", "NOTE_EVERY = 1", file="firmware/pico/ring.py"),  # no part of this test
                one("no such text", ""),
            ]
        )
    ]
    assert [verdict.outcome for verdict in found] == [CAUGHT, NOT_CAUGHT, NOT_APPLIED, NOT_APPLIED, NOT_APPLIED]
    assert found[0].text.startswith("AssertionError")
    assert "never loaded" in found[3].text
    assert [verdict.caught for verdict in found] == [True, False, False, False, False]


def test_a_control_that_does_not_pass_is_told(bench):
    wrong = bench.control([TEST, TEST.replace("random", "no_such_test")], 1)
    assert len(wrong) >= 1
    assert any("no_such_test" in line for line in wrong)


def said(**more) -> dict:
    return {"test": TEST, "when": "call", "outcome": "failed", "own": True, "text": "AssertionError: x", **more}


@pytest.mark.parametrize(
    "status, reports, unloaded, outcome",
    [
        (1, [said()], [], CAUGHT),
        (0, [said(outcome="passed", own=False)], [], NOT_CAUGHT),
        (1, [said(own=False, text="KeyError: 'x'")], [], WRONG),
        (1, [said(when="setup")], [], WRONG),
        (2, [said()], [], WRONG),
        (0, [said(outcome="skipped")], [], WRONG),
        (4, [], [], WRONG),
        (1, [said(), said(test="tests/other.py::test_of_somebody_else")], [], WRONG),
        (1, [said()], [JOURNAL], NOT_APPLIED),
    ],
)
def test_only_an_assertion_of_the_named_test_is_a_catch(status, reports, unloaded, outcome):
    ran = Ran(status=status, said=tuple(reports), output="")
    assert judge(one("a", "b"), ran, unloaded)[0] == outcome


WITNESSED = """
import pytest
from product import broken

def test_fails_by_an_assertion_of_its_own(): assert broken() == 1
def test_fails_because_nothing_was_raised():
    with pytest.raises(ValueError):
        broken()
def test_fails_by_an_assert_in_the_product(): broken(asserting=True)
def test_fails_by_another_error(): broken(raising=True)
def test_fails_by_a_group_of_assertions(): raise ExceptionGroup("x", [AssertionError("a"), AssertionError("b")])
def test_fails_by_a_group_with_something_else(): raise ExceptionGroup("x", [AssertionError("a"), KeyError("b")])
@pytest.mark.timeout(0.2)
def test_fails_because_it_hangs():
    while True:
        pass
"""
PRODUCT = """
def broken(asserting=False, raising=False):
    assert not asserting
    return {}["x"] if raising else 0
"""


def test_the_witness_tells_a_tests_own_assertion_from_anything_else(bench, tmp_path):
    tree = tmp_path / "tree"
    copy_tree(bench.snapshot, tree)
    (tree / "product.py").write_text(PRODUCT)
    (tree / "tests" / "test_witnessed.py").write_text(WITNESSED)
    ran = bench._pytest(tree, ["tests/test_witnessed.py"], 120, "witnessed")
    own = {Path(report["test"]).name.partition("::")[2]: report["own"] for report in ran.said}
    assert len(own) == WITNESSED.count("def test_")
    assert sorted(name for name, is_own in own.items() if is_own) == [
        "test_fails_because_nothing_was_raised",
        "test_fails_by_a_group_of_assertions",
        "test_fails_by_an_assertion_of_its_own",
    ]


def test_a_run_that_hangs_is_ended_with_all_that_it_started(bench, tmp_path):
    tree = tmp_path / "tree"
    copy_tree(bench.snapshot, tree)
    pid = tmp_path / "pid"
    code = "import subprocess, time\n"
    code += f"def test_that_it_never_ends():\n    p = subprocess.Popen(['sleep', '600']); open({str(pid)!r}, 'w')"
    code += ".write(str(p.pid))\n    p.wait()\n    assert p\n"
    (tree / "tests" / "test_hanging.py").write_text(code)
    ran = bench._pytest(tree, ["tests/test_hanging.py"], 15, "hanging")
    assert ran.status == -9
    assert "did not end" in ran.output
    if pid.exists():  # on a very slow machine it was ended before it had begun
        # It was sent SIGKILL; the kernel may take a moment.
        deadline = time.monotonic() + 30
        while is_alive(pid.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not is_alive(pid.read_text())


def is_alive(pid: str) -> bool:
    """Whether a process runs: one that is only waited for is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
