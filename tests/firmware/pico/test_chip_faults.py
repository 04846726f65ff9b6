"""The PN532 driver when something fails: bus, answers, chip; and broken drivers that these tests must notice."""

import pytest

from firmware.pico import chip as driver
from firmware.pico.chip import CardArrived, CardLeft, Chip, ChipLost, ChipReady
from tests.firmware.pico.chip_door import ANNE, BEN, Door, arrivals, ready_door


@pytest.fixture(params=[1, 5, 10])
def door(request):
    return ready_door(request.param)


@pytest.mark.parametrize("fault", ["drop_ack", "lost_ack", "drop_answer", "corrupt", "truncate"])
@pytest.mark.parametrize("count", [1, 2])
def test_a_fault_on_the_bus_is_survived_without_a_word_and_counted(door, fault, count):
    door.world.inject(fault, count)
    assert door.run(3000) == []
    assert door.chip.faults == count
    door.world.card_in(ANNE)
    assert door.run(1000) == [CardArrived(ANNE)]


@pytest.mark.parametrize("fault", ["drop_ack", "lost_ack", "drop_answer", "corrupt", "truncate"])
def test_a_card_that_lies_there_during_a_fault_does_not_arrive_again(door, fault):
    door.world.card_in(ANNE)
    assert arrivals(door.run(500)) == [ANNE]
    door.world.inject(fault, 2)
    assert door.run(3000) == []


def test_a_disturbed_bus_is_survived(door):
    door.port.nak(2)
    assert door.run(2000) == []
    door.world.card_in(ANNE)
    assert door.run(1000) == [CardArrived(ANNE)]


def test_a_damaged_answer_is_asked_for_again_before_anything_is_started_anew(door):
    before = door.world.carried_out[0x14]
    door.world.inject("corrupt")
    door.run(1000)
    assert (door.world.carried_out[0x14], door.chip.last_fault) == (before, "chip.damaged")


@pytest.mark.parametrize(("away", "code"), [("silence", "chip.bus"), ("hang", "chip.no_ack")])
def test_a_chip_that_goes_away_is_lost_after_three_attempts_and_ready_again_when_it_is_back(door, away, code):
    getattr(door.world, away)()
    assert door.until(ChipLost) < 2000
    assert door.log[-1][1] == ChipLost(code)
    assert not door.chip.ready
    assert door.run(30_000) == []
    door.world.revive()
    assert door.until(ChipReady) <= driver.MOST_REST_MS + 400
    door.world.card_in(ANNE)
    assert door.run(500) == [CardArrived(ANNE)]


def test_a_chip_that_is_set_up_but_never_ends_a_search_is_lost_too(door):
    door.world.inject("drop_answer", 30, command=0x4A)
    assert door.until(ChipLost) < 3000
    assert door.log[-1][1] == ChipLost("chip.no_answer")
    door.until(ChipReady, 200_000)


@pytest.mark.parametrize("after_ms", range(0, 120, 7))
def test_a_reader_that_starts_anew_in_the_middle_of_anything_finds_the_chip(after_ms):
    door = Door()
    door.run(400 + after_ms)
    door.world.card_in(ANNE)
    door.run(after_ms % 30)
    door.chip = Chip(door.i2c)
    events = door.run(400)
    assert [type(event) for event in events] == [ChipReady, CardArrived]
    assert door.chip.faults == 0


def test_the_same_card_tapped_again_while_the_chip_was_lost_arrives_when_it_is_back(door):
    door.world.card_in(ANNE)
    assert arrivals(door.run(300)) == [ANNE]
    door.world.silence()
    door.until(ChipLost)
    door.world.revive()
    assert [type(event) for event in door.run(1000)] == [ChipReady, CardArrived]


def test_faults_with_good_searches_between_them_never_add_up_to_a_lost_chip(door):
    for _ in range(6):
        door.world.inject("drop_ack")
        assert door.run(1500) == []
    assert door.chip.faults == 6


def test_nothing_is_sent_right_after_the_abort():
    door = Door(every_ms=1)
    sent = []
    write = door.i2c.writeto
    door.i2c.writeto = lambda addr, buf: (sent.append((door.now_ms, bytes(buf))), write(addr, buf))
    door.run(100)
    aborted = max(at_ms for at_ms, frame in sent if frame == driver.pn532.ACK)
    assert min(at_ms for at_ms, _ in sent if at_ms > aborted) >= aborted + driver.SETTLE_MS


def test_a_short_dip_of_the_supply_is_repaired_without_a_word(door):
    door.world.revive()
    assert door.run(2000) == []
    door.world.card_in(ANNE)
    assert door.run(500) == [CardArrived(ANNE)]


def test_attempts_on_a_chip_that_stays_away_become_rare():
    door = Door()
    door.world.silence()
    assert door.until(ChipLost) < 1000
    door.run(60_000)
    before = door.chip.attempts
    door.run(60_000)
    assert 10 <= door.chip.attempts - before <= 13


def test_another_chip_on_the_address_is_said_to_be_another():
    door = Door()
    door.world._version = bytes.fromhex("33010607")
    assert door.until(ChipLost) < 2000
    assert door.log[-1][1] == ChipLost("chip.other")


def test_nobody_on_the_bus_is_a_lost_chip():
    door = Door()
    door.chip = Chip(door.i2c, 0x30)
    assert door.until(ChipLost) < 1000


@pytest.mark.parametrize("saboteur", ["never ends its search", "forgets who is here", "waits without a deadline"])
def test_the_tests_above_notice_a_broken_driver(saboteur):
    """Three small broken variants; each must be caught by what the tests above look at."""

    class Broken(Chip):
        def _found(self, target, now_ms):
            if saboteur == "forgets who is here":
                self._present = self._present[-1:] if self._present and self._present[-1][0] == target.uid else []
            super()._found(target, now_ms)

        def _failed(self, code, now_ms):
            if saboteur != "waits without a deadline" or code != "chip.no_answer":
                super()._failed(code, now_ms)

        def _command(self):
            code, frame = super()._command()
            endless = driver.pn532.command(0x32, b"\x05\xff\x01\xff")
            return code, endless if saboteur == "never ends its search" and code == 0x32 else frame

    door = Door(make=Broken)
    if saboteur == "never ends its search":
        door.world.card_in(ANNE)
        door.run(500)
        door.world.card_out()
        door.run(400)
        assert CardLeft() not in [event for _, event in door.log]
    elif saboteur == "forgets who is here":
        door.world.card_in(ANNE)
        door.world.card_in(BEN)
        assert len(arrivals(door.run(5000))) > 2
    else:
        door.run(400)
        door.world.inject("drop_answer")
        door.run(3000)
        door.world.card_in(ANNE)
        assert arrivals(door.run(1000)) == []
