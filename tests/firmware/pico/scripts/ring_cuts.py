"""Power cuts at every program and erase of the Pico's journal. CPython and MicroPython run this same file.

`sweep(Ring)` plays a reader's life of 40 records (boots, receipts, erases) on emulated flash whose power fails in
operation 0, 1, 2..., opens what is left, and looks whether every record whose append returned is there. Returns how
many cuts it made; raises AssertionError at the first loss, naming the cut.
"""

import sys

from firmware.contract.mac import Key
from firmware.contract.statement import seal
from firmware.reader.errors import StorageFailed
from simulator.unixport.nor import BLOCK, Nor

BLOCKS = 6
KEY = Key(1, b"k" * 32)
RECORDS = 40


class Life:
    """What the reader did and what it was told: the truth to compare with."""

    def __init__(self):
        self.lines = {}  # journal -> lines of which append returned, from seq 0
        self.freed = {}  # journal -> receipted up to
        self.order = []
        self.trying = None  # (journal, line) of the append that was under way


def journal_id(boot):
    return "%016x" % (0x9F8E7D6C00000000 + boot)


def swipe_text(journal, seq):
    wall = 1790000000000 + seq * 1000
    token = "%016x" % (seq * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF)
    return f"1|swipe|a-101|1|{journal}|{seq}|t1:{token}|{125000 + seq}|{wall}|sync|12|green|4711|1790000000000"


def open_text(journal, before, before_seq):
    return f"1|open|a-101|1|{journal}|0|{before or '-'}|{'-' if before_seq is None else before_seq}|muster-0.1.0"


def append(ring, life, journal, text):
    seq = len(life.lines.get(journal, ()))
    mac = KEY.mac(text.encode())
    life.trying = (journal, seal(text, mac))
    ring.append(journal, seq, text, mac)
    life.trying = None
    if journal not in life.lines:
        life.lines[journal] = []
        life.freed[journal] = -1
        life.order.append(journal)
    life.lines[journal].append(seal(text, mac))


def boot(ring, life, number):
    """What the first append of a boot does. Returns the journal."""
    journal = journal_id(number)
    held = ring.journals()
    before = held[-1] if held else None
    append(ring, life, journal, open_text(journal, before and before.journal, before and before.head))
    return journal


def receipt(ring, life, journal, up_to):
    ring.free(journal, up_to)
    life.freed[journal] = max(life.freed[journal], up_to)


