"""The gateway's real intake on its real spool (aiosqlite), with a broker in memory, in a process whose disk has faults.

    python gateway_worker.py REPOSITORY FOLDER

A message comes every 50 ms for as long as the file FOLDER.run exists. On standard output: `acked SEQ` when the broker
has the acknowledgement.
"""

import asyncio
import logging
import os
import random
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from firmware.contract import envelope
from gateway.clock import SystemClock
from gateway.counts import Counts
from gateway.events import Condition, Events
from gateway.service import Gateway
from gateway.spool import Spool
from gateway.testing import MemoryLink, MemoryStore

folder = Path(sys.argv[2])
running = Path(f"{folder}.run")


async def main():
    clock, counts, events = SystemClock(), Counts(), Events(logging.Logger("quiet"))
    condition = Condition("link", events, clock.monotonic_s)
    condition.up()
    link = MemoryLink(inflight=1000)
    spool = Spool.at(folder / "spool.sqlite")
    await spool.open()
    gateway = Gateway(
        link=link, spool=spool, store=MemoryStore(), clock=clock, rng=random.Random(1), events=events, counts=counts,
        link_condition=condition,
    )  # fmt: skip
    stop = asyncio.Event()
    task = asyncio.create_task(gateway.run(stop))
    sent = told = 0
    while running.exists():  # noqa: ASYNC240  no disk of the test's own blocks
        line = f"1|swipe|a-1|1|9f8e7d6c5b4a3210|{sent}|t1:0a1b2c3d4e5f6071|1|-|none|-|unchecked|-|-|{'0' * 32}"
        link.send("muster/v1/main/a-1/swipes", envelope.wrap([line]))
        sent += 1
        await asyncio.sleep(0.05)
        for _ in link.acknowledged[told:]:
            os.write(1, f"acked {told}\n".encode())
            told += 1
    stop.set()
    await asyncio.gather(task, return_exceptions=True)
    await spool.close()


asyncio.run(main())
