"""How fast the gateway is, measured from the publish to Mosquitto until the store has accepted; printed with -s."""

import subprocess
import time

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

pytestmark = pytest.mark.needs("mosquitto")

MESSAGES = 6000


def test_six_thousand_swipes_pass_through_at_a_rate_that_is_printed(
    start_mosquitto, need, start_gateway, store_process, lines, until, capsys
):
    program = need("mosquitto_pub")
    broker = start_mosquitto(lines=["max_queued_messages 0", "max_inflight_messages 200"])
    gateway = start_gateway(broker.url).linked()
    before_mb, before_s = gateway.rss_mb(), gateway.cpu_s()
    said = [lines.message(lines.swipe(f"a-{n % 40}", n // 40)).decode() for n in range(MESSAGES)]
    publishers = []
    started = time.monotonic()
    for door in range(40):
        publisher = subprocess.Popen(
            [program, "-p", str(broker.port), "-q", "1", "-l", "-t", lines.topic(f"a-{door}")],
            stdin=subprocess.PIPE, text=True,
        )  # fmt: skip
        publisher.stdin.write("\n".join(said[door::40]) + "\n")
        publisher.stdin.close()
        publishers.append(publisher)
    until(lambda: store_process.stats()["held"] >= MESSAGES, 60, "the last swipe")
    seconds = time.monotonic() - started
    cpu_s = gateway.cpu_s() - before_s
    for publisher in publishers:
        assert publisher.wait(10) == 0
    stats = store_process.stats()
    commits = gateway.metric("spool_commits_total")
    with capsys.disabled():
        print(
            f"\ngateway: {MESSAGES} messages in {seconds:.2f} s = {MESSAGES / seconds:.0f}/s; its CPU {cpu_s:.2f} s = "
            f"{MESSAGES / cpu_s:.0f} messages per CPU second; {stats['requests']} requests, {commits:.0f} commits; "
            f"RSS {before_mb:.0f} MB before, {gateway.rss_mb():.0f} MB after"
        )
    assert stats["held"] == MESSAGES
    assert sorted(store_process.held_lines()) == sorted(lines.swipe(f"a-{n % 40}", n // 40) for n in range(MESSAGES))


def test_at_a_hundred_swipes_a_second_every_swipe_is_in_the_store(
    mosquitto, start_gateway, store_process, lines, until, capsys
):
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect(mosquitto.host, mosquitto.port)
    client.loop_start()
    start_gateway(mosquitto.url).linked()
    count, started = 300, time.monotonic()
    for n in range(count):
        time.sleep(max(0, started + n / 100 - time.monotonic()))
        # The time of the publish stands in the swipe.
        line = lines.swipe(f"a-{n % 20}", n // 20, wall_ms=time.time_ns() // 1_000_000)
        client.publish(lines.topic(f"a-{n % 20}"), lines.message(line), qos=1)
    until(lambda: store_process.stats()["held"] == count, what="the last")
    client.disconnect()
    client.loop_stop()
    took_ms = sorted(i["stored_ms"] - int(i["line"].split("|")[8]) for i in store_process.items())
    p50, p99 = took_ms[count // 2], took_ms[count * 99 // 100]
    with capsys.disabled():
        print(f"\ngateway: publish to store at 100/s: p50 {p50} ms, p99 {p99} ms, most {took_ms[-1]} ms")
    assert len(took_ms) == count
