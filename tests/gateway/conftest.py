"""Real parts of the gateway's tests: a store process and gateway processes, all ended after the test."""

import asyncio
import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from firmware.contract import decide, envelope, mac, roster, statement
from gateway.counts import Counts
from gateway.events import Condition, Events
from gateway.service import Gateway
from gateway.testing import LoopClock, MemoryLink, MemoryStore, inline_spool, run_virtually

REPO = Path(__file__).resolve().parents[2]
SITE = "main"
KEY = mac.Key(1, bytes(range(32)))
NOW_MS = 1_790_000_000_000


class Lines:
    """What readers say, made with the contract."""

    site = SITE
    key = KEY
    now_ms = NOW_MS

    def seal(self, kind, reader, values):
        text = statement.say(kind, reader, KEY.id, values)
        return statement.seal(text, KEY.mac(text.encode()))

    def swipe(
        self,
        reader="a-101",
        seq=0,
        *,
        journal="9f8e7d6c5b4a3210",
        token=bytes(8),
        wall_ms=NOW_MS,
        around_ms=0,
        boot_ms=None,
    ):
        return self.seal(
            "swipe",
            reader,
            {
                "journal": journal,
                "seq": seq,
                "evidence": statement.evidence_of([statement.Token(1, token)]),
                "boot_ms": 1000 + seq if boot_ms is None else boot_ms,
                "wall_ms": wall_ms,
                "clock": "none" if wall_ms is None else "sync",
                "uncertainty_ms": None if wall_ms is None else around_ms,
                "verdict": "green",
                "session": 1,
                "roster": 1,
            },
        )

    def hello(self, reader="a-101", nonce="0123456789abcdef"):
        values = {"nonce": nonce, "boot_ms": 5, "roster": None, "firmware": "t", "journals": []}
        return self.seal("hello", reader, values)

    def head(self, reader="a-101", nonce="0123456789abcdef"):
        values = {"nonce": nonce, "boot_ms": 5, "wall_ms": NOW_MS, "clock": "sync", "uncertainty_ms": 3}
        return self.seal("head", reader, {**values, "able": "ok", "journals": []})

    def topic(self, reader="a-101", kind="swipes"):
        return f"muster/v1/{SITE}/{reader}/{kind}"

    def message(self, *lines):
        return envelope.wrap(list(lines))

    def roster(self, reader="a-101", version_ms=NOW_MS, sessions=()):
        return roster.encode(reader, KEY, version_ms, NOW_MS - 10**7, NOW_MS + 10**8, list(sessions))

    def window(self, id, starts_ms, ends_ms, before_ms=15 * 60_000, after_ms=15 * 60_000):
        return decide.Window(id, starts_ms - before_ms, starts_ms, ends_ms, ends_ms + after_ms)


@pytest.fixture
def lines():
    return Lines()


def call(url, body=None, timeout=40):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=timeout) as answer:
        return answer.read().decode()


def until(condition, seconds=40.0, what="the condition"):
    """Wait for something outside of this process; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come within {seconds} s")


class StoreProcess:
    """tests/gateway/http_store.py in a process of its own."""

    def __init__(self, folder):
        self.journal = folder / "store.jsonl"
        self.port = 0
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        program = [sys.executable, str(Path(__file__).with_name("http_store.py")), str(self.port), str(self.journal)]
        self.process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
        self.port = json.loads(self.process.stdout.readline())["port"]

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def mode(self, **mode):
        call(self.url + "/mode", mode)

    def stats(self):
        return json.loads(call(self.url + "/stats"))

    def items(self):
        if not self.journal.exists():
            return []
        return [json.loads(line) for line in self.journal.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def held_lines(self):
        return [i["line"] for i in self.items() if i["kind"] == "record"]


class GatewayProcess:
    """`muster gateway run` in a process of its own."""

    def __init__(self, folder, broker, store, name, more=()):
        folder.mkdir(exist_ok=True)
        (folder / "token").write_text("token\n")
        self.spool = folder / "spool.sqlite"
        self.log = folder / "gateway.log"
        self.flags = ["--broker", broker, "--store", store, "--token-file", str(folder / "token")]
        self.flags += ["--spool", str(self.spool), "--name", name, *more]
        self.process = None
        self.port = 0

    def start(self, env=None, ready=True):
        seen = len(self.events())
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(REPO / "muster.py"), "gateway", "run", *self.flags],
                stderr=log,
                cwd=REPO,
                env={**os.environ, **(env or {})},
            )
        if ready:
            event = until(lambda: self.event("ready", seen) or (not self.running and "ended"), what="ready")
            assert event != "ended", self.log.read_text()
            self.port = event["http_port"]

    def linked(self):
        until(lambda: self.metric('up{part="link"}') == 1, what="the link")
        return self

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def events(self):
        if not self.log.exists():
            return []
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def event(self, name, after=0):
        return next((e for e in self.events()[after:] if e["event"] == name), None)

    def page(self, path):
        return call(f"http://127.0.0.1:{self.port}{path}")

    def metric(self, name):
        try:
            text = self.page("/metrics")
        except (OSError, urllib.error.URLError):
            return 0
        return next((float(x.split()[-1]) for x in text.splitlines() if x.startswith(f"muster_gateway_{name} ")), 0)

    def rss_mb(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(x.split()[1]) / 1024 for x in status.splitlines() if x.startswith("VmRSS"))

    def cpu_s(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self):
        if self.running:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.running:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)


@pytest.fixture(name="until")
def _until():
    return until


@pytest.fixture
def store_process(tmp_path):
    store = StoreProcess(tmp_path)
    store.start()
    yield store
    store.stop()


@pytest.fixture
def start_gateway(tmp_path, store_process):
    made = []

    def start(broker, name="g1", *, more=(), env=None, ready=True):
        gateway = GatewayProcess(tmp_path / name, broker, store_process.url, name, more)
        made.append(gateway)
        gateway.start(env, ready)
        return gateway

    yield start
    for gateway in made:
        if gateway.process is not None:
            gateway.kill()


@pytest.fixture
def publish(need, lines):
    """A reader's MQTT client: `publish(broker, [(topic, payload), ...])` returns when all are PUBACKed."""
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    def send(broker, messages, retain=False):
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.max_inflight_messages_set(100)
        client.connect(broker.host, broker.port)
        client.loop_start()
        try:
            for info in [client.publish(topic, payload, qos=1, retain=retain) for topic, payload in messages]:
                info.wait_for_publish(30)
        finally:
            client.disconnect()
            client.loop_stop()

    return send


