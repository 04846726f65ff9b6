"""The wiring of a gateway: one TaskGroup with named tasks, and nothing else that decides anything."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from gateway.clock import Backoff, Clock
from gateway.counts import Counts
from gateway.downlink import Downlink
from gateway.endpoint import Endpoint
from gateway.errors import SpoolError
from gateway.events import Condition, Events, Seldom
from gateway.forward import Forwarder
from gateway.intake import Intake
from gateway.judge import Judge
from gateway.link import Link, MqttLink
from gateway.live import Live
from gateway.releases import Releases
from gateway.rosters import Rosters
from gateway.settings import Settings
from gateway.spool import Depth, Spool
from gateway.store import HttpStore, Store

LOOK_S = 2.0  #: the spool's depth is looked at so often
PRUNE_S = 60.0
DAY_MS = 24 * 3600 * 1000


class Gateway:
    """One gateway, put together from what is handed in."""

    def __init__(
        self,
        *,
        link: Link,
        spool: Spool,
        store: Store,
        clock: Clock,
        rng: random.Random,
        events: Events,
        counts: Counts,
        link_condition: Condition,
        keep_days: int = 30,
    ) -> None:
        self.counts = counts
        self.live = Live()
        self.depth = Depth(pending=0, refused=0)
        self._spool = spool
        self._store = store
        self._clock = clock
        self._events = events
        self._seldom = Seldom(events, clock.monotonic_s)
        self._keep_ms = keep_days * DAY_MS
        self._conditions = {
            "link": link_condition,
            "spool": Condition("spool", events, clock.monotonic_s),
            "store": Condition("store", events, clock.monotonic_s),
            "rosters": Condition("rosters", events, clock.monotonic_s),
        }
        judge = Judge()
        self._rosters_backoff = Backoff(rng)
        self._releases = Releases(link, store, counts, self._seldom)
        self._rosters = Rosters(link=link, judge=judge, clock=clock, counts=counts, seldom=self._seldom)
        self.forwarder = Forwarder(
            spool=spool,
            store=store,
            downlink=Downlink(link, counts, self._seldom),
            releases=self._releases,
            clock=clock,
            backoff=Backoff(rng),
            condition=self._conditions["store"],
            counts=counts,
            events=events,
            seldom=self._seldom,
        )
        self._intake = Intake(
            link=link,
            spool=spool,
            judge=judge,
            rosters=self._rosters,
            live=self.live,
            clock=clock,
            backoff=Backoff(rng, most_s=5.0),
            condition=self._conditions["spool"],
            counts=counts,
            woken=self.forwarder.wake,
        )

    def tasks(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What must run, by name; each until it is cancelled."""
        asking = self._conditions["rosters"]
        return {
            "intake": self._intake.run,
            "forward": self.forwarder.run,
            "rosters-ask": lambda: self._rosters.ask(self._store, self._rosters_backoff, asking),
            "rosters-publish": self._rosters.publish,
            "releases": self._releases.run,
            "rosters-report": lambda: self._rosters.report(self._intake.suspect),
            "keep": self._keep,
        }

    async def run(self, stop: asyncio.Event, more: dict[str, Callable[[], Awaitable[None]]] | None = None) -> None:
        """Run until `stop` is set. more: further tasks, such as the link's own."""
        async with asyncio.TaskGroup() as group:
            running = [
                group.create_task(self._watched(name, task), name=name)
                for name, task in {**(more or {}), **self.tasks()}.items()
            ]
            await stop.wait()
            for task in running:
                task.cancel()

    async def _watched(self, name: str, task: Callable[[], Awaitable[None]]) -> None:
        # The top of each task. An error of ours is logged, counted, and ends the process: what starts it again finds
        # everything in the spool and at the broker.
        try:
            await task()
        except Exception:
            self.counts.add("errors_total", label=name)
            self._events.failure("task-failed", task=name)
            raise

    async def _keep(self) -> None:
        # What the store refused is tried again at each start: a new store may know better.
        released = False
        prune_at_s = self._clock.monotonic_s()
        while True:
            try:
                if not released:
                    await self._spool.release()
                    released = True
                    self.forwarder.wake()
                self.depth = await self._spool.depth()
                for name, value in asdict(self.depth).items():
                    self.counts.set(name, value)
                if self._clock.monotonic_s() >= prune_at_s:
                    pruned = await self._spool.prune(self._clock.wall_ms() - self._keep_ms)
                    self.counts.add("pruned_total", pruned)
                    self.counts.set("kept", await self._spool.kept())
                    prune_at_s = self._clock.monotonic_s() + (0 if pruned else PRUNE_S)
            except SpoolError as error:
                self._seldom.warning("keep-waits", "", code=error.code)
            self._seldom.due()
            await self._clock.sleep(LOOK_S)

    def metrics(self) -> tuple[int, str, str]:
        """The page /metrics."""
        return 200, "text/plain; version=0.0.4; charset=utf-8", self.counts.text()

    def health(self) -> tuple[int, str, str]:
        """The page /healthz: 200 while link and spool work (the store may be away: then the gateway does its work)."""
        works = all(self._conditions[name].is_up is not False for name in ("link", "spool"))
        works = works and self._conditions["link"].is_up is True
        said = {"ok": works, "parts": self._parts(), **asdict(self.depth)}
        return 200 if works else 503, "application/json", json.dumps(said)

    def shown(self) -> tuple[int, str, str]:
        """The page /live.json."""
        said = {"readers": self.live.shown(), "parts": self._parts(), **asdict(self.depth)}
        return 200, "application/json", json.dumps(said)

    def _parts(self) -> dict[str, dict[str, object]]:
        return {name: {"up": c.is_up, "code": c.code} for name, c in self._conditions.items()}


async def serve(settings: Settings, events: Events, clock: Clock, rng: random.Random, stop: asyncio.Event) -> None:
    """A gateway on real parts, until `stop` is set. Raises SpoolError or OSError where it cannot start."""
    counts = Counts()
    condition = Condition("link", events, clock.monotonic_s)
    spool = Spool.at(settings.spool)
    store = HttpStore(settings.store, lambda: settings.token_file.read_text().strip())
    link = MqttLink(settings.broker, backoff=Backoff(rng), condition=condition, counts=counts)
    gateway = Gateway(
        link=link,
        spool=spool,
        store=store,
        clock=clock,
        rng=rng,
        events=events,
        counts=counts,
        link_condition=condition,
        keep_days=settings.keep_days,
    )
    endpoint = Endpoint({"/metrics": gateway.metrics, "/healthz": gateway.health, "/live.json": gateway.shown})
    try:
        await spool.open()
        await endpoint.start(settings.http_host, settings.http_port)
        events.info("ready", name=settings.name, http_port=endpoint.port)
        await gateway.run(stop, {"link": link.run})
    finally:
        await endpoint.close()
        await store.close()
        await spool.close()
        events.info("stopped", name=settings.name)
