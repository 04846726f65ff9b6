"""The link by paho against a real Mosquitto, and against brokers that hang or hang up."""

import asyncio
import socket
import sys
import time
import types
from pathlib import Path

import pytest

from firmware.pi import link
from firmware.pi.link import LinkDown

WILL = ("muster/v1/main/a-101/status", b"gone")


class End:
    """A link with what it told."""

    def __init__(self, port: int, *, link_module=link, **more) -> None:
        self.downs = []
        self.messages = []
        self.ups = 0
        self.up = asyncio.Event()
        answer_s, stable_s = more.pop("answer_s", 10.0), more.pop("stable_s", 30.0)
        uniform = more.pop("uniform", lambda low, high: low / 10)
        broker = link_module.Broker(host="127.0.0.1", port=port, client_id=more.pop("client_id", "a"), **more)
        self.link = link_module.Link(
            broker=broker,
            will=WILL,
            subscriptions=["to/a"],
            on_up=self._on_up,
            on_down=self._on_down,
            on_message=lambda topic, payload: self.messages.append((topic, payload)),
            uniform=uniform,
            answer_s=answer_s,
            stable_s=stable_s,
        )

    async def _on_up(self) -> None:
        self.ups += 1
        self.up.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.up.clear()

    def _on_down(self, code: str) -> None:
        self.downs.append(code)

    async def __aenter__(self) -> "End":
        self._task = asyncio.create_task(self.link.run())
        return self

    async def __aexit__(self, *error) -> None:
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=40)
        assert self._task.cancelled(), "the link did not end when it was cancelled"

    async def until(self, what, timeout_s: float = 40.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not what():
            assert time.monotonic() < deadline, (self.downs, self.ups, self.messages)
            await asyncio.sleep(0.005)


async def test_what_is_published_arrives_whole_and_in_its_order(mosquitto):
    async with End(mosquitto.port, client_id="b") as out, End(mosquitto.port) as end:
        await end.up.wait()
        await out.up.wait()
        big = bytes(range(256)) * 240  # a roster's size
        await out.link.publish("to/a", b"one")
        await out.link.publish("to/a", big)
        await end.until(lambda: len(end.messages) == 2)
        assert end.messages == [("to/a", b"one"), ("to/a", big)]


@pytest.mark.parametrize(("stable_s", "waits"), [(0.0, (0, link.SPREAD_S)), (30.0, (0.5, 1.0))])
async def test_after_a_good_connection_the_next_attempt_comes_anywhere_within_the_spread(
    start_mosquitto, stable_s, waits
):
    asked = []

    def uniform(low, high):
        asked.append((low, high))
        return 0.05

    broker = start_mosquitto()
    async with End(broker.port, stable_s=stable_s, uniform=uniform) as end:
        await end.up.wait()
        await asyncio.to_thread(broker.kill)
        await end.until(lambda: asked)
    assert asked[0] == waits


async def test_publishing_waits_for_the_puback():
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def serve(reader, writer):
        await reader.read(200)
        writer.write(b"\x20\x02\x00\x00")  # CONNACK
        await reader.read(200)
        writer.write(b"\x90\x03\x00\x01\x01")  # SUBACK of packet 1
        heard = await reader.readexactly(10)  # PUBLISH at QoS 1: its head, topic, packet id and payload
        asked.set()
        await may_answer.wait()
        writer.write(b"\x40\x02" + heard[7:9])
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with End(server.sockets[0].getsockname()[1]) as end:
        await end.up.wait()
        publishing = asyncio.create_task(end.link.publish("x/y", b"1"))
        await asked.wait()
        assert not publishing.done()
        may_answer.set()
        await asyncio.wait_for(publishing, 40)
    server.close()


async def test_the_broker_says_the_will_when_the_link_breaks_and_not_after_leave(mosquitto):
    async with End(mosquitto.port, client_id="b") as out:
        await out.up.wait()
        out.link._client.subscribe(WILL[0], 1)
        async with End(mosquitto.port) as end:
            await end.up.wait()
        await out.until(lambda: out.messages == [WILL])
        async with End(mosquitto.port) as end:
            await end.up.wait()
            await end.link.leave()
        await out.until(lambda: len(out.messages) == 2)
        await asyncio.sleep(0.3)
        assert out.messages == [WILL, WILL]


async def test_a_broker_that_dies_is_told_once_and_found_again(mosquitto):
    async with End(mosquitto.port) as end:
        await end.up.wait()
        mosquitto.kill()
        await end.until(lambda: end.downs[-1:] == ["link-unreachable"])
        with pytest.raises(LinkDown, match="by itself"):
            await end.link.publish("x", b"")
        await asyncio.sleep(0.5)
        # The connection was lost, then nobody was there: each is told once, however often it was tried.
        assert end.downs in (["link-lost", "link-unreachable"], ["link-unreachable"])
        mosquitto.start()
        await end.until(lambda: end.ups == 2)
        await end.link.publish("x", b"")


async def test_wrong_passwords_are_told_as_that(start_mosquitto):
    broker = start_mosquitto(lines=["allow_anonymous false"])
    async with End(broker.port, user="a", password="b") as end:
        await end.until(lambda: end.downs == ["link-refused"])
        assert end.ups == 0


@pytest.mark.parametrize("answers", [b"", b"\x20\x02\x00\x00"])
async def test_a_broker_that_hangs_is_left_at_its_deadline(answers):
    taken = []

    async def serve(reader, writer):
        taken.append(writer)
        await reader.read(100)
        writer.write(answers)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with End(server.sockets[0].getsockname()[1], answer_s=0.3) as end:
        await end.until(lambda: end.downs == ["link-silent"])
        await end.until(lambda: len(taken) >= 2)
        assert end.ups == 0
    server.close()


@pytest.mark.parametrize("answers", [b"\xff" * 50, b"\x20\x02\x00\x05", b"\x90\x03\x00\x01\x80"])
async def test_a_broker_that_talks_nonsense_does_not_end_the_link(answers):
    taken = []

    async def serve(reader, writer):
        taken.append(1)
        await reader.read(100)
        writer.write(answers)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with End(server.sockets[0].getsockname()[1]) as end:
        await end.until(lambda: len(taken) >= 3)
        assert end.ups == 0
        assert end.downs
    server.close()


async def goes_on_after_its_end(link_module, turns):
    """Whether a link that is cancelled so many turns of the loop after the broker hung up connects once more."""
    cancelled, again = asyncio.Event(), asyncio.Event()
    connections = 0

    async def serve(reader, writer):
        nonlocal connections
        connections += 1
        if connections > 1:
            again.set()
            await reader.read()
        else:
            await reader.read(100)
            writer.write(b"\x20\x02\x00\x00")
            await reader.read(100)
            writer.write(b"\x90\x03\x00\x01\x01")
            await end.up.wait()
            writer.transport.abort()
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            cancelled.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    end = End(server.sockets[0].getsockname()[1], link_module=link_module)
    task = asyncio.create_task(end.link.run())
    more = asyncio.create_task(again.wait())
    try:
        await asyncio.wait_for(cancelled.wait(), 40)
        done, _ = await asyncio.wait({task, more}, timeout=40, return_when=asyncio.FIRST_COMPLETED)
        assert done, "neither ended nor connected again"
        return task not in done
    finally:
        more.cancel()
        task.cancel()
        await asyncio.wait({task, more}, timeout=40)
        server.close()
        await server.wait_closed()


#: Of the loop, from the broker's hanging up to well after the session's end.
TURNS = range(16)


async def test_it_ends_when_cancelled_in_whatever_turn_the_connection_is_lost():
    assert [turns for turns in TURNS if await goes_on_after_its_end(link, turns)] == []


def forgetful_link():
    """Saboteur: the module without its look at whether it was cancelled."""
    good = "task is not None and task.cancelling()"
    text = Path(link.__file__).read_text()
    assert text.count(good) == 1, "the saboteur no longer finds its place: move it along"
    module = types.ModuleType("forgetful_link")
    exec(text.replace(good, "False"), module.__dict__)
    return module


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="from Python 3.13 on a TaskGroup remembers by itself")
async def test_a_link_that_forgets_that_it_was_cancelled_is_caught():
    forgetful = forgetful_link()
    assert [turns for turns in TURNS if await goes_on_after_its_end(forgetful, turns)]


async def test_the_loop_is_never_stopped_by_a_connect_that_hangs():
    # A listener whose queue is full: TCP connects to it hang.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            fillers.append(filler)
        async with End(port):
            worst_s = 0.0
            for _ in range(30):
                began_s = time.monotonic()
                await asyncio.sleep(0.01)
                worst_s = max(worst_s, time.monotonic() - began_s)
            for filler in fillers:
                filler.close()
            assert worst_s < 10, "a connect that blocks hangs for two minutes"
