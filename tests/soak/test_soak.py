"""A short soak as `make soak` runs it, judged by its own JSON; and a broken reader that it must catch."""

import json
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.proof,
    pytest.mark.timeout(600),
    pytest.mark.needs("micropython"),
    pytest.mark.needs("mosquitto"),
]
SHORT = ("--minutes", "0.3", "--readers", "4", "--rate", "12", "--database", "sqlite")


def soak(repo, tmp_path, seed, *arguments):
    file = tmp_path / "soak.json"
    command = [sys.executable, "-m", "tests.soak", *SHORT, "--seed", str(seed), "--json", str(file), *arguments]
    done = subprocess.run(command, cwd=repo, capture_output=True, text=True, timeout=580, check=False)
    print(done.stdout[-6000:], done.stderr[-2000:])
    assert file.exists(), "the soak ended without a result"
    return done.returncode, json.loads(file.read_text())


def test_nothing_is_lost_doubled_or_miscredited_while_parts_are_killed(repo, tmp_path, seed):
    kinds = "kill -9 reader;kill -9 gateway;kill -9 broker;kill -9 store;one-way cut, readers to broker"
    status, result = soak(repo, tmp_path, seed, "--kinds", kinds, "--between", "0.5-3")
    assert status == 0
    assert result["ok"]
    assert sum(row["points"] for row in result["rows"]) >= 3
    assert all(row["lost"] == row["doubled"] == row["miscredited"] == 0 for row in result["rows"])
    assert result["figures"]["sqlite: greens"] > 20


def test_a_reader_that_shows_green_before_its_flash_has_it_is_caught(repo, tmp_path, seed):
    status, result = soak(
        repo, tmp_path, seed, "--saboteur", "reader-green-before-flash", "--kinds", "kill -9 reader", "--late", "20"
    )
    assert status == 1
    assert not result["ok"]
    assert all(row["lost"] > 0 for row in result["rows"])
