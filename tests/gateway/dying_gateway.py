"""The gateway's own parts, wired to die by SIGKILL at one place. `python dying_gateway.py HOW BROKER STORE SPOOL TOKEN`.

HOW: `after-commit`: when the spool has committed, before the acknowledgement. `before-commit`. `after-forward`: when
the store has answered, before the rows are marked done. `ack-first`: a saboteur that acknowledges and then dies
before the commit. `done-first`: a saboteur that marks rows done when they are sent, and dies before the store has them.
"""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

from gateway.clock import Backoff, SystemClock
from gateway.counts import Counts
from gateway.events import Condition, start_logging
from gateway.link import MqttLink
from gateway.service import Gateway
from gateway.settings import Broker
from gateway.spool import Spool
from gateway.store import HttpStore


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class Link(MqttLink):
    how = ""

    async def receive(self):
        messages = await super().receive()
        if self.how == "ack-first" and any("swipes" in m.topic for m in messages):
            super().acknowledge(messages)
            await asyncio.sleep(0.3)  # it is on the wire
        return messages

    def acknowledge(self, messages):
        if self.how == "after-commit" and any("swipes" in m.topic for m in messages):
            die()
        super().acknowledge(messages)


class DyingSpool(Spool):
    how = ""

    async def put(self, received, received_ms):
        if self.how in ("before-commit", "ack-first"):
            die()
        return await super().put(received, received_ms)

    async def done(self, ns, now_ms):
        if self.how == "after-forward":
            die()
        await super().done(ns, now_ms)


class Store(HttpStore):
    how = ""
    spool = None

    async def deliver(self, items):
        if self.how == "done-first":
            await self.spool.done(list(range(1000)), 1)
            die()
        return await super().deliver(items)


async def main(how, host, port, url, path):
    Link.how = DyingSpool.how = Store.how = how
    events = start_logging(sys.stderr, "info")
    clock, rng, counts = SystemClock(), random.Random(1), Counts()
    condition = Condition("link", events, clock.monotonic_s)
    spool = DyingSpool.at(Path(path))
    Store.spool = spool
    await spool.open()
    broker = Broker(host=host, port=int(port), client_id="muster-gateway-g1")
    link = Link(broker, backoff=Backoff(rng), condition=condition, counts=counts)
    store = Store(url, lambda: "token")
    gateway = Gateway(
        link=link, spool=spool, store=store, clock=clock, rng=rng, events=events, counts=counts,
        link_condition=condition,
    )  # fmt: skip
    await gateway.run(asyncio.Event(), {"link": link.run})


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
