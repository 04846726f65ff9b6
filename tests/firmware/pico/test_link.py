"""firmware/pico/link.py against real brokers, on real MicroPython: what it carries, and what those who use it are told.

What goes wrong with the broker stands in test_link_faults.py, what goes wrong on the way to it in test_link_network.py.
"""

import asyncio
import json
import queue
import random
import re
import subprocess
import time

import pytest

from firmware.codecs.mqtt import REFUSALS, LocalError
from firmware.pico.link import Link, LinkDown
from firmware.pico.link_reasons import REASONS
from tests.firmware.pico.link_world import PROBE, WAIT_S, Probe, numbers

pytestmark = pytest.mark.needs("micropython", "mosquitto")


@pytest.mark.parametrize("on", ["micropython", "cpython"])
def test_a_thousand_messages_arrive_once_each_while_nothing_fails(mosquitto, probe, subscriber, on):
    paper = subscriber(mosquitto.port, "muster/#")
    link = probe(
        on=on, port=mosquitto.port, publish={"topic": "muster/swipes", "count": 1000, "size": 200, "workers": 8}
    )
    done = link.wait("published")
    seen, twice = numbers(paper, 1000)
    assert seen == set(range(1000))
    assert twice == 0
    assert done["health"]["published"] == 1000
    heap = {e["event"]: e["heap"] for e in link.seen if e["event"] in ("made", "up")}
    print(
        f"\n{on}: 1000 QoS 1 in {done['ms']} ms = {1000_000 // done['ms']}/s, worst stall {link.worst_stall_ms} ms,"
        f" heap of the link {heap['made']} B made, all {heap['up']} B up, {done['heap']} B after"
    )


def test_a_thousand_messages_arrive_through_the_embedded_broker_too(free_port, probe, subscriber):
    from iotcore import Broker

    with Broker(port=free_port(), listen="127.0.0.1") as broker:
        paper = subscriber(broker.port, "muster/#")
        link = probe(
            port=broker.port,
            will=["muster/status", "gone"],
            subscriptions=["muster/roster"],
            publish={"topic": "muster/swipes", "count": 1000, "size": 200, "workers": 8},
        )
        done = link.wait("published")
        assert numbers(paper, 1000)[0] == set(range(1000))
        print(f"\niotcore: {1000_000 // done['ms']}/s")
        link.process.kill()
        while (message := paper.next()).topic != "muster/status":
            pass
        assert message.payload == b"gone"


def test_messages_without_acknowledgement_return_when_written(mosquitto, probe, subscriber):
    paper = subscriber(mosquitto.port, "t")
    link = probe(port=mosquitto.port, publish={"topic": "t", "count": 100, "size": 5000, "workers": 2, "qos": 0})
    link.wait("published")
    assert numbers(paper, 100)[0] == set(range(100))


def test_the_last_will_is_retained_when_the_reader_loses_power(mosquitto, probe, subscriber):
    early = subscriber(mosquitto.port, "r/status")
    link = probe(port=mosquitto.port, will=["r/status", "gone"])
    link.wait("up")
    link.process.kill()
    assert early.next().payload == b"gone"
    message = subscriber(mosquitto.port, "r/status").next()
    assert message.payload == b"gone"
    assert message.retain


@pytest.mark.parametrize("on", ["micropython", "cpython"])
def test_a_retained_roster_of_40_kb_arrives_whole_in_a_small_heap(mosquitto, probe, subscriber, on):
    roster = bytes(i * 7 % 251 for i in range(40_000))
    sender = subscriber(mosquitto.port, "none")
    sender.client.publish("r/roster", roster, qos=1, retain=True).wait_for_publish(WAIT_S)
    link = probe(on=on, port=mosquitto.port, subscriptions=["r/roster", "r/receipt"], heapsize="205K")
    got = link.wait("message")
    assert (got["topic"], got["size"], got["sum"]) == ("r/roster", len(roster), sum(roster))
    print(f"\n{on}: heap with the 40 KB roster in hand {got['heap']} B")