@pytest.fixture
def listen():
    """What comes on topics: `listen(broker, filter)` gives a list that fills with (topic, payload, retain)."""
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    clients = []

    def start(broker, topic_filter):
        heard = []
        ready = []
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.on_message = lambda _c, _u, m: heard.append((m.topic, m.payload, m.retain))
        client.on_subscribe = lambda *_: ready.append(1)
        client.connect(broker.host, broker.port)
        client.subscribe(topic_filter, 1)
        client.loop_start()
        clients.append(client)
        until(lambda: ready, what="SUBACK")
        return heard

    yield start
    for client in clients:
        client.disconnect()
        client.loop_stop()


class World:
    """A whole gateway on emulators, in virtual time."""

    def __init__(self, path, seed, *, link=None, store=None, make=None):
        self.connections = []
        self.clock = LoopClock(NOW_MS)
        self.counts = Counts()
        self.said = []
        logger = logging.Logger("test")
        logger.addHandler(_Collect(self.said))
        events = Events(logger)
        self.link = link or MemoryLink()
        self.store = store or MemoryStore()
        self.spool = inline_spool(path, self.connections.append)
        self.condition = Condition("link", events, self.clock.monotonic_s)
        self.condition.up()
        self.gateway = (make or Gateway)(
            link=self.link,
            spool=self.spool,
            store=self.store,
            clock=self.clock,
            rng=random.Random(seed),
            events=events,
            counts=self.counts,
            link_condition=self.condition,
        )

    async def until(self, condition, seconds=600.0):
        """Wait in virtual time; returns the virtual seconds that it took."""
        start = self.clock.monotonic_s()
        while not condition():
            assert self.clock.monotonic_s() < start + seconds, f"did not come within {seconds} virtual seconds"
            await asyncio.sleep(0.005)
        return self.clock.monotonic_s() - start

    async def passes(self, seconds):
        """Virtual time goes by."""
        await self.clock.sleep(seconds)

    def named(self, event):
        return [record.fields for record in self.said if record.getMessage() == event]

    def held_seqs(self):
        return [int(i["line"].split("|")[5]) for i in self.store.held.values() if i["kind"] == "record"]


class _Collect(logging.Handler):
    def __init__(self, into):
        super().__init__()
        self.into = into

    def emit(self, record):
        self.into.append(record)


@pytest.fixture
def play(tmp_path, seed):
    """`play(scenario)` runs `await scenario(world)` beside a running gateway, in virtual time."""

    def run(scenario, before=None, **made):
        async def main():
            world = World(tmp_path / "spool.sqlite", seed, **made)
            await world.spool.open()
            if before is not None:
                await before(world)
            stop = asyncio.Event()
            running = asyncio.create_task(world.gateway.run(stop))
            try:
                await scenario(world)
                assert not running.done(), "the gateway ended"
            finally:
                stop.set()
                await asyncio.gather(running, return_exceptions=True)
                await world.spool.close()

        run_virtually(main())

    return run
