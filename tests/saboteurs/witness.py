"""A pytest plugin for the runs of saboteurs: writes down how each test ended, and whether an assertion of its own did it.

An assertion counts as the test's own where the last line of ours in the traceback stands under tests/: an `assert` in
the product, a library's error, a syntax error or a timeout are no catch.
"""

import json
from pathlib import Path

import pytest

OPTION = "--witness"


def pytest_addoption(parser):
    parser.addoption(OPTION, help="where to write one JSON line for each test")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call" or report.outcome != "passed":
        said = {"test": item.nodeid, "when": report.when, "outcome": report.outcome, "own": False, "text": ""}
        if call.excinfo is not None:
            said["own"] = _is_assertion(call.excinfo.value) and _stands_in_tests(call.excinfo, item.config.rootpath)
            lines = str(call.excinfo.value).strip().splitlines()
            said["text"] = f"{call.excinfo.type.__name__}: {lines[0] if lines else ''}"[:300]
        with Path(item.config.getoption(OPTION)).open("a") as file:
            file.write(json.dumps(said) + "\n")
    return report


def _is_assertion(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_is_assertion(one) for one in error.exceptions)
    # What `pytest.raises` says when nothing was raised is a failed check too; what pytest-timeout says is not.
    return isinstance(error, AssertionError) or (
        isinstance(error, pytest.fail.Exception) and not str(error).startswith("Timeout")
    )


def _stands_in_tests(excinfo, root: Path) -> bool:
    ours = [Path(entry.path) for entry in excinfo.traceback if Path(entry.path).is_relative_to(root)]
    return bool(ours) and ours[-1].is_relative_to(root / "tests")