def test_precompiled_it_runs_in_a_heap_of_96_kb(mosquitto, micropython, need, repo, tmp_path, subscriber):
    """The 64-bit port needs about 1.75 times the memory of the board (edge-notes)."""
    names = ("__init__", "codecs/__init__", "codecs/mqtt", "codecs/mqtt_packets")
    names += ("pico/__init__", "pico/link", "pico/link_wire")
    for name in names:
        source, out = repo / f"firmware/{name}.py", tmp_path / f"mpy/firmware/{name}.mpy"
        if source.exists():
            out.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run([need("mpy-cross"), "-o", out, source], check=True)
    subprocess.run([need("mpy-cross"), "-o", tmp_path / "mpy/main.mpy", PROBE], check=True)
    subscriber(mosquitto.port, "none").client.publish("r/roster", bytes(20_000), 1, True).wait_for_publish(WAIT_S)
    config = {
        "port": mosquitto.port,
        "subscriptions": ["r/roster"],
        "publish": {"topic": "t", "count": 500, "size": 500, "workers": 8},
    }
    start = tmp_path / "start.py"
    start.write_text("import main\n")
    link = Probe(micropython.start(start, json.dumps(config), heapsize="96K", path=[tmp_path / "mpy"]))
    link.wait("published")
    link.close()
    made = link.of("made")[0]
    message = link.of("message")[0]
    print(
        f"\nprecompiled, 64-bit: code {made['code']} B, link {made['heap']} B, all {link.of('up')[0]['heap']} B up,"
        f" {message['heap']} B with a roster of 20,000 B in hand"
    )
    assert message["size"] == 20_000


def test_a_message_too_large_is_skipped_and_told_and_does_not_cut_the_reader_off(mosquitto, probe, subscriber):
    sender = subscriber(mosquitto.port, "none")
    sender.client.publish("r/roster", bytes(3_000_000), qos=1, retain=True).wait_for_publish(WAIT_S)
    link = probe(port=mosquitto.port, subscriptions=["r/roster", "r/receipt"], heapsize="205K")
    said = link.wait("log", what="link-skipped")
    assert said["fields"] == {"code": "mqtt-too-large", "topic": "r/roster", "size": 3_000_000}
    if not link.of("up"):
        link.wait("up")
    sender.client.publish("r/receipt", b"after", qos=1)
    assert link.wait("message")["topic"] == "r/receipt"
    assert not link.of("down")


def test_a_message_without_memory_for_it_is_skipped_and_told(mosquitto, probe, subscriber):
    sender = subscriber(mosquitto.port, "none")
    sender.client.publish("r/roster", bytes(60_000), qos=1, retain=True).wait_for_publish(WAIT_S)
    link = probe(port=mosquitto.port, subscriptions=["r/roster", "r/receipt"], heapsize="96K")
    assert link.wait("log", what="link-skipped")["fields"]["code"] == "mqtt-no-memory"
    sender.client.publish("r/receipt", b"after", qos=1)
    assert link.wait("message")["topic"] == "r/receipt"


def test_a_handler_with_a_fault_does_not_cut_the_reader_off(mosquitto, probe, subscriber):
    link = probe(
        port=mosquitto.port,
        subscriptions=["r/command"],
        faulty_handler=True,
        publish={"topic": "r/swipes", "count": 5, "size": 10, "workers": 1},
    )
    link.wait("published")
    sender = subscriber(mosquitto.port, "none")
    sender.client.publish("r/command", b"x", qos=1).wait_for_publish(WAIT_S)
    link.wait("log", what="link-handler-fault")
    link.run_for(0.5)
    assert not link.of("down")


