"""Unmodified nfcpy against the emulated PN532: what the chip's thread reports."""

import asyncio
import time

import pytest

from firmware.codecs.sun import Message
from firmware.pi.chip import GONE_S, CardArrived, CardLeft, CardUnreadable, Chip, ChipLost, ChipReady, quiet
from simulator.ntag424 import Ntag424
from simulator.pn532 import Pn532
from simulator.pn532_card import Card
from simulator.pn532_faults import FAULTS
from simulator.pn532_hsu import HsuPort

HIGH, LOW, SEVEN = bytes([0x90, 1, 2, 3]), bytes([0x10, 1, 2, 3]), bytes([4, 1, 2, 3, 4, 5, 6])


def onto(loop: asyncio.AbstractEventLoop, events: asyncio.Queue):
    def report(event) -> None:
        loop.call_soon_threadsafe(events.put_nowait, event)

    return report


class Bench:
    def __init__(self, check_baud: bool = False) -> None:
        loop = asyncio.get_running_loop()
        self.pn532 = Pn532(clock=loop.time)
        self.port = HsuPort(self.pn532, check_baud=check_baud)
        self.port.attach()
        self.events: asyncio.Queue = asyncio.Queue()
        self.chip = Chip(self.port.path, onto(loop, self.events))

    async def next(self, timeout_s: float = 40.0):
        return await asyncio.wait_for(self.events.get(), timeout_s)

    async def nothing(self, for_s: float) -> None:
        await asyncio.sleep(for_s)
        assert self.events.empty(), self.events.get_nowait()


@pytest.fixture
async def bench():
    quiet()
    bench = Bench(check_baud=True)
    bench.chip.start()
    assert await bench.next() == ChipReady()
    yield bench
    assert await asyncio.to_thread(bench.chip.stop)
    bench.port.close()


@pytest.mark.parametrize(
    "card", [Card(uid=HIGH), Card(uid=SEVEN), Card(uid=SEVEN, sel_res=0x20, ats=b"\x05\x78\x80\x70\x02")]
)
async def test_a_card_left_lying_is_one_arrival_and_one_leaving(bench, card):
    bench.pn532.card_in(card)
    assert await bench.next() == CardArrived(uid=card.uid)
    await bench.nothing(3 * GONE_S)
    bench.pn532.card_out()
    assert await bench.next() == CardLeft()
    bench.pn532.card_in(card)
    assert await bench.next() == CardArrived(uid=card.uid)


@pytest.mark.parametrize("first, second", [(HIGH, LOW), (LOW, HIGH), (SEVEN, LOW)])
async def test_another_card_laid_on_top_is_seen(bench, first, second):
    bench.pn532.card_in(first)
    assert await bench.next() == CardArrived(uid=first)
    bench.pn532.card_in(second)
    assert await bench.next() == CardArrived(uid=second)
    await bench.nothing(2 * GONE_S)


async def test_a_card_that_flickers_at_the_edge_of_the_field_is_one_arrival(bench):
    bench.pn532.card_in(SEVEN)
    assert await bench.next() == CardArrived(uid=SEVEN)
    flickers = 0
    for _ in range(100):
        out_s = time.monotonic()
        bench.pn532.card_out()
        await asyncio.sleep(GONE_S / 3)
        bench.pn532.card_in(SEVEN)
        away_s = time.monotonic() - out_s
        await asyncio.sleep(GONE_S / 3)
        if away_s < GONE_S / 2:
            assert bench.events.empty()
            flickers += 1
        else:  # this machine held the card away for as long as one that left
            await asyncio.sleep(2 * GONE_S)
            while not bench.events.empty():
                bench.events.get_nowait()
        if flickers == 5:
            break
    assert flickers == 5, "this machine is too busy to hold a card away for a moment only"


async def test_a_phone_whose_number_changes_at_every_look_is_one_unreadable_card(bench):
    bench.pn532.card_in(bytes([8, 1, 2, 3]))
    assert await bench.next() == CardUnreadable()
    bench.pn532.card_out()
    bench.pn532.card_in(bytes([8, 9, 9, 9]))
    await bench.nothing(GONE_S * 1.5)


@pytest.mark.parametrize("fault", sorted(FAULTS))
async def test_after_one_fault_the_next_card_is_read_and_the_chip_is_not_called_lost(bench, fault):
    bench.pn532.inject(fault)
    await asyncio.sleep(0.05)
    bench.pn532.card_in(SEVEN)
    seen = []
    while CardArrived(uid=SEVEN) not in seen:
        seen.append(await bench.next())
    assert not [event for event in seen if isinstance(event, (ChipLost, ChipReady))]


async def test_a_chip_that_goes_silent_is_lost_and_found_when_it_is_back(bench):
    bench.pn532.silence()
    assert isinstance(await bench.next(), ChipLost)
    await bench.nothing(0.5)
    bench.pn532.revive()
    assert await bench.next() == ChipReady()
    bench.pn532.card_in(SEVEN)
    assert await bench.next() == CardArrived(uid=SEVEN)


async def test_a_card_still_there_when_the_chip_is_lost_arrives_anew(bench):
    bench.pn532.card_in(SEVEN)
    assert await bench.next() == CardArrived(uid=SEVEN)
    bench.pn532.silence()
    assert await bench.next() == CardLeft()
    assert isinstance(await bench.next(), ChipLost)


async def test_a_port_that_is_not_there_is_a_lost_chip(tmp_path):
    events: asyncio.Queue = asyncio.Queue()
    loop = asyncio.get_running_loop()
    chip = Chip(str(tmp_path / "none"), onto(loop, events))
    chip.start()
    assert isinstance(await asyncio.wait_for(events.get(), 40), ChipLost)
    assert await asyncio.to_thread(chip.stop)


async def test_a_card_that_signs_comes_with_what_it_said(bench):
    card = Ntag424(uid=bytes.fromhex("041e3c8a2d6b80"), key=bytes(16), counter=5)
    bench.pn532.card_in(card)
    said = Message(6, bytes.fromhex("4b00064004b0b3d3"))
    assert await bench.next() == CardArrived(uid=card.uid, said=said)
    await bench.nothing(3 * GONE_S)
    bench.pn532.card_out()
    assert await bench.next() == CardLeft()
    assert card.counter == 6


async def test_of_two_cards_one_of_which_signs_both_arrive(bench):
    card = Ntag424(uid=bytes.fromhex("041e3c8a2d6b80"), key=bytes(16), counter=5)
    bench.pn532.card_in(card)
    bench.pn532.card_in(Card(uid=HIGH))
    seen = [await bench.next(), await bench.next()]
    assert {one.uid for one in seen} == {card.uid, HIGH}
    assert {one.said for one in seen} == {None, Message(6, bytes.fromhex("4b00064004b0b3d3"))}
