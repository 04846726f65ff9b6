"""Rosters on their way to readers, in virtual time."""

from gateway.errors import StoreAway
from gateway.store import Offer


def away(_items):
    raise StoreAway("store-unreachable", "away")


def offer(lines, version_ms, reader="a-101", **more):
    return Offer(site="main", reader=reader, blob=lines.roster(reader, version_ms, **more))


def rosters(world):
    return [(topic, payload) for topic, payload, retain in world.link.published if retain]


def test_a_change_at_the_store_is_published_retained_within_five_seconds(play, lines):
    async def scenario(world):
        await world.passes(11)
        made = offer(lines, lines.now_ms)
        world.store.offers.append(made)
        assert await world.until(lambda: rosters(world)) < 2.6
        assert rosters(world) == [(lines.topic(kind="roster"), made.blob)]
        await world.passes(100)
        assert len(rosters(world)) == 1, "published again without need"

    play(scenario)


def test_one_that_is_below_the_retained_version_is_never_published(play, lines):
    async def scenario(world):
        world.link.send(lines.topic(kind="roster"), lines.roster(version_ms=2000))
        world.store.offers.append(offer(lines, 1999))
        await world.passes(60)
        assert rosters(world) == []
        assert world.counts.get("rosters_refused_total", "roster-older") == 1
        world.store.offers.append(offer(lines, 2001))
        await world.until(lambda: rosters(world), 3)

    play(scenario)


def test_retained_rosters_are_learned_while_the_store_is_away(play, lines):
    async def scenario(world):
        world.store.fault = away
        session = (lines.window(1, lines.now_ms, lines.now_ms + 3_600_000), [b"annaanna"])
        world.link.send(lines.topic(kind="roster"), lines.roster(sessions=[session]))
        world.link.send(lines.topic(), lines.message(lines.swipe(token=b"annaanna")))
        await world.until(lambda: world.counts.get("judged_total", "matched"))
        assert world.counts.get("rosters_held") == 1

    play(scenario)


def test_a_broker_that_lost_its_memory_gets_the_rosters_again(play, lines):
    async def scenario(world):
        world.store.offers.append(offer(lines, lines.now_ms))
        await world.until(lambda: rosters(world), 5)
        await world.passes(5)
        assert len(rosters(world)) == 1
        world.link.reconnect()
        await world.until(lambda: len(rosters(world)) == 2, 10)

    play(scenario)


def test_a_roster_for_another_reader_or_of_broken_bytes_is_not_published(play, lines):
    async def scenario(world):
        good = lines.roster()
        world.store.offers += [
            Offer(site="main", reader="b-202", blob=good),
            Offer(site="main", reader="a-101", blob=good[:-30] + bytes(10) + good[-20:]),
            Offer(site="+/#", reader="a-101", blob=good),
            Offer(site="main", reader="a-101", blob=b""),
        ]
        await world.passes(10)
        assert rosters(world) == []
        assert sum(1 for _ in world.named("roster-refused")) == 4

    play(scenario)


def test_what_could_not_be_published_while_the_link_was_down_is_published_after(play, lines):
    async def scenario(world):
        world.link.is_up = False
        world.store.offers.append(offer(lines, lines.now_ms))
        await world.passes(60)
        assert rosters(world) == []
        world.link.is_up = True
        world.link.generation += 1
        await world.until(lambda: rosters(world), 6)

    play(scenario)
