"""Class lists on their way to readers: asked of the store, published retained, never below what is retained already.

Retained rosters that the broker sends are learned as well, so that a gateway that starts while the store is away can
judge, and a broker that lost its memory gets them back.
"""

from dataclasses import dataclass

from firmware.contract import roster, topics
from firmware.contract.errors import Malformed, Misuse
from gateway.clock import Backoff, Clock
from gateway.counts import Counts
from gateway.errors import StoreAway, StoreRefused, StoreTooLarge
from gateway.events import Condition, Events
from gateway.judge import Judge
from gateway.link import Link
from gateway.store import Store

ASK_S = 2.0  #: the store is asked so often for changes
PUBLISH_S = 0.25  #: and what is to be published is looked for so often
#: after a connection, retained rosters are waited for until none came for QUIET_S, at most SETTLE_S
QUIET_S = 0.4
SETTLE_S = 5.0
#: published and not heard back: after this it is published again
ECHO_S = 10.0


@dataclass(slots=True)
class _Reader:
    # The newest roster known, and its version.
    blob: bytes = b""
    version_ms: int = -1
    # Version that the broker has shown on this connection.
    retained_ms: int = -1
    retained_generation: int = -1
    published_ms: int = -1
    published_at_s: float = 0.0
    published_generation: int = -1


class Rosters:
    """The rosters of all readers, as this gateway knows them."""

    def __init__(self, *, link: Link, judge: Judge, clock: Clock, counts: Counts, events: Events) -> None:
        self._link = link
        self._judge = judge
        self._clock = clock
        self._counts = counts
        self._events = events
        self._readers: dict[tuple[str, str], _Reader] = {}
        self._generation = -1
        self._connected_at_s = 0.0
        self._heard_at_s = 0.0

    def heard(self, topic: str, payload: bytes, generation: int) -> bool:
        """A roster that the broker sent: a retained one, or one that a gateway has just published.

        payload: empty where it was cleared. generation: of the link's connection. False if it cannot be read.
        """
        where = topics.parse(topic)
        self._heard_at_s = self._clock.monotonic_s()
        reader = self._readers.setdefault((where.site, where.reader), _Reader())
        version_ms = -1
        if payload:
            version_ms = self._hold(where.site, where.reader, payload, "retained")
        reader.retained_ms, reader.retained_generation = version_ms, generation
        return version_ms >= 0 or not payload

    def offered(self, site: str, name: str, blob: bytes) -> None:
        """A roster that the store has. It is published when it is newer than all known."""
        self._hold(site, name, blob, "offered")

    def _hold(self, site: str, name: str, blob: bytes, how: str) -> int:
        # The version of this roster, or -1 where it is none.
        try:
            topics.topic(site, name, "roster")
            found = roster.decode(blob, None, name)
        except (Malformed, Misuse) as error:
            self._counts.add("rosters_refused_total", label=error.code)
            self._events.warning("roster-refused", code=error.code, how=how, reader=name[:64])
            return -1
        reader = self._readers.setdefault((site, name), _Reader())
        if found.version_ms > reader.version_ms:
            reader.version_ms, reader.blob = found.version_ms, bytes(blob)
            self._judge.hold(site, found)
            self._counts.set("rosters_held", sum(r.version_ms >= 0 for r in self._readers.values()))
        elif found.version_ms < reader.version_ms:
            self._counts.add("rosters_refused_total", label="roster-older")
            self._events.warning("roster-refused", code="roster-older", how=how, reader=name)
        return found.version_ms

    def publish_due(self) -> int:
        """Publish what the broker does not retain yet. Returns how many were published."""
        if not self._link.is_up:
            return 0
        now_s = self._clock.monotonic_s()
        generation = self._link.generation
        if generation != self._generation:
            self._generation, self._connected_at_s, self._heard_at_s = generation, now_s, now_s
        if now_s - self._heard_at_s < QUIET_S and now_s - self._connected_at_s < SETTLE_S:
            return 0
        published = 0
        for (site, name), reader in self._readers.items():
            retained_ms = reader.retained_ms if reader.retained_generation == generation else -1
            if reader.version_ms < 0 or retained_ms >= reader.version_ms:
                continue
            waits = reader.published_generation == generation and reader.published_ms >= reader.version_ms
            if waits and now_s - reader.published_at_s < ECHO_S:
                continue
            if self._link.publish(topics.topic(site, name, "roster"), reader.blob, retain=True):
                reader.published_ms, reader.published_at_s = reader.version_ms, now_s
                reader.published_generation = generation
                self._counts.add("rosters_published_total")
                self._events.info("roster-published", site=site, reader=name, version_ms=reader.version_ms)
                published += 1
        return published

    async def publish(self) -> None:
        """Publish what is due, again and again, until cancelled."""
        while True:
            self.publish_due()
            await self._clock.sleep(PUBLISH_S)

    async def ask(self, store: Store, backoff: Backoff, condition: Condition) -> None:
        """Ask the store for changes every two seconds, until cancelled. One that is away is asked less often."""
        cursor: str | None = None
        while True:
            try:
                cursor, offers = await store.rosters(cursor)
            except (StoreAway, StoreRefused, StoreTooLarge) as error:
                condition.down(error.code, str(error))
                # A cursor that a store does not know (it was restored) is forgotten: all are offered again.
                if isinstance(error, StoreRefused):
                    cursor = None
                await self._clock.sleep(backoff.next_s())
                continue
            condition.up()
            backoff.reset()
            for offer in offers:
                self.offered(offer.site, offer.reader, offer.blob)
            self.publish_due()
            await self._clock.sleep(ASK_S)
