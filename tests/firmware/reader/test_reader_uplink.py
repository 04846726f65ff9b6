"""The line from the reader's side: offers until a receipt, what goes first, and what is said besides."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.contract import envelope, statement
from tests.firmware.reader.reader_world import ALICE, BOB, RED, T0, World, at_a_door, session
from tests.firmware.reader.uplink_seen import offers, refused


def test_a_swipe_is_offered_at_once_after_its_append(make):
    world = at_a_door(make)
    world.tap(ALICE)
    world.pump()
    journal = world.medium.order[0]
    assert offers(world) == [(0, [(journal, 0), (journal, 1)])]
    world.delivered()


def test_without_a_receipt_it_is_offered_again_after_30_s_doubling_to_5_min_with_jitter(make):
    world = at_a_door(make)
    world.line_up = False
    world.tap(ALICE)
    world.run(40 * 60_000, step_ms=1000)
    times = [at for at, _ in offers(world)]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    for gap, least in zip(gaps, [30_000, 60_000, 120_000, 240_000, 300_000, 300_000], strict=False):
        assert least <= gap <= least * 5 // 4 + 1000
    assert len(gaps) >= 7
    assert len(set(gaps[4:])) > 1  # jitter
    assert {tuple(records) for _, records in offers(world)} == {tuple(offers(world)[0][1])}


def test_no_jitter_is_the_same_for_two_readers(make):
    gaps = set()
    for seed in range(4):
        world = at_a_door(make, seed=seed)
        world.line_up = False
        world.tap(ALICE)
        world.run(60_000, step_ms=50)
        gaps.add(offers(world)[1][0])
    assert len(gaps) > 1


def test_after_an_outage_of_minutes_the_stores_first_word_brings_the_next_offer_forward(make):
    # Otherwise what an outage made of the retry, up to 5 minutes, would be waited for after it is over.
    world = at_a_door(make)
    world.line_up = False
    world.tap(ALICE)
    world.run(16 * 60_000)
    world.line_up = True
    world.run(60_000 + 2 * 5_000 + 1_000)  # until the next head is answered, and a little more
    assert world.reader.journal.backlog() == 0
    world.delivered()


def test_where_the_store_is_heard_all_the_time_the_retries_go_on_doubling(make):
    # Swipes are lost, heads are not: a record that nobody receipts must not be offered each minute for ever.
    world = at_a_door(make)
    world.lose = lambda out: out.kind == "swipes"
    world.tap(ALICE)
    world.run(40 * 60_000)
    assert len(offers(world)) <= 14


def test_after_the_receipt_nothing_is_offered_any_more(make):
    world = at_a_door(make)
    world.tap(ALICE)
    world.run(3600_000, step_ms=5000)
    assert len(offers(world)) == 1


def test_what_was_lost_at_a_busy_door_is_offered_again_though_the_taps_go_on(make):
    world = at_a_door(make)
    world.tap(ALICE)
    world.lose = lambda out: out.kind == "swipes" and len(offers(world)) == 1
    world.pump()
    for _ in range(20):  # a tap every five seconds: the line is never quiet for half a minute
        world.run(5_000)
        world.tap(BOB)
        world.pump()
    assert world.store.copies or (world.medium.order[0], 1) in world.store.records
    assert 30_000 <= [at for at, records in offers(world) if records[0][1] == 0][1] <= 45_000
    world.delivered()


def test_a_quiet_hour_does_not_make_the_next_loss_wait_five_minutes(make):
    world = at_a_door(make)
    for _ in range(6):
        world.tap(ALICE)
        world.run(600_000, step_ms=1000)
    since_ms = world.now_ms
    world.line_up = False
    world.tap(ALICE)
    world.run(60_000)
    assert len(offers(world, since_ms)) == 2


def test_at_each_connect_all_that_has_no_receipt_is_offered_oldest_first(make):
    world = at_a_door(make)
    world.line_up = False
    for _ in range(3):
        world.tap(ALICE)
        world.pump()
        world.boot()
        world.link()
    world.unlink()
    world.tap(ALICE)
    world.pump()
    since_ms = world.now_ms = world.now_ms + 5
    world.link()
    kinds = [out.kind for _, out in world.sent_since(since_ms)]
    assert kinds[:2] == ["status", "hello"]
    told = [record for _, records in offers(world, since_ms) for record in records]
    assert told == [(journal, seq) for journal in world.medium.order for seq in (0, 1)]


def test_nothing_is_said_while_the_link_is_down(make):
    world = at_a_door(make)
    world.unlink()
    world.tap(ALICE)
    assert world.reader.next(world.ms) is None


def test_a_live_swipe_goes_before_a_backlog_of_5000(make):
    world = at_a_door(make)
    world.unlink()
    for _ in range(4999):
        world.now_ms += 10
        world.tap(BOB)
    world.store.receipts = False
    world.reader.linked(world.ms)
    for n in range(40):
        world.now_ms += 1000
        if (out := world.reader.next(world.ms)) is not None:
            world.sent.append((world.now_ms, out))
        if n == 20:
            since_ms = world.now_ms = world.now_ms + 1
            world.tap(ALICE)
    last = world.swipes()[-1]
    [first, second, *_] = offers(world, since_ms)
    assert first[1] == [(last["journal"], last["seq"])]
    assert second[1][0][1] < 1000  # and the backlog goes on where it was
    world.store.receipts = True
    world.run(600_000, step_ms=5000)
    world.delivered()
    assert len(world.store.records) == 5001


def backlog_of(make, count):
    world = at_a_door(make)
    world.unlink()
    for _ in range(count):
        world.now_ms += 10
        world.tap(BOB)
    return world


def test_a_backlog_without_receipts_has_two_messages_under_way_and_then_one_a_second(make):
    world = backlog_of(make, 500)
    world.store.receipts = False
    world.reader.linked(world.ms)
    for _ in range(100):
        world.now_ms += 100
        while (out := world.reader.next(world.ms)) is not None:
            world.sent.append((world.now_ms, out))
    sizes = [len(records) for _, records in offers(world, 0)]
    assert sizes[:2] == [16, 16]
    assert 9 <= len(sizes) - 2 <= 11, "ten seconds"


def test_a_backlog_goes_on_at_once_when_its_receipts_come(make):
    world = backlog_of(make, 500)
    world.link()
    world.run(2000, step_ms=20)
    world.delivered()
    assert len(world.store.records) == 501


def test_a_head_is_stated_each_minute_with_the_journals_heads_also_in_a_backlog(make):
    world = at_a_door(make)
    world.tap(ALICE)
    world.run(10 * 60_000)
    assert 10 <= len(world.store.heads) <= 12
    head = world.store.heads[-1]
    assert head["journals"] == [(world.medium.order[0], 0, 1, 1)]
    assert (head["clock"], head["able"]) == ("sync", "ok")
    assert abs(head["wall_ms"] - T0 - 600_000) < 60_000
    world.store.receipts = False
    world.line_up = False
    world.unlink()
    for _ in range(2000):
        world.tap(BOB)
    world.reader.linked(world.ms)
    first = [world.reader.next(world.ms).kind for _ in range(4)]
    assert first == ["status", "hello", "head", "swipes"]


def test_a_head_is_stated_once_a_sessions_end_is_surely_past(make):
    world = at_a_door(make)
    world.run(50_000)
    end_ms = session(1).closes_ms - T0
    world.run(end_ms - world.now_ms - 1_000)
    world.store.heads.clear()
    world.run(2_000)
    assert max(h["wall_ms"] - h["uncertainty_ms"] for h in world.store.heads) >= session(1).closes_ms


def test_a_head_names_everything_that_is_appended_before_it(make):
    world = at_a_door(make)
    for _ in range(100):
        world.tap(ALICE)
        world.run(7_000)
        for head in world.store.heads:
            for held in head["journals"]:
                before = [s["seq"] for s in world.swipes() if s["boot_ms"] <= head["boot_ms"]]
                assert held.head >= max(before, default=0)
        world.store.heads.clear()


def test_while_more_journals_wait_than_a_head_can_list_none_is_stated(make):
    world = at_a_door(make)
    world.line_up = False
    for _ in range(66):
        world.boot()
        world.tap(ALICE)
    world.link()
    world.run(130_000)
    assert not world.sent_since(1, "head")
    world.line_up = True
    world.run(600_000)
    world.delivered()
    listed = world.store.heads[-1]["journals"]
    assert len(listed) == 64
    assert [h.journal for h in listed] == world.medium.order[-64:]


def test_the_hello_lists_all_that_waits_and_then_the_newest_that_is_freed(make):
    world = at_a_door(make)
    for _ in range(70):
        world.boot()
        world.link()
        world.tap(ALICE)
        world.pump()
    world.line_up = False
    world.boot()
    world.tap(ALICE)
    world.boot()
    world.link()
    hello = [out for _, out in world.sent if out.kind == "hello"][-1]
    listed = statement.read(envelope.unwrap(hello.payload)[0]).values["journals"]
    assert len(listed) == 64
    assert listed[0] == (world.medium.order[-1], 0, -1, 1)
    assert [h.journal for h in listed[1:]] == world.medium.order[-64:-1]


def test_a_hello_that_was_lost_is_said_again_until_the_store_answers_it(make):
    world = make()
    world.give([(session(1), [ALICE])])
    world.lose = lambda out: out.kind == "hello"
    world.tap(ALICE)
    world.link()
    world.run(40_000)
    assert set(world.medium.freed.values()) == {-1}
    world.lose = lambda out: False
    world.run(130_000)
    world.delivered()
    said = len(world.sent_since(0, "hello"))
    world.run(900_000)
    assert len(world.sent_since(0, "hello")) == said


def test_a_hello_said_again_keeps_the_time_of_its_first_asking(make):
    world = make()
    world.line_up = False
    world.link()
    world.run(100_000)
    hellos = [out for _, out in world.sent_since(0, "hello")]
    nonces = {statement.read(envelope.unwrap(out.payload)[0]).values["nonce"] for out in hellos}
    assert len(hellos) >= 2
    [nonce] = nonces
    world.down(world.store.line("time", nonce=nonce, wall_ms=T0))  # made right after the first, and very late
    reading = world.reader.clock.read(world.ms)
    if reading.wall_ms is not None:
        assert abs(reading.wall_ms - world.wall_ms) <= reading.uncertainty_ms


def test_the_same_command_is_carried_out_once(make):
    world = at_a_door(make)
    world.run(10_000)
    made_ms = world.wall_ms
    line = world.store.line("command", counter=made_ms, name="restart", argument="-")
    older = world.store.line("command", counter=made_ms - 1, name="restart", argument="-")
    world.down(line, line, older, kind="command")
    assert world.reader.commands == ["restart"]
    assert refused(world) == {"command-repeated": 2}


def test_storage_that_fails_while_it_frees_is_counted_and_the_reader_goes_on(make):
    world = at_a_door(make)
    world.tap(ALICE)
    world.storage.fail_free = True
    world.run(1000)
    assert world.reader.taps["storage"] >= 1
    assert world.medium.waiting() == 2
    world.storage.fail_free = False
    world.run(60_000)
    world.delivered()


@pytest.mark.parametrize("call", ["fail_read", "fail_idle"])
def test_storage_that_fails_between_taps_is_told_with_a_head_and_shown(make, call):
    world = at_a_door(make)
    world.tap(ALICE)
    setattr(world.storage, call, True)
    world.run(70_000)
    assert world.store.heads[-1]["able"] == "storage"
    assert world.tap(BOB) == "storage"
    assert world.lamp == RED


def test_health_is_said_at_connect_and_each_five_minutes(make):
    world = at_a_door(make)
    world.run(601_000)
    said = [json.loads(out.payload) for _, out in world.sent_since(0, "health")]
    assert len(said) == 3
    assert said[0]["able"] == "ok"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["roster", "receipt", "command", "nonsense"]),
            st.binary(max_size=60) | st.lists(st.text(max_size=40), min_size=1).map(envelope.wrap),
        ),
        max_size=5,
    )
)
def test_any_bytes_on_any_topic_change_nothing_but_a_counter(messages):
    world = at_a_door(World)
    world.store.receipts = False
    world.tap(ALICE)
    world.pump()
    roster = world.reader.door.roster
    for kind, payload in messages:
        world.reader.received(kind, payload, world.ms)
    assert sum(refused(world).values()) >= len(messages)
    assert world.reader.door.roster is roster
    assert world.medium.waiting() == 2
    assert world.reader.commands == []
    assert world.tap(BOB) == "green"
