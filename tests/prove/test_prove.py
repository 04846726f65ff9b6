"""The proof's own book-keeping: a part is believed only when what it says holds together."""

import json
import sys

import pytest

from tests.prove import __main__ as prove
from tests.prove.page import BEGIN, END, markdown, plain, put
from tests.prove.parts import DEMANDS, PARTS, Part
from tests.prove.result import BadResult, read

SAID = {
    "part": "power",
    "ok": True,
    "seconds": 12.5,
    "seed": 7,
    "rows": [{"kind": "spool, kill | at a write", "points": 40, "lost": 0, "doubled": 0, "miscredited": 0, "note": ""}],
    "figures": {"rate": 1234.56, "seen": {"a": 3}},
}


def kept(tmp_path, **changed):
    """A part's file, with these changed."""
    path = tmp_path / "power.json"
    path.write_text(json.dumps(SAID | changed))
    return path


def test_a_part_that_says_it_is_well_is_read_as_it_is(tmp_path):
    result = read(kept(tmp_path))
    assert (result.ok, result.rows[0].points, result.seed) == (True, 40, 7)


@pytest.mark.parametrize("what", ["lost", "doubled", "miscredited"])
def test_a_part_that_lost_something_and_says_ok_is_not_believed(tmp_path, what):
    rows = [SAID["rows"][0] | {what: 1}]
    with pytest.raises(BadResult, match="says ok"):
        read(kept(tmp_path, rows=rows))
    assert read(kept(tmp_path, rows=rows, ok=False)).rows[0].harmless is False


def test_a_part_that_names_what_went_wrong_and_says_ok_is_not_believed(tmp_path):
    with pytest.raises(BadResult, match="no fsync: not caught"):
        read(kept(tmp_path, wrong=["no fsync: not caught"]))


@pytest.mark.parametrize("rows", [[], [SAID["rows"][0] | {"points": 0}]])
def test_a_part_that_tried_nothing_and_says_ok_is_not_believed(tmp_path, rows):
    with pytest.raises(BadResult, match="tried nothing"):
        read(kept(tmp_path, rows=rows))


@pytest.mark.parametrize("text", ["", "[]", '{"part": "power"}', "not json"])
def test_what_is_no_result_is_refused_by_name(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(BadResult, match=r"x\.json"):
        read(tmp_path / "x.json")


def test_the_tables_keep_their_columns_whatever_stands_in_a_cell(tmp_path):
    result = read(kept(tmp_path))
    row = next(line for line in markdown([result], {}, "here").splitlines() if "spool" in line)
    assert row == "| spool, kill \\| at a write | 40 | 0 | 0 | 0 |  |"
    assert "| rate | 1,234.6 |" in markdown([result], {}, "here")
    assert "[power] ok" in plain([result])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, []),
        ({"ok": False}, ["- power failed"]),
        ({"ok": False, "rows": [SAID["rows"][0] | {"lost": 2}]},
         ["- power failed", "- power: spool, kill | at a write: 2 lost, 0 doubled, 0 miscredited"]),
        ({"ok": False, "wrong": ["no fsync:\n the test passed"]},
         ["- power failed", "- power: no fsync: the test passed"]),
        ({"figures": {"pico_capacity_swipes": 5000}}, []),
        ({"figures": {"pico_capacity_swipes": 4999}},
         ["- power: pico_capacity_swipes: 4,999, where at least 5,000 is demanded"]),
        ({"part": "soak", "figures": {"sqlite: drained after the last fault, s": 60.5}},
         ["- soak: sqlite: drained after the last fault, s: 60.5, where at most 60 is demanded"]),
        # As many as were asked for, and in the time they were asked for.
        ({"part": "simulation", "figures": {"seeds": 300}, "seconds": 300}, []),
        ({"part": "simulation", "figures": {"seeds": 900}, "seconds": 1200},
         ["- simulation: seeds: 225.0 in 300 s, where at least 300 is demanded"]),
    ],
)  # fmt: skip
def test_what_fell_short_stands_before_the_tables(tmp_path, changed, said):
    text = markdown([read(kept(tmp_path, **changed))], {}, "here").partition("###")[0]
    assert [line for line in text.splitlines() if line.startswith("- ")] == said
    assert ("nothing" in text) is (not said)


def test_every_demand_is_of_a_part_that_there_is():
    assert {demand.part for demand in DEMANDS} <= PARTS.keys()


def test_the_page_keeps_what_people_wrote_around_the_tables():
    assert put(f"Before.\n{BEGIN}\nold\n{END}\nAfter.\n", "new") == f"Before.\n{BEGIN}\n\nnew\n\n{END}\nAfter.\n"
    with pytest.raises(ValueError, match="no lines"):
        put("a page without a place", "new")


def part_of(tmp_path, code, limit_s=60):
    """A part that is this program."""
    (tmp_path / "made_up_part.py").write_text(code)
    return Part("made_up_part", "made up", (), (), (limit_s, limit_s))


@pytest.mark.parametrize(
    ("status", "ok", "held"), [(0, True, True), (1, True, False), (0, False, False)], ids=["well", "status", "says"]
)
def test_a_part_holds_only_if_it_says_so_and_exits_with_zero(tmp_path, monkeypatch, status, ok, held):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(prove, "KEPT", tmp_path)
    said = json.dumps(SAID | {"ok": ok})
    code = f"import sys\nopen(sys.argv[-1], 'w').write({said!r})\nsys.exit({status})"
    assert prove.run("made-up", part_of(tmp_path, code), full=False) is held
    assert json.loads((tmp_path / "made-up.json").read_text())["ok"] is held


def test_an_old_result_is_not_taken_for_a_new_one(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(prove, "KEPT", tmp_path)
    (tmp_path / "made-up.json").write_text(json.dumps(SAID))
    assert prove.run("made-up", part_of(tmp_path, "pass"), full=False) is False


def test_writing_without_results_leaves_the_page_as_it_is(tmp_path, monkeypatch, capsys):
    page = tmp_path / "proof.md"
    page.write_text(f"{BEGIN}\nfigures of before\n{END}\n")
    monkeypatch.setattr(prove, "REPO", tmp_path)
    monkeypatch.setattr(prove, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(prove, "PAGE", page)
    assert prove.main(["--write"]) == 2
    assert "figures of before" in page.read_text() and "make prove" in capsys.readouterr().err


def test_a_part_that_does_not_end_is_ended_at_its_limit():
    assert prove.bounded([sys.executable, "-c", "import signal; signal.pause()"], 1) == 124
