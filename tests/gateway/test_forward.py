"""Forwarding in virtual time: what is lost, what waits, what is sent how often. The store is gateway.testing's."""

import random
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.contract import envelope, statement
from gateway.arrival import arrivals
from gateway.clock import Backoff
from gateway.errors import GatewayError, StoreAway, StoreBroke, StoreRefused, StoreTooLarge
from gateway.events import AGAIN_S
from gateway.fair import Turns
from gateway.store import AWAY, Answer, Down, Replay, refusal
from gateway.testing import MemoryStore

BACKLOG = 10_000


@pytest.fixture
def backlog(lines):
    """A function: spool `count` swipes of one reader, as if they had come an hour ago."""

    async def fill(world, count=BACKLOG, reader="z-900"):
        found = []
        for seq in range(count):
            found += arrivals(lines.topic(reader), lines.message(lines.swipe(reader, seq)), 1)
        await world.spool.put([(a, None) for a in found], lines.now_ms - 3_600_000)

    return fill


def holds(world, line):
    return any(item.get("line") == line for item in world.store.held.values())


def away(code="store-unable"):
    def fault(_items):
        raise StoreAway(code, "away")

    return fault


def refuses(text, error: type[GatewayError] = StoreRefused):
    def fault(items):
        if any(text in item.get("line", "") for item in items):
            raise error("store-refused-400", "an item is bad")

    return fault


def test_live_swipes_do_not_wait_behind_the_backlog_of_another_reader_or_their_own(play, backlog, lines):
    async def scenario(world):
        waits = []
        for seq in range(4):
            for reader in ("a-101", "z-900"):
                line = lines.swipe(reader, 20_000 + seq)
                world.link.send(lines.topic(reader), lines.message(line))
                waits.append(await world.until(lambda line=line: holds(world, line)))
        assert len(world.store.held) < BACKLOG, "the backlog was gone before the test had looked"
        print(f"longest wait of a live swipe behind {BACKLOG}: {max(waits) * 1000:.0f} ms of virtual time")
        assert max(waits) < 0.25
        await world.until(lambda: len(world.store.held) == BACKLOG + 8)

    play(scenario, before=backlog, store=MemoryStore(latency_s=0.1))


def test_a_hello_does_not_wait_behind_a_backlog(play, backlog, lines):
    async def scenario(world):
        world.link.send(lines.topic(kind="hello"), lines.message(lines.hello()))
        took = await world.until(lambda: any(i["kind"] == "hello" for i in world.store.held.values()))
        assert took < 0.1
        assert len(world.store.held) < BACKLOG

    play(scenario, before=backlog)


def test_a_single_swipe_waits_for_no_timer(play, lines):
    async def scenario(world):
        await world.passes(30)
        world.link.send(lines.topic(), lines.message(lines.swipe()))
        # 10 ms is the store's own latency, 5 ms the step of the looking.
        assert await world.until(lambda: world.store.held) <= 0.016

    play(scenario)


def test_a_large_backlog_goes_in_large_requests_two_at_a_time(play, backlog):
    async def scenario(world):
        await world.until(lambda: len(world.store.held) == BACKLOG)
        assert max(map(len, world.store.requests)) == 500
        assert world.store.most_at_once <= 2
        assert len(world.store.requests) < 100
        assert sum(map(len, world.store.requests)) == BACKLOG, "something was sent twice"

    play(scenario, before=backlog)


def test_a_backlog_of_sixty_readers_goes_in_large_requests_too(play, backlog):
    """Each journal has as many places in a request: with sixty a request is never quite full, and must grow all the same."""

    async def before(world):
        for n in range(60):
            await backlog(world, 50, f"z-{n}")

    async def scenario(world):
        await world.until(lambda: len(world.store.held) == 3000)
        assert max(map(len, world.store.requests)) >= 400
        assert len(world.store.requests) < 30
        assert sum(map(len, world.store.requests)) == 3000, "something was sent twice"

    play(scenario, before=before)


def test_after_a_store_was_away_often_a_busy_one_does_not_get_its_backlog_in_single_items(play, backlog):
    """Found by the soak: requests that had been halved to one item stayed so where each took between FAST_S and SLOW_S."""

    async def scenario(world):
        world.store.fault = away()
        await world.passes(120)
        tries = len(world.store.requests)
        world.store.fault = None
        await world.until(lambda: len(world.store.held) == 2000)
        sent = [len(request) for request in world.store.requests[tries:]]
        assert sum(sent) / len(sent) >= 10, sent[:20]

    async def before(world):
        await backlog(world, 2000)

    play(scenario, before=before, store=MemoryStore(latency_s=0.4))


