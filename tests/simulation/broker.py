"""The broker and the network around it, as bad as they can be: a pipe whose word means nothing.

A connection keeps order, as TCP does, except where `wild` says otherwise. What is on its way when a connection breaks
may arrive or not. A direction may be cut by itself: what is sent into it is gone, and the connection is found dead some
time later. The broker takes a reader's message (and would say so with a PUBACK), and may lose it all the same: when it
restarts without its state, or past the limit of a queue.
"""

import random
from collections.abc import Callable
from typing import Protocol

from firmware.contract import topics
from tests.simulation.world import World


class Peer(Protocol):
    """The client's side of a connection."""

    def connected(self) -> None: ...
    def disconnected(self) -> None: ...
    def hear(self, topic: str, payload: bytes, mid: int) -> None: ...


class Connection:
    """One client's way to the broker and back. `wanted`: whether the client tries to be connected."""

    def __init__(self, broker: "Broker", name: str, peer: Peer, *, gateway: bool) -> None:
        self.broker, self.name, self.peer, self.gateway = broker, name, peer, gateway
        self.world = broker.world
        self.rng = self.world.chance(f"net/{name}")
        self.wanted = False
        self.is_up = False
        self.cut_up = False
        self.cut_down = False
        self._epoch = 0
        self._trying = False
        self._up_s = self._down_s = 0.0

    def want(self) -> None:
        """The client starts: connect, and stay connected."""
        self.wanted = True
        self._try_soon()

    def unwant(self) -> None:
        """The client is gone, without a word."""
        self.wanted = False
        self.lose(tell=False)

    def _try_soon(self) -> None:
        if not self._trying:
            self._trying = True
            self.world.loop.call_later(self.rng.uniform(0.05, 3.0), self._try)

    def _try(self) -> None:
        self._trying = False
        if not self.wanted or self.is_up:
            return
        if self.cut_up or self.cut_down or not self.broker.is_up:
            self._try_soon()
            return
        self.is_up = True
        self._up_s = self._down_s = 0.0
        self.world.tell(self.name, "linked")
        self.peer.connected()
        self.broker.joined(self)

    def lose(self, *, tell: bool = True) -> None:
        """The connection breaks."""
        if not self.is_up:
            return
        self.is_up = False
        self._epoch += 1
        self.world.tell(self.name, "unlinked")
        self.broker.left(self)
        if tell:
            self.peer.disconnected()
            self._try_soon()

    def cut(self, *, up: bool, down: bool, seconds: float) -> None:
        """Cut one direction or both, for so long. The connection is found dead somewhere in between, or survives."""
        self.cut_up, self.cut_down = self.cut_up or up, self.cut_down or down
        self.world.loop.call_later(seconds, self._heal)
        found_s = self.rng.uniform(1.0, 30.0)
        epoch = self._epoch
        self.world.loop.call_later(found_s, lambda: self.lose() if self._epoch == epoch else None)

    def _heal(self) -> None:
        if self.cut_up or self.cut_down:
            # What went into the cut is missing on this connection: TCP cannot go on past it.
            self.cut_up = self.cut_down = False
            self.lose()

    def publish(self, topic: str, payload: bytes, retain: bool) -> None:
        """From the client to the broker."""
        self.send_up(lambda: self.broker.take(self, topic, payload, retain))

    def send_up(self, arrive: Callable[[], None]) -> None:
        if self.is_up and not self.cut_up:
            self._up_s = self._later(self._up_s, arrive)

    def send_down(self, topic: str, payload: bytes, mid: int) -> None:
        """From the broker to the client."""
        if not self.is_up or self.cut_down:
            return
        epoch = self._epoch

        def arrive() -> None:
            if epoch == self._epoch and self.is_up:
                self.peer.hear(topic, payload, mid)

        self._down_s = self._later(self._down_s, arrive)

    def _later(self, after_s: float, arrive: Callable[[], None]) -> float:
        broker = self.broker
        now_s = self.world.loop.time()
        delay_s = self.rng.uniform(0.002, broker.delay_s)
        if broker.wild and self.rng.random() < 0.05:
            self.world.rare("message overtaken")
            self.world.loop.call_later(delay_s + self.rng.uniform(0.1, 8.0), self._unless_lost, self._epoch, arrive)
            return after_s
        at_s = max(now_s + delay_s, after_s)
        self.world.loop.call_at(at_s, self._unless_lost, self._epoch, arrive)
        if broker.wild and self.rng.random() < 0.05:
            self.world.rare("message doubled")
            self.world.loop.call_at(at_s + self.rng.uniform(0, 5.0), self._unless_lost, self._epoch, arrive)
        return at_s

    def _unless_lost(self, epoch: int, arrive: Callable[[], None]) -> None:
        # What was on its way when the connection broke: who knows.
        if epoch == self._epoch or self.rng.random() < 0.5:
            arrive()


