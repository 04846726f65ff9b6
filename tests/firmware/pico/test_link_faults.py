"""firmware/pico/link.py and a broker that dies, falls silent, refuses, talks nonsense or does not read, one by one."""

import itertools
import os
import signal
import subprocess
import time

import pytest

from tests.firmware.pico.link_world import STALL_MS

pytestmark = pytest.mark.needs("micropython", "mosquitto")


@pytest.mark.parametrize("on", ["micropython", "cpython"])
def test_after_a_broker_was_killed_the_link_comes_back_by_itself_and_goes_on(mosquitto, probe, on):
    link = probe(
        on=on,
        port=mosquitto.port,
        backoff_ms=200,
        subscriptions=["r/receipt"],
        publish={"topic": "t", "count": 12_000, "size": 60, "workers": 8},
    )
    link.wait("up")
    link.run_for(0.4)
    mosquitto.kill()
    down = link.wait("down")
    assert down["code"] in ("link-closed", "link-broken")
    link.run_for(1.5)  # several attempts: refused, and told once
    assert not link.of("published"), "the broker died too late for this test to mean anything"
    mosquitto.start()
    link.wait("up")
    assert [e["code"] for e in link.of("down")] == [down["code"], "link-connect"]
    lost = link.of("lost")
    assert 1 <= len(lost) <= 16
    health = link.wait("published")["health"]
    assert health["published"] == 12_000
    assert health["resent"] >= 1
    assert health["connects"] == 2


@pytest.mark.parametrize("answer_ms", [2000, 3_600_000], ids=["", "saboteur-without-deadlines"])
def test_a_broker_that_falls_silent_is_noticed_within_the_keepalive(start_mosquitto, tmp_path, probe, answer_ms):
    pid_file = tmp_path / "pid"
    broker = start_mosquitto(lines=[f"pid_file {pid_file}"])
    link = probe(port=broker.port, keepalive_s=2, answer_ms=answer_ms, backoff_ms=200)
    link.wait("up")
    link.run_for(2)
    assert not link.of("down"), "pings keep a quiet link up"
    pid = int(pid_file.read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        if answer_ms > 2000:
            link.run_for(5)  # half the keepalive until the ping, and 2 s for its answer
            assert not link.of("down"), "the test must be able to fail"
            return
        assert link.wait("down")["code"] == "link-pong-timeout"
        # the kernel of the stopped broker still takes connections: nobody answers there
        assert link.wait("down")["code"] == "link-connack-timeout"
    finally:
        os.kill(pid, signal.SIGCONT)
    link.wait("up")


def test_a_message_that_is_not_confirmed_in_time_is_given_up_and_sent_again(
    start_mosquitto, tmp_path, probe, subscriber
):
    pid_file = tmp_path / "pid"
    broker = start_mosquitto(lines=[f"pid_file {pid_file}"])
    link = probe(
        port=broker.port,
        answer_ms=500,
        backoff_ms=100,
        publish={"topic": "t", "count": 12_000, "size": 20, "workers": 3},
    )
    link.wait("up")
    link.run_for(0.3)
    pid = int(pid_file.read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        assert link.wait("lost")["code"] == "link-puback-timeout"
        assert link.of("down")[0]["code"] == "link-puback-timeout"
    finally:
        os.kill(pid, signal.SIGCONT)
    assert link.wait("published")["health"]["published"] == 12_000


def test_a_wrong_password_is_told_once_and_does_not_hammer(start_mosquitto, tmp_path, probe):
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-c", "-b", passwords, "reader", "right"], check=True)
    broker = start_mosquitto(lines=["allow_anonymous false", f"password_file {passwords}"])
    link = probe(port=broker.port, user="reader", password="wrong", backoff_ms=200)
    assert link.wait("down")["code"] == "mqtt-refused-not-authorised"
    link.run_for(3)
    attempts = broker.log.read_text().count("(0, 5)")
    # 200 ms doubling, of which at least half is waited: 0.1 + 0.2 + 0.4 + 0.8 + 1.6 s
    assert 2 <= attempts <= 6
    assert len(link.of("down")) == 1
    good = probe(port=broker.port, user="reader", password="right")
    good.wait("up")


def garbage(rng_bytes):
    def answer(sock):
        sock.recv(1000)
        sock.sendall(rng_bytes)

    return answer


@pytest.mark.parametrize(
    "sent, code",
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "mqtt-state"),
        (b"\x10\x02\x00\x00", "mqtt-type"),
        (b"\x20\xff\xff\xff\xff\x01", "mqtt-length"),
        (b"\x30\x03\x00\x01a", "mqtt-state"),
        (b"\x20\x02\x00\x00\x30\x04\x00\x09ab", "mqtt-topic"),
        (b"\x20\x02\x00\x00\x40\x02\x00\x09", "mqtt-packet-id"),
        (b"\x20\x02\x00\x03", "mqtt-refused-unavailable"),
        (b"", "link-connack-timeout"),
    ],
)
def test_a_server_that_is_no_broker_is_told_and_left_alone_for_a_while(server, probe, sent, code):
    somebody = server(garbage(sent))
    link = probe(port=somebody.port, answer_ms=400, backoff_ms=300)
    down = link.wait("down")
    if down["code"] != code:  # it came up on the good half of what was sent, and fell on the other
        down = link.wait("down")
    assert down["code"] == code
    link.run_for(1.5)
    assert 2 <= len(somebody.times) <= 6
    assert link.worst_stall_ms < STALL_MS


