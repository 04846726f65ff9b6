"""Power cuts and failing disks, a few points of each kind, and for each kind a broken variant that it must catch.

Every point is tried by `python -m tests.power`.
"""

import os
import struct

import pytest

from firmware.pico.ring import Ring
from firmware.pico.ring_blocks import BLOCK, PAGE
from tests.power import attack, disk, faulty, pico, strace
from tests.power.attack import SYNCS, Plan
from tests.power.subjects import GatewaySpool, PiJournal, PiRoster, Store

pytestmark = pytest.mark.proof


@pytest.fixture
def plan(tmp_path, seed):
    """A few points of each kind, where processes may be traced."""
    for why in (strace.why_not(), faulty.why_not()):
        if why and os.environ.get("CI"):
            pytest.fail(why, pytrace=False)
        if why:
            pytest.skip(why)
    return Plan(folder=tmp_path, seed=seed, most=3)


@pytest.fixture
def more(plan):
    return Plan(folder=plan.folder, seed=plan.seed, most=40)


SUBJECTS = [PiJournal, GatewaySpool, PiRoster]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_kill_at_a_write_or_sync_loses_nothing_that_was_promised(plan, subject):
    row = attack.killed(plan, subject())
    assert row.points and not row.found, row


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_power_cut_that_takes_what_was_not_synced_loses_nothing_promised(more, subject):
    row = attack.cut(more, subject())
    assert row.points and not row.found, row


@pytest.mark.parametrize("subject", [PiJournal, GatewaySpool])
@pytest.mark.parametrize("lasting", [False, True])
def test_a_failed_sync_is_final_and_the_power_cut_after_it_shows_that(plan, subject, lasting):
    row = attack.refused(plan, subject(), "EIO", SYNCS, lasting=lasting)
    assert row.points and not row.found, row


@pytest.mark.parametrize("how", ["short", "short-28", "short-kill"])
def test_a_write_that_takes_half_of_its_bytes_loses_nothing(plan, how):
    row = attack.short(plan, PiJournal(), how)
    assert row.points and not row.found, row


def test_a_worker_that_is_not_root_loses_nothing_either(plan):
    python = attack.python_of_nobody()
    if python is None:
        pytest.skip(
            "not run as root, as which all others are another user's; or nobody else may run a Python 3.11 here"
        )
    row = attack.as_nobody(plan, PiJournal(python))
    assert row.points > plan.most and not row.found, row


def test_a_checkpoint_whose_sync_fails_is_said_and_costs_no_receipt(plan):
    store = Store(plan.folder / "template")
    row = attack.unwell(plan, store)
    assert row.points and not row.found, row
    few = Plan(folder=plan.folder, seed=plan.seed, most=1)
    assert attack.unwell(few, store, "carried-over-in-silence").lost


@pytest.mark.needs("micropython")
def test_the_cuts_catch_settings_of_which_half_was_committed(tmp_path, seed):
    some = Plan(folder=tmp_path, seed=seed)
    assert not pico.on_micropython(some, "copied", "shelf_cuts.py", "Settings", "half").found
    again = pico.on_micropython(some, "copied, cut, copied, cut", "shelf_cuts.py", "Settings", "half", "deep", "1")
    assert again.points > 15 and not again.found, again
    row = pico.on_micropython(some, "half", "shelf_cuts.py", "SettingsHalf", "none")
    assert row.lost and "SettingsError" in row.found[0], row


def test_what_a_killed_store_had_not_synced_is_not_receipted_by_the_next(plan):
    few = Plan(folder=plan.folder, seed=plan.seed, most=2)
    row = attack.killed_again(few, Store(plan.folder / "template"), twice=False)
    assert row.points and not row.found, row


@pytest.mark.parametrize("saboteur", ["OFF", "NORMAL"])
@pytest.mark.parametrize("subject", [PiJournal, GatewaySpool])
def test_the_power_cuts_catch_a_part_that_does_not_sync(more, subject, saboteur):
    assert attack.cut(more, subject(), saboteur).lost


@pytest.mark.parametrize(
    "subject, saboteur",
    [(PiJournal, "green-before-the-append"), (GatewaySpool, "acks-before-the-commit"), (PiRoster, "in-place")],
)
def test_the_kills_catch_a_part_that_promises_too_early_or_writes_in_place(plan, subject, saboteur):
    some = Plan(folder=plan.folder, seed=plan.seed, most=8)
    assert attack.killed(some, subject(), saboteur, calls=("pwrite64", "write")).lost


@pytest.mark.parametrize(
    "subject, saboteur", [(PiJournal, "green-after-a-failure"), (GatewaySpool, "believes-after-an-error")]
)
def test_the_failed_syncs_catch_a_part_that_goes_on_as_if_nothing_had_been(plan, subject, saboteur):
    few = Plan(folder=plan.folder, seed=plan.seed, most=4)
    assert attack.refused(few, subject(), "EIO", SYNCS, saboteur).lost


class NoChecksum(Ring):
    """A saboteur: takes a frame for whole because it has a length."""

    def _next_frame(self, generation, offset):
        while offset + 9 <= BLOCK:
            length, kind, low, _ = struct.unpack_from("<HBHI", self._block, offset)
            if length != 0xFFFF and offset + 9 + length <= BLOCK and kind < 7 and length > 12:
                return kind, low, offset + 9, offset + 9 + length
            offset = (offset // PAGE + 1) * PAGE
        return None


class Overwrites(Ring):
    """A saboteur: when the flash is full it takes the oldest block, receipt or not."""

    def _is_freed(self, i):
        return True


def test_a_flipped_bit_in_the_last_record_is_refused_and_an_unchecked_ring_is_caught(tmp_path, seed):
    some = Plan(folder=tmp_path, seed=seed, most=60)
    assert not pico.flipped_bit(some).found
    assert pico.flipped_bit(some, NoChecksum).lost


def test_a_full_pico_journal_holds_five_thousand_swipes_and_overwrites_none(tmp_path, seed):
    some = Plan(folder=tmp_path, seed=seed)
    row, capacity = pico.full(some)
    assert not row.found and capacity >= 5000
    assert pico.full(some, Overwrites)[0].lost


def test_a_failed_sync_in_the_model_drops_what_it_did_not_write(tmp_path, rng):
    log = """\
1 openat(AT_FDCWD<x>, "a", O_RDWR|O_CREAT, 0600) = 3<{path}>
1 pwrite64(3<{path}>, "\\x61\\x62", 2, 0) = 2
1 fdatasync(3<{path}>) = -1 EIO (Input/output error) (INJECTED)
1 fdatasync(3<{path}>) = 0
1 fdatasync(4<{root}>) = 0
""".format(path=hexed(f"{tmp_path}/f"), root=hexed(str(tmp_path)))
    there = disk.Disk(tmp_path)
    for call in disk.calls(log):
        there.play(call)
    assert there.failed_syncs == 1
    assert there.left("all", rng) == there.left("none", rng) == {"f": b""}


def hexed(text: str) -> str:
    """As strace -xx writes it."""
    return "".join(f"\\x{byte:02x}" for byte in text.encode())
