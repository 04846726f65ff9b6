"""A kiosk without a residents list: it keeps whose cards were there, and tells the store that it can check nobody in."""

import pytest

from firmware.contract.mac import Key
from firmware.reader.kiosk_reader import NO_LIST
from tests.firmware.reader.kiosk_world import ADA, BEN, CARD_KEY, World, text
from tests.rules import rule

HEAD_MS = 60_000


@pytest.fixture
def world(tmp_path):
    """Its storage is new: no list on the shelf, and the line is down."""
    made = World(tmp_path).boot()
    made.find_sensor()
    return made


def heads(world):
    """What each head that the store has heard says of it."""
    return [values["able"] for values in world.store.heads]


@rule("DDU-13")
def test_without_a_list_it_says_that_it_can_check_nobody_in_and_takes_cards_all_the_same(world):
    world.set_clock()
    assert (heads(world), world.shows) == ([NO_LIST], "waiting")
    world.card(ADA)
    assert (world.shows, world.events()) == ("card-noted", ["card-unknown"])
    world.pass_ms(HEAD_MS)
    world.pump()
    assert heads(world) == [NO_LIST, NO_LIST]


@rule("DDU-13")
def test_with_its_list_it_is_able_and_the_store_hears_so_at_once(world):
    world.set_clock()
    world.give(world.everybody())
    world.pump()
    assert heads(world)[-1] == "ok" and world.shows == "open"
    world.card(BEN)
    assert world.shows == "pin"


@rule("DDU-13")
def test_a_list_that_comes_before_its_first_head_does_not_speak_for_the_time_without_one(world):
    """The line was down: what it could not say then it says first, or its `ok` would prove the whole evening."""
    world.pass_ms(4 * HEAD_MS)
    world.reader.linked(world.ms)
    world.give(world.everybody())
    world.pump()
    assert heads(world) == [NO_LIST, "ok"]
    assert world.store.heads[0]["boot_ms"] >= 4 * HEAD_MS
    world.pass_ms(HEAD_MS)
    world.pump()
    assert heads(world)[-1] == "ok"


@rule("DDU-13")
def test_a_head_without_a_time_does_not_stand_for_the_one_that_says_when_there_was_no_list(world):
    """The broker is nearer than the store: the list comes before anybody has told what time it is."""
    world.pass_ms(4 * HEAD_MS)
    world.reader.linked(world.ms)
    said = [world.reader.next(world.ms) for _ in range(3)]
    assert [out.kind for out in said] == ["status", "hello", "head"]
    world.give(world.everybody())
    while (out := world.reader.next(world.ms)) is not None:
        said.append(out)
    world.pass_ms(500)
    for out in said:
        world.hear(out)
    world.pump()
    timed = [values for values in world.store.heads if values["clock"] != "none"]
    assert [values["able"] for values in timed] == [NO_LIST, "ok"]
    assert timed[0]["boot_ms"] >= 4 * HEAD_MS


@rule("DDU-13")
@pytest.mark.parametrize("heard", [(), ("hello",)], ids=["nothing-heard", "hello-heard"])
def test_that_there_was_no_list_is_said_until_the_store_has_answered_it(world, heard):
    """The line drops as the head goes out."""
    world.pass_ms(4 * HEAD_MS)
    world.set_clock()
    world.give(world.everybody())
    lost = list(iter(lambda: world.reader.next(world.ms), None))
    assert "head" in [out.kind for out in lost]
    for out in lost:
        if out.kind in heard:
            world.hear(out)
    world.reader.unlinked(world.ms)
    world.pass_ms(HEAD_MS)
    assert (world.reader.uplink.able, world.shows) == (NO_LIST, "open")
    world.reader.linked(world.ms)
    world.pump()
    assert heads(world) == [NO_LIST, NO_LIST, "ok"]
    assert world.store.heads[1]["boot_ms"] >= 5 * HEAD_MS
    world.pass_ms(HEAD_MS)
    world.pump()
    assert heads(world)[-2:] == ["ok", "ok"]


@rule("DDU-13")
def test_without_a_time_and_with_its_list_it_states_a_head_each_minute_and_no_more(world):
    world.reader.linked(world.ms)
    world.give(world.everybody())
    for _ in range(3):
        said = [out.kind for out in iter(lambda: world.reader.next(world.ms), None)]
        assert said.count("head") == 1
        world.pass_ms(HEAD_MS)


def test_with_a_list_on_its_shelf_it_is_able_from_the_start(tmp_path):
    world = World(tmp_path).start()
    world.pump()
    world.power_off()
    world.boot()
    world.store.heads.clear()
    world.set_clock()
    assert heads(world) == ["ok"]


def test_a_full_journal_is_said_before_a_list_that_is_missing(world):
    world.medium.capacity = world.medium.waiting()
    world.set_clock()
    world.card(ADA)
    assert (world.reader.uplink.able, world.shows) == ("full", "not-recorded")
    world.pass_ms(3000)
    assert world.shows == "broken"


@rule("DDU-13")
def test_a_card_that_no_list_has_is_told_by_the_token_that_the_store_surely_knows(tmp_path):
    """While card keys change, the store has every card under the older one only."""
    world = World(tmp_path, card_keys=(Key(4, b"\x55" * 32), CARD_KEY)).boot()
    world.set_clock()
    world.card(ADA)
    [said] = world.records("kiosk")
    assert (said["subject"], said["detail"]) == (text(ADA), "no-list")
