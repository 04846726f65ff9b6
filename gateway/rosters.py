"""Class lists on their way to readers: asked of the store, published retained, and put right where another is retained.

Nobody here holds a reader's key, so anybody who may publish can have the broker retain what looks like a roster. Only
what the store has *offered* (it is asked with a token) is published. One that is only retained may be judged by until
the store has offered one for that reader; it is never published again, and never in the way of the store's.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from firmware.contract import residents, roster, topics
from firmware.contract.errors import Malformed, Misuse
from firmware.contract.residents import Residents
from firmware.contract.roster import Roster
from gateway.clock import Backoff, Clock
from gateway.counts import Counts
from gateway.errors import StoreAway, StoreRefused, StoreTooLarge
from gateway.events import Condition, Seldom
from gateway.judge import Judge
from gateway.link import Link
from gateway.store import Store

ASK_S = 2.0  #: the store is asked so often for changes
PUBLISH_S = 0.25  #: and what is to be published is looked for so often, while there is something
REST_S = 1.0  #: and so often where all that was offered is retained
#: after a connection, retained rosters are waited for until none came for QUIET_S, at most SETTLE_S
QUIET_S = 0.4
SETTLE_S = 5.0
#: published and not heard back, or overwritten by somebody: after this it is published again
ECHO_S = 10.0
#: the store is asked for all its rosters, because of one that it did not offer, at most so often
ASK_ALL_S = 10.0
#: readers of which only the broker speaks: names are easily made up
ONLY_RETAINED_MOST = 2000


@dataclass(slots=True)
class _Reader:
    # What the store offered last; -1: nothing.
    offered: bytes = b""
    offered_ms: int = -1
    # What the broker has shown last on this connection; -1: nothing, or nothing that is a roster.
    retained: bytes = b""
    retained_ms: int = -1
    retained_generation: int = -1
    # What is retained counts as not the store's once this question, or a later one, was answered in full.
    question: int = 0
    published: bytes = b""
    published_at_s: float = 0.0
    published_generation: int = -1

    def is_doubtful(self, generation: int) -> bool:
        """Whether what is retained could be newer than what the store offered, or is another of the same version."""
        shown = self.retained_generation == generation and self.retained_ms >= self.offered_ms >= 0
        return shown and self.retained != self.offered


class Rosters:
    """The rosters of all readers, as this gateway knows them."""

    def __init__(self, *, link: Link, judge: Judge, clock: Clock, counts: Counts, seldom: Seldom) -> None:
        self._link = link
        self._judge = judge
        self._clock = clock
        self._counts = counts
        self._seldom = seldom
        self._readers: dict[tuple[str, str], _Reader] = {}
        self._generation = -1
        self._connected_at_s = 0.0
        self._heard_at_s = 0.0
        # Questions to the store are numbered: the last one asked, answered, and answered with everything it has.
        self._asked = 0
        self._answered = 0
        self._answered_all = 0
        self._asked_all_at_s = -ASK_ALL_S
        # topic -> what was overwritten, on its way into the spool: the newest of each topic.
        self._overwritten: dict[str, bytes] = {}
        self._overwrote = asyncio.Event()
        # The link's generation on which everything that was offered is retained, as far as was heard; None: not everything.
        self._shown: int | None = None

    def heard(self, topic: str, payload: bytes, generation: int) -> bool:
        """A roster that the broker sent: a retained one, or one that somebody has just published.

        payload: empty where it was cleared. generation: of the link's connection. False if it cannot be read.
        """
        where = topics.parse(topic)
        self._shown = None
        self._heard_at_s = self._clock.monotonic_s()
        found = self._read(where.site, where.reader, payload, "retained") if payload else None
        reader = self._readers.get((where.site, where.reader))
        if reader is None:
            if found is None:
                return not payload
            if sum(r.offered_ms < 0 for r in self._readers.values()) >= ONLY_RETAINED_MOST:
                self._refused("roster-many", "retained", where.reader)
                return False
            reader = self._readers[where.site, where.reader] = _Reader()
        # While a doubt waits for its answer the question stays: a flood of forgeries would put it off for ever.
        if not (reader.is_doubtful(generation) and reader.question > self._answered_all):
            reader.question = self._asked + 1
        # Most often it is what was offered: then one copy will do.
        reader.retained = reader.offered if payload == reader.offered else bytes(payload)
        reader.retained_ms = -1 if found is None else found.version_ms
        reader.retained_generation = generation
        if isinstance(found, Roster) and reader.offered_ms < 0:
            self._judge.hold(where.site, found, offered=False)
        self._count_held()
        return found is not None or not payload

    def offered(self, site: str, name: str, blob: bytes) -> None:
        """A roster that the store has. It is published unless the store offered a newer one before."""
        found = self._read(site, name, blob, "offered")
        if found is None:
            return
        reader = self._readers.setdefault((site, name), _Reader())
        if found.version_ms < reader.offered_ms:
            self._refused("roster-older", "offered", name)
        elif blob != reader.offered:
            self._shown = None
            reader.offered, reader.offered_ms = bytes(blob), found.version_ms
            if isinstance(found, Roster):
                self._judge.hold(site, found)
            self._count_held()

    def _read(self, site: str, name: str, blob: bytes, how: str) -> Roster | Residents | None:
        try:
            topics.topic(site, name, "roster")
            # A kiosk's list travels as a roster does; there is nothing in it to judge swipes by.
            return residents.decode(blob, None, name) if residents.is_one(blob) else roster.decode(blob, None, name)
        except (Malformed, Misuse) as error:
            self._refused(error.code, how, name)
            return None

    def _refused(self, code: str, how: str, name: str) -> None:
        self._counts.add("rosters_refused_total", label=code)
        self._seldom.warning("roster-refused", name[:64], code=code, how=how)

    def _count_held(self) -> None:
        held = sum(r.offered_ms >= 0 or r.retained_ms >= 0 for r in self._readers.values())
        self._counts.set("rosters_held", held)

    def publish_due(self) -> int:
        """Publish what the broker does not retain yet. Returns how many were published."""
        if not self._link.is_up:
            return 0
        now_s = self._clock.monotonic_s()
        generation = self._link.generation
        if generation != self._generation:
            self._generation, self._connected_at_s, self._heard_at_s = generation, now_s, now_s
        if self._shown == generation:
            return 0
        if now_s - self._heard_at_s < QUIET_S and now_s - self._connected_at_s < SETTLE_S:
            return 0
        published = waiting = 0
        for (site, name), reader in self._readers.items():
            shown = reader.retained_generation == generation
            if reader.offered_ms < 0 or (shown and reader.retained == reader.offered):
                continue
            waiting += 1
            doubtful = reader.is_doubtful(generation)
            # Another gateway may have been offered a newer one: the store says so, or that it has none.
            if doubtful and reader.question > self._answered_all:
                continue
            waits = reader.published_generation == generation and reader.published == reader.offered
            if waits and now_s - reader.published_at_s < ECHO_S:
                continue
            topic = topics.topic(site, name, "roster")
            if self._link.publish(topic, reader.offered, retain=True):
                reader.published, reader.published_at_s = reader.offered, now_s
                reader.published_generation = generation
                self._counts.add("rosters_published_total")
                published += 1
                if doubtful:
                    self._counts.add("rosters_overwritten_total")
                    self._overwritten[topic] = reader.retained
                    self._overwrote.set()
                    self._seldom.warning(
                        "roster-overwritten",
                        name,
                        site=site,
                        retained_version_ms=reader.retained_ms,
                        version_ms=reader.offered_ms,
                    )
                elif not waits:
                    self._seldom.info("roster-published", site=site, reader=name, version_ms=reader.offered_ms)
        self._shown = None if waiting else generation
        return published

    async def publish(self) -> None:
        """Publish what is due, again and again, until cancelled."""
        while True:
            self.publish_due()
            await self._clock.sleep(PUBLISH_S if self._shown is None else REST_S)

    async def report(self, forward: Callable[[str, bytes, str], Awaitable[None]]) -> None:
        """Hand what was overwritten to `forward` (topic, bytes, code), until cancelled: the store quarantines it."""
        while True:
            # Beside publishing, which does not wait for a spool that cannot be written.
            await self._overwrote.wait()
            self._overwrote.clear()
            for topic in list(self._overwritten):
                await forward(topic, self._overwritten.pop(topic), "roster-not-offered")

    async def ask(self, store: Store, backoff: Backoff, condition: Condition) -> None:
        """Ask the store for changes every two seconds, until cancelled. One that is away is asked less often."""
        cursor: str | None = None
        while True:
            if self._must_ask_all():
                self._asked_all_at_s = self._clock.monotonic_s()
                cursor = None
            everything = cursor is None
            self._asked += 1
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
            self._answered = self._asked
            if everything:
                self._answered_all = self._asked
            self.publish_due()
            await self._clock.sleep(ASK_S)

    def _must_ask_all(self) -> bool:
        # Only where an ordinary question, asked since, has not explained it: of two gateways one always hears a new
        # roster from the other first, and must not ask for everything each time.
        if self._clock.monotonic_s() - self._asked_all_at_s < ASK_ALL_S:
            return False
        generation = self._link.generation
        return any(
            self._answered_all < reader.question <= self._answered and reader.is_doubtful(generation)
            for reader in self._readers.values()
        )
