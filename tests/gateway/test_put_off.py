"""What the store did not take waits, by the wall's clock, which may be set meanwhile."""

from gateway.store import Answer


def test_what_was_put_off_by_a_clock_decades_ahead_is_delivered_once_it_is_set_right(play, lines):
    async def scenario(world):
        years_ms = 30 * 365 * 24 * 3_600_000
        world.clock.set_ahead(years_ms)
        world.store.answer = lambda items: Answer(done=frozenset())
        world.link.send(lines.topic(), lines.message(lines.swipe()))
        await world.passes(60)
        world.store.answer = lambda items: Answer(done=frozenset(i["id"] for i in items))
        world.clock.set_ahead(-years_ms)
        await world.passes(62)
        assert (await world.spool.depth()).pending == 0, "it waits for thirty years"

    play(scenario)
