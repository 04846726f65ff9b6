"""Power cuts at every program and erase of the Pico's journal, and the broken variants that they must catch."""

import struct

import pytest

from firmware.pico import ring_blocks
from firmware.pico.ring import Ring
from firmware.pico.ring_blocks import BLOCK, PAGE
from simulator.unixport.nor import CUTS
from tests.firmware.pico.scripts import ring_cuts as cuts


@pytest.mark.parametrize("how", CUTS)
def test_a_power_cut_at_any_program_or_erase_loses_no_record_whose_append_returned(how):
    assert cuts.sweep(Ring, how) > 60


@pytest.mark.proof
@pytest.mark.parametrize("how", CUTS)
def test_a_second_power_cut_at_any_operation_of_the_boot_after_loses_nothing_either(how):
    assert cuts.sweep(Ring, how, deep=True) > 300


class NoChecksum(Ring):
    """Takes a frame for whole because it has a length."""

    def _next_frame(self, generation, offset):
        while offset + 9 <= BLOCK:
            length, kind, low, _ = struct.unpack_from("<HBHI", self._block, offset)
            if length != 0xFFFF and offset + 9 + length <= BLOCK and kind < 7 and length > 12:
                return kind, low, offset + 9, offset + 9 + length
            offset = (offset // PAGE + 1) * PAGE
        return None


class OverTheTornTail(Ring):
    """Goes on writing right behind the last whole frame, whatever was begun there."""

    def _last_mark(self, block):
        mark = super()._last_mark(block)
        offset = 16
        while (frame := self._next_frame(self._generation[block] if offset > 16 else 0, offset)) is not None:
            offset = frame[3]
        self._offset = offset
        return mark


class HeaderLater(Ring):
    """Writes a new block's header only at the next append."""

    late = None

    def _program(self, block, start, length):
        if self.late is not None:
            (block_then, size), self.late = self.late, None
            kept = bytes(self._out)
            self._out[: len(size)] = size
            super()._program(block_then, 16, len(size))
            self._out[:] = kept
        if start == 16:
            self.late = (block, bytes(self._out[:25]))
            self._out[:25] = b"\xff" * 25
        super()._program(block, start, length)


class RecyclesAnything(Ring):
    """Recycles the oldest block whether or not a receipt covers it."""

    def _is_freed(self, i):
        return True


class ReturnsBeforeTheProgram(Ring):
    """Says a record is kept while it is still in memory."""

    late = None

    def _program(self, block, start, length):
        if self.late is not None:
            (block_then, start_then, data), self.late = self.late, None
            kept = bytes(self._out)
            self._out[: len(data)] = data
            super()._program(block_then, start_then, len(data))
            self._out[:] = kept
        self.late = (block, start, bytes(self._out[:length]))


class ForgetsWhatItGaveUp(Ring):
    """Erases without a mark before, so that a half-erased block looks like one in use."""

    def _look(self, block):
        header = super()._look(block)
        if header is None and self._state[block] == ring_blocks.DIRTY:
            kept = bytes(self._page)
            self._page[12:16] = b"\xff" * 4
            self._block[:PAGE] = self._page
            frame = self._next_frame(0, 16)
            if frame is not None and frame[0] == 4:
                generation = struct.unpack_from("<I", self._block, frame[2])[0]
                frame = self._next_frame(generation, frame[3])
                self._state[block] = ring_blocks.USED
                self._generation[block] = generation
                journal, seq, _ = struct.unpack_from("<8sIB", self._block, frame[2])
                return bytes(journal), seq
            self._page[:] = kept
        return header


@pytest.mark.parametrize(
    "saboteur",
    [NoChecksum, OverTheTornTail, HeaderLater, RecyclesAnything, ReturnsBeforeTheProgram, ForgetsWhatItGaveUp],
)
def test_the_power_cuts_catch_a_broken_variant(saboteur):
    with pytest.raises((AssertionError, ValueError, UnicodeDecodeError, struct.error)):
        for deep in (False, True):  # one cut in each manner is soon tried, and catches most
            for how in CUTS:
                cuts.sweep(saboteur, how, deep=deep)
