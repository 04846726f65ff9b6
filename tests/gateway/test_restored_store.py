"""A store that was put back from a backup: a gateway delivers again what it has forwarded since, once."""

import pytest

from gateway.arrival import arrivals
from gateway.service import Gateway
from gateway.store import Answer, Restored
from gateway.testing import inline_spool

DAY_S = 24 * 3600


def forgets(world, age_s=DAY_S, at_ms=5):
    """From now on the store is one that was restored, and knows nothing of what it had."""
    world.store.held.clear()
    world.store.answer = lambda items: Answer(
        done=frozenset(i["id"] for i in items), restored=Restored(at_ms=at_ms, age_s=age_s)
    )


def sent_again_to_a_restored_store(play, lines):
    """How many items each request carries that follows what the restored store was sent again: fifty swipes."""
    later = []

    async def scenario(world):
        for seq in range(50):
            world.link.send(lines.topic(), lines.message(lines.swipe(seq=seq)))
        await world.until(lambda: len(world.store.held) == 50)
        forgets(world)
        # Another reader's word is enough; this one is gone for good.
        world.link.send(lines.topic("b-1", kind="head"), lines.message(lines.head("b-1")))
        await world.until(lambda: sum(i["kind"] == "record" for i in world.store.held.values()) >= 50)
        asked = len(world.store.requests)
        world.link.send(lines.topic(), lines.message(lines.swipe(seq=50)))
        await world.until(lambda: len(world.store.requests) > asked)
        later.extend(map(len, world.store.requests[asked:]))

    play(scenario)
    return later


def test_a_restored_store_gets_back_what_was_forwarded_since_also_of_readers_that_are_gone(play, lines):
    assert max(sent_again_to_a_restored_store(play, lines)) <= 2, "once for each restore"


def test_a_gateway_that_passes_over_the_restore_would_be_caught(play, lines):
    # Saboteur: a gateway that believes to have answered every restore already.
    def deaf(**parts):
        made = Gateway(**parts)
        made.forwarder._restored_ms = 1 << 62
        return made

    with pytest.raises(AssertionError, match="did not come"):
        sent_again_to_a_restored_store(lambda scenario: play(scenario, make=deaf), lines)


async def test_a_restore_is_answered_once_also_after_the_gateway_was_started_again(tmp_path, lines):
    spool = inline_spool(tmp_path / "s")
    await spool.open()
    found = [arrivals(lines.topic(), lines.message(lines.swipe(seq=seq)), 1)[0] for seq in range(10)]
    await spool.put([(one, None) for one in found], 1)
    ns = [row.n for row in await spool.oldest(["main/a-101/9f8e7d6c5b4a3210"], 10, 1, ())]
    await spool.done(ns, 1000)
    assert await spool.since(5, 500) == 10
    assert (await spool.depth()).pending == 10
    await spool.done(ns, 1000)
    await spool.close()
    await spool.open()
    assert await spool.since(5, 500) == 0
    assert await spool.since(4, 500) == 0, "an older restore than the one that was answered"
    assert await spool.since(6, 2000) == 0, "nothing was forwarded since"
    assert await spool.since(7, 1000) == 10
    await spool.close()