@pytest.mark.parametrize("code", ["store-unable", "store-unreachable", "store-timeout", "store-token"])
def test_the_gateway_runs_on_while_the_store_is_away_and_catches_up(play, lines, code):
    async def scenario(world):
        world.store.fault = away(code)
        for seq in range(200):
            world.link.send(lines.topic(), lines.message(lines.swipe(seq=seq)))
            await world.passes(3)
        assert not world.link.unacknowledged, "the broker waits although the spool works"
        tries = len(world.store.requests)
        assert 20 <= tries <= 60, "600 s at waits up to 30 s"
        assert [e["code"] for e in world.named("store-down")] == [code], "said once"
        world.store.fault = None
        took = await world.until(lambda: len(world.store.held) == 200)
        assert took <= 31
        assert len(world.named("store-up")) == 1
        assert sorted(world.held_seqs()) == list(range(200))

    play(scenario)


def test_one_item_that_the_store_refuses_is_found_kept_and_tried_again_each_hour(play, backlog, lines):
    bad = "|z-900|1|9f8e7d6c5b4a3210|77|"

    async def scenario(world):
        world.store.fault = refuses(bad)
        await world.until(lambda: len(world.store.held) == 999)
        depth = await world.spool.depth()
        assert (depth.pending, depth.refused) == (1, 1), "refused is kept, not deleted"
        await world.passes(5)
        assert world.counts.get("refused") == 1
        assert "muster_gateway_refused 1" in world.counts.text()
        requests = len(world.store.requests)
        await world.passes(3500)
        assert len(world.store.requests) == requests, "tried too soon"
        world.store.fault = None
        await world.passes(120)
        assert len(world.store.held) == 1000
        assert (await world.spool.depth()).refused == 0

    async def before(world):
        await backlog(world, 1000)

    play(scenario, before=before)


def test_saboteur_that_takes_a_refusal_for_done_loses_the_item(play, backlog):
    class Pretends(MemoryStore):
        async def deliver(self, items):
            try:
                return await super().deliver(items)
            except StoreRefused:
                return Answer(done=frozenset(i["id"] for i in items))

    async def scenario(world):
        world.store.fault = refuses("|77|")
        await world.passes(60)
        assert (await world.spool.depth()).pending == 0
        assert len(world.store.held) < 1000, "the test above would not notice"

    async def before(world):
        await backlog(world, 1000)

    play(scenario, before=before, store=Pretends())


def test_an_item_that_breaks_the_store_with_500_does_not_hold_up_the_others(play, backlog):
    async def scenario(world):
        world.store.fault = refuses("|9f8e7d6c5b4a3210|77|", StoreBroke)
        await world.until(lambda: len(world.store.held) == 999)
        assert (await world.spool.depth()).pending == 1

    async def before(world):
        await backlog(world, 1000)

    play(scenario, before=before)


def test_a_store_that_breaks_at_everything_puts_nothing_into_quarantine(play, backlog):
    def broken(_items):
        raise StoreBroke("store-broke", "500")

    async def scenario(world):
        world.store.fault = broken
        await world.passes(600)
        assert (await world.spool.depth()).refused == 0
        world.store.fault = None
        assert await world.until(lambda: len(world.store.held) == 100) <= 31

    async def before(world):
        await backlog(world, 100)

    play(scenario, before=before)


def test_requests_that_are_too_large_get_smaller(play, backlog):
    def small(items):
        if len(items) > 7:
            raise StoreTooLarge("store-too-large", "at most 7")

    async def scenario(world):
        world.store.fault = small
        await world.until(lambda: len(world.store.held) == 300)
        assert (await world.spool.depth()).refused == 0

    async def before(world):
        await backlog(world, 300)

    play(scenario, before=before)


def test_an_item_that_the_answer_does_not_name_is_sent_again_later_and_not_in_a_hot_loop(play, lines):
    async def scenario(world):
        world.store.answer = lambda items: Answer(done=frozenset())
        world.link.send(lines.topic(), lines.message(lines.swipe()))
        await world.passes(60)
        assert 3 <= len(world.store.requests) <= 10
        assert (await world.spool.depth()).pending == 1
        world.store.answer = lambda items: Answer(done=frozenset(i["id"] for i in items))
        await world.passes(61)
        assert (await world.spool.depth()).pending == 0

    play(scenario)


def test_receipts_go_down_in_one_message_for_each_reader(play, lines):
    async def scenario(world):
        say = [
            Down(site="main", reader=r, kind="receipt", line=f"1|{r}|{n}") for r in ("a-101", "b-202") for n in (1, 2)
        ]
        say.append(Down(site="../..", reader="#", kind="receipt", line="x"))
        world.store.answer = lambda items: Answer(done=frozenset(i["id"] for i in items), down=tuple(say))
        world.link.send(lines.topic(), lines.message(lines.swipe()))
        await world.until(lambda: world.store.held)
        await world.passes(1)
        assert world.link.published == [
            (lines.topic(r, "receipt"), envelope.wrap([f"1|{r}|1", f"1|{r}|2"]), False) for r in ("a-101", "b-202")
        ]
        assert world.counts.get("down_dropped_total", "topic-name") == 1

    play(scenario)


