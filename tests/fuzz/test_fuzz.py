"""Every decoder with damaged examples, quickly, on CPython alone; and that what is broken would be found."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware.contract import statement
from tests.fuzz import decoders
from tests.fuzz.targets import TARGETS, prepare

#: a few dozen of each in every run; `python -m tests.fuzz` is for more
some = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@st.composite
def damaged(draw, examples):
    """A true example with pieces cut out, doubled or swapped; or any bytes."""
    data = bytearray(draw(st.sampled_from(list(examples)) | st.binary(max_size=64)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        upto = min(len(data), at + draw(st.integers(0, 16)))
        how = draw(st.sampled_from(["cut", "double", "swap"]))
        if how == "cut":
            del data[at:upto]
        elif how == "double":
            data[at:at] = data[at:upto]
        else:
            data[at:upto] = draw(st.binary(max_size=8))
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_are_taken_or_refused_as_the_code_says(name):
    check, examples = prepare(name)
    for example in examples:
        check(example)

    @some
    @given(damaged(examples))
    def tried(data):
        check(data)

    tried()


def test_a_decoder_that_lets_out_another_error_is_found(tmp_path, monkeypatch):
    """The saboteur: a true line with one letter more is an IndexError."""
    check, examples = prepare("statement")
    true_read = statement.read

    def read(line):
        if line.endswith("!"):
            raise IndexError("broken")
        return true_read(line)

    monkeypatch.setattr(statement, "read", read)

    @some
    @given(damaged([example + b"!" for example in examples]))
    def tried(data):
        check(data)

    with pytest.raises(IndexError):
        tried()


def test_each_target_runs_by_coverage_and_one_that_lets_out_an_error_is_found(tmp_path, monkeypatch):
    """By atheris, as in the proof: a decoder whose check fails for a byte that it must find by itself."""
    found = decoders.one("topic", 2, 7, tmp_path / "well")
    assert not found.problem
    assert found.runs > 100
    assert found.covered > 0
    # The saboteur lets out an error for two bytes in a row that stand in no example.
    (tmp_path / "broken_fuzz.py").write_text(
        "def check(data):\n"
        "    if data[:1] == b'm' and data[4:5] == b'{':\n"
        "        if data[5:6] == b'}':\n"
        "            raise IndexError('broken')\n"
        "def prepare():\n"
        "    return check, []\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    broken = "targets.Target(('broken_fuzz',), 'broken_fuzz:prepare', '')"
    run = f"import sys; from tests.fuzz import targets; targets.TARGETS['topic'] = {broken}; "
    monkeypatch.setattr(decoders, "COMMAND", ["-c", run + "from tests.fuzz.coverage import main; main(sys.argv[1:])"])
    found = decoders.one("topic", 60, 7, tmp_path / "ill")
    assert "IndexError" in found.problem
    assert found.example is not None
    assert found.example.read_bytes()[4:6] == b"{}"


@pytest.fixture
def api():
    """Imported only where it is used: every worker reads this file, and schemathesis takes seconds."""
    from tests.fuzz import api

    return api


def test_the_api_answers_every_operation_and_nothing_with_5xx(api):
    tried = api.fuzz(0, 7, each=4)
    assert tried.problems == []
    assert tried.operations >= 15
    assert tried.requests >= 2 * tried.operations
    assert tried.statuses[200] > 5


def test_an_operation_that_breaks_is_found(api):
    """The saboteur: a store that fails where it is asked for a day of long ago."""

    def break_it(server):
        @server.app.get("/api/v1/broken")
        def broken(number: int) -> int:
            return 1 // max(0, number)

    tried = api.fuzz(0, 7, only="/api/v1/broken", prepare=break_it)
    assert any("/api/v1/broken: 500" in problem or "ZeroDivisionError" in problem for problem in tried.problems)
