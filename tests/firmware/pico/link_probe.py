"""Runs the real Link on MicroPython (or CPython) for test_link*.py. One JSON object a line says what happened.

Its one argument is JSON: the Link's own arguments, and `publish` {topic, count, size, workers} for what to send each time
it is up, until all of it was acknowledged.
"""

import asyncio
import gc
import json
import random
import sys
import time

gc.collect()
before_import = gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0

from firmware.pico.link import Link, LinkDown  # noqa: E402  what it costs is measured

MICROPYTHON = sys.implementation.name == "micropython"


def ticks_ms():
    return time.ticks_ms() if MICROPYTHON else time.monotonic_ns() // 1_000_000


def sleep_ms(ms):
    return asyncio.sleep_ms(ms) if MICROPYTHON else asyncio.sleep(ms / 1000)


def heap():
    if not MICROPYTHON:
        return 0
    gc.collect()
    return gc.mem_alloc()


def say(event, **fields):
    fields["event"] = event
    fields["at_ms"] = ticks_ms()
    print(json.dumps(fields))
    sys.stdout.flush() if hasattr(sys.stdout, "flush") else None


class Wifi:
    """A Wi-Fi that comes up some time after it was started, and can go away after a time."""

    def __init__(self, up_after_ms, down_after_ms):
        self.up_after_ms = up_after_ms
        self.down_after_ms = down_after_ms
        self.started = None

    def start(self):
        self.started = ticks_ms()
        say("wifi-start")

    def connected(self):
        if self.started is None:
            return False
        age = ticks_ms() - self.started
        return self.up_after_ms <= age and (not self.down_after_ms or age < self.down_after_ms)


class Probe:
    def __init__(self, config):
        self.work = config.pop("publish", None)
        self.faulty = config.pop("faulty_handler", False)
        self.blocking_ms = config.pop("blocking_handler_ms", 0)
        self.quiet = config.pop("quiet", False)
        wifi = config.pop("wifi", None)
        ssl = None
        if "tls" in config:
            from firmware.pico import trust
            from firmware.reader import settings

            # A settings file's path: the unix port takes no argument of more than 255 bytes.
            with open(config.pop("tls")) as f:
                trusted = settings.parse(f.read()).tls
            ssl = trust.context(trusted.ca)
            config["tls_name"] = trusted.name
        if "ca" in config:
            import tls

            ssl = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
            with open(config.pop("ca"), "rb") as f:
                ssl.load_verify_locations(f.read())
        if "will" in config:
            config["will"] = (config["will"][0], config["will"][1].encode())
        source = random.Random(7).random if not MICROPYTHON else random.random
        before = heap()  # the import, and little of the probe itself
        self.link = Link(
            wifi=Wifi(wifi[0], wifi[1]) if wifi else None,
            host=config.pop("host", "127.0.0.1"),
            client_id=config.pop("client_id", "probe"),
            user=config.pop("user", None),
            password=config.pop("password", None),
            ticks_ms=ticks_ms,
            random=source,
            on_up=self.on_up,
            on_down=lambda code: say("down", code=code),
            on_message=self.on_message,
            log=lambda event, **fields: say("log", what=event, fields=fields),
            ssl=ssl,
            **config,
        )
        say("made", heap=heap() - before, code=before - before_import)
        self.is_up = asyncio.Event()
        self.since_turn = 0

    def on_up(self):
        self.is_up.set()
        say("up", heap=heap())

    def on_message(self, topic, payload):
        self.since_turn += 1
        if self.faulty:
            raise ValueError("a handler with a fault")
        if self.blocking_ms:
            time.sleep(self.blocking_ms / 1000)
        if self.quiet and len(payload) == 1:
            return
        say("message", topic=topic, size=len(payload), sum=sum(payload), heap=heap())

    async def publish_some(self, numbers):
        for n in numbers:
            payload = ("%08d" % n).encode() + b"x" * (self.work["size"] - 8)
            dup = False
            while True:
                try:
                    await self.link.publish(self.work["topic"], payload, self.work.get("qos", 1), False, dup)
                    break
                except LinkDown as e:
                    say("lost", code=e.code)
                    dup = True
                    self.is_up.clear()
                    if not self.link.connected:
                        await self.is_up.wait()
                    else:
                        await sleep_ms(20)

    async def publish(self):
        await self.is_up.wait()
        since = ticks_ms()
        workers = self.work["workers"]
        tasks = [asyncio.create_task(self.publish_some(range(i, self.work["count"], workers))) for i in range(workers)]
        for task in tasks:
            await task
        say("published", ms=ticks_ms() - since, health=self.link.health(), heap=heap())

    async def stalls(self):
        """How long, and for how many messages, the loop was kept from a task that wakes every 5 ms."""
        worst = most = 0
        said = ticks_ms()
        while True:
            since = ticks_ms()
            await sleep_ms(5)
            worst = max(worst, ticks_ms() - since - 5)
            most = max(most, self.since_turn)
            self.since_turn = 0
            if ticks_ms() - said > 200:
                say("stall", worst_ms=worst, between=most)
                said = ticks_ms()

    async def main(self):
        if not MICROPYTHON:
            # -X dev tells on output of a step that took 100 ms: on a busy machine that is no fault, and no JSON either.
            asyncio.get_running_loop().slow_callback_duration = 600
        tasks = [asyncio.create_task(self.stalls())]
        if self.work:
            tasks.append(asyncio.create_task(self.publish()))
        await self.link.run()


asyncio.run(Probe(json.loads(sys.argv[1])).main())
