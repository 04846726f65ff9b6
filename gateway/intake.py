"""The path of one message: read, judge, commit to the spool, and only then acknowledge it to the broker.

What arrives while one commit is under way is the next commit. Where the spool cannot be written, nothing is
acknowledged and nothing new is taken: the broker keeps it, and so does the reader, which has no receipt.
"""

from collections.abc import Callable
from dataclasses import replace

from firmware.contract import topics
from firmware.contract.errors import Malformed
from gateway.arrival import Arrival, arrivals
from gateway.clock import Backoff, Clock
from gateway.counts import Counts
from gateway.errors import SpoolError
from gateway.events import Condition
from gateway.judge import Judge
from gateway.link import Link, Message
from gateway.live import Live
from gateway.rosters import Rosters
from gateway.spool import Spool

#: messages in one commit
COMMIT_MOST = 250


class Intake:
    """Takes messages from the link into the spool. `woken` is called after each commit."""

    def __init__(
        self,
        *,
        link: Link,
        spool: Spool,
        judge: Judge,
        rosters: Rosters,
        live: Live,
        clock: Clock,
        backoff: Backoff,
        condition: Condition,
        counts: Counts,
        woken: Callable[[], None],
    ) -> None:
        self._link = link
        self._spool = spool
        self._judge = judge
        self._rosters = rosters
        self._live = live
        self._clock = clock
        self._backoff = backoff
        self._condition = condition
        self._counts = counts
        self._woken = woken

    async def run(self) -> None:
        """Take what comes, until cancelled."""
        while True:
            messages = await self._link.receive()
            for at in range(0, len(messages), COMMIT_MOST):
                await self._take(messages[at : at + COMMIT_MOST])

    async def _take(self, messages: list[Message]) -> None:
        now_ms = self._clock.wall_ms()
        received: list[tuple[Arrival, str | None]] = []
        for message in messages:
            if _is_roster(message.topic) and self._rosters.heard(message.topic, message.payload, message.generation):
                continue
            for arrival in arrivals(message.topic, message.payload, now_ms):
                received.append((arrival, self._look(arrival, now_ms)))
        if received:
            await self._keep(received, now_ms)
        self._link.acknowledge(messages)
        if received:
            self._woken()

    async def suspect(self, topic: str, payload: bytes, code: str) -> None:
        """Spool these bytes as raw, for the store's quarantine: they came on this topic and are not to be believed."""
        now_ms = self._clock.wall_ms()
        found = [replace(a, problem=code) for a in arrivals(topic, payload, now_ms)]
        await self._keep([(a, self._look(a, now_ms)) for a in found], now_ms)
        self._woken()

    def _look(self, arrival: Arrival, now_ms: int) -> str | None:
        self._counts.add("received_total", label=arrival.kind)
        if arrival.kind == "raw":
            self._counts.add("unreadable_total", label=arrival.problem)
            if arrival.cut:
                self._counts.add("cut_total")
        outcome = None
        said = arrival.statement
        if said is not None and said.kind == "swipe":
            outcome = self._judge.judged(arrival.lane, said)
            self._counts.add("judged_total", label=outcome or "unjudged")
        self._live.saw(arrival, outcome, now_ms)
        return outcome

    async def _keep(self, received: list[tuple[Arrival, str | None]], now_ms: int) -> None:
        while True:
            try:
                rows = await self._spool.put(received, now_ms)
            except SpoolError as error:
                self._condition.down(error.code, str(error))
                self._counts.set("up", 0, "spool")
                await self._clock.sleep(self._backoff.next_s())
                continue
            self._backoff.reset()
            self._condition.up()
            self._counts.set("up", 1, "spool")
            self._counts.add("spooled_total", rows)
            self._counts.add("spool_commits_total")
            return


def _is_roster(topic: str) -> bool:
    if not topic.endswith("/roster"):
        return False
    try:
        return topics.parse(topic).kind == "roster"
    except Malformed:
        return False
