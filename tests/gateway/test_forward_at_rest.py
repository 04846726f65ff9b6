"""The forwarder at rest: a gateway with nothing to do leaves its disk alone, and is there at once."""


def test_a_gateway_with_nothing_to_do_hardly_reads_and_is_there_at_once(play, lines):
    async def scenario(world):
        world.link.send(lines.topic(), lines.message(lines.swipe()))
        await world.until(lambda: world.store.held)
        await world.passes(5)
        reads = []
        world.connections[1]._connection.set_trace_callback(reads.append)
        await world.passes(40)
        assert len(reads) <= 3, reads
        world.link.send(lines.topic(), lines.message(lines.swipe(seq=1)))
        assert await world.until(lambda: len(world.store.held) == 2) <= 0.016

    play(scenario)
