"""Each requirement of the register has a test that is marked with its name, and server/README.md says which."""

import ast

import pytest

from tests import rules


@pytest.fixture(scope="module")
def found(repo):
    return rules.lines(repo)


def test_the_table_of_rules_is_as_the_markers_say(found, repo):
    page = (repo / rules.PAGE).read_text()
    assert rules.placed(page, rules.table(found)) == page, "it is stale: run .venv/bin/python -m tests.rules"


def test_every_line_of_the_register_has_a_marked_test(found):
    missing = [name for name in rules.WANTED if not found[name].tests]
    assert not missing, f"no test is marked @rule(...) with: {', '.join(missing)}"


def test_markers_are_found_on_tests_and_modules_and_hypothesis_rules_are_not():
    tree = ast.parse(
        "pytestmark = rule('LOUGH-1')\n"
        "@pytest.mark.rule('LOUGH-22', 'LOUGH-21')\ndef test_a(): ...\n"
        "@rule('LOUGH-22')\nasync def test_b(): ...\n"
        "@rule(count=st.integers())\ndef add(self): ...\n"
        "@rule('LOUGH-5')\ndef helper(): ...\n"
    )
    assert rules.marked(tree) == {"LOUGH-1": 2, "LOUGH-22": 2, "LOUGH-21": 1}


def test_a_requirement_that_is_not_there_is_noticed():
    assert rules.known("LOUGH-39") and rules.known("LOUGH-U") and rules.known("DDU-16")
    assert not rules.known("LOUGH-40") and not rules.known("PORT-U") and not rules.known("DDU-0")


def test_a_range_of_requirements_in_a_text_is_each_of_them():
    assert rules.named("LOUGH-31 to 33, and STEP-3.") == {"LOUGH-31", "LOUGH-32", "LOUGH-33", "STEP-3"}
