"""The PN532 driver and a card that signs: its message comes with its arrival, soon, and never in its arrival's place."""

import pytest

from firmware.codecs.sun import ENCRYPTED, Message
from firmware.pico.chip import CardArrived, CardLeft, CardSigned
from simulator.ntag424 import Ntag424
from simulator.pn532_card import Card
from tests.firmware.pico.chip_door import ANNE, BEN, Door, ready_door

KEY = bytes(16)
UID = bytes.fromhex("041e3c8a2d6b80")
SAID = CardSigned(UID, Message(6, bytes.fromhex("4b00064004b0b3d3")))
#: of the reader's 60 ms from a card's answer to the light so many are left for what it asks of a card; the card's own
#: time is not in it (append and light take some 20)
BUDGET_MS = 35


def signing(**more):
    return Ntag424(uid=UID, key=KEY, counter=5, **more)


def watched(door, ms=1000):
    """As the board polls: each millisecond while a card's file is read, else each `every_ms`. [(event, at ms)]"""
    found, end, slow = [], door.now_ms + ms, door.every_ms
    while door.now_ms < end:
        event = door.chip.poll(int(door.now_ms))
        if event is not None:
            found.append((event, door.now_ms))
        door.now_ms += 1 if door.chip.talking else slow
    return found


@pytest.mark.parametrize("every_ms", [1, 5, 10])
def test_what_a_card_signed_comes_with_its_arrival_once_while_it_lies_there(every_ms):
    door = ready_door(every_ms)
    door.world.card_in(signing())
    assert door.run(5000) == [SAID]
    door.world.card_out()
    assert door.run(1000) == [CardLeft()]
    assert door.chip.faults == 0


def test_a_card_that_comes_again_signs_again():
    door, card = ready_door(5), signing()
    for counter in (6, 7, 8):
        door.world.card_in(card)
        (event,) = door.run(1000)
        assert event.said.counter == counter
        door.world.card_out()
        door.run(500)


def test_reading_it_leaves_the_light_its_time():
    door = ready_door(5)
    for _ in range(50):
        shown = door.world.card_in(signing())
        ((event, at_ms),) = watched(door)
        assert event == SAID
        took_ms = at_ms - shown.answered_at_s * 1000 - shown.talked_s * 1000
        assert took_ms <= BUDGET_MS
        door.world.card_out()
        watched(door, 503)


@pytest.mark.parametrize(
    "card",
    [
        Card(uid=ANNE),
        Card(uid=BEN),
        # SEL_RES says ISO 14443-4, but for the one that shows another number each time nothing could be looked up.
        Ntag424(uid=UID, key=KEY, random_uid=True),
    ],
)
def test_a_card_of_another_kind_is_asked_for_nothing(card):
    door = ready_door(5)
    door.world.card_in(card)
    assert door.run(1000) == [CardArrived(card.uid)]
    assert 0x42 not in door.world.carried_out


def test_a_card_without_a_signature_arrives_by_its_number():
    door = ready_door(5)
    door.world.card_in(Card(uid=BEN, sel_res=0x20, ats=b"\x05\x78\x80\x70\x02"))
    assert door.run(5000) == [CardArrived(BEN)]
    door.world.card_out()
    assert door.run(1000) == [CardLeft()]


def test_an_encrypted_message_is_told_as_one():
    door = ready_door(5)
    door.world.card_in(signing(sealed=True))
    assert door.run(1000) == [CardSigned(UID, ENCRYPTED)]


@pytest.mark.parametrize("after_ms", range(0, 80, 3))
def test_a_card_taken_away_while_it_is_read_has_been_there_all_the_same(after_ms):
    door = Door(every_ms=1)
    door.run(400)
    door.world.card_in(signing())
    while not door.chip.talking:
        assert door.run(1) == []
    events = door.run(after_ms)
    door.world.card_out()
    events += door.run(2000)
    assert [type(event) for event in events] in ([CardArrived, CardLeft], [CardSigned, CardLeft])
    assert events[0].uid == UID
    door.world.card_in(signing())
    assert door.run(1000) == [SAID]


@pytest.mark.parametrize("fault", ["drop_ack", "lost_ack", "drop_answer", "corrupt", "truncate"])
@pytest.mark.parametrize("count", [1, 3, 8])
def test_a_fault_of_the_bus_while_it_is_read_costs_the_message_at_most(fault, count):
    door = ready_door(5)
    door.world.inject(fault, count, command=0x42)
    door.world.card_in(signing())
    events = door.run(3000)
    assert events[0] == SAID or events[0] == CardArrived(UID)
    door.world.card_out()
    door.run(2000)
    door.world.inject(fault, 0)
    door.world._faults._waiting.clear()
    door.world.card_in(signing())
    assert SAID in door.run(3000)


def test_two_cards_laid_on_each_other_both_arrive():
    door = ready_door(5)
    door.world.card_in(signing())
    door.world.card_in(Card(uid=ANNE))
    events = door.run(3000)
    assert {event.uid for event in events} == {UID, ANNE}
    assert SAID in events
