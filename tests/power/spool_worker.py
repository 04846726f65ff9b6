"""The gateway's real spool in a process that is to be killed, failed and cut off.

    python spool_worker.py REPOSITORY FOLDER SABOTEUR [threads]

It takes what its broker holds for it, batch after batch, in three openings, as Intake does: a batch that the spool
refuses is tried again; one is acknowledged after `put` returned. Started again in the same folder it takes everything
that it was not known to have acknowledged anew, and what it had acknowledged as well: readers offer twice.
On standard output: `acked ID...` after the put, `forwarding ID...` before rows are marked as forwarded, `pruning`
before forwarded rows may go, `error CODE`, `gave-up`, `done`. The saboteurs are what the tests must catch.
threads: on aiosqlite, as the gateway runs. Without: the same spool on connections without threads (gateway.testing),
so that the Nth call is the Nth of the process (strace counts for each thread).
"""

import asyncio
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, sys.argv[1])

import aiosqlite

from gateway import spool as spools
from gateway.arrival import Arrival
from gateway.errors import SpoolError
from gateway.testing import InlineConnection

folder, saboteur = Path(sys.argv[2]), sys.argv[3]
threads = "threads" in sys.argv[4:]
OPENINGS, BATCHES, EACH = 2, 6, 4
TRIES = 40


def say(*words):
    os.write(1, (" ".join(words) + "\n").encode())


def arrival(number):
    lane = f"main/a-{number % 3}/9f8e7d6c5b4a3210"
    line = f"1|swipe|a-{number % 3}|1|9f8e7d6c5b4a3210|{number}|" + "t1:0a1b2c3d4e5f6071|" * 2
    return Arrival(id=number.to_bytes(32, "big"), lane=lane, seq=number, kind="record", line=line)


class Believing(spools.Spool):
    """A saboteur: a commit that failed is tried again on the same handle, and believed when it goes through."""

    async def _commit(self, waiting):
        try:
            await super()._commit(waiting)
        except SpoolError:
            for write in list(waiting):
                write.committed = True
                waiting.remove(write)


def opened():
    path = folder / "spool.sqlite"

    async def connect() -> Any:
        if not threads:
            connection = InlineConnection(path)
        else:
            try:
                connection = await aiosqlite.connect(path, isolation_level=None, timeout=5.0)
            except sqlite3.Error:
                await asyncio.sleep(0.05)
                raise
        if saboteur in ("OFF", "NORMAL"):

            class Careless:
                """Says yes to synchronous=FULL, and does otherwise."""

                def __getattr__(self, name):
                    return getattr(connection, name)

                async def execute(self, sql, parameters=None):
                    said = sql.replace("FULL", saboteur) if sql.startswith("PRAGMA synchronous =") else sql
                    return await connection.execute(said, parameters)

                async def execute_fetchall(self, sql, parameters=None):
                    return [(2,)] if sql == "PRAGMA synchronous" else await connection.execute_fetchall(sql, parameters)

            return Careless()
        return connection

    kind = Believing if saboteur == "believes-after-an-error" else spools.Spool
    return kind(connect, path=path, checkpoint_rows=10)


async def insist(work):
    for _ in range(TRIES):
        try:
            return await work()
        except SpoolError as error:
            say("error", error.code)
            await asyncio.sleep(0.005)
    say("gave-up")
    sys.exit(3)


async def main():
    for opening in range(OPENINGS):
        await live(opening)
    say("done")


async def live(opening):
    spool = opened()
    await insist(spool.open)

    async def take(numbers):
        batch = [(arrival(n), "matched") for n in numbers]
        ids = [str(n) for n in numbers]
        if saboteur == "acks-before-the-commit":
            say("acked", *ids)
        await insist(lambda: spool.put(batch, 1000))
        if saboteur != "acks-before-the-commit":
            say("acked", *ids)

    for batch in range(BATCHES):
        first = (opening * BATCHES + batch) * EACH
        # Two that come at once are one commit; and somebody reads meanwhile.
        await asyncio.gather(take(range(first, first + 2)), take(range(first + 2, first + EACH)), insist(spool.lanes))
        if batch == 3:
            rows = await insist(lambda: spool.oldest([f"main/a-{n}/9f8e7d6c5b4a3210" for n in range(3)], 4, 1, ()))
            say("forwarding", *(str(row.seq) for row in rows))
            await insist(lambda rows=rows: spool.done([row.n for row in rows], 2000 + opening))
            await insist(lambda: spool.again("main/a-0/9f8e7d6c5b4a3210", 0, 3))
        if batch == 4:
            # Offered again by a reader that has no receipt: is it still to be had after a power cut?
            await take(range(first - EACH, first))
        if batch == 5 and opening:
            say("pruning")
            await insist(lambda: spool.prune(2001))
    await spool.close()


asyncio.run(main())
