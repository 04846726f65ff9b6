"""The Pico's journal on emulated NOR flash: counts, wear, and what it must refuse."""

import pytest

from firmware.pico import ring as ring_module
from firmware.pico.ring import NOTE_EVERY, Ring
from firmware.pico.ring_blocks import BLOCK
from firmware.reader.errors import StorageFailed, StorageFull
from simulator.unixport.nor import Nor
from tests.firmware.pico.ring_bench import PICO_BLOCKS, append, blank, fill, rest
from tests.firmware.pico.scripts import ring_cuts as cuts


def test_between_tap_and_green_there_are_at_most_four_programs_and_no_erase_even_at_a_block_change_and_a_boot():
    nor = blank(8)
    ring = Ring(nor)
    rest(ring)
    worst_tap = worst_append = 0
    for boot in range(12):
        ring = Ring(nor)
        ring.idle()
        life = cuts.Life()
        for i in range(30):
            programs, erases = nor.programs, nor.erases
            if not i:
                journal = cuts.boot(ring, life, boot)
            one = nor.programs
            cuts.append(ring, life, journal, cuts.swipe_text(journal, i + 1))
            worst_append = max(worst_append, nor.programs - one)
            worst_tap = max(worst_tap, nor.programs - programs)
            assert nor.erases == erases
            for held in ring.journals():
                ring.free(held.journal, held.head)
            rest(ring)
    assert worst_append == 2
    assert worst_tap <= 4
    assert ring.late_erases == 0
    assert nor.erases > 12  # the ring went round


def test_the_longest_swipe_and_open_record_stay_within_four_programs():
    nor = blank(8)
    ring = Ring(nor)
    rest(ring)
    name = "a" * 32
    for boot in range(40):
        journal = cuts.journal_id(boot)
        ring = Ring(nor)
        ring.idle()
        programs, erases = nor.programs, nor.erases
        number = "9" * 19
        opening = f"1|open|{name}|255|{journal}|0|{cuts.journal_id(999)}|{number}|{'v' * 64}"
        tokens = f"t255:{'f' * 16},254:{'e' * 16}"
        swipe = f"1|swipe|{name}|255|{journal}|1|{tokens}|{number}|{number}|sync|{number}|check|{number}|{number}"
        append(ring, journal, opening, 0)
        append(ring, journal, swipe, 1)
        assert nor.programs - programs <= 4
        assert nor.erases == erases
        assert len(swipe) - len(f"1|swipe|{name}|255|{journal}|1|") + 9 + 16 <= ring_module.SURE_BYTES
        ring.free(journal, 1)
        rest(ring)


def test_five_thousand_swipes_fit_into_the_journal_of_a_pico_w(record_property):
    ring = Ring(blank(PICO_BLOCKS))
    rest(ring)
    journal = cuts.journal_id(1)
    append(ring, journal, cuts.open_text(journal, None, None), 0)
    kept = 0
    with pytest.raises(StorageFull):
        while True:
            append(ring, journal, cuts.swipe_text(journal, kept + 1), kept + 1)
            kept += 1
    record_property("capacity", kept)
    print("capacity", kept)
    assert kept >= 5000
    assert ring.read(journal, kept, 5)[0].startswith(cuts.swipe_text(journal, kept))


def test_the_freed_mark_is_not_written_at_every_receipt():
    nor = blank(8)
    ring = Ring(nor)
    rest(ring)
    journal = cuts.journal_id(1)
    fill(ring, journal, 0, 30)
    before = nor.programs
    for seq in range(30):
        ring.free(journal, seq)
        rest(ring)
    assert nor.programs - before <= 30 // NOTE_EVERY * 2 + 2


def test_a_full_journal_refuses_and_keeps_what_it_has_and_takes_swipes_again_after_a_receipt():
    nor = blank(5)
    ring = Ring(nor)
    rest(ring)
    journal = cuts.journal_id(1)
    seq = 0
    with pytest.raises(StorageFull):
        while True:
            text = cuts.swipe_text(journal, seq)
            append(ring, journal, text, seq)
            seq += 1
    assert ring.room() < 20
    assert ring.journals()[0][1:] == (0, -1, seq - 1)
    assert not ring.idle()
    ring.free(journal, 60)
    assert ring.room() > 0
    append(ring, journal, cuts.swipe_text(journal, seq), seq)
    assert ring.late_erases == 1
    assert len(ring.read(journal, 61, 500)) == seq - 60
    assert ring.journals()[0].oldest <= 61


def test_room_never_promises_more_than_fits():
    nor = blank(6)
    ring = Ring(nor)
    rest(ring)
    journal = cuts.journal_id(1)
    seq = 0
    while True:
        room = ring.room()
        number = "9" * 19
        text = f"1|swipe|a-101|1|{journal}|{seq}|t255:{'f' * 16},254:{'e' * 16}"
        text += f"|{number}|{number}|sync|{number}|check|{number}|{number}"
        try:
            append(ring, journal, text, seq)
        except StorageFull:
            assert room == 0
            break
        assert ring.room() >= room - 1
        seq += 1


def test_freed_records_are_kept_while_there_is_room():
    ring = Ring(blank(20))
    rest(ring)
    journal = cuts.journal_id(1)
    fill(ring, journal, 0, 300)
    ring.free(journal, 299)
    rest(ring)
    assert len(ring.read(journal, 0, 1000)) == 300


