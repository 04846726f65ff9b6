"""A real kernel's power is cut: what was green is there afterwards, and without the sync it is not. And the judge judges."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from firmware.contract import statement
from gateway.arrival import identity
from tests.guest import cuts
from tests.guest.__main__ import failings, main, rows_of
from tests.guest.door import KEY
from tests.guest.owed import DoorOwed, GateOwed
from tests.guest.power import GuestFailed

NEEDS = ("linux.uml", "mke2fs")
SWIPES = "muster/v1/main/b-201/swipes"


def sealed(kind, journal, seq, **values):
    usual = {
        "evidence": "t1:0a1b2c3d4e5f6071",
        "boot_ms": seq,
        "wall_ms": None,
        "clock": "none",
        "uncertainty_ms": None,
        "verdict": "green",
        "session": 17,
        "roster": None,
        "before": None,
        "before_seq": None,
        "firmware": "guest",
    }
    text = statement.say(kind, "a-101", KEY.id, {**usual, "journal": journal, "seq": seq, **values})
    return statement.seal(text, KEY.mac(text.encode()))


A, B = "a" * 16, "b" * 16
OPEN_A, OPEN_B = sealed("open", A, 0), sealed("open", B, 0, before=A, before_seq=3)
GREENS = [sealed("swipe", A, seq) for seq in (1, 2, 3)]


def door_after(found, *, said=(), receipted=-1, shelf=5):
    """What the judge makes of a journal A that said GREENS, and of `found` (oldest, freed and head with lines)."""
    owed = DoorOwed()
    for line in ("recovered 0", *(f"green {line}" for line in GREENS), "roster 5", *said):
        owed.hear(line.split())
    if receipted >= 0:
        owed.hear(["receipted", A, str(receipted)])
    owed.boot()
    records = 0
    owed.hear(["shelf", str(shelf)])
    for journal, (oldest, freed, head, lines) in found.items():
        owed.hear(["held", journal, str(oldest), str(freed), str(head)])
        for line in lines:
            owed.hear(["kept", line])
            records += 1
    owed.hear(["recovered", str(records)])
    return owed


def verdict_of(owed):
    return owed.lost, owed.doubled, owed.altered, owed.rosters_lost, len(owed.broken)


def test_a_whole_journal_owes_nothing():
    found = {A: (0, -1, 3, [OPEN_A, *GREENS]), B: (0, -1, 0, [OPEN_B])}
    assert verdict_of(door_after(found)) == (0, 0, 0, 0, 0)
    assert verdict_of(door_after({A: (3, 2, 3, GREENS[2:])}, receipted=2)) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ({A: (0, -1, 2, [OPEN_A, *GREENS[:2]])}, (1, 0, 0, 0, 0)),
        ({}, (3, 0, 0, 0, 0)),
        ({A: (0, -1, 3, [OPEN_A, *GREENS, GREENS[2]])}, (0, 1, 0, 0, 0)),
        ({A: (0, -1, 3, [OPEN_A, *GREENS[:2], sealed("swipe", A, 3, session=18)])}, (0, 0, 1, 0, 0)),
        ({A: (0, -1, 4, [OPEN_A, *GREENS, sealed("swipe", A, 4)[:-1] + "x"])}, (0, 0, 1, 0, 1)),
        ({A: (0, -1, 5, [OPEN_A, *GREENS, sealed("swipe", A, 5)])}, (0, 0, 0, 0, 1)),
        ({A: (3, 2, 3, GREENS[2:])}, (2, 0, 0, 0, 2)),
        ({A: (0, -1, 3, [OPEN_A, *GREENS]), B: (0, -1, 0, [sealed("open", B, 0)])}, (0, 0, 0, 0, 1)),
        ({A: (0, -1, 3, [OPEN_A, *GREENS]), B: (0, -1, 0, [sealed("open", B, 0, before=A, before_seq=2)])}, (0, 0, 0, 0, 1)),
    ],
    ids="lost all-lost doubled altered unreadable hole freed-without-a-receipt names-nobody names-a-wrong-head".split(),
)  # fmt: skip
def test_each_way_a_journal_falls_short_is_seen(found, verdict):
    assert verdict_of(door_after(found)) == verdict


def test_a_roster_that_is_older_than_the_one_that_was_kept_is_seen():
    assert verdict_of(door_after({A: (0, -1, 3, [OPEN_A, *GREENS])}, shelf=4)) == (0, 0, 0, 1, 0)


def test_lines_that_the_console_lost_are_no_verdict_but_an_error():
    owed = DoorOwed()
    owed.hear(["kept", OPEN_A])
    with pytest.raises(GuestFailed, match="the console lost lines"):
        owed.hear(["recovered", "2"])


def spool_row(line, journal=A, seq=1, id=None):
    return f"kept {id or identity(SWIPES, line.encode()).hex()} main/b-201/{journal} {seq} {line.encode().hex()}"


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([spool_row(GREENS[0])], (0, 0, 0)),
        ([], (1, 0, 0)),
        ([spool_row(GREENS[0]), spool_row(GREENS[0])], (0, 1, 0)),
        ([spool_row(GREENS[0]), spool_row(GREENS[1], id="ff" * 32)], (0, 0, 1)),
        ([spool_row(GREENS[0], seq=2)], (0, 0, 1)),
    ],
    ids="whole lost doubled altered under-a-wrong-number".split(),
)
def test_each_way_a_spool_falls_short_is_seen(rows, verdict):
    owed = GateOwed()
    owed.hear(["acked", identity(SWIPES, GREENS[0].encode()).hex()[:16], "e" * 16])
    owed.hear(["forwarding", "e" * 16])
    owed.boot()
    for row in rows:
        owed.hear(row.split())
    owed.hear(["recovered", str(len(rows))])
    assert (owed.lost, owed.doubled, owed.altered) == verdict


@pytest.mark.proof
@pytest.mark.needs(*NEEDS)
@pytest.mark.timeout(600)
def test_a_power_cut_takes_no_green_and_without_the_sync_it_takes_many(need, seed):
    program = need("linux.uml")
    real = cuts.run(program, cuts=1, seed=seed)
    control = cuts.run(program, cuts=1, seed=seed, synchronous="NORMAL")
    killed = cuts.kill(program, seed=seed, synchronous="NORMAL")
    rows = rows_of(real, control, killed)
    assert not failings(rows, real, control)
    # The one difference between the two is the sync; and a kernel that lives on hides it.
    assert control.door.lost > 0
    assert control.gate.lost > 0
    assert (killed.door.lost, killed.gate.lost) == (0, 0)
    assert not failings(rows_of(real, real, killed), real, control)
    assert failings(rows, control, real)  # a control that loses nothing, and a real thing that does


@pytest.mark.needs(*NEEDS)
@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_leaves_no_guest_behind(how, tmp_path, repo):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.guest"], cwd=repo, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        wait_for(lambda: running(tmp_path))
        program.send_signal(how)
        program.wait(60)
    finally:
        program.kill()
        program.communicate()
    wait_for(lambda: not running(tmp_path))
    if how != signal.SIGKILL:  # nobody is left then who could remove a folder
        assert list(tmp_path.iterdir()) == []


def running(folder):
    """The processes that name this folder, as a guest does, and still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def wait_for(what, seconds=60.0):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "not within a minute"
        time.sleep(0.05)


def test_without_user_mode_linux_it_says_what_to_install(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["--json", str(tmp_path / "found.json")]) == 2
    assert "user-mode-linux" in capsys.readouterr().err
    assert json.loads((tmp_path / "found.json").read_text())["ok"] is False
    assert shutil.which("linux.uml") is None
