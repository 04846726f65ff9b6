"""Readers whose slots are real and whose program is not, a line that loses, and the store that carries releases."""

from __future__ import annotations

import asyncio
import json
import logging
import random

from firmware.contract import topics
from firmware.reader import releases as slots
from firmware.reader.update import Updates
from gateway.counts import Counts
from gateway.events import Events, Seldom
from gateway.releases import Releases
from gateway.store import Pieces
from gateway.testing import MemoryLink, MemoryStore
from server.policy import rollout as policy
from server.release_pack import Key
from server.scope import TECHNICIAN, Grant, Scope
from server.store import releases, rollout_lists, rollout_progress, rollouts
from server.store.engine import reading, writing
from tests.firmware.pico import release_packs as made
from tests.server.store_world import MIN, NINE, wrap

LOOK_MS = 10_000


class Door:
    """One reader. bad_from: from which counter on a release does not run here; able: what its heads say."""

    def __init__(self, fleet, folder, name, room) -> None:
        folder.mkdir()
        (folder / "slot.a").write_bytes(made.signed(1))
        self.fleet, self.folder, self.name = fleet, folder, name
        self.board = fleet.world.reader(name, room=room)
        self.bad_from, self.able, self.there = 99, "ok", True
        self.boot()

    def boot(self) -> None:
        self.pack, trial = slots.choose(f"{self.folder}/")
        self.updates = Updates(f"{self.folder}/", (made.key(),))
        self.began_ms = self.fleet.now_ms
        if trial and self.pack.counter >= self.bad_from:
            self.boot()  # it falls at once, and the board starts again
            return
        self.fleet.up(self.hello(), self.head(), self.report())

    def hello(self):
        board = self.board
        board.nonce = f"{random.Random(self.fleet.now_ms).getrandbits(64):016x}"
        firmware = f"muster-{self.pack.version}"
        return wrap(
            board.seal("hello", nonce=board.nonce, boot_ms=5, roster=None, firmware=firmware, journals=board.held())
        )

    def head(self):
        return wrap(self.board.head(self.fleet.now_ms, able=self.able))

    def report(self):
        health = {"v": 1, "update": self.updates.figures()}
        return wrap(json.dumps(health), reader=self.name, kind="health")

    def turn(self) -> None:
        """A second of its life."""
        worked = False
        while self.updates.turn(True, self.fleet.now_ms - self.began_ms, lambda *args, **fields: None):
            worked = True
        if self.updates.restart:
            self.boot()
        elif worked or self.fleet.turns % 300 == 0:
            self.fleet.up(self.report())
        if self.fleet.turns % 60 == 0:
            self.fleet.up(self.head())


class Packs(MemoryStore):
    """The store as the gateway's part for releases asks it."""

    def __init__(self, fleet) -> None:
        super().__init__()
        self.fleet, self.asked = fleet, 0

    async def release(self, tag):
        self.asked += 1
        with reading(self.fleet.world.engine) as connection:
            return releases.pack(connection, self.fleet.world.institution_id, tag)


class Fleet:
    """So many readers of one store, second by second, over a line that loses. share: of messages."""

    def __init__(self, world, folder, count, *, loses=0.0) -> None:
        self.world, self.turns, self.loses = world, 0, 0.0
        world.now_ms = NINE
        self.line = random.Random(7)
        self.link, self.packs, self.counts = MemoryLink(), Packs(self), Counts()
        self.gateways = [self.gateway(), self.gateway()]
        self.scope = Scope(
            institution_id=world.institution_id, account_id=0, person_id=None, grants=(Grant(role=TECHNICIAN),)
        )
        with writing(world.engine) as connection:
            releases.trust(connection, self.scope, Key(1, made.key().n), NINE)
        self.offers = []
        self.doors = {}
        for n in range(count):
            self.doors[f"r-{n}"] = Door(self, folder / f"r-{n}", f"r-{n}", None)
        self.loses = loses

    def gateway(self) -> Releases:
        return Releases(self.link, self.packs, self.counts, Seldom(Events(logging.getLogger(__name__)), lambda: 0.0))

    @property
    def now_ms(self) -> int:
        return self.world.now_ms

    def up(self, *items) -> None:
        """These reach the store, or are lost; what it offers goes to whichever gateway brought them."""
        kept = [item for item in items if self.line.random() >= self.loses]
        if kept:
            self.offered(self.world.deliver(*kept, derive=False).offers)

    def offered(self, offers) -> None:
        self.offers += offers
        asyncio.run(self._publish(self.line.choice(self.gateways), offers))

    async def _publish(self, gateway, offers) -> None:
        gateway.offer(tuple(Pieces(**one) for one in offers))
        await gateway.send_waiting()
        published, self.link.published = self.link.published, []
        for topic, payload, _ in published:
            door = self.doors.get(topics.parse(topic).reader)
            if door is not None and door.there and self.line.random() >= self.loses:
                door.updates.take(payload)

    def look(self) -> None:
        with writing(self.world.engine) as connection:
            rollout_progress.step(connection, self.world.institution_id, self.now_ms)

    def seconds(self, count: int) -> None:
        for _ in range(count):
            self.world.now_ms += 1000
            self.turns += 1
            for door in list(self.doors.values()):
                if door.there:
                    door.turn()
            if self.turns % (LOOK_MS // 1000) == 0:
                self.look()

    def add(self, pack: bytes) -> int:
        with writing(self.world.engine) as connection:
            return releases.add(connection, self.scope, pack, self.now_ms)

    def start(self, release_id: int, percents=policy.STAGES, soak_min: int = 10) -> int:
        with writing(self.world.engine) as connection:
            return rollouts.start(
                connection, self.scope, release_id, percents=percents, soak_min=soak_min, now_ms=self.now_ms
            )

    def act(self, work, *args) -> None:
        """A technician stops one, lets it go on, ends it."""
        with writing(self.world.engine) as connection:
            work(connection, self.scope, *args, self.now_ms)

    def one(self, rollout_id: int):
        with reading(self.world.engine) as connection:
            return next(one for one in rollout_lists.listed(connection, self.scope) if one.id == rollout_id)

    def takers(self, rollout_id: int) -> dict:
        with reading(self.world.engine) as connection:
            return {one.reader: one for one in rollout_lists.takers(connection, self.scope, rollout_id)}

    def until_over(self, rollout_id: int, minutes: int = 120):
        """The roll-out when it runs no more."""
        for _ in range(minutes):
            self.seconds(MIN // 1000)
            if self.one(rollout_id).state != rollouts.RUNNING:
                return self.one(rollout_id)
        raise AssertionError(f"it goes on: {self.one(rollout_id)}, {self.takers(rollout_id)}")

    def running(self) -> list[int]:
        return [door.pack.counter for door in self.doors.values()]
