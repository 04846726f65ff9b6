"""The Pico's flash: journal, roster and settings under power cuts, a flipped bit, and a journal that is full.

The journal is played on CPython on an emulated NOR flash, whose operations fail nothing, half, the other half, some
bits, or all but the answer; the roster and the settings stand on littlefs, which only MicroPython has, so these are
played on the real interpreter, on the same emulated flash.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from firmware.contract.mac import Key
from firmware.pico.ring import Ring
from firmware.reader.errors import ReaderError, StorageFull
from simulator.unixport.nor import CUTS, Nor
from tests.firmware.pico import release_packs
from tests.firmware.pico.scripts import ring_cuts
from tests.power.attack import Plan, Row

SCRIPTS = Path(ring_cuts.__file__).resolve().parent
REPO = SCRIPTS.parents[3]
#: bytes of flash that firmware/pico/board.py gives to the journal; it imports `machine`, and is looked at by a test
JOURNAL_BYTES = 504 * 1024
CAPACITY_AT_LEAST = 5000
KEY = Key(1, b"k" * 32)


def journal(plan: Plan, *, deep: bool, kind: type[Ring] = Ring) -> Row:
    """Power cuts at every program and erase; deep: and at every operation of the boot after."""
    when = ", and again at every operation of the boot after" if deep else ""
    row = Row(kind=f"Pico journal: power cut at every program and erase{when}")
    step = 5 if deep and plan.most else 1
    for how in CUTS:
        try:
            row.points += ring_cuts.sweep(kind, how, deep=deep, step=step)
        except (AssertionError, ReaderError, ValueError) as error:
            row.points += 1
            row.lost += 1
            row.found.append(f"{how}: {error!r}"[:200])
    row.of = row.points * step  # a fifth of the first cuts, each with every second one
    row.note = (
        f"{'every fifth first cut, so about as many; ' if step > 1 else ''}{len(CUTS)} ways each: {', '.join(CUTS)}"
    )
    return row


def flipped_bit(plan: Plan, kind: type[Ring] = Ring) -> Row:
    """Each bit of the last record flipped, one at a time: it is refused, all others are whole, and it goes on."""
    memory, life = ring_cuts.full_before(kind)
    last = life.order[-1]
    line = life.lines[last][-1]
    text = line.rpartition("|")[0].split("|", 6)[6].encode()  # what stands on the flash of it
    start = bytes(memory).rindex(text) - 9  # the frame's head
    end = start + 9 + len(text) + 16
    every = list(range(start * 8, end * 8))
    row = Row(kind="Pico journal: one bit of the last record flipped", of=len(every))
    row.note = "the record is refused, never delivered as another; all before it are whole"
    for bit in plan.pick(every):
        damaged = bytearray(memory)
        damaged[bit // 8] ^= 1 << (bit % 8)
        nor = Nor(damaged, len(damaged))
        row.points += 1
        try:
            ring = kind(nor)
            twin = ring_cuts.copy(life)
            twin.lines[last].pop()
            twin.freed[last] = min(twin.freed[last], len(twin.lines[last]) - 1)
            ring_cuts.check(ring, twin, ("bit", bit))
            ring_cuts.after(kind, nor, twin, 200)
            ring_cuts.check(kind(nor), twin, ("bit", bit, "after"))
        except (AssertionError, ReaderError, ValueError) as error:
            row.lost += 1
            row.found.append(f"bit {bit}: {error!r}"[:200])
    return row


def full(plan: Plan, kind: type[Ring] = Ring) -> tuple[Row, int]:
    """A flash of the board's size, filled to the brim and tapped on: refused, and nothing overwritten. (row, capacity)"""
    row = Row(kind="Pico journal: full, and tapped on; nothing overwritten")
    nor = Nor(bytearray(b"\xff" * JOURNAL_BYTES), JOURNAL_BYTES)
    ring = kind(nor)
    while ring.idle():
        pass
    life = ring_cuts.Life()
    journal = ring_cuts.boot(ring, life, 1)
    kept = refusals = 0
    while refusals < 50 and kept < 20_000:
        try:
            # Each refusal is followed by another tap, a pause, and now and then a new boot: a full journal stays full.
            seq = len(life.lines[journal])
            ring_cuts.append(ring, life, journal, ring_cuts.swipe_text(journal, seq))
            kept += 1
        except StorageFull:
            refusals += 1
            ring.idle()
            if refusals % 20 == 0:
                ring = kind(nor)
                life.trying = None
                journal = life.order[-1]
                try:
                    journal = ring_cuts.boot(ring, life, 1 + refusals)
                except StorageFull:
                    refusals += 1
    life.trying = None
    try:
        ring_cuts.check(kind(nor), life, "full")
    except AssertionError as error:
        row.lost += 1
        row.found.append(repr(error)[:200])
    if not refusals:
        row.lost += 1
        row.found.append("it never said that it is full")
    row.points = row.of = kept
    row.note = f"{kept} swipes kept, {refusals} taps refused; at least {CAPACITY_AT_LEAST} wanted"
    if kept < CAPACITY_AT_LEAST:
        row.lost += 1
        row.found.append(f"room for {kept} swipes only")
    return row, kept