@pytest.mark.parametrize("stable_ms", [0, 30_000])
def test_after_a_good_connection_the_next_attempt_comes_anywhere_within_the_spread(start_mosquitto, probe, stable_ms):
    broker = start_mosquitto()
    link = probe(port=broker.port, stable_ms=stable_ms, spread_ms=3_600_000, backoff_ms=100)
    link.wait("up")
    broker.kill()
    told = link.wait("log", what="link-down")
    # A tenth of a second and its jitter, or anywhere within an hour: a thirty-sixth of one is far from either.
    assert (told["fields"]["retry_ms"] > 100) is (stable_ms == 0)


@pytest.mark.parametrize("backoff_max_ms", [30_000, 10], ids=["", "saboteur-without-backoff"])
def test_a_broker_that_throws_us_out_at_once_is_not_hammered(server, probe, backoff_max_ms):
    def answer(sock):
        sock.recv(1000)
        sock.sendall(b"\x20\x02\x00\x00")
        time.sleep(0.1)
        sock.close()

    somebody = server(answer)
    link = probe(port=somebody.port, backoff_ms=200, backoff_max_ms=backoff_max_ms)
    link.wait("down", code="link-closed")
    link.run_for(3)
    if backoff_max_ms == 10:
        assert len(somebody.times) > 10, "the test must be able to fail"
        return
    gaps = [b - a for a, b in itertools.pairwise(somebody.times)]
    print(f"\nseconds between connects: {[round(g, 2) for g in gaps]}")
    assert len(somebody.times) <= 6, "two readers with one client id would throw each other out for ever"
    assert gaps[-1] > gaps[0]


def test_a_refused_subscription_is_told(start_mosquitto, tmp_path, probe, server):
    def answer(sock):
        sock.recv(1000)
        sock.sendall(b"\x20\x02\x00\x00")
        sock.recv(1000)
        sock.sendall(b"\x90\x03\x00\x01\x80")

    link = probe(port=server(answer).port, subscriptions=["other/roster"])
    assert link.wait("down")["code"] == "link-subscribe-refused"


def test_the_embedded_broker_refuses_a_wrong_password_by_closing_and_is_not_hammered(free_port, tmp_path, probe):
    from iotcore import Broker

    config = tmp_path / "r.toml"
    config.write_text(
        "id = 0\n[router]\nid = 0\nmax_connections = 100\nmax_outgoing_packet_count = 200\n"
        "max_segment_size = 104857600\nmax_segment_count = 10\n"
        f'[v4.1]\nname = "v4-1"\nlisten = "127.0.0.1:{free_port()}"\nnext_connection_delay_ms = 1\n'
        "[v4.1.connections]\nconnection_timeout_ms = 60000\nmax_payload_size = 20480\n"
        "max_inflight_count = 100\ndynamic_filters = true\n"
        '[v4.1.connections.auth]\nreader = "right"\n'
    )
    with Broker(config_path=str(config)) as broker:
        link = probe(port=broker.port, user="reader", password="wrong", backoff_ms=200)
        assert link.wait("down")["code"] in ("link-closed", "link-broken")
        probe(port=broker.port, user="reader", password="right", client_id="good").wait("up")


def test_a_broker_that_does_not_read_is_given_up_and_memory_stays_bounded(server, probe):
    def answer(sock):
        sock.recv(1000)
        sock.sendall(b"\x20\x02\x00\x00")

    link = probe(
        port=server(answer).port,
        answer_ms=500,
        backoff_ms=5000,
        heapsize="400K",
        publish={"topic": "t", "count": 1000, "size": 50_000, "workers": 2, "qos": 0},
    )
    link.wait("up")
    assert link.wait("down")["code"] == "link-send-timeout"
    link.run_for(0.3)
    assert {e["code"] for e in link.of("lost")} <= {"link-send-timeout", "link-window-timeout"}
    assert link.worst_stall_ms < STALL_MS
