"""A ring on blank emulated flash, and what fills it: for the tests of the Pico's journal."""

from firmware.pico.ring import Ring
from simulator.unixport.nor import BLOCK, Nor
from tests.firmware.pico.scripts import ring_cuts as cuts

PICO_BLOCKS = 126  # 504 KB


def blank(blocks: int) -> Nor:
    return Nor(bytearray(b"\xff" * (blocks * BLOCK)), blocks * BLOCK)


def rest(ring: Ring) -> None:
    while ring.idle():
        pass


def append(ring: Ring, journal: str, text: str, seq: int) -> None:
    ring.append(journal, seq, text, cuts.KEY.mac(text.encode()))


def fill(ring: Ring, journal: str, first: int, count: int) -> None:
    for seq in range(first, first + count):
        text = cuts.swipe_text(journal, seq) if seq else cuts.open_text(journal, None, None)
        append(ring, journal, text, seq)
        rest(ring)
