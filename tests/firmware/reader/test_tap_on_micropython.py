"""What a tap costs on MicroPython, with 2,000 tokens, within the heap of a Pico W: its memory is bounded, its time only printed."""

import json

from firmware.contract import roster
from firmware.contract.mac import Key
from tests.firmware.reader.reader_world import CARD_KEY, T0, session


def a_full_roster():
    """2,000 tokens in 20 sessions of 100 each; five of them are open at T0, each for a hundred of the cards."""
    rows = []
    for n in range(20):
        first = 0 if n < 5 else 7200 * n
        uids = [b"\x04u%05d" % ((100 * n + i) % 2000) for i in range(100)]
        rows.append((session(n + 1, first, first + 3600), [CARD_KEY.token(uid) for uid in uids]))
    return roster.encode("a-101", Key(1, b"\x11" * 32), T0, T0, T0 + 72 * 3600_000, rows)


def test_a_tap_with_2000_tokens_leaves_little_on_the_heap(micropython, repo, tmp_path, capsys):
    blob = a_full_roster()
    (tmp_path / "roster").write_bytes(blob)
    script = repo / "tests" / "firmware" / "reader" / "measure_tap.py"
    done = micropython.run(script, str(tmp_path / "roster"), str(T0), "1000", heapsize="205K")
    said = json.loads(done.stdout)
    with capsys.disabled():
        print(f"\ntap on MicroPython, {len(blob)} bytes of roster, heap 205K: {done.stdout.strip()}")
    assert said["implementation"] == "micropython"
    assert said["verdicts"] == ["green"]
    assert said["allocated_per_tap"]["p99"] < 16_000  # about half of it on the board, whose words are half as long
    assert said["grown_bytes"] < 40_000


def test_the_readers_whole_line_runs_on_micropython(micropython, repo):
    script = repo / "tests" / "firmware" / "reader" / "reader_on_micropython.py"
    assert micropython.run(script, heapsize="205K").stdout.strip() == "19"