def test_the_store_gets_records_again_that_were_freed_and_a_reboot_remembers_it():
    nor = blank(20)
    ring = Ring(nor)
    rest(ring)
    journal = cuts.journal_id(1)
    fill(ring, journal, 0, 100)
    ring.free(journal, 99)
    rest(ring)
    ring.unfree(journal, 40)
    assert ring.journals()[0].freed == 39
    rest(ring)
    assert Ring(nor).journals()[0].freed == 39


def test_a_freed_mark_outlives_a_boot():
    nor = blank(8)
    ring = Ring(nor)
    rest(ring)
    journal = cuts.journal_id(1)
    fill(ring, journal, 0, 90)
    ring.free(journal, 80)
    rest(ring)
    assert Ring(nor).journals()[0].freed == 80
    ring.free(journal, 89)
    for _ in range(ring_module.QUIET_CALLS + 1):
        ring.idle()
    assert Ring(nor).journals()[0].freed == 89


def test_a_text_that_does_not_begin_like_its_journal_comes_back_as_it_was():
    nor = blank(6)
    ring = Ring(nor)
    rest(ring)
    journal = cuts.journal_id(1)
    texts = ["odd", f"1|swipe|b-1|9|{journal}|1|x", f"1|swipe|a-101|07|{journal}|2|x", f"2|swipe|a-101|1|{journal}|3|x"]
    texts += [f"1|clock|a-101|1|{journal}|4|1|2|3", f"1|swipe|a-101|1|{journal}|05|x", ""]
    for seq, text in enumerate(texts):
        append(ring, journal, text, seq)
    for reader in (ring, Ring(nor)):
        assert [line.rpartition("|")[0] for line in reader.read(journal, 0, 99)] == texts


def test_many_boots_with_receipts_do_not_fill_the_memory_and_the_last_journal_is_known():
    nor = blank(12)
    ring = Ring(nor)
    rest(ring)
    for boot in range(300):
        ring = Ring(nor)
        life = cuts.Life()
        cuts.boot(ring, life, boot)
        for held in ring.journals():  # a mark that was lost is offered and receipted again
            ring.free(held.journal, held.head)
        rest(ring)
    held = Ring(nor).journals()
    assert held[-1].journal == cuts.journal_id(299)
    assert len(held) <= ring_module.JOURNALS_MAX + 1
    assert all(h.freed == h.head for h in held[:-1])


def test_too_many_journals_without_a_receipt_are_refused_and_none_is_lost():
    nor = blank(20)
    Ring(nor).idle()
    life = cuts.Life()
    with pytest.raises(StorageFull):
        for boot in range(300):
            ring = Ring(nor)
            rest(ring)
            cuts.boot(ring, life, boot)
    life.trying = None
    cuts.check(Ring(nor), life, "many boots")
    assert len(life.order) == ring_module.JOURNALS_MAX


def test_flash_that_does_not_keep_what_is_written_is_final_for_this_boot():
    class Stuck(Nor):
        stuck = False

        def writeblocks(self, block, buffer, offset=None):
            return 0 if self.stuck else super().writeblocks(block, buffer, offset)

    nor = Stuck(bytearray(b"\xff" * (6 * BLOCK)), 6 * BLOCK)
    ring = Ring(nor)
    rest(ring)
    journal = cuts.journal_id(1)
    fill(ring, journal, 0, 3)
    nor.stuck = True
    with pytest.raises(StorageFailed):
        append(ring, journal, cuts.swipe_text(journal, 3), 3)
    nor.stuck = False
    with pytest.raises(StorageFailed):
        append(ring, journal, cuts.swipe_text(journal, 3), 3)
    assert len(ring.read(journal, 0, 9)) == 3
    assert not ring.idle()


def test_a_worn_out_block_is_left_alone_and_the_journal_goes_on():
    class Worn(Nor):
        def ioctl(self, op, arg):
            result = super().ioctl(op, arg)
            if op == 6 and arg == 2:
                self._memory[2 * BLOCK + 77] = 0x7F
            return result

    nor = Worn(bytearray(b"\xff" * (8 * BLOCK)), 8 * BLOCK)
    ring = Ring(nor)
    rest(ring)
    assert ring.damaged == 1
    journal = cuts.journal_id(1)
    fill(ring, journal, 0, 170)
    assert len(ring.read(journal, 0, 999)) == 170
    assert len(Ring(nor).read(journal, 0, 999)) == 170


def test_a_record_that_rots_is_left_out_and_the_others_keep_their_numbers():
    memory = bytearray(b"\xff" * (8 * BLOCK))
    nor = Nor(memory, len(memory))
    ring = Ring(nor)
    rest(ring)
    journal = cuts.journal_id(1)
    fill(ring, journal, 0, 100)
    whole = ring.read(journal, 0, 999)
    place = memory.find(whole[50].split("|")[6].encode())
    memory[place] ^= 1
    got = Ring(nor).read(journal, 0, 999)
    assert set(got) < set(whole)
    assert len(got) == 99
    assert got[-1] == whole[-1]


def test_any_bytes_on_the_flash_mount_and_take_swipes(rng):
    for _ in range(30):
        memory = bytearray(rng.randbytes(6 * BLOCK))
        for block in range(6):
            if rng.random() < 0.3:
                memory[block * BLOCK : (block + 1) * BLOCK] = b"\xff" * BLOCK
        nor = Nor(memory, len(memory))
        ring = Ring(nor)
        rest(ring)
        life = cuts.Life()
        journal = cuts.boot(ring, life, 1)
        cuts.check(Ring(nor), life, "noise")
        assert Ring(nor).read(journal, 0, 9) == life.lines[journal]
