"""The figures in docs/bench.md are those that were measured, and of the other parts those that stood there."""

import dataclasses

import pytest

from tests.bench.figure import Figure, Result, ended
from tests.bench.page import BEGIN, END, put

ORDER = ["light", "page", "line"]
PAGE = f"# The bench\n\n{BEGIN}\n\n{END}\n\nThe end.\n"


def result(part: str, measured: float | None = 22.6) -> Result:
    figure = Figure(name="p95 | all", measured=measured, unit="ms", must=60)
    return Result(part=part, figures=(figure,), seconds=3, load=0.2, others=0.03)


def test_a_part_replaces_its_own_figures_and_no_others_in_the_order_of_the_parts():
    page = put(PAGE, [result("line"), result("page")], ORDER, "then, commit a")
    page = put(page, [result("page", 99.0), result("light")], ORDER, "now, commit b")
    assert [line for line in page.splitlines() if line.startswith("###")] == ["### light", "### page", "### line"]
    assert [line for line in page.splitlines() if "p95" in line] == [
        "- `page`: p95 \\| all: 99 ms, where <= 60 ms is demanded",
        "| p95 \\| all | 22.6 ms | <= 60 ms | 0.38 | yes |  |",
        "| p95 \\| all | 99 ms | <= 60 ms | 1.65 | NO |  |",
        "| p95 \\| all | 22.6 ms | <= 60 ms | 0.38 | yes |  |",
    ]
    assert (page.count("commit a"), page.count("commit b")) == (1, 2)
    assert page.startswith("# The bench") and page.endswith("The end.\n")
    assert put(page, [], ORDER, "later") == page


def test_what_fell_short_stands_before_all_else_until_it_does_no_more():
    failed = dataclasses.replace(result("line", None), failed="PartFailed: ['not reached']")
    page = put(PAGE, [result("page", 99.0), failed], ORDER, "now")
    assert page.index("Fell short") < page.index("###")
    assert [line for line in page.splitlines() if line.startswith("- ")] == [
        "- `page`: p95 \\| all: 99 ms, where <= 60 ms is demanded",
        "- `line` failed",
    ]
    page = put(page, [result("page"), result("line")], ORDER, "later")
    assert "**Fell short:** nothing." in page
    assert not [line for line in page.splitlines() if line.startswith("- ")]
    assert put(PAGE, [], ORDER, "now").count("Fell short") == 0


def test_the_last_line_says_how_long_it_took_and_what_is_not_met():
    assert ended([result("page"), result("line")], 90) == "2 parts in 1.5 minutes: 2 of 2 demands met"
    said = ended([result("page", 99.0), dataclasses.replace(result("line", None), failed="it broke")], 60)
    assert said == "2 parts in 1.0 minutes: 0 of 1 demands met; not met: page: p95 | all 99 ms; line: FAILED"


def test_what_was_not_measured_stands_there_as_such():
    assert "| p95 \\| all | - | <= 60 ms |  |  |  |" in put(PAGE, [result("page", None)], ORDER, "now")


def test_a_page_without_a_place_for_them_is_refused():
    with pytest.raises(ValueError, match="no lines"):
        put("# The bench\n", [result("page")], ORDER, "now")