class Broker:
    """The broker. shared: gateways divide the readers' messages; else each gets all."""

    def __init__(self, world: World, *, shared: bool, wild: bool, delay_s: float) -> None:
        self.world, self.shared, self.wild, self.delay_s = world, shared, wild, delay_s
        self.rng: random.Random = world.chance("broker")
        #: messages that wait for a gateway that is away; past it the broker drops, and says nothing
        self.queue_most = self.rng.choice((25, 400))
        self.is_up = True
        self._topics: dict[tuple[str, str], str] = {}
        self.clients: list[Connection] = []
        self.retained: dict[str, bytes] = {}
        #: gateway -> its session: mid -> message not yet acknowledged
        self.sessions: dict[str, dict[int, tuple[str, bytes]]] = {}
        self._mid = 0
        #: hears everything that is taken: the attacker
        self.tap: Callable[[str, bytes], None] | None = None

    def connect(self, name: str, peer: Peer, *, gateway: bool) -> Connection:
        """A client's way here; it is down at first."""
        made = Connection(self, name, peer, gateway=gateway)
        self.clients.append(made)
        if gateway:
            self.sessions.setdefault(name, {})
        return made

    def joined(self, client: Connection) -> None:
        if client.gateway:
            session = self.sessions.setdefault(client.name, {})
            if session:
                self.world.rare("unacknowledged messages come again")
            for mid, (topic, payload) in list(session.items()):
                client.send_down(topic, payload, mid)
            for topic, payload in list(self.retained.items()):
                self._to_gateway(client, topic, payload)
        else:
            kept = self.retained.get(self._topic(client, "roster"))
            if kept is not None:
                client.send_down(self._topic(client, "roster"), kept, 0)

    def left(self, client: Connection) -> None:
        if not client.gateway and self.is_up:
            # The last will.
            self.take(client, self._topic(client, "status"), b'{"v": 1, "state": "offline"}', True)

    def _topic(self, client: Connection, kind: str) -> str:
        found = self._topics.get((client.name, kind))
        if found is None:
            found = self._topics[client.name, kind] = topics.topic("main", client.name.partition("+")[0], kind)
        return found

    def take(self, client: Connection | None, topic: str, payload: bytes, retain: bool) -> None:
        """A message arrived here, and is handed on."""
        if not self.is_up:
            return
        if retain:
            self.retained[topic] = payload
        kind = topic.rpartition("/")[2]
        if self.tap is not None:
            self.tap(topic, payload)
        if kind in topics.UP or kind == "roster":
            self._to_gateways(topic, payload, shared=self.shared and kind != "roster")
        if kind in topics.DOWN:
            for one in self.clients:
                if not one.gateway and self._topic(one, kind) == topic:
                    one.send_down(topic, payload, 0)

    def _to_gateways(self, topic: str, payload: bytes, *, shared: bool) -> None:
        every = [one for one in self.clients if one.gateway and one.name in self.sessions]
        if shared:
            there = [one for one in every if one.is_up] or every
            every = [self.rng.choice(there)] if there else []
        for one in every:
            self._to_gateway(one, topic, payload)

    def _to_gateway(self, one: Connection, topic: str, payload: bytes) -> None:
        session = self.sessions[one.name]
        if len(session) >= self.queue_most:
            self.world.rare("broker drops past its queue limit")
            return
        self._mid += 1
        session[self._mid] = (topic, payload)
        one.send_down(topic, payload, self._mid)

    def acknowledged(self, name: str, mid: int) -> None:
        """A gateway acknowledged a message."""
        self.sessions.get(name, {}).pop(mid, None)

    def restart(self, *, keeps: bool, seconds: float) -> None:
        """The broker dies, with or without its state, and comes back."""
        if not self.is_up:
            return
        self.world.tell("broker", f"down keeps={keeps}")
        self.is_up = False
        for one in self.clients:
            one.lose()
        if not keeps:
            if any(self.sessions.values()):
                self.world.rare("broker lost what it had acknowledged")
            self.retained.clear()
            for session in self.sessions.values():
                session.clear()
        self.world.loop.call_later(seconds, self._start)

    def _start(self) -> None:
        self.world.tell("broker", "up")
        self.is_up = True
