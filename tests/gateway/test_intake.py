"""From the link into the spool, in virtual time: acknowledged only after the commit."""

import asyncio
import base64
import sqlite3

import pytest

from gateway.errors import StoreAway
from gateway.testing import MemoryLink

FULL = sqlite3.OperationalError("database or disk is full")
FULL.sqlite_errorname = "SQLITE_FULL"
READONLY = sqlite3.OperationalError("attempt to write a readonly database")
READONLY.sqlite_errorname = "SQLITE_READONLY"


def away(_items):
    raise StoreAway("store-unable", "away")


async def breaks(world, error):
    """Every connection to the spool fails at each commit from now on, new ones too."""
    for connection in world.connections:
        connection.broken = error
    known = world.spool._open

    async def opened():
        connection = await known()
        connection.broken = error
        return connection

    world.spool._open = opened
    return lambda: setattr(world.spool, "_open", known)


@pytest.mark.parametrize("error, code", [(FULL, "spool-full"), (READONLY, "spool-readonly")])
def test_a_spool_that_cannot_be_written_acknowledges_nothing_says_so_once_and_goes_on(play, lines, error, code):
    async def scenario(world):
        mend = await breaks(world, error)
        for seq in range(5):
            world.link.send(lines.topic(), lines.message(lines.swipe(seq=seq)))
        await world.passes(120)
        assert world.link.acknowledged == []
        assert world.store.held == {}
        assert [e["code"] for e in world.named("spool-down")] == [code]
        assert world.gateway.health()[0] == 503
        mend()
        for connection in world.connections:
            connection.broken = None
        await world.until(lambda: len(world.store.held) == 5, 30)
        assert len(world.link.acknowledged) == 5
        assert len(world.named("spool-up")) == 1
        assert world.gateway.health()[0] == 200

    play(scenario)


class AckFirst(MemoryLink):
    """The saboteur: acknowledges what it has not made durable."""

    async def receive(self):
        messages = await super().receive()
        super().acknowledge(messages)
        return messages


@pytest.mark.parametrize("link, lost", [(MemoryLink, False), (AckFirst, True)])
def test_what_was_not_committed_when_the_gateway_ended_comes_again(play, tmp_path, lines, link, lost):
    broker = link()

    async def dies(world):
        await breaks(world, FULL)
        world.link.send(lines.topic(), lines.message(lines.swipe()))
        await world.passes(10)

    async def comes_back(world):
        world.link.reconnect()
        await world.passes(60)
        assert (len(world.store.held) == 0) is lost, "the saboteur must lose it, the gateway must not"

    play(dies, link=broker)
    broker._came = asyncio.Event()
    play(comes_back, link=broker)


def test_messages_that_come_together_are_one_commit(play, lines):
    async def scenario(world):
        for seq in range(50):
            world.link.send(lines.topic(), lines.message(lines.swipe(seq=seq)))
        await world.until(lambda: len(world.store.held) == 50)
        assert world.counts.get("spool_commits_total") <= 3

    play(scenario, link=MemoryLink(inflight=100))


def test_a_message_that_comes_again_after_a_reconnect_is_stored_once(play, lines):
    async def scenario(world):
        world.store.fault = away
        world.link.send(lines.topic(), lines.message(lines.swipe()))
        await world.until(lambda: world.link.acknowledged)
        world.link.send(lines.topic(), lines.message(lines.swipe()))
        world.link.reconnect()
        await world.passes(5)
        assert (await world.spool.depth()).pending == 1
        world.store.fault = None
        await world.until(lambda: len(world.store.held) == 1)

    play(scenario)


def test_a_flood_of_nonsense_is_forwarded_raw_counted_and_holds_up_nobody(play, lines, rng):
    async def scenario(world):
        sent = set()
        for _ in range(300):
            kind = rng.choice(("swipes", "hello", "head", "status", "health", "roster", "nonsense"))
            payload = rng.randbytes(rng.randrange(1, 200))
            sent.add((kind, payload))
            world.link.send(lines.topic(kind=kind), payload)
        line = lines.swipe("b-202")
        world.link.send(lines.topic("b-202"), lines.message(line))
        await world.until(lambda: any(i.get("line") == line for i in world.store.held.values()), 5)
        await world.until(lambda: not world.link.unacknowledged)
        await world.passes(5)
        raw = [i for i in world.store.held.values() if i["kind"] == "raw"]
        assert world.counts.get("received_total", "raw") == 300
        assert {(i["topic"].split("/")[-1], base64.b64decode(i["raw_b64"])) for i in raw} == sent

    play(scenario)


def test_the_outcome_travels_with_the_swipe_and_is_seen_live(play, lines):
    async def scenario(world):
        card = b"annaanna"
        session = (lines.window(1, lines.now_ms, lines.now_ms + 3_600_000), [card])
        world.link.send(lines.topic(kind="roster"), lines.roster(sessions=[session]))
        for seq, token in enumerate((card, card, b"stranger")):
            world.link.send(lines.topic(), lines.message(lines.swipe(seq=seq, token=token)))
        await world.until(lambda: len(world.store.held) == 3)
        assert [i["judged"] for i in world.store.held.values()] == ["matched", "repeated", "unknown_card"]
        [seen] = world.gateway.live.shown()
        assert seen["outcomes"] == {"matched": 1, "repeated": 1, "unknown_card": 1}
        assert card.hex() not in world.gateway.shown()[2]
        assert not any(card.hex() in str(record.__dict__) for record in world.said)

    play(scenario)
