"""What the cut tests run and kill: 40 records in three openings, with receipts, recycling and checkpoints between.

    python -I -S journal_worker.py REPOSITORY FOLDER SABOTEUR ID...

One line on standard output for each fact, written at once: `green JOURNAL SEQ LINE` after the append returned, `freed
JOURNAL UP_TO` before anything may be recycled, `full`, `failed`, `done`. The saboteurs are what the tests must catch.
"""

import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from firmware.contract.statement import seal
from firmware.pi.journal import KEEP_FREED_MS, SqliteJournal
from firmware.reader.errors import StorageFailed, StorageFull

folder, saboteur, ids = Path(sys.argv[2]), sys.argv[3], sys.argv[4:]
RECORDS = (14, 13, 13)
now_ms = 0


def say(text):
    os.write(1, (text + "\n").encode())


def opened():
    if saboteur == "made-anew-at-each-start":
        shutil.rmtree(folder, ignore_errors=True)
    journal = SqliteJournal(folder, checkpoint_every=9, uptime_ms=lambda: now_ms)
    if saboteur in ("OFF", "NORMAL"):
        journal._database.execute(f"PRAGMA synchronous = {saboteur}")
    return journal


def run(journal, name, count):
    global now_ms
    held_back = []
    seq = 0
    full = 0
    while seq < count and full < 3:
        text = f"1|swipe|a-101|1|{name}|{seq}|" + "t1:0a1b2c3d4e5f6071|" * 3
        mac = seq.to_bytes(16, "big")
        green = f"green {name} {seq} {seal(text, mac)}"
        try:
            if saboteur == "green-before-the-append":
                say(green)
            if saboteur == "commits-in-batches":
                # Appends only as every fourth record is there: what a batching writer's page cache would do.
                held_back.append((seq, text, mac))
                say(green)
                if len(held_back) == 4 or seq == count - 1:
                    for record in held_back:
                        journal.append(name, *record)
                    held_back.clear()
            else:
                journal.append(name, seq, text, mac)
                if saboteur != "green-before-the-append":
                    say(green)
            seq += 1
        except StorageFull:
            say("full")
            full += 1
            continue
        except StorageFailed:
            if saboteur == "green-after-a-failure":
                say(green)
            raise
        if seq == 8:
            say(f"freed {name} 5")
            journal.free(name, 5)
        now_ms += KEEP_FREED_MS // 3
        journal.idle()


try:
    for name, count in zip(ids, RECORDS, strict=True):
        journal = opened()
        try:
            run(journal, name, count)
        except StorageFailed:
            say("failed")
            try:  # final: nothing may go through any more
                held = {h.journal: h.head for h in journal.journals()}
                journal.append(name, held.get(name, -1) + 1, "x", bytes(16))
                say("retried")
            except StorageFailed:
                pass
            sys.exit(3)
        finally:
            journal.close()
except StorageFailed:
    say("failed")
    sys.exit(3)
say("done")