def play(Ring, nor, life):
    """40 records in four boots, with receipts that come late enough that blocks must be recycled."""
    for number in range(4):
        ring = Ring(nor)
        if number:
            ring.idle()
        journal = None
        for i in range(RECORDS // 4):
            if journal is None:
                journal = boot(ring, life, 100 + number)
            else:
                append(ring, life, journal, swipe_text(journal, i))
            if number >= 2 and i == 4:
                for old in life.order:
                    receipt(ring, life, old, len(life.lines[old]) - 1 if old != journal else 2)
            if i % 3 == 1:
                while ring.idle():
                    pass


def full_before(Ring):
    """An image so full that the 40 need recycling, which must wait for receipts. (memory, life)"""
    memory = bytearray(b"\xff" * (BLOCKS * BLOCK))
    life = Life()
    ring = Ring(Nor(memory, len(memory)))
    while ring.idle():
        pass
    journal = boot(ring, life, 1)
    for i in range(1, 156):
        append(ring, life, journal, swipe_text(journal, i))
        if i <= 30:
            receipt(ring, life, journal, i)
        ring.idle()
    return memory, life


def copy(life):
    twin = Life()
    twin.lines = {j: list(lines) for j, lines in life.lines.items()}
    twin.freed = dict(life.freed)
    twin.order = list(life.order)
    twin.trying = life.trying
    return twin


def check(ring, life, what):
    """Everything of which append returned is there, and at most the one record more that was under way."""
    held = {h.journal: h for h in ring.journals()}
    extra = 0
    for journal in life.order:
        lines = life.lines[journal]
        h = held.pop(journal, None)
        head = len(lines) - 1
        if h is None:
            assert life.freed[journal] == head, (what, "a journal that waits for its receipt is gone", journal)
            continue
        assert h.freed <= life.freed[journal], (what, "freed without a receipt", h)
        assert h.oldest <= life.freed[journal] + 1, (what, "recycled without a receipt", h)
        assert h.freed >= h.oldest - 1, (what, "what is recycled counts as waiting", h)
        want = lines[h.oldest :]
        if h.head == head + 1:
            assert life.trying is not None and life.trying[0] == journal, (what, "a record from nowhere", h)
            want = want + [life.trying[1]]
            extra += 1
        else:
            assert h.head == head, (what, "the head is not where append left it", h, head)
        got = []
        while batch := ring.read(journal, h.oldest + len(got), 16):
            got = got + batch
        assert got == want, (what, "records differ", journal, len(got), len(want))
    for journal, h in held.items():
        assert life.trying is not None and life.trying[0] == journal and h.head == 0, (what, "a journal from nowhere")
        assert ring.read(journal, 0, 9) == [life.trying[1]], (what, "a torn open record")
        extra += 1
    assert extra <= 1, (what, "more than one record extra")


def settle(ring, life):
    """What `check` found stands now: the record under way is either in or out for ever."""
    for h in ring.journals():
        if life.trying is not None and h.journal == life.trying[0]:
            if h.journal not in life.lines:
                life.lines[h.journal] = []
                life.freed[h.journal] = -1
                life.order.append(h.journal)
            if h.head == len(life.lines[h.journal]):
                life.lines[h.journal].append(life.trying[1])
    life.trying = None


def after(Ring, nor, life, number):
    """A boot after the cut: it mounts, housekeeping goes on, the next tap is kept."""
    ring = Ring(nor)
    ring.idle()
    journal = boot(ring, life, number)
    append(ring, life, journal, swipe_text(journal, 1))
    for old in life.order:
        receipt(ring, life, old, len(life.lines[old]) - 1)
    while ring.idle():
        pass
    append(ring, life, journal, swipe_text(journal, 2))


def sweep(Ring, how, deep=False, step=1):
    """Cuts at every operation in the manner `how`; deep: and at every operation of the boot after, too."""
    memory, before = full_before(Ring)
    cuts = 0
    cut = 0
    while True:
        nor = Nor(bytearray(memory), len(memory), cut, how, cut + 1)
        life = copy(before)
        if not run(play, Ring, nor, life):
            assert cut > 50, "this life had hardly any operations"
            return cuts
        cuts += 1
        second = 0
        while True:
            again = Nor(bytearray(nor._memory), len(memory), second if deep else -1, how, cut + second + 7)
            told = copy(life)
            ring = Ring(Nor(bytearray(nor._memory), len(memory)))
            check(ring, told, (how, cut))
            settle(ring, told)
            died = run(after, Ring, again, told, 200)
            last = Nor(again._memory, len(memory))
            check(Ring(last), told, (how, cut, second))
            if not died:
                break
            settle(Ring(last), told)
            run(after, Ring, last, told, 300)
            check(Ring(Nor(last._memory, len(memory))), told, (how, cut, second, "third boot"))
            cuts += 1
            second += 1
        cut += step


def run(play, Ring, nor, *rest):
    """Whether the power failed. Any other error is a failure of the ring's."""
    try:
        play(Ring, nor, *rest)
    except StorageFailed:
        assert nor.dead, "the ring gave up although the flash was well"
    return nor.dead


if __name__ == "__main__":
    from firmware.pico.ring import Ring as _Ring

    total = 0
    for _how in sys.argv[1].split(","):
        total += sweep(_Ring, _how, deep=len(sys.argv) > 2, step=int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    print(total, "cuts")