def on_micropython(plan: Plan, kind: str, script: str, *arguments: str) -> Row:
    """A sweep on the real interpreter, which ends at the first loss. Returns its row."""
    row = Row(kind=kind)
    program = Path(sys.executable).with_name("micropython")
    done = subprocess.run(
        # The rig holds copies of whole flashes: its heap is no board's.
        [str(program), "-X", "heapsize=32M", str(SCRIPTS / script), *arguments],
        env={**os.environ, "MICROPYPATH": f"{REPO}:.frozen"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode:
        row.points, row.lost = 1, 1
        row.found.append((done.stdout + done.stderr).strip()[-300:])
    else:
        row.points = int(done.stdout.split()[0])
    row.of = row.points
    row.note = "on MicroPython"
    return row


def update(plan: Plan, life: str) -> Row:
    """An update arrives, is tried and confirmed, or reverts: cut at every operation, and again in what is done after."""
    kind = f"Pico update, {life}: power cut at every program and erase, and again at operations after; the old or the new boots"
    with tempfile.TemporaryDirectory(prefix="muster-packs-") as folder:
        for counter, version in ((1, "old"), (2, "new")):
            Path(folder, f"{version}.pack").write_bytes(release_packs.signed(counter, version=version))
        Path(folder, "n").write_text(f"{release_packs.key().n:x}")
        step = "1" if plan.most else "5"
        return on_micropython(plan, kind, "slot_cuts.py", folder, life, ",".join(CUTS), step)


def rows(plan: Plan) -> list:
    """Every kind, each to be called."""
    hows = ",".join(CUTS)
    roster = "Pico roster: power cut at every program and erase"
    settings = "Pico settings: power cut at every program and erase"
    sample = "23" if plan.most else "5"
    return [
        lambda: journal(plan, deep=False),
        lambda: journal(plan, deep=True),
        lambda: on_micropython(
            plan, "Pico journal: a sample of both on MicroPython", "ring_cuts.py", "half,bits", sample
        ),
        lambda: flipped_bit(plan),
        lambda: on_micropython(plan, roster, "shelf_cuts.py", "Shelf", hows),
        lambda: on_micropython(
            plan,
            f"{roster}, and again at every operation of the boot after",
            "shelf_cuts.py",
            "Shelf",
            hows,
            "deep",
            "1",
        ),
        lambda: on_micropython(plan, settings, "shelf_cuts.py", "Settings", hows),
        lambda: on_micropython(
            plan,
            f"{settings}, and again at every operation of the copying after",
            "shelf_cuts.py",
            "Settings",
            hows,
            "deep",
            "1",
        ),
        lambda: update(plan, "confirm"),
        lambda: update(plan, "revert"),
        lambda: full(plan)[0],
    ]
