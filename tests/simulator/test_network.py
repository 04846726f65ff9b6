"""The wire that fails, between real sockets."""

import asyncio

import pytest

from simulator.network import Wire


@pytest.fixture
async def echo():
    async def answer(reader, writer):
        while data := await reader.read(100):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    wire = Wire("127.0.0.1", server.sockets[0].getsockname()[1])
    await wire.open()
    yield wire
    await wire.close()
    server.close()


async def ask(reader, writer, what=b"x", patience_s=40.0):
    writer.write(what)
    return await asyncio.wait_for(reader.read(100), patience_s)


async def test_a_whole_wire_carries_both_ways(echo):
    assert await ask(*await asyncio.open_connection("127.0.0.1", echo.port)) == b"x"


async def test_a_cut_closes_what_is_open_and_lets_the_next_one_through(echo):
    ends = await asyncio.open_connection("127.0.0.1", echo.port)
    assert await ask(*ends) == b"x"
    echo.cut()
    assert await asyncio.wait_for(ends[0].read(100), 40) == b""
    assert await ask(*await asyncio.open_connection("127.0.0.1", echo.port)) == b"x"


async def test_a_silent_wire_swallows_bytes_and_tells_nobody(echo):
    ends = await asyncio.open_connection("127.0.0.1", echo.port)
    assert await ask(*ends) == b"x"
    echo.silence(True)
    with pytest.raises(TimeoutError):
        await ask(*ends, patience_s=0.5)
    echo.silence(False)
    assert await asyncio.wait_for(ends[0].read(100), 40) == b""
    assert await ask(*await asyncio.open_connection("127.0.0.1", echo.port)) == b"x"
