"""The PN532 driver and cards: they come, stay, go, lie on each other; how soon. Virtual time, emulated chip."""

import pytest

from firmware.pico import chip as driver
from firmware.pico.chip import CardArrived, CardLeft, CardUnreadable, Chip, ChipReady
from simulator.pn532_card import Card
from tests.firmware.pico.chip_door import ANNE, BEN, CLEO, Door, arrivals, ready_door


@pytest.fixture(params=[1, 5, 10])
def door(request):
    return ready_door(request.param)


def test_a_sleeping_chip_is_woken_set_up_and_said_to_be_ready():
    door = Door()
    (event,) = door.run(400)
    assert event == ChipReady(driver.pn532.Firmware(0x32, 1, 6, 7))
    assert [door.world.carried_out[code] for code in (0x14, 0x02, 0x12, 0x32)] == [1, 1, 1, 1]
    assert door.chip.faults == 0


@pytest.mark.parametrize("uid", [ANNE, BEN, CLEO])
def test_a_card_that_stays_arrives_once_and_leaves_once(door, uid):
    door.world.card_in(uid)
    assert door.run(5000) == [CardArrived(uid)]
    door.world.card_out()
    assert door.run(5000) == [CardLeft()]


def test_a_card_arrives_within_four_polls_and_leaves_within_250_ms_whenever_it_comes(door):
    worst_in = worst_out = 0.0
    for shift in range(60):
        door.run(200 + shift * 3)
        shown = door.world.card_in(ANNE)
        passed = door.until(CardArrived)
        worst_in = max(worst_in, passed - shown.chip_s * 1000)
        door.run(50 + shift)
        door.world.card_out()
        worst_out = max(worst_out, door.until(CardLeft))
    print(f"polled every {door.every_ms} ms: arrival {worst_in:.1f} ms at worst, departure {worst_out:.1f} ms")
    # The three polls between two searches are deaf, and the answer is fetched by a fourth.
    assert worst_in <= max(4 * door.every_ms, 10)
    assert worst_out <= 250


def test_away_and_back_is_a_second_arrival(door):
    for _ in range(5):
        door.world.card_in(ANNE)
        assert arrivals(door.run(300)) == [ANNE]
        door.world.card_out()
        assert door.run(200) == [CardLeft()]


def test_two_people_300_ms_apart_are_both_seen_with_and_without_a_gap(door):
    for held_ms in (60, 200, 300):
        door.world.card_in(ANNE)
        seen = door.run(held_ms)
        door.world.card_out()
        seen += door.run(300 - held_ms)
        door.world.card_in(BEN)
        seen += door.run(300)
        door.world.card_out()
        seen += door.run(300)
        assert arrivals(seen) == [ANNE, BEN]


def test_a_card_laid_on_another_arrives_once_and_the_first_does_not_arrive_again(door):
    first = door.world.card_in(ANNE)
    seen = door.run(500)
    door.world.card_in(BEN)
    seen += door.run(5000)
    assert arrivals(seen) == [ANNE, BEN]
    door.world.card_out(first)
    assert door.run(2000) == []
    door.world.card_in(ANNE)
    assert arrivals(door.run(2000)) == [ANNE]


def test_a_card_hidden_by_another_for_a_moment_does_not_arrive_again(door):
    for _ in range(5):
        shown = door.world.card_in(ANNE)
        seen = door.run(200)
        door.world.card_out(shown)
        shown = door.world.card_in(BEN)
        seen += door.run(120)
        door.world.card_out(shown)
        shown = door.world.card_in(ANNE)
        seen += door.run(120)
        door.world.card_out(shown)
        seen += door.run(300)
        assert arrivals(seen) == [ANNE, BEN]


def test_two_cards_before_a_loop_that_is_slow_make_no_storm():
    door = Door(every_ms=100)
    door.world.card_in(ANNE)
    door.world.card_in(BEN)
    assert sorted(arrivals(door.run(30_000))) == sorted([ANNE, BEN])


def test_five_cards_in_one_purse_make_no_storm(door):
    for i in range(5):
        door.world.card_in(bytes((0x20 + i, 1, 2, 3)))
    assert len(arrivals(door.run(10_000))) <= 5


def test_a_tap_each_second_is_never_missed(door):
    for i in range(120):
        door.world.card_in((ANNE, BEN, CLEO)[i % 3])
        seen = door.run(150)
        door.world.card_out()
        seen += door.run(850)
        assert arrivals(seen) == [(ANNE, BEN, CLEO)[i % 3]], i


def test_a_phone_with_a_new_number_at_each_search_arrives_once(door):
    seen = []
    for i in range(20):
        shown = door.world.card_in(bytes((0x08, i, i, i)))
        seen += door.run(40)
        door.world.card_out(shown)
    assert len(arrivals(seen)) == 1


def test_a_card_that_answers_nonsense_is_said_once_and_then_a_good_one_arrives(door):
    door.world.card_in(Card(uid=ANNE, nonsense=bytes.fromhex("01ffffff2104")))
    assert door.run(2000) == [CardUnreadable("pn532.bad_target")]
    door.world.card_out()
    assert door.run(500) == [CardLeft()]
    door.world.card_in(BEN)
    assert door.run(500) == [CardArrived(BEN)]


def test_one_nonsense_answer_is_a_card_that_is_just_coming_in(door):
    door.world.inject("nonsense")
    door.run(300)
    door.world.card_in(ANNE)
    assert door.run(500) == [CardArrived(ANNE)]


def test_a_loop_that_stood_still_for_seconds_makes_no_fault_and_no_second_arrival(door):
    door.world.card_in(ANNE)
    assert arrivals(door.run(300)) == [ANNE]
    for _ in range(20):
        door.now_ms += 3000
        assert door.run(15) == []
    assert door.chip.faults == 0


def test_times_that_wrap_are_told_apart_by_the_ticks_diff_handed_in():
    half, period = 1 << 29, 1 << 30
    door = Door(make=lambda i2c: Chip(i2c, ticks_diff=lambda a, b: (a - b + half) % period - half))
    poll, door.chip.poll = door.chip.poll, None
    door.chip.poll = lambda now_ms: poll((now_ms + period - 500) % period)
    assert [type(event) for event in door.run(400)] == [ChipReady]
    door.world.card_in(ANNE)
    assert door.run(1000) == [CardArrived(ANNE)]
    door.world.card_out()
    assert door.run(1000) == [CardLeft()]


def test_polling_by_the_hint_finds_a_card_within_15_ms_with_few_transactions():
    door = Door()
    seen = []

    def run(ms):
        end, event = door.now_ms + ms, None
        while door.now_ms < end and not isinstance(event, CardArrived):
            event = door.chip.poll(int(door.now_ms))
            door.now_ms += min(max(door.chip.wait_ms, 1), 10)
        return event

    for tap in range(100):
        run(400 + tap)
        start = door.now_ms
        shown = door.world.card_in(ANNE)
        assert run(500) == CardArrived(ANNE)
        seen.append(door.now_ms - start - 1 - shown.chip_s * 1000)
        door.world.card_out()
    rate = door.i2c.transactions / door.now_ms * 1000
    print(f"by the hint: worst {max(seen):.1f} ms, mean {sum(seen) / len(seen):.1f} ms, {rate:.0f} transactions/s")
    assert max(seen) <= 15
    assert rate < 300


def test_no_transaction_is_longer_than_a_millisecond_at_400_kHz(door):
    door.world.card_in(CLEO)
    door.run(2000)
    assert (door.i2c.longest + 1) * 9 / 400 < 1.0