def test_a_session_that_the_broker_kept_is_taken_up_again(mosquitto, probe, subscriber):
    """mqtt_as refuses a CONNACK with session-present, and so never comes back."""
    first = probe(port=mosquitto.port, clean_session=False, subscriptions=["r/command"])
    first.wait("up")
    first.process.kill()
    sender = subscriber(mosquitto.port, "none")
    sender.client.publish("r/command", b"while away", qos=1).wait_for_publish(WAIT_S)
    second = probe(port=mosquitto.port, clean_session=False, subscriptions=["r/command"])
    assert second.wait("message")["size"] == len(b"while away")
    if not second.of("up"):
        second.wait("up")


def test_a_message_is_acknowledged_after_it_was_handled_and_not_before(server, probe):
    acknowledged = queue.Queue()

    def answer(sock):
        sock.recv(1000)
        sock.sendall(b"\x20\x02\x00\x00")
        sock.recv(1000)
        sock.sendall(b"\x90\x03\x00\x01\x01" + b"\x32\x06\x00\x01t\x01\x02y")
        since = time.monotonic()
        acknowledged.put((sock.recv(1000), time.monotonic() - since))

    probe(port=server(answer).port, subscriptions=["t"], blocking_handler_ms=200)
    data, took_s = acknowledged.get(timeout=WAIT_S)
    assert data == b"\x40\x02\x01\x02"
    assert took_s >= 0.19


def test_every_reason_that_the_link_can_give_has_a_text(repo):
    folder = repo / "firmware/pico"
    source = (folder / "link.py").read_text() + (folder / "link_wire.py").read_text()
    events = {"link-up", "link-down", "link-skipped", "link-handler-fault", "link-host-is-a-name"}
    codes = set(re.findall(r'"(link-[a-z-]+)"', source)) - events
    assert codes == {code for code in REASONS if code.startswith("link-")}
    assert set(REASONS) - codes <= set(REFUSALS.values())
    assert LinkDown("link-tls").text == REASONS["link-tls"]


def in_process(port, **told):
    """A Link on this interpreter's asyncio."""
    nothing = lambda *args, **fields: None  # noqa: E731
    return Link(
        wifi=None, host="127.0.0.1", port=port, client_id="here", user=None, password=None,
        ticks_ms=lambda: time.monotonic_ns() // 1_000_000, random=random.Random(7).random,
        on_up=told.get("on_up", nothing), on_down=nothing, on_message=nothing, log=nothing,
    )  # fmt: skip


async def test_publishing_without_a_link_says_so_at_once(free_port):
    link = in_process(free_port())
    with pytest.raises(LinkDown) as error:
        await link.publish("t", b"x")
    assert error.value.code == "link-not-up"
    assert not link.connected


async def test_when_the_program_ends_who_waits_is_told_and_the_socket_is_closed(server):
    closed = queue.Queue()

    def answer(sock):
        sock.recv(1000)
        sock.sendall(b"\x20\x02\x00\x00")
        assert sock.recv(1000)  # the message, which is never acknowledged
        closed.put(sock.recv(1000))

    up = asyncio.Event()
    link = in_process(server(answer).port, on_up=up.set)
    running = asyncio.create_task(link.run())
    await asyncio.wait_for(up.wait(), WAIT_S)
    waiting = asyncio.create_task(link.publish("t", b"x"))
    await asyncio.sleep(0.2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    with pytest.raises(LinkDown):
        await asyncio.wait_for(waiting, WAIT_S)
    assert await asyncio.to_thread(closed.get, True, WAIT_S) == b"", (
        "closed without a goodbye: the last will is published"
    )


async def test_what_mqtt_cannot_say_is_the_callers_fault_and_the_link_stays(mosquitto):
    up = asyncio.Event()
    link = in_process(mosquitto.port, on_up=up.set)
    running = asyncio.create_task(link.run())
    await asyncio.wait_for(up.wait(), WAIT_S)
    with pytest.raises(LocalError):
        await link.publish("a/#", b"x")
    await link.publish("a", b"x")
    assert link.connected
    running.cancel()
    await asyncio.wait([running])
