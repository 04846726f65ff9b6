"""Fuzzed: what the gateway and the store make of a message."""

import asyncio
import base64
import hashlib
import logging
import tempfile
import weakref
from collections.abc import Sequence

from firmware.contract import roster, statement
from gateway.arrival import arrivals
from gateway.counts import Counts
from gateway.events import Events, Seldom
from gateway.judge import Judge
from gateway.rosters import Rosters
from gateway.testing import LoopClock, MemoryLink
from server import deliveries
from server.intake.desk import Desk
from tests.fuzz.contract import text_of
from tests.fuzz.targets import Check, vectors
from tests.server.store_world import NINE, World

TOPICS = [f"muster/v1/main/a-101/{kind}" for kind in ("swipes", "hello", "head", "status", "health", "odd")]
SILENT = logging.getLogger("muster.fuzz")
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False
KINDS = ["record", "hello", "head", "status", "health", "raw", "odd"]


def an_arrival() -> tuple[Check, Sequence[bytes]]:
    """Any message becomes something that can be spooled, and the judge takes it."""
    judge = Judge()
    judge.hold("main", roster.decode(bytes.fromhex(vectors()["rosters"][0]["hex"])))

    def check(data: bytes) -> None:
        topic = TOPICS[data[0] % len(TOPICS)] if data and data[0] < 128 else text_of(data[:40])
        for arrival in arrivals(topic, data[1:], 1):
            assert len(arrival.id) == hashlib.sha256().digest_size
            assert (arrival.kind == "raw") == bool(arrival.problem)
            arrival.line.encode()
            if arrival.statement is not None and arrival.statement.kind == "swipe":
                judge.judged(arrival.lane, arrival.statement)

    examples = [bytes.fromhex(v["hex"]) for v in vectors()["envelopes"]]
    return check, [b"\x00" + one for one in examples] + [b'\x03{"v": 1, "state": "online"}', b"\x00not json"]


def a_retained_roster() -> tuple[Check, Sequence[bytes]]:
    """Whatever is retained at the broker is counted, and never taken for what the store offered."""

    async def heard(data: bytes) -> None:
        clock, counts = LoopClock(), Counts()
        link = MemoryLink()
        rosters = Rosters(
            link=link, judge=Judge(), clock=clock, counts=counts, seldom=Seldom(Events(SILENT), clock.monotonic_s)
        )
        rosters.offered("main", "a-101", offered)
        rosters.heard("muster/v1/main/a-101/roster", data, link.generation)
        rosters.offered("main", "a-101", data)
        await asyncio.sleep(0)

    def check(data: bytes) -> None:
        with asyncio.Runner() as runner:
            runner.run(heard(data))

    examples = [bytes.fromhex(v["hex"]) for v in vectors()["rosters"]]
    offered = examples[0]
    return check, [*examples, b""]


def a_delivery() -> tuple[Check, Sequence[bytes]]:
    """Whatever comes in a delivery is done: held, or in quarantine. Also what a true reader says, whatever that is."""
    folder = tempfile.TemporaryDirectory(prefix="muster-fuzz-")
    world = World(f"sqlite:///{folder.name}/store.db")
    weakref.finalize(world, folder.cleanup)
    board = world.reader()

    def check(data: bytes) -> None:
        head, body = data[:2].ljust(2, b"\0"), data[2:]
        kind = KINDS[head[0] % len(KINDS)]
        line = text_of(body)
        if head[1] & 1:  # what follows is said by a true reader, under its own key
            text = body.decode("latin-1")
            line = statement.seal(text, board.key.mac(text.encode()))
        item = deliveries.Item(
            id="x", site="main", reader="a-1", kind=kind, line=line, topic=TOPICS[0], raw_b64=_b64(body, head[1] & 2)
        )
        with world.engine.connect() as connection, connection.begin() as transaction:
            desk = Desk(
                connection, world.ring, institution_id=world.institution_id, gateway_id=None, now_ms=world.now_ms
            )
            answer = deliveries.Delivery(desk).take([item, item._replace(id="y")])
            assert answer.done == ["x", "y"]
            transaction.rollback()

    lines = [
        board.swipe(bytes([4, 1, 2, 3]), NINE),
        board.pair(NINE),
        *board.lines[:1],
        board.hello(),
        board.head(NINE),
    ]
    true = [b"\x00\x01" + line.rpartition("|")[0].encode() for line in lines]
    return check, [*true, b"\x01\x01" + true[3][2:], b"\x02\x01" + true[4][2:], b'\x03\x00{"v": 1, "state": "online"}']


def _b64(body: bytes, whole: int) -> str:
    return base64.b64encode(body).decode() if whole else body.decode("latin-1")
