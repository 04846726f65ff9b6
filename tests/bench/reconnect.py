"""Six hundred readers' links at a real Mosquitto that is killed and started again: how soon all are back, and how steeply.

The links are the Pi's own (firmware/pi/link.py), each with its own connection, last will, subscriptions and a hello that
waits for its PUBACK; a Pico's waits by the same rule. They run in one process on loopback, without TLS: what is measured
is the readers' patience, not this machine's arithmetic.
"""

import asyncio
import tempfile
import time
from collections import Counter
from pathlib import Path

from firmware.contract import topics
from firmware.pi.link import Broker, Link
from tests.bench.figure import Figure
from tests.bench.parts import mosquitto
from tests.parts_mosquitto import Mosquitto

READERS, WITHIN_S, DOWN_S = 600, 60.0, 3.0
#: a link counts as a good one after this here, and after 30 s at a door: the bench need not wait for it
STABLE_S = 2.0
#: more connections than this in one second are a storm: a Mosquitto with TLS on two small cores still takes them
STORM = 150


def measure() -> list[Figure]:
    """Seconds until all are back, connections of the busiest second, and attempts of each."""
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder, mosquitto(Path(folder)) as broker:
        return asyncio.run(_measure(broker))


async def _measure(broker: Mosquitto) -> list[Figure]:
    came: list[float] = []
    up: set[int] = set()

    def made(number: int) -> Link:
        name = f"r-{number:03}"

        async def on_up() -> None:
            await link.publish(topics.topic("main", name, "hello"), b"h" * 300)
            came.append(time.monotonic())
            up.add(number)
            try:
                await asyncio.Event().wait()
            finally:
                up.discard(number)

        link = Link(
            broker=Broker(host=broker.host, port=broker.port, client_id=name),
            will=(topics.topic("main", name, "status"), b"{}"),
            subscriptions=[topics.topic("main", name, kind) for kind in topics.DOWN],
            on_up=on_up,
            on_down=lambda code: None,
            on_message=lambda topic, payload: None,
            stable_s=STABLE_S,
        )
        return link

    tasks = [asyncio.create_task(made(number).run(), name=f"link-{number}") for number in range(READERS)]
    try:
        await _until(lambda: len(up) == READERS, 120)
        await asyncio.sleep(STABLE_S + 1)
        came.clear()
        await asyncio.to_thread(broker.kill)
        await asyncio.sleep(DOWN_S)
        await asyncio.to_thread(broker.start)
        began = time.monotonic()
        await _until(lambda: len(up) == READERS, 180)
        took_s = time.monotonic() - began
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    busiest = max(Counter(int(at - began) for at in came).values())
    note = f"{READERS} connections to Mosquitto on loopback, killed, and started {DOWN_S:.0f} s later"
    return [
        Figure(name="all readers are back", measured=took_s, unit="s", must=WITHIN_S, note=note),
        Figure(
            name="connections in the busiest second", measured=busiest, must=STORM, note=f"of {READERS}, hello included"
        ),
    ]


async def _until(reached, within_s: float) -> None:
    ends = time.monotonic() + within_s
    while not reached():
        if time.monotonic() > ends:
            raise RuntimeError(f"not all links were up within {within_s:.0f} s")
        await asyncio.sleep(0.05)
