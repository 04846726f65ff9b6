"""The gateway's spool in the guest: the real one, through aiosqlite. It recovers, says what waits in it, and takes more.

It says `gate acked ID ...` after `put` has returned, `gate forwarding ID ...` before rows are marked as done (they may
be pruned from then on). Its first words: `gate kept ID LANE SEQ HEX` for each row that waits, `gate recovered ROWS`.
"""

import asyncio
import random
from pathlib import Path

from firmware.contract import envelope, statement, topics, verdict
from firmware.contract.mac import Key
from gateway.arrival import Arrival, arrivals
from gateway.spool import Row, Spool
from tests.guest.console import say

SITE = "main"
READERS = [f"b-{n}" for n in range(201, 207)]
KEY = Key(1, bytes(range(32)))
WRITERS = 3  #: messages that come at the same time: their commits are one
PENDING_MOST = 500  #: rows beyond which the store takes some
FAR_MS = 1 << 50  #: later than any row is due


class Source:
    """What the readers of one boot say, one message after the other."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._journals = {reader: rng.randbytes(8).hex() for reader in READERS}
        self._seqs = dict.fromkeys(READERS, 0)
        self._before: list[tuple[str, bytes]] = []

    def message(self) -> tuple[str, bytes]:
        """Topic and payload. Some come a second time, some cannot be read, some matter only while they are new."""
        reader = self._rng.choice(READERS)
        die = self._rng.random()
        if die < 0.1 and self._before:
            return self._rng.choice(self._before[-20:])
        if die < 0.15:
            return topics.topic(SITE, reader, "swipes"), b"not JSON " + self._rng.randbytes(8).hex().encode()
        if die < 0.2:
            return topics.topic(SITE, reader, "health"), b'{"v": 1, "room": %d}' % self._rng.randrange(1 << 30)
        lines = [self._line(reader) for _ in range(self._rng.randint(1, 12))]
        self._before.append((topics.topic(SITE, reader, "swipes"), envelope.wrap(lines)))
        return self._before[-1]

    def _line(self, reader: str) -> str:
        seq = self._seqs[reader]
        self._seqs[reader] = seq + 1
        values = {
            "journal": self._journals[reader],
            "seq": seq,
            "evidence": f"t1:{self._rng.randbytes(8).hex()}",
            "boot_ms": seq * 700,
            "wall_ms": None,
            "clock": "none",
            "uncertainty_ms": None,
            "verdict": verdict.UNCHECKED,
            "session": None,
            "roster": None,
        }
        text = statement.say("swipe", reader, KEY.id, values)
        return statement.seal(text, KEY.mac(text.encode()))


async def waiting(spool: Spool) -> list[Row]:
    """Every row that waits for the store, as the forwarder would find it."""
    rows = []
    for lane, _ in await spool.lanes():
        rows += await spool.oldest([lane], 1 << 20, FAR_MS, ())
    return rows


async def recover(spool: Spool) -> None:
    """Say all that waits."""
    rows = await waiting(spool)
    for at in range(0, len(rows), 50):
        say(
            *(f"gate kept {r.id.hex()} {r.lane} {r.seq} {(r.line.encode() or r.raw).hex()}" for r in rows[at : at + 50])
        )
    say(f"gate recovered {len(rows)}")


async def take(spool: Spool, source: Source) -> None:
    """Put one message after the other, and acknowledge it."""
    while True:
        topic, payload = source.message()
        received = arrivals(topic, payload, 1)
        await spool.put([(arrival, None) for arrival in received], 1)
        if acked := [_name(arrival) for arrival in received if arrival.kind in ("record", "raw")]:
            say(f"gate acked {' '.join(acked)}")


async def forward(spool: Spool, rng: random.Random) -> None:
    """Mark rows as done where many wait, and prune what is done."""
    while True:
        await asyncio.sleep(0.02)
        lanes = [lane for lane, _ in await spool.lanes()]
        if (await spool.depth()).pending > PENDING_MOST and lanes:
            rows = await spool.oldest(lanes, rng.randint(1, 40), FAR_MS, ())
            say(f"gate forwarding {' '.join(row.id.hex()[:16] for row in rows)}")
            await spool.done([row.n for row in rows], 2)
            if rng.random() < 0.5:
                await spool.prune(3)


def _name(arrival: Arrival) -> str:
    return arrival.id.hex()[:16]


async def _run(folder: Path, seed: str, mode: str, synchronous: str, checkpoints: bool) -> None:
    rng = random.Random(seed)
    spool = Spool.at(folder / "spool.db")
    await spool.open()
    await recover(spool)
    if mode == "look":
        await spool.close()
        return
    assert spool._writer is not None
    if not checkpoints:
        await spool._writer.execute("PRAGMA wal_autocheckpoint = 0")
    if synchronous != "FULL":
        await spool._writer.execute(f"PRAGMA synchronous = {synchronous}")
    source = Source(rng)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(WRITERS):
            tasks.create_task(take(spool, source))
        tasks.create_task(forward(spool, rng))


def run(folder: Path, seed: str, mode: str, synchronous: str, checkpoints: bool) -> None:
    """Recover; then, unless `mode` is `look`, take messages until the power is cut. checkpoints: as usual, or none."""
    asyncio.run(_run(folder, seed, mode, synchronous, checkpoints))
