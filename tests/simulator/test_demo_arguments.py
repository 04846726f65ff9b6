"""`muster demo`: what it refuses before it starts anything."""

import pytest

from simulator.demo import USAGE, main


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--faults", "earthquake"], "--faults takes"),
        (["--campus", "somewhere"], "go together"),
        (["--campus", "somewhere", "--day", "2026-10-06"], "is played with --check"),
        (["--readers", "0"], "1 to 400 readers"),
        (["--readers", "9", "--students", "3"], "at least as many students"),
        (["--residence-only"], "is played with --check"),
        (["--check", "--residence-only", "--residents", "0"], "needs residents"),
        (["--check", "--residents", "9", "--students", "8"], "as many students as residents"),
        (["--check", "--residents", "3", "--kiosks", "4"], "at least as many residents"),
        (["--check", "--campus", "somewhere", "--day", "2026-10-06", "--residents", "3"], "has no residence"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(arguments, said, capsys):
    assert main(arguments) == USAGE
    assert said in capsys.readouterr().err


def test_a_folder_that_was_used_before_is_refused(tmp_path, capsys):
    (tmp_path / "muster.db").write_text("")
    assert main(["--data", str(tmp_path)]) == USAGE
    assert "is not empty" in capsys.readouterr().err