def test_rows_that_the_store_asks_for_again_are_delivered_again(play, lines):
    async def scenario(world):
        for seq in range(10):
            world.link.send(lines.topic(), lines.message(lines.swipe(seq=seq)))
        await world.until(lambda: len(world.store.held) == 10)
        await world.passes(1)
        world.store.held.clear()  # restored from a backup
        wanted = Replay(site="main", reader="a-101", journal="9f8e7d6c5b4a3210", first=2, last=5)

        def answer(items):
            hello = any(i["kind"] == "hello" for i in items)
            return Answer(done=frozenset(i["id"] for i in items), replay=(wanted,) if hello else ())

        world.store.answer = answer
        world.link.send(lines.topic(kind="hello"), lines.message(lines.hello()))
        await world.until(lambda: len(world.store.held) == 5)
        await world.passes(1)
        assert sorted(world.held_seqs()) == [2, 3, 4, 5]

    play(scenario)


def test_a_swipe_offered_again_after_it_was_forwarded_gets_its_receipt_again(play, lines):
    async def scenario(world):
        down = (Down(site="main", reader="a-101", kind="receipt", line="r"),)
        world.store.answer = lambda items: Answer(done=frozenset(i["id"] for i in items), down=down)
        for n in (1, 2):
            world.link.send(lines.topic(), lines.message(lines.swipe()))
            await world.until(lambda n=n: len(world.link.published) == n)
        assert len(world.store.held) == 1

    play(scenario)


def test_a_spool_that_cannot_mark_does_not_stop_receipts_or_lose_anything(play, lines):
    async def scenario(world):
        world.store.latency_s = 1.0
        world.link.send(lines.topic(), lines.message(lines.swipe()))
        await world.passes(0.5)
        for connection in world.connections:
            connection.broken = sqlite3.OperationalError("disk I/O error")
        await world.until(lambda: len(world.store.requests) >= 2)
        await world.passes(60)
        assert len(world.store.held) == 1
        assert (await world.spool.depth()).pending == 0

    play(scenario)


@pytest.mark.parametrize(
    "status, kind",
    [(s, StoreAway) for s in (*AWAY, 301, 502, 504)] + [(413, StoreTooLarge), (500, StoreBroke)]
    + [(s, StoreRefused) for s in (400, 409, 410, 422)],
)  # fmt: skip
def test_a_status_says_whether_the_store_or_an_item_is_at_fault(status, kind):
    assert type(refusal(status)) is kind


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 9), min_size=1, max_size=60), st.integers(2, 20))
def test_every_lane_gets_its_turn(lanes, places):
    turns = Turns()
    seen = set()
    for _ in range(len(lanes) + 1):
        chosen = turns.choose(list(lanes.items()), places)
        assert len(chosen) == len(set(chosen)) == min(places, len(lanes))
        seen.update(chosen)
    assert seen == set(lanes)


def test_waits_double_with_jitter_from_a_fifth_of_a_second_to_thirty(seed):
    backoff = Backoff(random.Random(seed))
    waits = [backoff.next_s() for _ in range(50)]
    for n, wait in enumerate(waits):
        assert min(30, 0.2 * 2**n) / 2 <= wait <= min(30, 0.2 * 2**n)
    assert len(set(waits[10:])) > 30
    backoff.reset()
    assert backoff.next_s() <= 0.2


def test_items_are_what_the_wire_page_says(play, lines):
    async def scenario(world):
        world.link.send(lines.topic(), lines.message(lines.swipe()))
        world.link.send(lines.topic(kind="status"), b'{"v":1,"state":"online"}')
        world.link.send("muster/v1/Some Where/x/swipes", b"\xff\0")
        await world.until(lambda: len(world.store.held) == 3)
        by_kind = {item["kind"]: item for item in world.store.held.values()}
        common = {"received_ms": lines.now_ms}
        assert by_kind["record"].keys() == {"id", "site", "reader", "kind", "line", "received_ms"}
        statement.read(by_kind["record"]["line"])
        assert by_kind["status"] == by_kind["status"] | common | {"line": '{"v":1,"state":"online"}'}
        assert by_kind["raw"] == by_kind["raw"] | common | {
            "site": "", "reader": "", "topic": "muster/v1/Some Where/x/swipes", "raw_b64": "/wA=",
        }  # fmt: skip

    play(scenario)


def test_a_flood_of_items_that_the_store_refuses_is_said_once_for_each_reader_and_counted(play, lines):
    def refuses(_items):
        raise StoreRefused("store-refused-422", "no")

    async def scenario(world):
        world.store.fault = refuses
        for seq in range(40):
            for reader in ("a-101", "b-202"):
                world.link.send(lines.topic(reader), lines.message(lines.swipe(reader, seq=seq)))
        await world.until(lambda: world.counts.get("refused_total") == 80)
        assert len(world.named("item-refused")) == 2
        await world.passes(AGAIN_S + 5)
        assert sum(said.get("times", 1) for said in world.named("item-refused")) == 80

    play(scenario)
