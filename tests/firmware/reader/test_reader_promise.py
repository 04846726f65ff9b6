"""Green means kept: the order at the reader, its journal, and every way that storage can fail."""

import pytest

from firmware.contract import statement
from tests.firmware.reader.reader_world import (
    ALICE,
    BLUE,
    BOB,
    CARD_KEY,
    CAROL,
    GREEN,
    OFF,
    OLD_CARD_KEY,
    RED,
    at_a_door,
    session,
)


def test_the_light_turns_green_only_after_the_append(make):
    world = at_a_door(make)
    assert world.lamp == BLUE
    world.at_append.clear()
    assert world.tap(ALICE) == "green"
    assert world.lamp == GREEN
    assert world.at_append == [BLUE, BLUE]  # the journal's first record, and the swipe


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("fail_at", range(6))
def test_an_append_that_fails_at_any_point_never_shows_green_and_nothing_is_appended_after_it(make, fail_at, torn):
    world = at_a_door(make)
    world.boot(fail_at=fail_at, torn=torn)
    world.link()
    shown = []
    for _ in range(8):
        world.now_ms += 2000
        shown.append(world.tap(ALICE))
        if shown[-1] == "storage":
            assert {tuple(colour) for colour, _ in world.lamps(4000)} == {RED, OFF}
    swipes = max(0, fail_at - 1)  # append 0 is the journal's own
    assert shown == ["green"] * swipes + ["storage"] * (8 - swipes)
    assert world.medium.appends == fail_at + 1  # what the medium holds is unknown: it is left alone
    world.run(120_000)
    assert world.reader.uplink.able == "storage"
    assert statement.read(world.store.line("head", **world.store.heads[-1])).values["able"] == "storage"
    world.boot()
    world.link()
    world.run(2_000)
    assert world.tap(ALICE) == "green"
    world.run(2_000)
    world.delivered()


def test_a_green_left_from_the_one_before_does_not_stand_for_a_swipe_that_failed(make):
    world = at_a_door(make)
    world.tap(ALICE)
    world.storage.fail_at = world.medium.appends
    world.now_ms += 200
    assert world.lamp == GREEN
    assert world.tap(BOB) == "storage"
    assert world.lamp == RED  # at once, not in the pulse's next turn
    assert GREEN not in [colour for colour, _ in world.lamps(3000)]


def test_a_boot_opens_a_journal_at_its_first_append_that_names_the_one_before_it(make):
    world = at_a_door(make)
    assert world.medium.order == []  # no tap, no journal
    for boot in range(4):
        world.tap(ALICE)
        world.now_ms += 1000
        world.tap(BOB)
        assert len(world.medium.order) == boot + 1
        world.boot()
    opened = [statement.read(world.medium.records[j][0]).values for j in world.medium.order]
    assert [(o["before"], o["before_seq"]) for o in opened] == [(None, None)] + [
        (j, 2) for j in world.medium.order[:-1]
    ]
    assert [sorted(world.medium.records[j]) for j in world.medium.order] == [[0, 1, 2]] * 4


def test_journal_ids_are_random(make):
    found = []
    for seed in (1, 2):
        world = at_a_door(make, seed=seed)
        for _ in range(3):
            world.boot()
            world.tap(ALICE)
        found += world.medium.order
    assert len(set(found)) == 6
    assert len({digit for journal in found for digit in journal}) == 16  # 96 digits: all sixteen occur


def test_a_full_journal_is_red_overwrites_nothing_and_is_able_again_after_receipts(make):
    world = at_a_door(make, capacity=5)
    world.line_up = False
    shown = []
    for _ in range(6):
        world.now_ms += 1000
        shown.append(world.tap(ALICE))
    assert shown == ["green"] * 4 + ["full"] * 2
    kept = world.medium.lines()
    assert len(kept) == 5
    assert world.reader.uplink.able == "full"
    assert {colour for colour, _ in world.lamps(4000)} == {RED, OFF}
    world.run(60_000)
    assert world.medium.lines() == kept
    world.line_up = True
    world.run(120_000)
    assert world.reader.uplink.able == "ok"
    assert world.lamp == BLUE
    assert world.tap(BOB) == "green"
    world.run(1000)
    world.delivered()
    assert [seq for _, seq in sorted(world.store.records)] == [0, 1, 2, 3, 4, 5]  # no seq was used up by a refusal


def test_a_reader_that_boots_with_a_full_journal_says_so_before_anybody_taps(make):
    world = at_a_door(make, capacity=3)
    world.line_up = False
    world.tap(ALICE)
    world.tap(ALICE)
    world.boot()
    assert {colour for colour, _ in world.lamps(4000)} == {RED, OFF}
    assert world.tap(BOB) == "full"
    assert len(world.medium.order) == 1  # nor is a journal opened that would say nothing
    world.line_up = True
    world.link()
    world.run(1000)
    assert world.tap(BOB) == "green"


def test_a_card_tapped_once_a_second_for_ten_minutes_is_neither_missed_nor_doubled(make):
    world = at_a_door(make)
    for _ in range(600):
        world.now_ms += 1000
        assert world.tap(ALICE) == "green"
        world.run(0)
        world.pump()
    world.run(1000)
    swipes = world.swipes()
    assert [s["boot_ms"] for s in swipes] == [1000 * n for n in range(1, 601)]
    assert [s["seq"] for s in swipes] == list(range(1, 601))
    world.delivered()
    assert len(world.store.records) == 601
    assert {s["session"] for s in swipes} == {1}


def test_within_two_minutes_a_tap_repeats_the_answer_though_the_next_session_is_open(make):
    world = at_a_door(make)
    world.now_ms = 1_900_000  # both are open: half an hour before the second
    world.tap(ALICE)
    for _ in range(4):
        world.now_ms += 29_000
        assert world.tap(ALICE) == "green"
    assert [s["session"] for s in world.swipes()] == [1] * 5
    world.now_ms += 4_000  # two minutes from the first answer, not from the last
    world.tap(ALICE)
    assert world.swipes()[-1]["session"] == 2


def test_during_a_rotation_of_card_keys_both_tokens_are_sent_and_either_is_found(make):
    world = make(card_keys=(CARD_KEY, OLD_CARD_KEY))
    world.give([(session(1), [ALICE])], keys=[OLD_CARD_KEY])
    world.link()
    assert world.tap(ALICE) == "green"
    assert world.tap(BOB) == "red"
    for values, uid in zip(world.swipes(), (ALICE, BOB), strict=True):
        found = statement.tokens(values["evidence"])
        assert found == [(3, CARD_KEY.token(uid)), (2, OLD_CARD_KEY.token(uid))]


def test_no_uid_leaves_the_reader(make):
    world = at_a_door(make)
    for uid in (ALICE, BOB, CAROL):
        world.tap(uid)
        world.run(400_000)
    everything = "".join(world.medium.lines()).encode() + b"".join(out.payload for _, out in world.sent)
    for uid in (ALICE, BOB, CAROL):
        assert uid.hex().encode() not in everything
        assert uid not in everything
