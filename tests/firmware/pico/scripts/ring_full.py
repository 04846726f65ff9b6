"""Fills the journal's flash to the brim, and opens it again: how long a boot's recovery takes, and what it needs."""

import gc
import time

import rp2

from firmware.pico.board import FILES_BYTES, JOURNAL_BYTES
from firmware.pico.ring import Ring
from firmware.reader.errors import StorageFull
from tests.firmware.pico.scripts import ring_cuts as cuts

flash = rp2.Flash(start=FILES_BYTES, len=JOURNAL_BYTES)
ring = Ring(flash)
while ring.idle():
    pass
life = cuts.Life()
boot = kept = 0
try:
    while True:
        boot += 1
        journal = "%016x" % boot
        ring.append(journal, 0, cuts.open_text(journal, None, None), b"m" * 16)
        for seq in range(1, 400):
            ring.append(journal, seq, cuts.swipe_text(journal, seq), b"m" * 16)
            kept += 1
except StorageFull:
    pass
del ring
gc.collect()
before = gc.mem_alloc()
began = time.ticks_us()
ring = Ring(flash)
took = time.ticks_diff(time.ticks_us(), began)
gc.collect()
heap = gc.mem_alloc() - before
held = ring.journals()
assert len(held) == boot and sum([h.head for h in held]) == kept, (len(held), boot, kept)
began = time.ticks_us()
assert len(ring.read(held[7].journal, 200, 16)) == 16
print(kept, boot, took // 1000, heap, time.ticks_diff(time.ticks_us(), began) // 1000)
