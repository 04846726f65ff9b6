"""The Pi's roster shelf: whole or not at all, at every cut."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from firmware.contract import roster
from firmware.contract.decide import Window
from firmware.contract.mac import Key
from firmware.pi.shelf import BEFORE, BESIDE, NEWEST, RosterShelf
from tests.rules import rule

CALLS = ("write", "fsync", "rename")


def blob(version: int) -> bytes:
    window = Window(1, 1000, 2000, 3000, 4000)
    tokens = [n.to_bytes(8, "big") for n in range(200)]
    return roster.encode("a-101", Key(1, bytes(32)), version, 0, 1000, [(window, tokens)])


OLD, NEW = blob(1), blob(2)


def test_what_was_kept_is_loaded_by_the_next_shelf(tmp_path):
    shelf = RosterShelf(tmp_path / "data")
    assert shelf.load() is None
    for each in (OLD, NEW):
        shelf.keep(each)
        assert RosterShelf(tmp_path / "data").load() == each
    assert shelf.alarms == []


@pytest.mark.parametrize("damage", [b"", b"\xff" * 99, NEW[:-1], NEW[:500] + bytes([NEW[500] ^ 1]) + NEW[501:]])
def test_a_damaged_roster_gives_way_to_the_one_before(tmp_path, damage):
    shelf = RosterShelf(tmp_path)
    shelf.keep(OLD)
    shelf.keep(NEW)
    (tmp_path / NEWEST).write_bytes(damage)
    assert shelf.load() == OLD
    (tmp_path / BEFORE).write_bytes(damage)
    assert shelf.load() is None


def test_a_roster_that_cannot_be_written_is_said_so_and_the_last_one_stays(tmp_path):
    shelf = RosterShelf(tmp_path)
    shelf.keep(OLD)
    (tmp_path / BESIDE).mkdir()
    shelf.keep(NEW)
    assert shelf.alarms == ["roster-not-kept"]
    assert shelf.load() == OLD
    (tmp_path / BESIDE).rmdir()
    shelf.keep(NEW)
    assert (shelf.alarms, shelf.load()) == ([], NEW)


@rule("DDU-12")
def test_a_shelf_that_keeps_no_former_list_holds_the_newest_under_both_names(tmp_path):
    shelf = RosterShelf(tmp_path, former=False)
    for each in (OLD, NEW):
        shelf.keep(each)
        assert shelf.alarms == [] and {path.name for path in tmp_path.iterdir()} == {NEWEST, BEFORE}
        assert [(tmp_path / name).read_bytes() for name in (NEWEST, BEFORE)] == [each, each]
    for damaged in (NEWEST, BEFORE):
        (tmp_path / damaged).write_bytes(NEW[:-1])
        assert RosterShelf(tmp_path, former=False).load() == NEW, "one that is damaged gives way to the other"
        assert (tmp_path / damaged).read_bytes() == NEW


@rule("DDU-12")
def test_what_another_release_or_a_power_cut_left_of_a_former_list_goes_at_the_next_start(tmp_path):
    for each in (OLD, NEW):
        RosterShelf(tmp_path).keep(each)
    assert (tmp_path / BEFORE).read_bytes() == OLD
    assert RosterShelf(tmp_path, former=False).load() == NEW
    assert OLD not in [path.read_bytes() for path in tmp_path.iterdir()]


KEEP = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from firmware.pi.shelf import RosterShelf
blob = Path(sys.argv[3]).read_bytes()
if sys.argv[4] == "in-place":
    for name in ("roster", "roster.before"):
        file = open(Path(sys.argv[2]) / name, "wb", buffering=0)
        for at in range(0, len(blob), 500):
            file.write(blob[at : at + 500])
else:
    RosterShelf(Path(sys.argv[2])).keep(blob)
"""


def cuts(strace: str, repo: Path, tmp_path: Path, how: str) -> list:
    """What is loaded after a SIGKILL at each write, sync and rename of keeping NEW over OLD."""
    new = tmp_path / "new"
    new.write_bytes(NEW)
    loaded = []
    for call in CALLS:
        for n in range(1, 20):
            folder = tmp_path / f"{how}-{call}-{n}"
            RosterShelf(folder).keep(OLD)
            command = [strace, "-f", "-o", os.devnull, f"-etrace={call}", f"-einject={call}:signal=KILL:when={n}"]
            command += [sys.executable, "-B", "-I", "-S", "-c", KEEP, str(repo), str(folder), str(new), how]
            done = subprocess.run(command, capture_output=True, text=True, timeout=30)
            if done.returncode == 0:
                break
            if done.returncode not in (137, -9):
                reason = f"needs strace to trace here, which this machine forbids: {done.stderr.strip()[-200:]}"
                pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
            loaded.append(RosterShelf(folder).load())
    return loaded


def test_a_cut_at_any_write_sync_or_rename_leaves_a_whole_roster(need, repo, tmp_path):
    loaded = cuts(need("strace"), repo, tmp_path, "shelf")
    assert len(loaded) >= 5
    assert set(loaded) == {OLD, NEW}


def order_of(strace: str, repo: Path, tmp_path: Path, how: str) -> list[str]:
    """What keeping a roster asks of the system, in order: writes, syncs and renames. SIGKILL leaves the page cache as
    it is, so the cuts above would not miss a sync; a power cut would."""
    new, log = tmp_path / "new", tmp_path / f"{how}.strace"
    new.write_bytes(NEW)
    command = [strace, "-f", "-o", str(log), "-etrace=write,fsync,fdatasync,rename,renameat,renameat2"]
    command += [sys.executable, "-B", "-I", "-S", "-c", KEEP, str(repo), str(tmp_path / how), str(new), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode:
        reason = f"needs strace to trace here, which this machine forbids: {done.stderr.strip()[-200:]}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    calls = [re.match(r"\d+\s+(\w+)\((.*)", line) for line in log.read_text().splitlines()]
    return [call[1].replace("fdatasync", "fsync").replace("renameat2", "rename") for call in calls if call]


def test_a_roster_is_synced_before_it_has_its_name(need, repo, tmp_path):
    for _ in range(2):  # the first one, and one that takes another's place
        order = order_of(need("strace"), repo, tmp_path, "shelf")
        last_write = max(n for n, call in enumerate(order) if call == "write")
        named = max(n for n, call in enumerate(order) if call.startswith("rename"))
        assert "fsync" in order[last_write:named], f"the name comes before the roster is on the card: {order}"
        assert "fsync" in order[named:], f"the name itself is not on the card: {order}"


def test_the_cuts_catch_a_shelf_that_writes_in_place(need, repo, tmp_path):
    assert None in cuts(need("strace"), repo, tmp_path, "in-place")
