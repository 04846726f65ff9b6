"""Measures Reader.tap() with a full roster; runs on MicroPython and CPython. Prints one JSON object.

Arguments: a file with the roster's bytes, its epoch ms, how many taps. The storage keeps the last records only, so that
what grows is the reader's own.
"""

import gc
import json
import sys
import time

from firmware.contract.mac import Key
from firmware.reader.reader import Reader
from firmware.reader.settings import Settings
from tests.firmware.reader.memory_storage import Medium, MemoryShelf, MemoryStorage

ticks_us = getattr(time, "ticks_us", None) or (lambda: time.perf_counter_ns() // 1000)
mem_alloc = getattr(gc, "mem_alloc", lambda: 0)


class ShortStorage(MemoryStorage):
    """Keeps the last 32 records of the one journal."""

    def append(self, journal, seq, text, mac):
        super().append(journal, seq, text, mac)
        self.medium.records[journal].pop(seq - 32, None)


class Counter:
    """Random bytes that are not: eight counted ones."""

    def __init__(self):
        self.n = 0

    def bytes(self, n):
        self.n += 1
        return self.n.to_bytes(n, "big")


def main(path, wall_ms, taps):
    took = [0] * taps
    allocated = [0] * taps
    gc.collect()
    before = mem_alloc()
    medium = Medium()
    with open(path, "rb") as file:
        medium.rosters.append(file.read())
    settings = Settings("main", "a-101", Key(1, b"\x11" * 32), [Key(3, b"\x22" * 32)], {}, None)
    reader = Reader(
        settings=settings,
        storage=ShortStorage(medium),
        shelf=MemoryShelf(medium),
        random_bytes=Counter().bytes,
        firmware="1.0.0",
    )
    reader.clock.answered(0, 20, wall_ms)
    assert reader.door.roster is not None
    gc.collect()
    held = mem_alloc() - before
    seen = set()
    now_ms = 1000
    for n in range(taps):
        uid = b"\x04u%05d" % (n % 500)
        now_ms += 100
        gc.collect()
        gc.disable()  # so that what is allocated can be counted, and none of it is collected within the time
        heap = mem_alloc()
        begun = ticks_us()
        seen.add(reader.tap(uid, now_ms))
        took[n] = ticks_us() - begun
        allocated[n] = mem_alloc() - heap
        gc.enable()
    took.sort()
    allocated.sort()
    gc.collect()
    print(
        json.dumps(
            {
                "implementation": sys.implementation.name,
                "taps": taps,
                "verdicts": sorted(seen),
                "tap_us": {"p50": took[taps // 2], "p99": took[taps * 99 // 100]},
                "allocated_per_tap": {"p50": allocated[taps // 2], "p99": allocated[taps * 99 // 100]},
                "reader_and_roster_bytes": held,
                "grown_bytes": mem_alloc() - before - held,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
